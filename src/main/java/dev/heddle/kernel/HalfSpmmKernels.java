package dev.heddle.kernel;

/**
 * Sums of the rows of a node's sources, of features in a half type, in float32. Lanes over pairs of features.
 *
 * <p>Arguments are absolute addresses and byte strides; {@code indptr} points at i64 row pointers, {@code indices} at i32 sources.
 */
public interface HalfSpmmKernels {
    /** Bytes of scratch. */
    int SCRATCH = 2 * 64;

    /**
     * y_i = the sum over row i of x_j, or of w_e x_j, or either over the degree, for a tile of vectors of pairs. {@code last} bytes from
     * the first of several the last one starts, which may overlap the one before. Rows {@code row} to {@code rowEnd} are computed.
     *
     * @param bfloat whether x is BF16, else F16
     */
    void rows(
            boolean bfloat,
            boolean weighted,
            boolean mean,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long scratch,
            long row,
            long rowEnd);
}
