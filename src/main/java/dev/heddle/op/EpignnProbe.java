package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.EpignnKernels;

/** The kernels of bilinear forms by facet, and how to run each on tiny vectors. */
final class EpignnProbe {
    private EpignnProbe() {}

    static final int TRILINEAR = 0;
    static final int TRILINEAR_GRAD = 1;
    static final int MESSAGES = 2;
    static final int MESSAGES_GRAD = 3;
    static final int NORMALIZE = 4;
    static final int NORMALIZE_GRAD = 5;
    private static final int VARIANTS = 6;

    static final Dispatch<EpignnKernels> KERNELS = new Dispatch<>(EpignnKernels.class, VARIANTS, EpignnProbe::run);

    private static final int ROWS = 6;

    /** Runs one variant on rows of one facet; the numbers of nodes and relations are all 0. */
    static long run(EpignnKernels k, int lanes, int variant, long scratch) {
        long h = Math.max(lanes, 4);
        long stride = 4 * h;
        long numbers = scratch;
        long a = numbers + 4 * ROWS + 40;
        long y = a + stride * ROWS;
        long t = y + stride * ROWS;
        switch (variant) {
            case TRILINEAR -> {
                k.trilinear(a, stride, a, stride, t, y, stride, 1, h, 0, ROWS);
                return ROWS * h * h * h;
            }
            case TRILINEAR_GRAD -> {
                k.trilinearGrad(a, stride, a, stride, a, stride, t, h, ROWS);
                return ROWS * h * h * h;
            }
            case MESSAGES -> k.messages(numbers, numbers, a, stride, t, 0, y, stride, 1, h, 0, ROWS);
            case MESSAGES_GRAD -> k.messagesGrad(numbers, ROWS, numbers, a, stride, y, stride, t, 1, h);
            case NORMALIZE -> k.normalize(a, y, 1f, h, 0, ROWS);
            default -> k.normalizeGrad(a, a, a, y, 1f, h, 0, ROWS);
        }
        return ROWS * h * h;
    }
}
