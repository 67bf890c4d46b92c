package dev.heddle.op;

import dev.heddle.kernel.LifKernels;
import dev.heddle.kernel.LifKernels.Slope;

/** The variants of the neuron kernels, and how warm-up runs each. */
final class LifProbe {
    private LifProbe() {}

    private static final int BACKWARD = 4;
    private static final int SLOPE = BACKWARD + 16;
    static final int STEP = SLOPE + 2;
    static final int PACK = STEP + 1;
    static final int VARIANTS = PACK + 1;

    private static final long STEPS = 16;

    static int forward(boolean soft, boolean packed) {
        return bit(soft) + 2 * bit(packed);
    }

    static int backward(boolean soft, boolean detached, boolean learned, Slope slope) {
        return BACKWARD + bit(soft) + 2 * bit(detached) + 4 * bit(learned) + 8 * slope.ordinal();
    }

    static int slope(Slope slope) {
        return SLOPE + slope.ordinal();
    }

    private static int bit(boolean b) {
        return b ? 1 : 0;
    }

    static long run(LifKernels k, int lanes, int variant, long scratch) {
        long columns = 17L * lanes; // whole words of spikes, and some more
        long row = 4 * columns;
        long x = scratch;
        long y = x + row * STEPS;
        long v = y + row * STEPS;
        long z = v + row * STEPS;
        long a = z + row * STEPS;
        long b = a + row;
        long bits = b + row;
        if (variant < BACKWARD) {
            boolean soft = (variant & 1) != 0;
            boolean packed = (variant & 2) != 0;
            k.forward(soft, packed, x, row, y, row, bits, 64, 0, a, v, row, 1, 0.5f, 0.5f, 1, 0, STEPS, columns);
        } else if (variant < SLOPE) {
            int i = variant - BACKWARD;
            long last = row * (STEPS - 1);
            k.backward(
                    (i & 1) != 0,
                    (i & 2) != 0,
                    (i & 4) != 0,
                    Slope.values()[i / 8],
                    x + last,
                    row,
                    v + last,
                    row,
                    y + last,
                    row,
                    a,
                    0,
                    z + last,
                    row,
                    a,
                    b,
                    0.5f,
                    0.5f,
                    1,
                    1,
                    0,
                    2,
                    STEPS,
                    columns);
        } else if (variant < STEP) {
            k.slope(Slope.values()[variant - SLOPE], x, y, v, 2, columns * STEPS);
        } else if (variant == STEP) {
            k.step(x, y, columns * STEPS);
        } else {
            k.pack(x, row, bits, 64, 0, a, STEPS, columns);
        }
        return columns * STEPS;
    }
}
