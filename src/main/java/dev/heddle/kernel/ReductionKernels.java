package dev.heddle.kernel;

/** Rows, or the rows of a matrix, to one number or row. Strides are in bytes. */
public interface ReductionKernels {
    /** What becomes of the elements. */
    enum Operator {
        SUM,
        MAX,
        MIN
    }

    /** Bytes of scratch of {@link #rows}. */
    long SCRATCH = 2 * 256;

    /**
     * {@code y_r = op over c of x_rc}, with 64 partial results, column c in number c mod 64, folded in halves. The extrema keep
     * NaN, and are infinite where there is no column.
     */
    void rows(Operator op, long x, long xs, long y, long columns, long scratch, long rows);

    /** {@code y_c = op over r of x_rc}, one after the other; at least as many columns as the kernel has lanes. */
    void columns(Operator op, long x, long xs, long y, long columns, long rows);
}
