package dev.heddle.op;

import dev.heddle.kernel.SpmmGradKernels;
import dev.heddle.kernel.SpmmGradKernels.Scale;

/** The variants of the kernels of SpMM's gradients, numbered, and how to run each on a tiny graph. */
final class SpmmGradProbe {
    private SpmmGradProbe() {}

    /** Each kernel's variants start at its own multiple of this. */
    private static final int STEP = 32;

    private enum Kernel {
        GRAD_X,
        FULL_GRAD_X,
        ARG_GRAD_X,
        FULL_ARG_GRAD_X,
        GRAD_W,
        ARG_GRAD_W,
        FULL_GRAD_W,
        FULL_ARG_GRAD_W
    }

    static final int VARIANTS = STEP * Kernel.values().length;

    static int gradX(Scale s, int tile) {
        return id(Kernel.GRAD_X, s.ordinal() * 8 + tile - 1);
    }

    static int fullGradX(boolean mean, int tile) {
        return id(Kernel.FULL_GRAD_X, bit(mean) * 8 + tile - 1);
    }

    static int argGradX(boolean weighted, int tile) {
        return id(Kernel.ARG_GRAD_X, bit(weighted) * 8 + tile - 1);
    }

    static int fullArgGradX(int tile) {
        return id(Kernel.FULL_ARG_GRAD_X, tile - 1);
    }

    static int gradW(boolean multiplied, boolean mean, int blocks) {
        return id(Kernel.GRAD_W, blocks / 2 * 4 + bit(multiplied) * 2 + bit(mean));
    }

    static int argGradW(boolean multiplied) {
        return id(Kernel.ARG_GRAD_W, bit(multiplied));
    }

    static int fullGradW(boolean multiplied, boolean mean) {
        return id(Kernel.FULL_GRAD_W, bit(multiplied) * 2 + bit(mean));
    }

    static int fullArgGradW(boolean multiplied) {
        return id(Kernel.FULL_ARG_GRAD_W, bit(multiplied));
    }

    private static int id(Kernel kernel, int sub) {
        return kernel.ordinal() * STEP + sub;
    }

    private static int bit(boolean b) {
        return b ? 1 : 0;
    }

    /** Runs one variant. */
    static long run(SpmmGradKernels k, int lanes, int variant, long scratch) {
        Kernel kernel = Kernel.values()[variant / STEP];
        int sub = variant % STEP;
        boolean high = sub / 8 == 1;
        TinyCsr t = TinyCsr.at(scratch, lanes, tile(kernel, lanes, sub));
        long s = t.stride();
        int n = TinyCsr.ROWS;
        switch (kernel) {
            case GRAD_X ->
                k.gradX(
                        Scale.values()[sub / 8],
                        t.tile(),
                        t.ptr(),
                        t.ptr(),
                        t.idx(),
                        t.perm(),
                        t.w(),
                        4,
                        t.x(),
                        s,
                        t.y(),
                        s,
                        t.last(),
                        0,
                        n);
            case FULL_GRAD_X ->
                k.fullGradX(
                        high, t.tile(), t.ptr(), t.ptr(), t.idx(), t.perm(), t.w(), s, t.x(), s, t.y(), s, t.last(), 0,
                        n);
            case ARG_GRAD_X ->
                k.argGradX(
                        high, t.tile(), t.ptr(), t.idx(), t.perm(), t.w(), 4, t.x(), t.arg(), s, t.y(), s, t.last(), 0,
                        n);
            case FULL_ARG_GRAD_X ->
                k.fullArgGradX(
                        t.tile(), t.ptr(), t.idx(), t.perm(), t.w(), s, t.x(), t.arg(), s, t.y(), s, t.last(), 0, n);
            case GRAD_W ->
                k.gradW(
                        sub / 2 % 2 == 1,
                        sub % 2 == 1,
                        lanes == 1 ? 0 : blocks(sub),
                        t.ptr(),
                        t.idx(),
                        t.x(),
                        s,
                        t.x(),
                        s,
                        t.y(),
                        4,
                        lanes > 1 && blocks(sub) > 0 ? 16L * blocks(sub) : t.columns(),
                        t.pad(),
                        0,
                        n);
            case ARG_GRAD_W ->
                k.argGradW(
                        sub == 1, t.ptr(), t.idx(), t.x(), s, t.x(), t.arg(), s, t.y(), 4, t.columns(), t.pad(), 0, n);
            case FULL_GRAD_W ->
                k.fullGradW(
                        sub / 2 == 1, sub % 2 == 1, t.ptr(), t.idx(), t.x(), s, t.x(), s, t.y(), s, t.columns(), 0, n);
            case FULL_ARG_GRAD_W ->
                k.fullArgGradW(sub == 1, t.ptr(), t.idx(), t.x(), s, t.x(), t.arg(), s, t.y(), s, t.columns(), 0, n);
        }
        return t.elements();
    }

    private static int blocks(int sub) {
        return sub / 4 * 2;
    }

    private static int tile(Kernel kernel, int lanes, int sub) {
        int twin = RowSweep.twinTile(
                switch (kernel) {
                    case FULL_GRAD_X, ARG_GRAD_X -> RowSweep.MAX_ARG_TILE;
                    case FULL_ARG_GRAD_X -> RowSweep.MAX_FULL_ARG_TILE;
                    default -> RowSweep.MAX_TILE;
                });
        return switch (kernel) {
            case GRAD_X, FULL_GRAD_X, ARG_GRAD_X, FULL_ARG_GRAD_X -> lanes == 1 ? twin : sub % 8 + 1;
            case GRAD_W ->
                blocks(sub) > 0
                        ? 16 * blocks(sub) / lanes + 1 // more columns than are looked at
                        : 128 / lanes; // several whole blocks, and a rest
            default -> 4;
        };
    }
}
