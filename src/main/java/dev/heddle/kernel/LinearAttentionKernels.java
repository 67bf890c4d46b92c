package dev.heddle.kernel;

/**
 * Attention without softmax, as a scan of a matrix of sums {@code S [rows, columns]}: {@code S_r = decay S_r + x_r v}, {@code y = scale
 * sum_r w_r S_r}. Lanes over columns; steps in order, rows within a step. Arguments are absolute addresses and byte strides
 * from step to step, negative against time; within a step everything lies without gaps, but for the rows of S, which are
 * {@code pitch} bytes apart.
 *
 * <p>A tile is {@code tile} vectors wide; its last vector starts {@code last} bytes after its first, and may overlap the one before
 * it.
 */
public interface LinearAttentionKernels {
    /** What a step does to the sums before it adds: nothing, one factor per row, or one per column. */
    enum Decay {
        NONE,
        ROWS,
        COLUMNS
    }

    /**
     * Some steps.
     *
     * @param s the sums before the first step
     * @param sStep from these to those after it, and so on; 0 to write in place
     */
    void scan(
            int tile,
            Decay decay,
            long s,
            long sStep,
            long pitch,
            long rows,
            long d,
            long dStep,
            long x,
            long xStep,
            long v,
            long vStep,
            long w,
            long wStep,
            float scale,
            long y,
            long yStep,
            long last,
            long steps);

    /** {@code out_c = sum_r a_rc b_rc} for two matrices of sums per step. */
    void columnDots(
            int tile,
            long a,
            long aStep,
            long b,
            long bStep,
            long pitch,
            long rows,
            long out,
            long outStep,
            long last,
            long steps);

    /** {@code to = x + 1} where x is positive, else {@code e^x}; or with {@code gradient} {@code to = to} times the derivative of that. */
    void elu(boolean gradient, long x, long step, long to, long toStep, long columns, long rows);

    /** {@code y = n / (n_last + eps)}, n having one column more than y. */
    void divide(long n, long nStep, float eps, long y, long yStep, long columns, long rows);

    /**
     * Gradients of {@link #divide}: {@code gn = gy / (n_last + eps)} and in the last column {@code -sum(gy n) / (n_last + eps)^2}.
     */
    void divideGradient(
            long gy, long gyStep, long n, long nStep, float eps, long gn, long gnStep, long columns, long rows);

    /** {@code a = factor a} for {@code count} floats. */
    void scale(float factor, long a, long count);
}
