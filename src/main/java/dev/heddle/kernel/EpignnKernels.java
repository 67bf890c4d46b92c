package dev.heddle.kernel;

/**
 * Small bilinear forms, one for each facet, of vectors of {@code h} numbers. Lanes over the numbers of a result, at least as many as
 * there are lanes.
 *
 * <p>Arguments are absolute addresses and byte strides from row to row; the {@code facets} vectors of a row lie side by side. {@code
 * nodes} and {@code types} point at i32 numbers of an edge's row and of its relation.
 */
public interface EpignnKernels {
    /** y[e, f, k] = sum over i, j of a[e, f, i] b[e, f, j] t[f, i, j, k], for rows {@code row} to {@code rowEnd}. */
    void trilinear(
            long a, long as, long b, long bs, long t, long y, long ys, long facets, long h, long row, long rowEnd);

    /** y[i, j, k] = sum over {@code rows} of a[e, i] b[e, j] c[e, k]: of one facet. */
    void trilinearGrad(long a, long as, long b, long bs, long c, long cs, long y, long h, long rows);

    /** m[e, f, k] = sum over i of x[node_e, f, i] w[type_e, f, i, k], for edges {@code edge} to {@code edgeEnd}. */
    void messages(
            long nodes,
            long types,
            long x,
            long xs,
            long w,
            long ws,
            long m,
            long ms,
            long facets,
            long h,
            long edge,
            long edgeEnd);

    /**
     * gw[f, i, k] = sum over the edges listed of x[node_e, f, i] gm[e, f, k].
     *
     * @param edges i32 numbers of {@code count} edges
     */
    void messagesGrad(
            long edges, long count, long nodes, long x, long xs, long gm, long ms, long gw, long facets, long h);

    /** y = (v + least) / sum over a vector of (v + least). */
    void normalize(long v, long y, float least, long h, long vector, long vectorEnd);

    /** gv = (gy - sum of gy y) / sum of (v + least). */
    void normalizeGrad(long v, long y, long gy, long gv, float least, long h, long vector, long vectorEnd);
}
