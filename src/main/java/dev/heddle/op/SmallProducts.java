package dev.heddle.op;

import static dev.heddle.op.Gemm.HEIGHTS;

import dev.heddle.kernel.Dispatch.Chosen;
import dev.heddle.kernel.MatmulKernels;

/**
 * Small products {@code C = from + A B} of operands that are near, on the thread that asks: register tiles without packing or blocks of
 * k. B, C and {@code from} have rows without gaps between columns; columns are 2, 4, ... 32 or a multiple of 64, so that they fill
 * tiles.
 */
final class SmallProducts {
    private final MatmulKernels[] tiles = new MatmulKernels[HEIGHTS.length];
    private final long columns;
    private final long ones;

    /** @param ones as many as there are columns */
    SmallProducts(long columns, long ones) {
        this.columns = columns;
        this.ones = ones;
        Chosen<MatmulKernels> tall = Gemm.KERNELS.choose(0, columns / 4);
        for (int h = 0; h < HEIGHTS.length; h++) {
            tiles[h] = Gemm.KERNELS.choose(h, tall.lanes()).kernels();
        }
    }

    /** Whether products of so many columns can be made of tiles. */
    static boolean fit(long columns) {
        return columns > 0 && (columns % 64 == 0 || (columns > 1 && columns == Long.lowestOneBit(columns)));
    }

    /** Takes strides in bytes; {@code from} may be C. */
    void multiply(
            long rows, long a, long as, long ak, long b, long bk, long depth, long from, long fs, long c, long cs) {
        long row = 0;
        for (int h = 0; h < HEIGHTS.length; h++) {
            int height = HEIGHTS[h];
            long step = 4L * tiles[h].columns();
            for (; rows - row >= height; row += height) {
                for (long o = 0; o != 4 * columns; o += step) {
                    tiles[h].tile(
                            height,
                            a + row * as,
                            as,
                            ak,
                            b + o,
                            bk,
                            depth,
                            ones + o,
                            from + row * fs + o,
                            fs,
                            c + row * cs + o,
                            cs);
                }
            }
        }
    }
}
