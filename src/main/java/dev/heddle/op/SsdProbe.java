package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.SsdKernels;

/** The variants of the kernels of the state-space dual, numbered, and how to run each. */
final class SsdProbe {
    private SsdProbe() {}

    private enum Kernel {
        STEPS,
        ROWS,
        FINISH,
        STEPS_BACKWARD
    }

    static final int VARIANTS = 2 * Kernel.values().length;

    static int steps(boolean softplus) {
        return id(Kernel.STEPS, softplus);
    }

    static int rows(boolean skip) {
        return id(Kernel.ROWS, skip);
    }

    static int finish(boolean skip) {
        return id(Kernel.FINISH, skip);
    }

    static int stepsBackward(boolean softplus) {
        return id(Kernel.STEPS_BACKWARD, softplus);
    }

    private static int id(Kernel kernel, boolean flag) {
        return 2 * kernel.ordinal() + (flag ? 1 : 0);
    }

    private static final int STEPS = 32;

    static long run(SsdKernels k, int lanes, int variant, long scratch) {
        long size = ROW * STEPS;
        long a = scratch;
        long b = a + size;
        long c = b + size;
        long d = c + size;
        long e = d + size;
        long f = e + size;
        long g = f + size;
        boolean flag = variant % 2 == 1;
        switch (Kernel.values()[variant / 2]) {
            case STEPS -> k.steps(flag, a, ROW, b, b + ROW, 0, 1, c, ROW, d, ROW, STEPS, BLOCK);
            case ROWS -> k.rows(flag, a, ROW, b, 4, c, 4, d, e, f, g, STEPS, BLOCK);
            case FINISH -> k.finish(flag, a, ROW, b, 4, -1, b, c, d, d, e, ROW, f, g, g + ROW, STEPS, BLOCK);
            case STEPS_BACKWARD -> k.stepsBackward(flag, a, ROW, b, 0, 1, c, ROW, d, ROW, e, STEPS, BLOCK);
        }
        return (long) STEPS * BLOCK;
    }
}
