package dev.heddle.op;

import dev.heddle.kernel.CausalConvKernels;

/** The variants of the convolution's kernels, numbered, and how to run each on a few rows. */
final class ConvProbe {
    private ConvProbe() {}

    private static final int STEP = 16;
    private static final int FORWARD = 0;
    private static final int SLOPE = STEP;
    private static final int WEIGHTS = 2 * STEP;
    private static final int ROWS = 3 * STEP;
    static final int ADD = ROWS;
    static final int ZERO = ROWS + 1;
    static final int COPY = ROWS + 2;
    static final int TRANSPOSE = ROWS + 3;
    static final int VARIANTS = ROWS + 4;

    static int forward(int taps, boolean silu) {
        return FORWARD + 2 * taps + (silu ? 1 : 0);
    }

    static int slope(int taps, boolean silu) {
        return SLOPE + 2 * taps + (silu ? 1 : 0);
    }

    static int weights(int taps) {
        return WEIGHTS + taps;
    }

    private static final int STEPS = 32;

    /** Runs one variant on rows of two vectors. */
    static long run(CausalConvKernels k, int lanes, int variant, long scratch) {
        long columns = 2L * lanes;
        long row = 4 * columns;
        long size = row * (STEPS + 8);
        long a = scratch;
        long b = a + size;
        long c = b + size;
        long d = c + size;
        int sub = variant % STEP;
        int taps = variant < WEIGHTS ? sub / 2 : sub;
        int count = taps == 0 ? 5 : taps;
        boolean silu = sub % 2 == 1;
        switch (variant / STEP * STEP) {
            case FORWARD -> k.forward(taps, silu, count, a, row, b, row, c, d, row, STEPS, columns);
            case SLOPE -> k.slope(taps, silu, count, a, row, b, row, c, c, row, d, row, STEPS, columns);
            case WEIGHTS -> k.weights(taps, count, a, row, b, row, c, row, d, STEPS, columns);
            default -> {
                switch (variant) {
                    case ADD -> k.add(a, b, STEPS * columns);
                    case ZERO -> k.zero(a, STEPS * columns);
                    case COPY -> k.copy(a, row, b, row, STEPS, columns);
                    default -> k.transpose(a, 4, row, b, row, STEPS, columns);
                }
            }
        }
        return STEPS * columns;
    }
}
