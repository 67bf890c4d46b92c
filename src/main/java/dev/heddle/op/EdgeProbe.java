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
    static final int SOFTMAX_PARTS = 4;
    static final int COMBINE = 5;
    static final int SCALE = 6;
    static final int SOFTMAX_MEANS = 7;
    static final int SOFTMAX_PART_GRAD = 8;
    static final int VARIANTS = 9;

    static final Dispatch<EdgeKernels> KERNELS = new Dispatch<>(EdgeKernels.class, VARIANTS, EdgeProbe::run);

    /** Runs one variant. */
    static long run(EdgeKernels k, int lanes, int variant, long scratch) {
        TinyCsr t = TinyCsr.at(scratch + EdgeKernels.SCRATCH, lanes, 4);
        long s = t.stride();
        long n = t.columns();
        int rows = TinyCsr.ROWS;
        switch (variant) {
            case PLUS, MINUS -> k.sum(variant == MINUS, t.ptr(), t.idx(), t.x(), s, t.w(), s, t.y(), s, n, 0, rows);
            case SOFTMAX, SOFTMAX_PARTS ->
                k.softmax(variant == SOFTMAX_PARTS, t.ptr(), t.w(), s, t.y(), s, t.arg(), n, scratch, 0, rows);
            case COMBINE -> {
                k.combine(t.y(), rows, n, scratch);
                return rows * n;
            }
            case SCALE -> k.scale(t.ptr(), t.y(), s, t.x(), s, n, 0, rows);
            case SOFTMAX_MEANS -> k.softmaxMeans(t.ptr(), t.w(), s, t.y(), s, t.arg(), n, 0, rows);
            case SOFTMAX_PART_GRAD -> k.softmaxPartGrad(t.ptr(), t.w(), s, t.y(), s, t.arg(), s, t.x(), n, 0, rows);
            default -> k.softmaxGrad(t.ptr(), t.w(), s, t.y(), s, t.arg(), s, n, 0, rows);
        }
        return t.elements();
    }
}
