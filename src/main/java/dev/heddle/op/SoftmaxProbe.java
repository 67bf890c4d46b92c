package dev.heddle.op;

import dev.heddle.kernel.SoftmaxKernels;

/** The variants of the softmax kernels, and a small run of each. */
final class SoftmaxProbe {
    private SoftmaxProbe() {}

    private static final int FORWARD = 0;
    private static final int BACKWARD = 2;
    private static final int LOSS = 4;
    static final int LOSS_BACKWARD = 6;
    static final int VARIANTS = 7;

    private static final int ROWS = 2;
    private static final long PITCH = 4 * 256;

    static int forward(boolean log) {
        return log ? FORWARD + 1 : FORWARD;
    }

    static int backward(boolean log) {
        return log ? BACKWARD + 1 : BACKWARD;
    }

    static int loss(boolean smooth) {
        return smooth ? LOSS + 1 : LOSS;
    }

    static long run(SoftmaxKernels k, int lanes, int variant, long scratch) {
        long elements = 0;
        for (int columns : Rows.PROBE_WIDTHS) {
            elements += runRows(k, variant, columns, scratch);
        }
        return elements;
    }

    private static long runRows(SoftmaxKernels k, int variant, long columns, long scratch) {
        long x = scratch + SoftmaxKernels.SCRATCH;
        long y = x + ROWS * PITCH;
        long target = y + ROWS * PITCH;
        boolean second = variant % 2 == 1;
        switch (variant) {
            case FORWARD, FORWARD + 1 -> k.forward(second, x, PITCH, y, PITCH, columns, scratch, ROWS);
            case BACKWARD, BACKWARD + 1 -> k.backward(second, x, PITCH, x, PITCH, y, PITCH, columns, scratch, ROWS);
            case LOSS, LOSS + 1 -> k.loss(second, x, PITCH, target, -1, 0.1f, y, columns, scratch, ROWS);
            default -> k.lossBackward(x, PITCH, target, -1, 0, x, 0, y, PITCH, columns, scratch, ROWS);
        }
        return ROWS * columns;
    }
}
