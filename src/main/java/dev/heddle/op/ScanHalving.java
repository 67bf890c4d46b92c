package dev.heddle.op;

import dev.heddle.kernel.ScanGradKernels;

/** Adds up the partial sums of rows: the two halves, and so on until one is left. */
final class ScanHalving {
    private final ScanGradKernels[] kernels = new ScanGradKernels[4];

    ScanHalving() {
        for (int i = 0; i < kernels.length; i++) {
            kernels[i] = ScanBlocks.onRows(ScanGradients.KERNELS, ScanGradProbe.halve(8 >> i));
        }
    }

    /** Leaves the sum of each row at its start, and uses up the rest; reads, and spoils nothing of, a row beyond. */
    void run(long rows, long count) {
        for (int i = 0; i < kernels.length; i++) {
            kernels[i].halve(rows, 8 >> i, count);
        }
    }
}
