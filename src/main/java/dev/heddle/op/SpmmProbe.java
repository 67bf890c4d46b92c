package dev.heddle.op;

import static dev.heddle.kernel.SpmmKernels.Extremum;
import static dev.heddle.kernel.SpmmKernels.FullMessage;
import static dev.heddle.kernel.SpmmKernels.Message;
import static dev.heddle.kernel.SpmmKernels.Reduce;

import dev.heddle.kernel.SpmmKernels;
import dev.heddle.memory.Raw;

/** The variants of the SpMM kernels, numbered, and how to run each on a tiny graph. */
final class SpmmProbe {
    private SpmmProbe() {}

    /** Each kernel's variants start at its own multiple of this. */
    private static final int STEP = 128;

    private enum Kernel {
        ROWS,
        FINITE_ROWS,
        FULL_ROWS,
        ARG_ROWS,
        FULL_ARG_ROWS,
        FOLD,
        ARG_FOLD,
        FIND_INFINITE
    }

    static final int VARIANTS = STEP * Kernel.values().length;

    static int rows(Message m, Reduce r, int tile) {
        return id(Kernel.ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
    }

    static int finiteRows(Message m, Extremum r, int tile) {
        return id(Kernel.FINITE_ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
    }

    static int fullRows(FullMessage m, Reduce r, int tile) {
        return id(Kernel.FULL_ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
    }

    static int argRows(Message m, Extremum r, int tile) {
        return id(Kernel.ARG_ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
    }

    static int fullArgRows(FullMessage m, Extremum r, int tile) {
        return id(Kernel.FULL_ARG_ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
    }

    static int fold(Reduce r) {
        return id(Kernel.FOLD, r.ordinal());
    }

    static int argFold(Extremum r) {
        return id(Kernel.ARG_FOLD, r.ordinal());
    }

    static int findInfinite() {
        return id(Kernel.FIND_INFINITE, 0);
    }

    private static int id(Kernel kernel, int sub) {
        return kernel.ordinal() * STEP + sub;
    }

    /** Runs one variant. */
    static long run(SpmmKernels k, int lanes, int variant, long scratch) {
        Kernel kernel = Kernel.values()[variant / STEP];
        int sub = variant % STEP;
        int r = sub / 8 % 4;
        TinyCsr t = TinyCsr.at(scratch, lanes, tile(kernel, lanes, sub));
        switch (kernel) {
            case ROWS ->
                k.rows(
                        Message.values()[sub / 32],
                        Reduce.values()[r],
                        t.tile(),
                        t.ptr(),
                        t.idx(),
                        t.w(),
                        4,
                        t.x(),
                        t.stride(),
                        t.y(),
                        t.stride(),
                        t.last(),
                        0,
                        TinyCsr.ROWS);
            case FINITE_ROWS -> {
                Extremum extremum = Extremum.values()[r];
                // A row whose first column has nothing but negative keys, to take the second walk.
                Raw.ALL.set(Raw.F32, t.x(), extremum == Extremum.MAX ? -1f : 1f);
                Raw.ALL.set(Raw.F32, t.w(), 1f);
                k.finiteRows(
                        Message.values()[sub / 32],
                        extremum,
                        t.tile(),
                        t.ptr(),
                        t.idx(),
                        t.w(),
                        0,
                        t.x(),
                        t.stride(),
                        t.y(),
                        t.stride(),
                        t.last(),
                        0,
                        TinyCsr.ROWS);
            }
            case FULL_ROWS ->
                k.fullRows(
                        FullMessage.values()[sub / 32],
                        Reduce.values()[r],
                        t.tile(),
                        t.ptr(),
                        t.idx(),
                        t.w(),
                        t.stride(),
                        t.x(),
                        t.stride(),
                        t.y(),
                        t.stride(),
                        t.last(),
                        0,
                        TinyCsr.ROWS);
            case ARG_ROWS ->
                k.argRows(
                        Message.values()[sub / 32],
                        Extremum.values()[r],
                        t.tile(),
                        t.ptr(),
                        t.idx(),
                        t.w(),
                        4,
                        t.x(),
                        t.stride(),
                        t.y(),
                        t.arg(),
                        t.stride(),
                        t.last(),
                        0,
                        TinyCsr.ROWS);
            case FULL_ARG_ROWS ->
                k.fullArgRows(
                        FullMessage.values()[sub / 32],
                        Extremum.values()[r],
                        t.tile(),
                        t.ptr(),
                        t.idx(),
                        t.w(),
                        t.stride(),
                        t.x(),
                        t.stride(),
                        t.y(),
                        t.arg(),
                        t.stride(),
                        t.last(),
                        0,
                        TinyCsr.ROWS);
            case FOLD -> {
                k.fold(Reduce.values()[sub], t.x(), t.stride(), TinyCsr.ROWS, TinyCsr.EDGES, t.y(), t.columns());
                return TinyCsr.ROWS * t.columns();
            }
            case FIND_INFINITE -> {
                k.findInfinite(t.w(), TinyCsr.EDGES * t.columns(), t.y());
            }
            case ARG_FOLD -> {
                k.argFold(Extremum.values()[sub], t.x(), t.arg(), t.stride(), TinyCsr.ROWS, t.y(), t.w(), t.columns());
                return TinyCsr.ROWS * t.columns();
            }
        }
        return t.elements();
    }

    private static int tile(Kernel kernel, int lanes, int sub) {
        if (kernel == Kernel.FOLD || kernel == Kernel.ARG_FOLD || kernel == Kernel.FIND_INFINITE) {
            return 4;
        }
        if (lanes == 1) {
            return RowSweep.twinTile(
                    switch (kernel) {
                        case FULL_ROWS, ARG_ROWS -> RowSweep.MAX_ARG_TILE;
                        case FULL_ARG_ROWS -> RowSweep.MAX_FULL_ARG_TILE;
                        default -> RowSweep.MAX_TILE;
                    });
        }
        return sub % 8 + 1;
    }
}
