package dev.heddle.kernel;

/**
 * The recurrence of RWKV-5 and 6 for one head: a state of rows, each row scaled and increased in a step. A tile of it, {@code rows} rows by
 * {@code tile} vectors, stays in registers while the steps of a block go by; what sums over rows is added up in memory.
 *
 * <p>Arguments are absolute addresses and byte strides from step to step, negative ones backwards in time. A row has its scalars
 * four bytes apart. The last vector of a tile starts {@code last} bytes after its first, and may overlap the one before it;
 * nothing is stored before all of a tile is loaded.
 */
public interface Wkv6Kernels {
    /** Bytes that {@link #replay} keeps of a vector. */
    int SLOT = 64;

    /** Bytes of scratch that {@link #dots} wants, zeroed; always for the same number of columns. */
    int PADS = 4 * 64;

    /**
     * {@code y += r_i S_i}, then {@code S_i = w S_i + k_i v}.
     *
     * @param lanewise whether w has an element for each column instead of one for each row
     * @param state before the first step; {@code to} gets that after the last
     */
    void scan(
            int tile,
            int rows,
            boolean lanewise,
            long r,
            long rs,
            long k,
            long ks,
            long w,
            long ws,
            long v,
            long vs,
            long y,
            long ys,
            long state,
            long to,
            long stateRow,
            long last,
            long steps);

    /** Like a lanewise scan, but keeps the state before each step: {@link #SLOT} bytes for each vector. */
    void replay(
            int tile,
            int rows,
            long k,
            long ks,
            long w,
            long ws,
            long v,
            long vs,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps);

    /**
     * {@code gk += v_i G_i}, {@code gw += S_i G_i}, then {@code G_i = w G_i + gy_i r}, from the last step, whose rows are given, to the first.
     *
     * @param state G, in place
     * @param kept S before each step
     */
    void sweep(
            int tile,
            int rows,
            long v,
            long vs,
            long gy,
            long gys,
            long w,
            long ws,
            long r,
            long rs,
            long gk,
            long gks,
            long gw,
            long gws,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps);

    /** {@code out_t = <a_t, b_t>}, or the sum of {@code a b u}; outs lie four bytes apart. */
    void dots(
            boolean weighted, long a, long as, long b, long bs, long u, long columns, long out, long steps, long pads);

    /** {@code y_t = c_t x_t}, or {@code c_t x_t u}. */
    void scale(boolean weighted, long c, long x, long xs, long u, long y, long ys, long steps, long columns);

    /** {@code out = sum of c_t a_t b_t}. */
    void sum(long c, long a, long as, long b, long bs, long out, long steps, long columns);
}
