package dev.heddle.kernel;

/**
 * Convolutions of each channel over time. The {@code count} rows of x that a step reads start {@code xs} bytes apart with the
 * oldest; weights are rows too, {@code w[k]} for the k-th of them. Rows have {@code columns} channels, at least as many as
 * there are lanes; the last vector may overlap the one before, but for the kernels that add to what is there.
 */
public interface CausalConvKernels {
    /** The numbers of taps whose loop is unrolled; any other number is {@code count} with {@code taps} 0. */
    int MAX_TAPS = 4;

    /**
     * {@code y = bias + sum over k of w[k] x[k]}, and {@code silu} of that if asked for, over {@code steps} rows.
     *
     * @param taps {@code count} if it is 2, 3 or 4, else 0
     */
    void forward(
            int taps,
            boolean silu,
            long count,
            long x,
            long xs,
            long w,
            long ws,
            long bias,
            long y,
            long ys,
            long steps,
            long columns);

    /** The gradient before the activation, {@code g = gy silu'(y before it)}; a copy of gy without one. */
    void slope(
            int taps,
            boolean silu,
            long count,
            long x,
            long xs,
            long w,
            long ws,
            long bias,
            long gy,
            long gys,
            long g,
            long gs,
            long steps,
            long columns);

    /**
     * Adds to the gradients of the weights and of the bias: {@code gw[k] += sum of g x[k]} and {@code gbias += sum of g} over
     * the steps. Columns are a multiple of the lanes.
     */
    void weights(
            int taps,
            long count,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long gbias,
            long steps,
            long columns);

    /** {@code to += from}; columns are a multiple of the lanes. */
    void add(long from, long to, long columns);

    /** Fills {@code count} elements with zeros. */
    void zero(long to, long count);

    /** Copies rows. */
    void copy(long from, long fs, long to, long ts, long rows, long columns);

    /** Exchanges rows and columns: {@code to[k][c] = from[c, k]}. */
    void transpose(long from, long cs, long ks, long to, long ts, long taps, long columns);
}
