package dev.heddle.kernel;

/** Gradients of prefix attention; words, planes and tiles are those of {@link PrefixKernels}. */
public interface PrefixGradKernels {
    /**
     * From the last step to the first and the last head to the first, with {@code G = gw + g/u} and {@code D = d + gw (yLater - y)}:
     * stores {@code gv = e G} (0 for a skipped step) and {@code p = G (v - y) - D}, whose sum is the gradient of the score but for e;
     * leaves {@code gw = r G}, {@code d = r D} and {@code yLater = y}. So gw is what later steps ask of this one, and d by how much
     * their results differ from the last one seen, which is small where one step rules them all. Matrices point at the last
     * head of the last step, states at the last head.
     */
    void gradients(
            int tile,
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

    /**
     * {@code gs = e sum(p)}, 0 for a skipped step.
     *
     * @param p rows as wide as {@code pHead}, a multiple of 64, says
     * @param fold 128 bytes of zeroed scratch for each row: a step of a head
     */
    void gradScores(
            long p,
            long pHead,
            long pStep,
            long gs,
            long gsStep,
            long gsHead,
            long coef,
            long heads,
            long steps,
            long fold);

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
