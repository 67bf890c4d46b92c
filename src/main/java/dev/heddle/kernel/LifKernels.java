package dev.heddle.kernel;

/**
 * Leaky integrate-and-fire neurons, lanes over neurons, and the surrogates of their step.
 *
 * <p>A step is {@code h = v + (reset - v) leak + x gain}, a spike where {@code h >= threshold}, and then {@code v = h}, less the
 * threshold (soft) or set to {@code reset} where it spiked. Rows of neurons are worked on one after another: v of a step
 * is read from the row that the step before wrote.
 *
 * <p>Arguments are absolute addresses and byte strides from step to step; {@code columns} is a multiple of the lanes.
 */
public interface LifKernels {
    /** What stands for the derivative of the step. */
    enum Slope {
        ATAN,
        SIGMOID
    }

    /**
     * Spikes, as floats 0 and 1 and, if they are packed, as bits too.
     *
     * @param before the row of v before the first step; the rows after each begin at {@code v}, {@code vs} bytes apart
     * @param turn 1, or -1 if rows of v go to and fro between two
     * @param bits the word of the first neuron's bit, which is bit {@code bit} of it; a word's lower bits are kept
     */
    void forward(
            boolean soft,
            boolean packed,
            long x,
            long xs,
            long spike,
            long ss,
            long bits,
            long bs,
            long bit,
            long before,
            long v,
            long vs,
            long turn,
            float leak,
            float gain,
            float threshold,
            float reset,
            long steps,
            long columns);

    /**
     * Gradients of steps, from the last, whose rows are given, to the first: strides are subtracted.
     *
     * @param before the row of v before the last step
     * @param gv what else than the next step comes back to v
     * @param carry the row of what comes back to v; and, if the leak is learned, {@code gLeak} that of sums for it
     * @param drive 1 if the leak scales the input, else 0
     */
    void backward(
            boolean soft,
            boolean detached,
            boolean learned,
            Slope slope,
            long x,
            long xs,
            long before,
            long bs,
            long gs,
            long gss,
            long gv,
            long gvs,
            long gx,
            long gxs,
            long carry,
            long gLeak,
            float leak,
            float gain,
            float drive,
            float threshold,
            float reset,
            float alpha,
            long steps,
            long columns);

    /** 1 where x >= 0, else 0. */
    void step(long x, long y, long columns);

    /** gx = gy slope(x). */
    void slope(Slope slope, long x, long gy, long gx, float alpha, long columns);

    /**
     * Packs rows of 0 and 1, 64 columns to a word; {@code odd} counts in its lanes what is neither.
     *
     * @param bits as in {@link #forward}
     */
    void pack(long x, long xs, long bits, long bs, long bit, long odd, long rows, long columns);
}
