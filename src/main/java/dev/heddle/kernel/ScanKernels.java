package dev.heddle.kernel;

/**
 * Pieces of the selective scan for one block of {@link #BLOCK} channels. Scratch rows hold a block: {@link #ROW} bytes,
 * one row a step or a state, padded with zeros where there are fewer channels; so scratch looks the same at every width.
 * A kernel works on the first {@code columns} channels of a block, a multiple of its lanes. Strides are in bytes; those
 * over time may be 0 or negative.
 *
 * <p>Kernels that only pass over tensors take the blocks of a run at once, step by step, because memory is read ahead along rows:
 * {@code columns} channels from byte {@code from} of a row on, whose blocks have their scratch {@code apart} bytes from each other.
 *
 * <p>The states of a block are walked in groups of one or four, which stay in registers while a stretch of time passes.
 */
public interface ScanKernels {
    /** Channels of a block: what the widest vector holds. Sums over channels have as many partial sums, whatever the width. */
    int BLOCK = 16;

    /** Bytes of a row of scratch. */
    long ROW = 4L * BLOCK;

    /** How the decay exp(dt A) of a state is made. All give the same bits where they apply. */
    enum Decay {
        /** Where neither dt nor -A can be negative, so that it cannot grow. */
        FALLING,
        /** For any sign. */
        ANY,
        /** The rows of dt hold the decays themselves, the same for all states of a channel. */
        GIVEN
    }

    /** What multiplies a state: a value for all channels that changes with time, or a value of each channel that does not. */
    enum Factor {
        SHARED,
        OWN
    }

    /** Whether, and with what factor, a state enters y. */
    enum Output {
        NONE,
        SHARED,
        OWN
    }

    // ------------------------------------------------------------------ layout

    /**
     * Rows of scratch from a matrix: {@code rows[n][c] = scale * from[c, n]}, and 0 for the channels beyond {@code columns}.
     *
     * @param cs from one channel to the next, {@code ns} from one state to the next
     */
    void gather(long from, long cs, long ns, long columns, long states, float scale, long rows);

    /** The way back, without a scale: {@code to[c, n] = rows[n][c]}. */
    void scatter(long rows, long columns, long states, long to, long cs, long ns);

    /** Rows of a whole block from one place to another. */
    void copy(long from, long fs, long to, long ts, long count);

    /** Fills rows with zeros. */
    void zero(long rows, long count);

    /** {@code to[i] += from[i]} over rows. */
    void add(long from, long to, long count);

    /** The largest value of each channel among rows, NaN left out. */
    void largest(long rows, long count, long to);

    /**
     * Sums of {@code parts} matrices of {@code rows} rows of {@code columns}, at least as many as there are lanes, in order.
     *
     * @param ps from one part to the next; the rows of a part lie side by side, those of the sum {@code ts} apart
     */
    void sum(long from, long ps, long parts, long to, long ts, long rows, long columns);

    // ------------------------------------------------------------------ forward

    /**
     * What all states of a step share: {@code dt = delta + bias}, its softplus if asked for, {@code du = dt u}, and the start
     * of y, {@code d u} or 0.
     *
     * @param dt rows of the first block; those of du lie {@code stage} bytes further, those of y twice as far
     */
    void discretise(
            boolean softplus,
            boolean skip,
            long u,
            long us,
            long delta,
            long ds,
            long bias,
            long d,
            long dt,
            long stage,
            long apart,
            long steps,
            long from,
            long columns);

    /**
     * Some states over a stretch of time: {@code h = exp(dt A) h + du B}, {@code y += h C}.
     *
     * @param group 1 or 4 states at once, {@code groups} times
     * @param a rows of A log2(e); {@code h} rows of states, read and written
     * @param b of the first state, rows if OWN, else values with {@code bs} to the next step; so {@code c}
     */
    void states(
            int group,
            Decay decay,
            Factor bFactor,
            Output output,
            long a,
            long h,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long y,
            long groups,
            long steps,
            long columns);

    /** The end of y: {@code out = y silu(z)}, or y alone; with {@code add}, what out holds is added to y first. */
    void gate(
            boolean gated,
            boolean add,
            long y,
            long apart,
            long z,
            long zs,
            long out,
            long os,
            long steps,
            long from,
            long columns);
}
