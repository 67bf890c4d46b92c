package dev.heddle.kernel;

/** Rotary position encoding. Lanes over pairs of features; addresses are absolute, strides in bytes. */
public interface RotaryKernels {
    /**
     * Turns pairs: with the cosines and sines at {@code table}, {@code half} each, {@code y_i = x_i c_i - x_(i + half) s_i}, {@code y_(i + half) =
     * x_(i + half) c_i + x_i s_i}; with {@code back} by the opposite angle. {@code y} is {@code x} or apart from it.
     */
    void rotate(
            boolean back,
            long x,
            long xStep,
            long xHead,
            long y,
            long yStep,
            long yHead,
            long table,
            long half,
            long heads,
            long steps);
}
