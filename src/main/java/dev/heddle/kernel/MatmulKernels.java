package dev.heddle.kernel;

/**
 * Blocked matrix products. The product is cut along k into blocks; within a block an element of C is one chain of fused
 * multiply-adds in the order of k that starts at 0, and the blocks are added to C in order. So the bits of an element follow
 * from its row of A, its column of B and the block alone. Strides are in bytes.
 */
public interface MatmulKernels {
    /** Columns that {@link #dots} sums up side by side. */
    int CHAINS = 8;

    /** The columns of a tile: what a panel of B is wide, at least. */
    int columns();

    /**
     * One tile, one block of k: {@code c = from + scale a b} for {@code rows} rows and {@link #columns} columns.
     *
     * @param rows one of 1, 2, 4, 6
     * @param a the tile's first element of A; {@code as} to the next row, {@code ak} to the next k
     * @param b the tile's first element of B; {@code bk} to the next k
     * @param scale a factor for each column
     * @param from what the product is added to; {@code fs} to the next row, 0 if all rows start alike
     */
    void tile(
            int rows,
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
            long cs);

    /**
     * {@code c = from + a b} for one row, where k lies side by side in b, too: all of k, block by block.
     *
     * @param bs bytes from a column of b to the next
     * @param block the k of a block
     * @param fs bytes from an element of {@code from} to the next: 4, or 0 if all columns start alike
     * @param c apart from {@code from}
     * @param columns {@link #CHAINS} at least
     * @param scratch memory for an int
     */
    void dots(long a, long b, long bs, long depth, long block, long from, long fs, long c, long columns, long scratch);

    /**
     * {@code sums = sums + a b} for one row, {@code rows} k and columns that lie side by side: of each column one chain of fused
     * multiply-adds in the order of k, which goes on in the next call.
     *
     * @param rows one of 1, 8
     * @param ak bytes from an element of a to the next
     * @param bk bytes from a row of b to the next
     */
    void row(int rows, long a, long ak, long b, long bk, long sums, long columns);

    /** {@code c = c + sums}, and then {@code sums = 0}. */
    void add(long sums, long c, long columns);

    /**
     * Copies a block of B into panels: {@code depth} rows of {@code columns} elements become rows of {@code width} elements,
     * {@code width} columns to a panel, the rest of the last panel 0.
     *
     * @param bk to the next k; the columns lie side by side
     * @param panel bytes from a panel to the next
     */
    void pack(long b, long bk, long depth, long columns, long out, long width, long panel);

    /** Writes {@code columns} columns of {@code length} elements, {@code fs} bytes apart, as rows {@code ts} bytes apart. */
    void transpose(long from, long fs, long to, long ts, long columns, long length);

    /** Copies {@code rows} rows of {@code columns} elements. */
    void copy(long from, long fs, long to, long ts, long rows, long columns);

    /** Sets {@code rows} rows of {@code columns} elements to one value. */
    void fill(float value, long to, long ts, long rows, long columns);
}
