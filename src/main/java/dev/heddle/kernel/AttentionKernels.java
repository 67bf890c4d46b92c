package dev.heddle.kernel;

/**
 * What attention does between its matrix products, on a block: rows, each one query of one head, and a tile of {@link #KEYS}
 * keys. Lanes over the keys or the features. Arguments are absolute addresses and bytes.
 *
 * <p>Scores are rows of {@link #PITCH} bytes. A score of -infinity is that of a key that does not enter; its weight is -0,
 * which adds nothing to any sum and tells it from one that vanished. Sums of weights have 16 partial sums, key j in number j
 * mod 16, folded in halves. Arrays of one float per row are padded to whole vectors of 16.
 *
 * <p>What is known of each row stands in a record of {@link #ROW} bytes: the first key that it sees, the end of those, its
 * position (three ints), the slope of its linear bias (a float), the addresses of its bias and of its result (two longs).
 */
public interface AttentionKernels {
    int KEYS = 64;
    long PITCH = 4 * KEYS;

    /** Bytes of the partial sums of a row. */
    long SUMS = 64;

    long ROW = 32;
    long FIRST = 0;
    long END = 4;
    long POSITION = 8;
    long SLOPE = 12;
    long BIAS = 16;
    long RESULT = 24;

    /** {@code s += bias}; -infinity, whatever s is, where that is the bias. The biases are {@code offset} bytes into their rows. */
    void bias(long s, long rows, long info, long offset, long columns);

    /** {@code s -= slope |position - key|} for the keys from {@code start} on. */
    void slope(long s, long rows, long info, int start, long numbers);

    /**
     * -infinity for the keys that a row does not see.
     *
     * @param mask a float per key, 0 for one that nobody sees
     * @param numbers the floats 0 to 63
     */
    void hide(long s, long rows, long info, int start, long mask, long numbers);

    /**
     * {@code M = max(m, s)}, {@code r = e^(m - M)}, {@code m = M}.
     *
     * @param tops 64 bytes of scratch per row, and for 15 more
     */
    void maxima(long s, long rows, long m, long r, long tops);

    /** {@code s = e^(s - m)}, {@code sums = r sums + s}. */
    void softmax(long s, long rows, long m, long sums, long r);

    /** {@code y = r y}, for rows whose r is not 1. */
    void rescale(long y, long pitch, long rows, long columns, long r);

    /**
     * Appends other states {@code (m2, sums2, y2)} to {@code (m, sums, y)}.
     *
     * @param planes three arrays of scratch, {@code plane} bytes apart
     */
    void merge(
            long m,
            long sums,
            long y,
            long m2,
            long sums2,
            long y2,
            long pitch,
            long rows,
            long columns,
            long planes,
            long plane);

    /** {@code total} = the sum of the partial sums; {@code y / total}, or 0 where that is 0, to each row's result. */
    void finish(long y, long pitch, long rows, long columns, long info, long sums, long total);

    /** {@code sums = r sums + s g}, where s is not -0: what the mean of g under the weights s is made of. */
    void weigh(long s, long g, long rows, long r, long sums);

    /** {@code inverse = 1 / total of sums}, {@code d = inverse * total of means}. */
    void average(long rows, long sums, long means, long inverse, long d);

    /** {@code p = e^(s - m) inverse}, {@code g = p (g - d)}: what the scores' gradients are, from those of the weights. */
    void gradients(long s, long g, long rows, long m, long inverse, long d);

    /** {@code to += from}, {@code columns} floats of each row; {@code to} is where the biases' gradients are. */
    void addRows(long from, long rows, long info, long offset, long columns);

    /** {@code c = from + scale a b}, where an element of a that is -0 takes its row of b out. Bits as {@link MatmulKernels}'. */
    void product(
            long rows,
            long a,
            long as,
            long ak,
            long b,
            long bk,
            long depth,
            long columns,
            long scale,
            long from,
            long fs,
            long c,
            long cs);

    /** Writes 0 if all elements of some rows are finite, else NaN. */
    void finite(long a, long step, long rows, long columns, long out);
}
