package dev.heddle.op;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.kernel.Dispatch.Chosen;
import dev.heddle.kernel.MatmulKernels;

/** Products of small matrices that lie in the caches: the register tiles of {@link Gemm} without its packing and blocks. */
final class SmallProduct {
    /** Columns that narrow vectors serve: padding a tile of wide ones would cost more than they gain. */
    private static final long FEW = 48;

    private final MatmulKernels[] tiles = new MatmulKernels[Gemm.HEIGHTS.length];
    private final AttentionKernels skipping;
    private final long columns;

    SmallProduct(long columns) {
        this.columns = padded(columns);
        Chosen<MatmulKernels> tall = Gemm.KERNELS.choose(0, columns < FEW ? 8 : 16);
        for (int h = 0; h < tiles.length; h++) {
            tiles[h] = Gemm.KERNELS.choose(h, tall.lanes()).kernels();
        }
        skipping = AttentionCall.KERNELS.choose(AttentionProbe.PRODUCT, 16).kernels();
    }

    /** The columns that rows of B and C must have memory for. */
    static long padded(long columns) {
        long width = columns < FEW ? 16 : 64;
        return (columns + width - 1) / width * width;
    }

    /**
     * {@code c = from + scale a b}; arguments as in {@link MatmulKernels#tile}.
     *
     * @param plain whether all of b may be read; otherwise elements of a that are -0 take rows of b out
     */
    void run(
            boolean plain,
            long rows,
            long a,
            long as,
            long ak,
            long b,
            long bk,
            long depth,
            long scale,
            long from,
            long fs,
            long c,
            long cs) {
        if (!plain) {
            skipping.product(rows, a, as, ak, b, bk, depth, columns, scale, from, fs, c, cs);
            return;
        }
        long i = 0;
        for (int h = 0; h < tiles.length; h++) {
            int height = Gemm.HEIGHTS[h];
            MatmulKernels k = tiles[h];
            long step = 4L * k.columns();
            for (; i + height <= rows; i += height) {
                for (long o = 0; o < 4 * columns; o += step) {
                    long start = from + i * fs + o;
                    k.tile(height, a + i * as, as, ak, b + o, bk, depth, scale + o, start, fs, c + i * cs + o, cs);
                }
            }
        }
    }
}
