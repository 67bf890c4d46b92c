package dev.heddle.kernel;

/**
 * The symmetric normalisation of a graph's edges, and its gradient: one number an edge, so they run on one lane. Sums are taken in
 * float64, in CSR order.
 *
 * <p>{@code indptr}, {@code indices}: the graph. {@code w}, {@code norm}, {@code g}: f32 an edge. {@code scale}, {@code self}:
 * f32 a node, {@code scale_i = d_i^-1/2}. {@code fill} is the weight of the self loop that is added to nodes without one, or 0.
 */
public interface GcnNormKernels {
    /** scale_i = (sum of w over row i + fill_i)^-1/2, 0 for a sum of 0; self_i = scale_i^2 fill_i. */
    void degrees(
            boolean weighted,
            long indptr,
            long indices,
            long w,
            float fill,
            long scale,
            long self,
            long row,
            long rowEnd);

    /** norm_e = scale_j w_e scale_i. */
    void norm(boolean weighted, long indptr, long indices, long w, long scale, long norm, long row, long rowEnd);

    /**
     * What of the gradient of scale_i comes from row i, float64: the sum over the row of g_e w_e scale_j, plus that of self_i and
     * of scale_i itself. {@code gSelf} and {@code gScale} may be 0, for no gradient.
     */
    void gradRows(
            long indptr,
            long indices,
            long w,
            float fill,
            long scale,
            long g,
            long gSelf,
            long gScale,
            long sums,
            long row,
            long rowEnd);

    /**
     * Adds what comes from the edges out of i, rows of the transposed graph, and turns it into the gradient of d_i. {@code g} may
     * be 0, for no gradient.
     */
    void gradDegrees(
            boolean wide,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long scale,
            long g,
            long sums,
            long row,
            long rowEnd);

    /** gw_e = g_e scale_j scale_i + the gradient of d_i. */
    void gradW(long indptr, long indices, long scale, long g, long sums, long gw, long row, long rowEnd);
}
