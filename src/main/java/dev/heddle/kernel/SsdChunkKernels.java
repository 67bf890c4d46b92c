package dev.heddle.kernel;

/**
 * What the chunk form of the state-space dual has beside its matrix products, for one head and a chunk of at most {@link #CHUNK}
 * steps. A decay from step j to step i is 2 to the sum of {@code dt a} over the steps j + 1 to i, added up from j on. Strides are
 * in bytes; columns are a multiple of the lanes.
 */
public interface SsdChunkKernels {
    /**
     * Steps of a chunk, a multiple of all lanes: the products within a chunk grow with it, and what is done once for each chunk, so
     * its states' decay, gets rarer. Part of the order of sums.
     */
    int CHUNK = 32;

    /** Bytes of a row with an element for each step of a chunk. */
    long ROW = 4L * CHUNK;

    /**
     * The decays: {@code m[i][j] = g[i][j]} times the decay from j to i for {@code j <= i}, undefined beyond; {@code end[j]} the
     * decay from j to the last step, and {@code start[i]} the one from the state before the chunk to i.
     *
     * @param dt of the first step, {@code dts} to the next
     * @param a of the head, times log2(e)
     * @param g rows of {@link #ROW} bytes, as those of m
     */
    void decays(long dt, long dts, float a, long g, long m, long end, long start, long steps);

    /**
     * What enters the products: {@code du = dt x}, and {@code y = start y + d x}, or {@code start y} alone.
     *
     * @param du rows of {@code 4 columns} bytes, as those of y
     */
    void inputs(
            boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            long start,
            long d,
            long du,
            long y,
            long steps,
            long columns);

    /** Multiplies rows of {@code 4 columns} bytes by a factor each, {@code fs} bytes apart. */
    void scale(long rows, long factors, long fs, long count, long columns);

    /** {@code out = y silu(z)}, or y alone. */
    void outputs(boolean gated, long y, long z, long zs, long out, long os, long steps, long columns);
}
