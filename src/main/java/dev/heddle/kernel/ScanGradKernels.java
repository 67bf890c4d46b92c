package dev.heddle.kernel;

import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;

/** The gradients of the selective scan for one block of channels. Scratch and arguments are as in {@link ScanKernels}. */
public interface ScanGradKernels {
    /** The gradient of y before the gate: {@code g = gy silu(z)}, or gy alone. */
    void gateGradient(
            boolean gated, long gy, long gys, long z, long zs, long g, long apart, long steps, long from, long columns);

    /**
     * The same as {@link ScanKernels#states} for one group, with all that the way back needs: the states before each step and after the
     * last, and the decays.
     *
     * @param hs {@code group} rows a step, one step more than there are; the first holds the states at the start
     * @param es {@code group} rows a step; nothing if decays are given
     */
    void record(
            int group,
            Decay decay,
            Factor bFactor,
            Output output,
            long a,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long y,
            long hs,
            long es,
            long steps,
            long columns);

    /**
     * One group of states back through a stretch of time. With g the gradient of a state, starting from that which the next
     * step left: {@code g += gy C}, {@code s1 += g B}, {@code s2 += g e h' A}, {@code gA += g e h' dt}, {@code gB += g du},
     * {@code gC += gy h}, and then {@code g e} for the step before; h' is the state before a step, e its decay.
     *
     * @param given whether the rows of dt hold the decays; {@code s2} then lacks A, and there is no {@code gA}
     * @param carry rows of g, read and written
     * @param ga rows to which the sums over time are added, so {@code gb} and {@code gc} if OWN; if SHARED they are rows for
     *     each step and state, to which each channel adds
     * @param s1 a row a step, so {@code s2}, which lacks the factor ln(2)
     */
    void sweep(
            int group,
            boolean given,
            Factor bFactor,
            Factor cFactor,
            long a,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long gy,
            long hs,
            long es,
            long carry,
            long ga,
            long gb,
            long gc,
            long s1,
            long s2,
            long steps,
            long columns);

    /** One halving of the partial sums of each row: {@code rows[i] += rows[i + half]}, for 8, 4, 2 and 1 in turn. */
    void halve(long rows, int half, long count);

    /**
     * The sums that stand at the start of each row, {@code group} rows a step, to where they belong.
     *
     * @param ts from one step to the next there
     */
    void collect(long rows, int group, long to, long ts, long steps);

    /**
     * The gradients of what {@link ScanKernels#discretise} made: {@code gu = gy D + dt s1}, {@code gdelta = (s2 ln(2) + u s1)} times the
     * derivative of softplus if there is one, which {@code s2} holds afterwards. With {@code add}, {@code gu} is added to what is
     * there.
     */
    void finish(
            boolean softplus,
            boolean skip,
            boolean add,
            long u,
            long us,
            long delta,
            long ds,
            long bias,
            long d,
            long dt,
            long gy,
            long s1,
            long s2,
            long apart,
            long gu,
            long gus,
            long gdelta,
            long gds,
            long steps,
            long from,
            long columns);

    /** Sums over time for one block: {@code gbias += gdelta}, {@code gd += gy u}. */
    void finishSums(long u, long us, long gy, long gdelta, long gbias, long gd, long steps, long columns);

    /** The gradient of z: {@code gz = gy y silu'(z)}, with y before the gate; with {@code add}, added to what is there. */
    void gateBackward(
            boolean add,
            long gy,
            long gys,
            long y,
            long apart,
            long z,
            long zs,
            long gz,
            long gzs,
            long steps,
            long from,
            long columns);
}
