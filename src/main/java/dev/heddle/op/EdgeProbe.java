package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.EdgeKernels;

/** The kernels that go edge by edge, and how to run each on a tiny graph. */
final class EdgeProbe {
    private EdgeProbe() {}

    static final int PLUS = 0;
    static final int MINUS = 1;
    static final int SOFTMAX = 2;
    static final int SOFTMAX_GRAD = 3;
    private static final int VARIANTS = 4;

    static final Dispatch<EdgeKernels> KERNELS = new Dispatch<>(EdgeKernels.class, VARIANTS, EdgeProbe::run);

    /** Runs one variant. */
    static long run(EdgeKernels k, int lanes, int variant, long scratch) {
        TinyCsr t = TinyCsr.at(scratch + EdgeKernels.SCRATCH, lanes, 4);
        long s = t.stride();
        long n = t.columns();
        int rows = TinyCsr.ROWS;
        switch (variant) {
            case PLUS, MINUS -> k.sum(variant == MINUS, t.ptr(), t.idx(), t.x(), s, t.w(), s, t.y(), s, n, 0, rows);
            case SOFTMAX -> k.softmax(t.ptr(), t.w(), s, t.y(), s, n, scratch, 0, rows);
            default -> k.softmaxGrad(t.ptr(), t.w(), s, t.y(), s, t.arg(), s, n, 0, rows);
        }
        return t.elements();
    }
}
