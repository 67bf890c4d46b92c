package dev.heddle.op;

import dev.heddle.kernel.GroupKernels;
import dev.heddle.memory.Raw;

/** The variants of the kernels of rows by number, and how to run each on tiny matrices. */
final class RowsByNumberProbe {
    private RowsByNumberProbe() {}

    static final int GATHER_TAKEN = 2;
    static final int PRODUCT = 3;
    static final int PRODUCT_GRAD = 4;
    static final int PRODUCT_FOLD = 5;
    static final int LOOK_UP = 6;
    static final int VARIANTS = 7;

    static int gather(boolean mean) {
        return mean ? 1 : 0;
    }

    /** Runs one variant. Each position has one group here, so the matrix of edges is as tall as there are edges. */
    static long run(GroupKernels k, int lanes, int variant, long scratch) {
        TinyCsr t = TinyCsr.at(scratch, lanes, 4);
        for (int e = 0; e < TinyCsr.EDGES; e++) {
            Raw.ALL.set(Raw.I32, t.perm() + 4L * e, e);
        }
        long s = t.stride();
        long n = t.columns();
        switch (variant) {
            case 0, 1 -> k.gather(variant == 1, t.idx(), t.ptr(), t.x(), s, t.y(), s, n, 0, TinyCsr.EDGES);
            case GATHER_TAKEN -> k.gatherTaken(t.idx(), t.x(), t.arg(), s, t.y(), s, n, 0, TinyCsr.EDGES);
            case PRODUCT -> k.product(t.ptr(), t.perm(), t.w(), s, t.y(), s, n, 0, TinyCsr.ROWS);
            case PRODUCT_GRAD -> k.productGrad(t.ptr(), t.perm(), t.w(), s, t.x(), s, t.y(), s, n, 0, TinyCsr.ROWS);
            case PRODUCT_FOLD -> k.productFold(t.w(), s, TinyCsr.EDGES, t.y(), n);
            default -> k.lookUp(t.idx(), t.arg(), s, n, 0, TinyCsr.ROWS);
        }
        return t.elements();
    }
}
