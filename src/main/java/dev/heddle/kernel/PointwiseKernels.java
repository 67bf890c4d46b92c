package dev.heddle.kernel;

/**
 * Elementwise functions of contiguous arrays, given by absolute addresses. The number of elements {@code n} is a multiple of
 * the lanes: the caller leaves what remains to the scalar twin. Not, as elsewhere, to a last group that overlaps the one
 * before, which would read results for arguments where the work is done in place.
 */
public interface PointwiseKernels {
    /** y = f(x); {@code y} is {@code x} or does not overlap it. */
    void forward(Activation f, long x, long y, long n);

    /** gx = gy f'(x); {@code gx} is {@code x} or {@code gy} or does not overlap them. */
    void backward(Activation f, long x, long gy, long gx, long n);
}
