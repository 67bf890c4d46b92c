package dev.heddle.kernel;

/** Gradients of prefix attention; words, planes and tiles are those of {@link PrefixKernels}. */
public interface PrefixGradKernels {
    /**
     * From the last step to the first and the last head to the first, with {@code G = gw + g/u} and {@code D = d + gw (yLater - y)}:
     * stores {@code gv = e G} (0 for a skipped step) and {@code p = G (v - y) - D}, whose sum is the gradient of the score but for e;
     * if {@code whole}, p gets the 16 partial sums of that added instead, feature f in number f mod 16; leaves {@code gw = r G}, {@code d = r D} and {@code yLater = y}. So gw is what later steps ask of this one, and d by how much
     * their results differ from the last one seen, which is small where one step rules them all. Matrices point at the last
     * head of the last step, states at the last head.
     *
     * @param whole whether the columns are a multiple of 16, so that no vector overlaps another; p then points at the partial
     *     sum of the first column
     */
    void gradients(
            int tile,
            boolean whole,
            long v,
            long vStep,
            long vHead,
            long y,
            long yStep,
            long yHead,
            long g,
            long gStep,
            long gHead,
            long gv,
            long gvStep,
            long gvHead,
            long p,
            long pStep,
            long pHead,
            long gw,
            long d,
            long yLater,
            long stateHead,
            long last,
            long coef,
            long plane,
            long heads,
            long steps,
            long zeros);

    /** The 16 partial sums of each row of p; rows are as wide as {@code pHead}, a multiple of 64, says. */
    void partials(long p, long pHead, long pStep, long heads, long steps, long sums);

    /**
     * {@code gs = e sum(p)}, 0 for a skipped step.
     *
     * @param sums partial sums, 64 bytes for each row, a step of a head; and memory for 15 more rows. Overwritten.
     */
    void gradScores(long sums, long gs, long gsStep, long gsHead, long coef, long heads, long steps);

    /**
     * {@code gk = (scale gs) q} for each step and head, and {@code gq} the sum over the steps of {@code (scale gs) k}. Where gs is
     * 0, k is not read.
     *
     * @param zeros a row of zeros, read instead
     */
    void gradDots(
            int tile,
            long gs,
            long gsStep,
            long gsHead,
            float scale,
            long q,
            long qHead,
            long k,
            long kStep,
            long kHead,
            long gk,
            long gkStep,
            long gkHead,
            long gq,
            long gqHead,
            long last,
            long heads,
            long steps,
            long zeros);
}
