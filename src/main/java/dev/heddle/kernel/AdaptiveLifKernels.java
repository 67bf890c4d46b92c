package dev.heddle.kernel;

import dev.heddle.kernel.LifKernels.Slope;

/**
 * Neurons like those of {@link LifKernels} whose threshold is {@code threshold + beta a}, where {@code a = rho a + spike} from step to step.
 * Rows of v and a before and after each step lie {@code vs} bytes apart, those of a {@code plane} bytes after those of v.
 */
public interface AdaptiveLifKernels {
    /**
     * Spikes, and the rows of v and a after each step.
     *
     * @param v the rows before the first step; those after it follow
     */
    void forward(
            boolean soft,
            long x,
            long xs,
            long spike,
            long ss,
            long v,
            long vs,
            long plane,
            float leak,
            float gain,
            float threshold,
            float reset,
            float rho,
            float beta,
            long steps,
            long columns);

    /**
     * Gradients of steps, from the last, whose rows are given, to the first.
     *
     * @param v the rows before the last step
     * @param carry what comes back to v, and {@code carryPlane} bytes on to a; in place
     */
    void backward(
            boolean soft,
            boolean detached,
            Slope slope,
            long x,
            long xs,
            long v,
            long vs,
            long plane,
            long gs,
            long gss,
            long gx,
            long gxs,
            long carry,
            long carryPlane,
            float leak,
            float gain,
            float threshold,
            float reset,
            float rho,
            float beta,
            float alpha,
            long steps,
            long columns);
}
