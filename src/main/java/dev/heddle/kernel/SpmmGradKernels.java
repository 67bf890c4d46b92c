package dev.heddle.kernel;

/**
 * The gradients of gather-reduce, lanes over features: of x, gathered over the transposed matrix, and of the weights.
 * Arguments are as in {@link SpmmKernels}.
 */
public interface SpmmGradKernels {
    /** What a gradient is multiplied with on its way back over an edge. */
    enum Scale {
        ONE,
        WEIGHT,
        MEAN,
        WEIGHT_MEAN
    }

    /**
     * gx_j = sum over the edges out of j of scale * g_i. Rows are those of the transposed matrix ({@code tptr},
     * {@code tindices}, {@code tperm}: the edge in forward order); the mean divides by the degree in {@code indptr}.
     */
    void gradX(
            Scale scale,
            int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** The same with a weight per edge and feature. */
    void fullGradX(
            boolean mean,
            int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** gx_j = sum over the edges out of j of w_e * g_i where arg_i is the edge; {@code arg} has g's stride. */
    void argGradX(
            boolean weighted,
            int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** The same with a weight per edge and feature. */
    void fullArgGradX(
            int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** Bytes of scratch, zeroed, that the gradient of weights takes. */
    int SCRATCH = (4 + 32 + 1) * 64 + 4 * 32;

    /**
     * gw_e = sum over the features of g_i * x_j, or of g_i alone where the message adds; divided by the degree for the
     * mean. Features are taken in 16 partial sums, feature f in number f mod 16, folded in halves.
     *
     * @param blocks of 16 features that a row is made of, if the kernel is to keep all of them in registers (2, 4 or 8, for a
     *     multiplied message and more than one lane), else 0
     * @param scratch {@link #SCRATCH} bytes, zeroed
     */
    void gradW(
            boolean multiplied,
            boolean mean,
            int blocks,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** The same for an extremum: only the features whose {@code arg} is the edge count. */
    void argGradW(
            boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** gw_e = g_i * x_j, or g_i where the message adds, per feature; divided by the degree for the mean. */
    void fullGradW(
            boolean multiplied,
            boolean mean,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd);

    /** The same for an extremum: 0 where {@code arg} is another edge. */
    void fullArgGradW(
            boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd);
}
