package dev.heddle.kernel;

/**
 * What is computed edge by edge: sums of the rows at both ends, and softmax over the edges of a destination.
 *
 * <p>Arguments are absolute addresses and byte strides; {@code indptr} points at i64 row pointers and {@code indices} at i32
 * sources. Rows {@code row} to {@code rowEnd} are computed.
 */
public interface EdgeKernels {
    /** Edges whose scores are worked on at a time. */
    int BLOCK = 256;

    /** Bytes of scratch that softmax needs. */
    int SCRATCH = 4 * BLOCK + 64;

    /** z_e = x_j + y_i, or x_j - y_i; lanes over features, at least as many as there are lanes. */
    void sum(
            boolean minus,
            long indptr,
            long indices,
            long x,
            long xs,
            long y,
            long ys,
            long z,
            long zs,
            long columns,
            long row,
            long rowEnd);

    /**
     * alpha_e = exp(s_e - max) / sum of them, per head; lanes over edges. May work in place.
     *
     * @param part whether a row is a part of one: then nothing is divided, and {@code stats} gets, for each part, the heads'
     *     maxima and then their sums
     */
    void softmax(
            boolean part,
            long indptr,
            long scores,
            long ss,
            long alpha,
            long as,
            long stats,
            long heads,
            long scratch,
            long row,
            long rowEnd);

    /** In place of the maxima of parts, the number that each part's exponentials are to be multiplied by, per head. */
    void combine(long stats, long parts, long heads, long scratch);

    /** Multiplies the rows' alpha by a number for each row and head. */
    void scale(long indptr, long alpha, long as, long factors, long fs, long heads, long row, long rowEnd);

    /** gs_e = alpha_e (g_e - sum of alpha g), per head. May work in place of g. */
    void softmaxGrad(
            long indptr, long alpha, long as, long g, long gs, long out, long os, long heads, long row, long rowEnd);

    /** The sums of alpha g of each row, per head. */
    void softmaxMeans(long indptr, long alpha, long as, long g, long gs, long means, long heads, long row, long rowEnd);

    /** gs_e = alpha_e (g_e - mean), one mean a head for all rows. */
    void softmaxPartGrad(
            long indptr,
            long alpha,
            long as,
            long g,
            long gs,
            long out,
            long os,
            long means,
            long heads,
            long row,
            long rowEnd);
}
