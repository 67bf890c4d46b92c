package dev.heddle.kernel;

/**
 * Products with weights in a narrow type. A panel holds 64 columns of weights, row after row. A row of I8 is 16 ints, of which
 * int i has in byte j (from the lowest) column 16 j + i. A row of BF16 or F16 is 32 ints: the first 16 have columns 0 to 15 in
 * their low halves and 16 to 31 in their high halves, the others 32 to 47 and 48 to 63. So the lanes of a vector of ints, of
 * any width, become lanes of neighbouring columns.
 */
public interface LinearKernels {
    /** How a weight is stored. */
    enum Storage {
        BF16(128),
        F16(128),
        I8(64);

        private final int rowBytes;

        Storage(int rowBytes) {
            this.rowBytes = rowBytes;
        }

        /** Bytes of a row of a panel. */
        public int rowBytes() {
            return rowBytes;
        }
    }

    /**
     * {@code c = from + scale a w} for one row and the 64 columns of each of {@code panels} panels, which are read side by side:
     * one stream of memory alone would wait at the end of each of its pages.
     *
     * @param panels one of 1, 2, 4
     * @param w the first panel's first row of weights
     * @param panel bytes from a panel to the next
     * @param scratch memory for an int
     */
    void row(
            Storage storage,
            int panels,
            long a,
            long w,
            long panel,
            long depth,
            long scale,
            long from,
            long c,
            long scratch);

    /** The same with panels of floats, whose rows have 256 bytes. */
    void rowOfFloats(int panels, long a, long w, long panel, long depth, long scale, long from, long c);

    /**
     * {@code c = from + scale a w} for {@code rows} rows, a panel's 64 columns and {@code depth} k: the sum over k is one
     * chain of fused multiply-adds from 0, as in {@link MatmulKernels#tile}.
     *
     * @param rows one of 2, 4
     * @param w the panel's first row of weights
     * @param fs bytes from a row of {@code from} to the next
     */
    void multiply(
            Storage storage,
            int rows,
            long a,
            long as,
            long w,
            long depth,
            long scale,
            long from,
            long fs,
            long c,
            long cs);

    /** Widens {@code depth} rows of a panel to float32, without their scale. */
    void widen(Storage storage, long w, long depth, long out);
}
