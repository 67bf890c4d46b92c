package dev.heddle.op;

import static dev.heddle.kernel.SpmmKernels.Extremum;
import static dev.heddle.kernel.SpmmKernels.FullMessage;
import static dev.heddle.kernel.SpmmKernels.Message;
import static dev.heddle.kernel.SpmmKernels.Reduce;
import static dev.heddle.kernel.SpmmKernels.Scale;

import dev.heddle.kernel.SpmmKernels;
import dev.heddle.memory.Raw;

/** The variants of the SpMM kernels, numbered, and how to run each on a graph small enough for the first-level cache. */
final class SpmmProbe {
    private SpmmProbe() {}

    /** Each kernel's variants start at its own multiple of this. */
    private static final int STEP = 128;

    private enum Kernel {
        ROWS,
        FULL_ROWS,
        ARG_ROWS,
        FULL_ARG_ROWS,
        FOLD,
        ARG_FOLD,
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

    static int rows(Message m, Reduce r, int tile) {
        return id(Kernel.ROWS, (m.ordinal() * 4 + r.ordinal()) * 8 + tile - 1);
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

    static int gradW(boolean multiplied, boolean mean) {
        return id(Kernel.GRAD_W, bit(multiplied) * 2 + bit(mean));
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

    private static final int ROWS = 8;
    /** A row of common length, and one without edges, so that no path is new later. */
    private static final int DEGREE = 20;

    private static final int EDGES = (ROWS - 1) * DEGREE;

    /** Runs one variant; every matrix has as many columns as its tile and a few more, so that the last vector overlaps. */
    static long run(SpmmKernels k, int lanes, int variant, long scratch) {
        Kernel kernel = Kernel.values()[variant / STEP];
        int sub = variant % STEP;
        int tile = tiled(kernel) ? sub % 8 + 1 : 4;
        long columns = tile == 1 ? lanes : tile * lanes - lanes / 4;
        long last = 4 * (columns - lanes);
        long stride = 4 * columns;
        long ptr = scratch;
        long idx = ptr + 8 * (ROWS + 1);
        long sums = idx + 4 * EDGES;
        long x = sums + 4 * EDGES;
        long w = x + stride * ROWS;
        long y = w + stride * EDGES;
        long arg = y + stride * EDGES;
        long pad = arg + stride * EDGES;
        for (int r = 0; r <= ROWS; r++) {
            Raw.ALL.set(Raw.I64, ptr + 8L * r, (long) Math.min(r, ROWS - 1) * DEGREE);
        }
        for (int e = 0; e < EDGES; e++) {
            Raw.ALL.set(Raw.I32, idx + 4L * e, e < DEGREE ? 0 : 1 + e * 5 % (ROWS - 1));
        }
        Raw.ALL.set(Raw.F32, x, Float.NaN); // row 0 alone takes the path of a NaN
        int m = sub / 8 / 4;
        int r = sub / 8 % 4;
        switch (kernel) {
            case ROWS ->
                k.rows(
                        Message.values()[m],
                        Reduce.values()[r],
                        tile,
                        ptr,
                        idx,
                        w,
                        4,
                        x,
                        stride,
                        y,
                        stride,
                        last,
                        0,
                        ROWS);
            case FULL_ROWS ->
                k.fullRows(
                        FullMessage.values()[m],
                        Reduce.values()[r],
                        tile,
                        ptr,
                        idx,
                        w,
                        stride,
                        x,
                        stride,
                        y,
                        stride,
                        last,
                        0,
                        ROWS);
            case ARG_ROWS ->
                k.argRows(
                        Message.values()[m],
                        Extremum.values()[r],
                        tile,
                        ptr,
                        idx,
                        w,
                        4,
                        x,
                        stride,
                        y,
                        arg,
                        stride,
                        last,
                        0,
                        ROWS);
            case FULL_ARG_ROWS ->
                k.fullArgRows(
                        FullMessage.values()[m],
                        Extremum.values()[r],
                        tile,
                        ptr,
                        idx,
                        w,
                        stride,
                        x,
                        stride,
                        y,
                        arg,
                        stride,
                        last,
                        0,
                        ROWS);
            case FOLD -> k.fold(Reduce.values()[sub], x, stride, ROWS, EDGES, y, columns);
            case ARG_FOLD -> k.argFold(Extremum.values()[sub], x, arg, stride, ROWS, y, w, columns);
            case GRAD_X ->
                k.gradX(Scale.values()[sub / 8], tile, ptr, ptr, idx, sums, w, 4, x, stride, y, stride, last, 0, ROWS);
            case FULL_GRAD_X ->
                k.fullGradX(sub / 8 == 1, tile, ptr, ptr, idx, sums, w, stride, x, stride, y, stride, last, 0, ROWS);
            case ARG_GRAD_X ->
                k.argGradX(sub / 8 == 1, tile, ptr, idx, sums, w, 4, x, arg, stride, y, stride, last, 0, ROWS);
            case FULL_ARG_GRAD_X ->
                k.fullArgGradX(tile, ptr, idx, sums, w, stride, x, arg, stride, y, stride, last, 0, ROWS);
            case GRAD_W ->
                k.gradW(sub / 2 == 1, sub % 2 == 1, ptr, idx, x, stride, x, stride, y, 4, columns, pad, 0, ROWS);
            case ARG_GRAD_W -> k.argGradW(sub == 1, ptr, idx, x, stride, x, arg, stride, y, 4, columns, pad, 0, ROWS);
            case FULL_GRAD_W ->
                k.fullGradW(sub / 2 == 1, sub % 2 == 1, ptr, idx, x, stride, x, stride, y, stride, columns, 0, ROWS);
            case FULL_ARG_GRAD_W ->
                k.fullArgGradW(sub == 1, ptr, idx, x, stride, x, arg, stride, y, stride, columns, 0, ROWS);
        }
        boolean folds = kernel == Kernel.FOLD || kernel == Kernel.ARG_FOLD;
        return (folds ? ROWS : EDGES) * columns;
    }

    private static boolean tiled(Kernel k) {
        return switch (k) {
            case ROWS, FULL_ROWS, ARG_ROWS, FULL_ARG_ROWS, GRAD_X, FULL_GRAD_X, ARG_GRAD_X, FULL_ARG_GRAD_X -> true;
            default -> false;
        };
    }
}
