package dev.heddle.kernel;

/**
 * The recurrence of RWKV-7 for one head. Its state is kept with a row for each key and lanes over values, so that what it is
 * multiplied with from the right is a sum over rows; backwards also with a row for each value and lanes over keys.
 *
 * <p>Arguments are absolute addresses and byte strides from step to step, negative ones backwards in time. A row has its scalars
 * four bytes apart. The last vector of a tile starts {@code last} bytes after its first, and may overlap the one before it;
 * nothing is stored before all of a row's tile is loaded.
 */
public interface Wkv7Kernels {
    /** Bytes that {@link #rows} keeps of a vector. */
    int SLOT = 64;

    /** {@code out = sum over j of a_j T_j}. */
    void dot(int tile, long a, long state, long stateRow, long rows, long last, long out);

    /**
     * {@code T_j = w_j T_j + b_j sa + k_j v} in place, then {@code y = sum of r_j T_j} and the next sa, {@code sum of a_j T_j}.
     *
     * @param sa a row; the rows of the next ones begin at {@code next}
     */
    void scan(
            int tile,
            long w,
            long ws,
            long b,
            long bs,
            long k,
            long ks,
            long r,
            long rs,
            long a,
            long as,
            long v,
            long vs,
            long y,
            long ys,
            long sa,
            long next,
            long nexts,
            long state,
            long stateRow,
            long rows,
            long last,
            long steps);

    /**
     * Rows of values, in registers: {@code S_i = w S_i + sa_i b + v_i k}. Without {@code keep}, {@code gr += gy_i S_i} and the state goes to {@code
     * to}; with it, the state before each step is kept.
     *
     * @param rows one of 1 and 2
     */
    void rows(
            int tile,
            int rows,
            boolean keep,
            long w,
            long ws,
            long b,
            long bs,
            long k,
            long ks,
            long sa,
            long sas,
            long v,
            long vs,
            long gy,
            long gys,
            long gr,
            long grs,
            long state,
            long to,
            long stateRow,
            long last,
            long kept,
            long steps);

    /**
     * {@code G_i += gy_i r}; {@code gk += v_i G_i}, {@code gb += sa_i G_i}, {@code gw += S_i G_i}, {@code ga += gsa_i S_i}; {@code G_i = w G_i + gsa_i a}; from the
     * last step, whose rows are given, to the first.
     *
     * @param more where the four gradients begin, {@code moreStep} bytes apart
     */
    void sweep(
            int tile,
            int rows,
            long w,
            long ws,
            long a,
            long as,
            long r,
            long rs,
            long sa,
            long sas,
            long gsa,
            long gsas,
            long v,
            long vs,
            long gy,
            long gys,
            long more,
            long moreStep,
            long mores,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps);
}
