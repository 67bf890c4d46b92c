package dev.heddle.kernel;

/**
 * The recurrence of RWKV-4, lanes over channels, steps in the order of time. Its state is the planes aa, bb and pp, {@code plane}
 * bytes apart: sums relative to the exponent pp.
 *
 * <p>Arguments are absolute addresses and byte strides from step to step; {@code columns} is a multiple of the lanes. Each
 * group of lanes is read before it is written, so a state is updated in place.
 */
public interface Wkv4Kernels {
    /** From here down a maximum stands for the empty state. */
    float EMPTY = -1e30f;

    /** Rows that {@link #backward} keeps for each step of a stretch. */
    int ROWS = 4;

    /** Bytes of a row of {@link #backward}'s scratch: as many as the widest vector has. */
    int ROW = 64;

    /** y of every step, and the state after the last. */
    void forward(
            long k,
            long ks,
            long v,
            long vs,
            long y,
            long ys,
            long w,
            long u,
            long state,
            long plane,
            long steps,
            long columns);

    /** The state after the last step, written to {@code to}. */
    void advance(
            long k,
            long ks,
            long v,
            long vs,
            long w,
            long state,
            long plane,
            long to,
            long toPlane,
            long steps,
            long columns);

    /**
     * The gradients of a stretch of steps.
     *
     * @param last 1 for the last stretch of a sequence, 0 for others
     * @param state before the first of them
     * @param carry the planes of what came back so far, {@code carryPlane} bytes apart: gradients of aa, bb and (none after
     *     the last stretch) pp, sums for w and u
     * @param scratch {@link #ROWS} times {@link #ROW} bytes for each step
     */
    void backward(
            long k,
            long ks,
            long v,
            long vs,
            long gy,
            long gys,
            long gk,
            long gks,
            long gv,
            long gvs,
            long w,
            long u,
            float last,
            long state,
            long plane,
            long carry,
            long carryPlane,
            long scratch,
            long steps,
            long columns);
}
