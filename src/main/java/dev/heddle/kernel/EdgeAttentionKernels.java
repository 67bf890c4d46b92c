package dev.heddle.kernel;

/**
 * Attention over the edges into a node, one pass over a row: scores, softmax and the weighted sum of values in blocks of {@link
 * #BLOCK} edges, with a running maximum. Lanes over features, and over edges for the exponentials.
 *
 * <p>Arguments are absolute addresses and byte strides from row to row; the heads of a row lie side by side. {@code indptr} points
 * at i64 row pointers, {@code indices} at i32 nodes at the other end, {@code perm} at the i32 positions of a transposed row's edges.
 *
 * <ul>
 *   <li>{@code a} is the score's part of the row's own node, {@code b} that of the other; {@code columns} floats a head. For {@link
 *       Score#ADDED} one.
 *   <li>{@code att}, for {@link Score#LEAKY_DOT}, is the vector of each head.
 *   <li>{@code ee} is added per edge: a number a head, for LEAKY_DOT {@code columns} of them. A stride of 0 over zeros is none.
 *   <li>{@code stats} has, per row, the largest score of each head, then the sum of each head's exponentials beside it.
 *   <li>{@code factor} is the slope of leaky_relu, or the scale of the dot product.
 * </ul>
 *
 * <p>An edge whose score is -infinity is left out: nothing else of it is read. Rows {@code row} to {@code rowEnd} are computed.
 */
public interface EdgeAttentionKernels {
    /** How an edge gets its score. */
    enum Score {
        /** leaky_relu(a + b + ee). */
        ADDED,
        /** The sum over features of att * leaky_relu(a + b + ee). */
        LEAKY_DOT,
        /** factor * (a . b) + ee. */
        DOT
    }

    /** Edges worked on at a time. */
    int BLOCK = 128;

    /** Bytes of scratch, before the accumulators. */
    int ACCUMULATORS = 8 * 4 * BLOCK + 8 * BLOCK + 10 * 64;

    /** y_i = sum of softmax(s)_e v_j; the row's maximum and sum go to {@code stats}. Scratch: a row of a head more, in whole vectors. */
    void forward(
            Score score,
            int tile,
            long indptr,
            long indices,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long v,
            long vs,
            long y,
            long ys,
            long stats,
            long ss,
            float factor,
            long heads,
            long columns,
            long width,
            long scratch,
            long row,
            long rowEnd);

    /** Combines the parts of one row, each with its own result and stats: weights u exp(m - max m), normalised. */
    void combine(
            long part,
            long ps,
            long partStats,
            long pss,
            long parts,
            long y,
            long stats,
            long heads,
            long width,
            long scratch);

    /** alpha_e = exp(s_e - m_i) / u_i, 0 for an edge that is left out. */
    void weights(
            Score score,
            long indptr,
            long indices,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long stats,
            long ss,
            long alpha,
            long als,
            float factor,
            long heads,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** means_ih = g_ih . y_ih, which is the mean of alpha's gradient. */
    void means(
            long g,
            long gs,
            long y,
            long ys,
            long means,
            long ms,
            long heads,
            long width,
            long scratch,
            long row,
            long rowEnd);

    /**
     * Gradients of what belongs to the row's own node: of a; and of what belongs to its edges. With d_e = alpha_e (c_i . d_j -
     * mean_i), that of the score:
     *
     * <ul>
     *   <li>on rows of the graph c is the gradient of y and d the values; {@code out} gets the gradient of a, {@code edges} that of
     *       ee, {@code attGrad} (whole vectors a head) has that of att added.
     *   <li>{@code transposed}, on rows of the transposed graph, c is the values and d the gradient of y; {@code out} gets the gradient
     *       of what is a there, {@code values} that of the values; for LEAKY_DOT, whose values are a, out gets both.
     * </ul>
     */
    void grad(
            Score score,
            boolean transposed,
            int tile,
            long indptr,
            long indices,
            long perm,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long c,
            long cs,
            long d,
            long ds,
            long stats,
            long ss,
            long means,
            long ms,
            long out,
            long os,
            long values,
            long vs,
            long edges,
            long ges,
            long attGrad,
            float factor,
            long heads,
            long columns,
            long width,
            long scratch,
            long row,
            long rowEnd);
}
