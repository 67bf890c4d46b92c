package dev.heddle.kernel;

/**
 * A token mixed with the one before it, lanes over channels. With {@code lerp} the weight is that of the token before, else of the
 * token itself.
 *
 * <p>Arguments are absolute addresses and byte strides from step to step; {@code columns} is a multiple of the lanes.
 */
public interface TokenShiftKernels {
    /**
     * One mixture of every step.
     *
     * @param before the row before the first
     */
    void forward(boolean lerp, long before, long x, long xs, long mix, long y, long ys, long steps, long columns);

    /**
     * What comes back to a token from its own step ({@code own}) and from the next ({@code next}), over all mixtures, and {@code more}.
     *
     * @param g gradients of the tokens' own steps; those of the mixtures lie {@code gm} bytes apart
     * @param mix weights, those of the mixtures {@code ms} bytes apart
     * @param more a row added to each
     */
    void gradX(
            boolean lerp,
            boolean own,
            boolean next,
            long g,
            long gs,
            long gm,
            long mix,
            long ms,
            long mixtures,
            long more,
            long gx,
            long gxs,
            long steps,
            long columns);

    /** The gradient of one mixture's weights, summed over the steps. */
    void gradMix(boolean lerp, long before, long x, long xs, long g, long gs, long gmix, long steps, long columns);
}
