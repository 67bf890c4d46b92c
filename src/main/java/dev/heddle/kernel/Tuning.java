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

    /** Into so many pieces, if they are large enough, work is cut for the threads: enough for eight threads to end together. */
    public static final int MATMUL_UNITS = 32;
}
