package dev.heddle.kernel;

/**
 * Attention over the steps so far, as a scan of the states (m, u, w): running maximum of the scores, sum of the weights
 * relative to it, and weighted sum of the values. Lanes over features; steps in the order of time, heads within a step.
 *
 * <p>Arguments are absolute addresses and byte strides; a matrix has its strides from step to step and from head to head
 * beside it, and backwards in time the former are negative. Numbers per head ({@code m}, {@code u}) lie side by side.
 *
 * <p>What a step does to the state is computed first, for all steps of a block: three planes of one float per step and head,
 * at {@code coef}, {@code plane} bytes apart (a multiple of 64). They are the weight e of the new value, the factor r of the old
 * state, one of which is 1, and the new u as a divisor, infinite instead of 0. A step that is skipped has the weight -0.
 *
 * <p>A tile is {@code tile} vectors wide; its last vector starts {@code last} bytes after its first, and may overlap the one
 * before it. Nothing is stored before all of a tile is loaded, so states are updated in place.
 */
public interface PrefixKernels {
    /**
     * {@code m}, and in the first plane how far each score is below the maximum before it (at most 0) or above it; a score of
     * -infinity skips its step.
     */
    void distances(long s, long sStep, long sHead, long heads, long steps, long m, long coef);

    /** The first two planes from the distances that lie in the first. */
    void exponentials(long coef, long plane);

    /** {@code u}, and the third plane from the first two. */
    void sums(long u, long coef, long plane, long heads, long steps);

    /** {@code (m, u)} and the planes, of one step, from other states {@code (m2, u2)} that are appended. */
    void merge(long m, long u, long m2, long u2, long heads, long coef, long plane);

    /**
     * {@code w = r w + e v}, and with {@code output} also {@code y = w / u}. What a skipped step would add is not read.
     *
     * @param zeros a row of zeros, read instead of a skipped one
     */
    void scan(
            int tile,
            boolean output,
            long v,
            long vStep,
            long vHead,
            long y,
            long yStep,
            long yHead,
            long w,
            long wHead,
            long last,
            long coef,
            long plane,
            long heads,
            long steps,
            long zeros);

    /**
     * {@code out = scale <a, b>} for each step and head.
     *
     * @param pads 192 bytes of zeroed scratch, of which {@code columns} must always be the same
     */
    void dots(
            long a,
            long aStep,
            long aHead,
            long b,
            long bStep,
            long bHead,
            long columns,
            float scale,
            long out,
            long outStep,
            long outHead,
            long heads,
            long steps,
            long pads);
}
