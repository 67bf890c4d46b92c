package dev.heddle.kernel;

/**
 * Normalisation of groups of neighbouring columns: {@code n = (u - mean) / sqrt(mean((u - mean)^2) + eps) * weight + bias},
 * with the mean taken as 0 but for {@link Form#CENTRED}. Sums have 64 partial sums, column c in number c mod 64, folded in
 * halves.
 *
 * <p>Weights, biases and their gradients are given with rows of whole blocks of 64 columns for each group, {@code ws}
 * bytes apart. Strides are in bytes.
 */
public interface NormKernels {
    /** Whether the mean is taken away, and where {@code silu(z)} enters. */
    enum Form {
        /** Layer and group norm: {@code u = x, y = n}, and the only one with a mean. */
        CENTRED,
        /** Root mean square norm: {@code u = x, y = n}. */
        PLAIN,
        /** {@code u = x silu(z), y = n}. */
        GATE_FIRST,
        /** {@code u = x, y = n silu(z)}. */
        GATE_LAST
    }

    /** Bytes of scratch of {@link #forward}. */
    long FORWARD_SCRATCH = 4 * 256;

    /** {@code length} columns in each of {@code groups} groups of {@code rows} rows. */
    void forward(
            Form form,
            long x,
            long xs,
            long z,
            long zs,
            long weight,
            long bias,
            long ws,
            long y,
            long ys,
            long length,
            long groups,
            float eps,
            long scratch,
            long rows);

    /**
     * The gradients: {@code gx} (and {@code gz} with a gate) written, those of weight and bias added to what is there.
     *
     * @param scratch {@link #backwardScratch} bytes
     */
    void backward(
            Form form,
            long x,
            long xs,
            long z,
            long zs,
            long weight,
            long bias,
            long ws,
            long gy,
            long gys,
            long gx,
            long gxs,
            long gz,
            long gzs,
            long gw,
            long gb,
            long length,
            long groups,
            float eps,
            long scratch,
            long rows);

    /** Bytes of scratch of {@link #backward}: some rows, and the lanes of a fold. */
    static long backwardScratch(long length) {
        return 256 + 4 * rowBytes(length);
    }

    /** Bytes of the whole blocks that hold a group. */
    static long rowBytes(long length) {
        return (length + 63) / 64 * 256;
    }
}
