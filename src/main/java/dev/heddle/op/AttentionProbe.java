package dev.heddle.op;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.memory.Raw;

/** The kernels of attention, numbered, and how to run each on a tiny block. */
final class AttentionProbe {
    private AttentionProbe() {}

    static final int BIAS = 0;
    static final int SLOPE = 1;
    static final int HIDE = 2;
    static final int SOFTMAX = 3;
    static final int RESCALE = 4;
    static final int MERGE = 5;
    static final int FINISH = 6;
    static final int GRADIENTS = 7;
    static final int ADD_ROWS = 8;
    static final int PRODUCT = 9;
    static final int FINITE = 10;
    static final int WEIGH = 11;
    static final int AVERAGE = 12;
    static final int MAXIMA = 13;
    static final int VARIANTS = 14;

    private static final int ROWS = 16;
    private static final int COLUMNS = AttentionKernels.KEYS;
    private static final long PITCH = AttentionKernels.PITCH;

    /** The rows see different keys, have a rest of columns, and every other one moves its maximum. */
    static long run(AttentionKernels k, int lanes, int variant, long scratch) {
        long matrix = ROWS * PITCH;
        long s = scratch;
        long y = s + matrix;
        long other = y + matrix;
        long info = other + matrix;
        long numbers = info + ROWS * AttentionKernels.ROW;
        long perRow = numbers + PITCH;
        long sums = perRow + 1024;
        long sums2 = sums + ROWS * AttentionKernels.SUMS;
        long tops = sums2 + ROWS * AttentionKernels.SUMS;
        for (int i = 0; i < ROWS; i++) {
            long row = info + i * AttentionKernels.ROW;
            Raw.ALL.set(Raw.I32, row + AttentionKernels.FIRST, i);
            Raw.ALL.set(Raw.I32, row + AttentionKernels.END, 60);
            Raw.ALL.set(Raw.I64, row + AttentionKernels.BIAS, other + i * PITCH);
            Raw.ALL.set(Raw.I64, row + AttentionKernels.RESULT, other + i * PITCH);
            Raw.ALL.set(Raw.F32, perRow + 4L * i, i % 2 == 0 ? 1 : 0.5f);
            Raw.ALL.set(Raw.F32, perRow + 64 + 4L * i, i % 3 == 0 ? Float.NEGATIVE_INFINITY : i);
            Raw.ALL.set(Raw.F32, perRow + 128 + 4L * i, i % 5 == 0 ? Float.NEGATIVE_INFINITY : 8);
            Raw.ALL.set(Raw.F32, s + i * PITCH, i);
            Raw.ALL.set(Raw.F32, other + i * PITCH + 4L * i, i % 2 == 0 ? -0f : 1);
        }
        long m = perRow + 64;
        long m2 = perRow + 128;
        long r = perRow + 192;
        switch (variant) {
            case BIAS -> k.bias(s, ROWS, info, 0, 63);
            case SLOPE -> k.slope(s, ROWS, info, 0, numbers);
            case HIDE -> k.hide(s, ROWS, info, 0, numbers, numbers);
            case SOFTMAX -> k.softmax(s, ROWS, m, sums, r);
            case MAXIMA -> k.maxima(s, ROWS, m, r, tops);
            case RESCALE -> k.rescale(y, PITCH, ROWS, COLUMNS, perRow);
            case MERGE -> k.merge(m, sums, y, m2, sums2, s, PITCH, ROWS, COLUMNS, r, 64);
            case FINISH -> k.finish(y, PITCH, ROWS, 63, info, sums, r);
            case GRADIENTS -> k.gradients(s, y, ROWS, m, perRow, perRow);
            case ADD_ROWS -> k.addRows(s, ROWS, info, 0, 63);
            case PRODUCT -> k.product(ROWS, other, PITCH, 4, s, PITCH, ROWS, COLUMNS, numbers, y, PITCH, y, PITCH);
            case WEIGH -> k.weigh(s, y, ROWS, perRow, sums);
            case AVERAGE -> k.average(ROWS, sums, sums2, r, r + 64);
            default -> k.finite(s, PITCH, ROWS, 63, tops);
        }
        return (variant == PRODUCT ? ROWS : 1L) * ROWS * COLUMNS;
    }
}
