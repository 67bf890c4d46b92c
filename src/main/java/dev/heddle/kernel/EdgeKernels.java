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

    /** alpha_e = exp(s_e - max) / sum of them, per head; lanes over edges. May work in place. */
    void softmax(
            long indptr, long scores, long ss, long alpha, long as, long heads, long scratch, long row, long rowEnd);

    /** gs_e = alpha_e (g_e - sum of alpha g), per head. May work in place of g. */
    void softmaxGrad(
            long indptr, long alpha, long as, long g, long gs, long out, long os, long heads, long row, long rowEnd);
}
