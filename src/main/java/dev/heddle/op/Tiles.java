package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;

/**
 * Cuts the columns of a row into tiles, each a number of vectors that a kernel holds in registers. Where the columns do not
 * fill the last vector of a row, it overlaps the one before it in the same tile, so that tiles never share a column and a
 * kernel may work in place.
 */
final class Tiles {
    private Tiles() {}

    /**
     * One pass over a row: the tile starts {@code from} bytes into it, and its last vector {@code last} bytes further. The
     * kernels serve this tile only.
     */
    record Pass<K>(K kernels, int tile, long from, long last) {}

    /**
     * The passes over {@code columns} columns.
     *
     * @param sizes the tiles that the kernel is woven for, in vectors, descending, from a number above 2 down to 3, 2, 1; its
     *     twin need know the first and the last
     * @param variant the variant of the kernel for a tile
     */
    static <K> List<Pass<K>> over(Dispatch<K> dispatch, long columns, int[] sizes, IntUnaryOperator variant) {
        List<Pass<K>> passes = new ArrayList<>();
        if (columns > 0) {
            cut(passes, dispatch, 0, columns, dispatch.lanes(columns), sizes, variant);
        }
        return passes;
    }

    private static <K> void cut(
            List<Pass<K>> passes,
            Dispatch<K> dispatch,
            long start,
            long columns,
            int lanes,
            int[] sizes,
            IntUnaryOperator variant) {
        long vectors = (columns + lanes - 1) / lanes;
        for (long done = 0; done < vectors; ) {
            int tile = lanes == 1 ? twinSize(vectors - done, sizes) : size(vectors - done, sizes);
            long from = done * lanes;
            done += tile;
            long last = done == vectors ? columns - lanes - from : (long) (tile - 1) * lanes;
            Dispatch.Chosen<K> chosen = dispatch.choose(variant.applyAsInt(tile), lanes);
            if (chosen.lanes() == lanes) {
                passes.add(new Pass<>(chosen.kernels(), tile, 4 * (start + from), 4 * last));
            } else {
                cut(passes, dispatch, start + from, last + lanes, 1, sizes, variant);
            }
        }
    }

    /** Single columns do not overlap. */
    private static int twinSize(long columns, int[] sizes) {
        return sizes[0] <= columns ? sizes[0] : 1;
    }

    /** The largest tile that does not leave a single vector, which would have none to overlap with. */
    private static int size(long vectors, int[] sizes) {
        for (int size : sizes) {
            if (size <= vectors && vectors - size != 1) {
                return size;
            }
        }
        throw new AssertionError("no tile for " + vectors + " vectors");
    }
}
