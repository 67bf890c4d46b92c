package dev.heddle.kernel;

/**
 * What the state-space dual has of its own beside {@link ScanKernels}: time steps and decays are the same for all channels of a
 * head. Scratch and arguments are as there.
 */
public interface SsdKernels {
    /**
     * The time steps and decays of some heads, which lie side by side, at least as many as there are lanes:
     * {@code to = clamp(dt + bias, least, most)}, or of its softplus, and {@code decay = 2^(to a)}.
     */
    void steps(
            boolean softplus,
            long dt,
            long dts,
            long bias,
            long a,
            float least,
            float most,
            long to,
            long ts,
            long decay,
            long es,
            long steps,
            long heads);

    /**
     * The rows of a block: the decay of its head, {@code du = dt x}, and the start of y, {@code d x} or 0.
     *
     * @param dt of the head, {@code dts} to the next step; so {@code e}
     */
    void rows(
            boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            long e,
            long es,
            long d,
            long decay,
            long du,
            long y,
            long steps,
            long columns);

    /**
     * The gradients of what {@link #rows} and the decays were made of: {@code gx = gy d + dt s1}; {@code gdt += x s1 + a s2}, whose sum over
     * the channels of the head is the gradient of its dt; {@code ga += dt s2} and {@code gd += gy x} as sums over time.
     *
     * @param a of the head
     * @param s2 sums over states of the gradient times the decay and what it decays
     */
    void finish(
            boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            float a,
            long d,
            long gy,
            long s1,
            long s2,
            long gx,
            long gxs,
            long gdt,
            long ga,
            long gd,
            long steps,
            long columns);

    /**
     * Back through {@link #steps}, without the decays: {@code to = g} times the derivative of softplus, if there is one; 0 where the
     * clamp held. {@code sum} is the sum over time.
     */
    void stepsBackward(
            boolean softplus,
            long dt,
            long dts,
            long bias,
            float least,
            float most,
            long g,
            long gs,
            long to,
            long ts,
            long sum,
            long steps,
            long heads);
}
