package dev.heddle.kernel;

/** The numbers that the dense operators are cut by, and why. None changes a bit but {@link #MATMUL_DEPTH}. */
public final class Tuning {
    private Tuning() {}

    /**
     * The block of k. Part of the definition of a matrix product, and so the same everywhere: partial sums of 256 terms
     * keep the rounding error of long sums small, and a panel of B, 256 rows of 256 bytes, is a sixteenth of an L2 of 1 MiB.
     */
    public static final int MATMUL_DEPTH = 256;

    /** Rows of A in a chunk: with 256 k they are 96 KiB, and stay in L2 while the panels of B go by. */
    public static final int MATMUL_ROWS = 96;

    /** Columns of B in a chunk: enough for the rows of A to be worth fetching. */
    public static final int MATMUL_COLUMNS = 256;

    /** The packed part of B: a share of L3 that leaves room for the others who use it. */
    public static final long MATMUL_PACKED_BYTES = 8 << 20;

    /** Up to so many rows of A, and while B is so small that L2 has it, packing B costs more than it saves. */
    public static final int MATMUL_IN_PLACE_ROWS = 24;

    public static final long MATMUL_IN_PLACE_BYTES = 1 << 20;

    /**
     * A product with at most so many columns and at least so many rows is computed as the transpose of a product with few rows:
     * a tile of 64 columns would be mostly padding, and A, which is read once, may as well be packed.
     */
    public static final int MATMUL_SWAP_COLUMNS = 12;

    public static final int MATMUL_SWAP_ROWS = 32;

    /** Columns of a piece of a product with one row, where B has k side by side: as many rows of it as are worth a piece. */
    public static final int MATMUL_DOT_COLUMNS = 64;

    /**
     * The same where B has its columns side by side: rows of 48 KiB and more let the processor fetch ahead, and their sums stay
     * in L2.
     */
    public static final int MATMUL_SUM_COLUMNS = 12288;

    /** Into so many pieces, if they are large enough, work is cut for the threads: enough for eight threads to end together. */
    public static final int MATMUL_UNITS = 32;

    /** From so many rows of spikes on their product may be dense: the tiles of a dense product share a weight among rows. */
    public static final int SPIKE_DENSE_ROWS = 16;

    /** Fewer rows are not worth turning a transposed matrix of floats round for. */
    public static final int SPIKE_TURNED_ROWS = 32;

    /**
     * Many rows are multiplied densely where more than this share of them is spikes: about where a dense product began to be faster,
     * for 16 to 128 rows and 768 by 3072 weights, on a busy machine. A list of spikes converts a narrow weight anew for each row
     * that meets it, and f16 costs most. That of int8 is bf16's, not measured by itself.
     */
    public static final double SPIKE_DENSE_RATE_F32 = 0.3;

    public static final double SPIKE_DENSE_RATE_BF16 = 0.45;
    public static final double SPIKE_DENSE_RATE_F16 = 0.15;
    public static final double SPIKE_DENSE_RATE_I8 = SPIKE_DENSE_RATE_BF16;
}
