package dev.heddle.kernel;

/**
 * Softmax of rows, its logarithm and its cross-entropy. Sums have 64 partial sums, column c in number c mod 64, folded in
 * halves. Strides are in bytes; every method takes {@link #SCRATCH} bytes of scratch.
 */
public interface SoftmaxKernels {
    long SCRATCH = 4 * 256;

    /** {@code y = softmax(x)}, or {@code log softmax(x)}; {@code y} is {@code x} or does not overlap it. */
    void forward(boolean log, long x, long xs, long y, long ys, long columns, long scratch, long rows);

    /** {@code gx = y (gy - sum(gy y))}, or {@code gx = gy - exp(y) sum(gy)}; {@code gx} may be {@code gy}. */
    void backward(
            boolean log, long y, long ys, long gy, long gys, long gx, long gxs, long columns, long scratch, long rows);

    /**
     * {@code loss = (1 - smoothing) nll(target) + smoothing mean(nll)} with {@code nll(c) = log sum_j exp(x_j - m) - (x_c - m)};
     * 0 where the target is {@code ignored}.
     *
     * @param smooth whether smoothing is not 0
     * @param target int32 for each row
     */
    void loss(
            boolean smooth,
            long x,
            long xs,
            long target,
            int ignored,
            float smoothing,
            long loss,
            long columns,
            long scratch,
            long rows);

    /**
     * {@code gx = g (softmax(x) - (1 - smoothing) [c = target] - smoothing / columns)}; 0 where the target is
     * {@code ignored}. {@code gx} may be {@code x}.
     *
     * @param g to the gradient of the next row's loss it is {@code gs} bytes: 0 if all rows have the same
     */
    void lossBackward(
            long x,
            long xs,
            long target,
            int ignored,
            float smoothing,
            long g,
            long gs,
            long gx,
            long gxs,
            long columns,
            long scratch,
            long rows);
}
