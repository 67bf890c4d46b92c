package dev.heddle.op;

import dev.heddle.kernel.LifKernels.Slope;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;

/**
 * A step with a gradient of its own: {@code y = 1 where x >= 0 (also for -0), else 0}; {@code grad_x = grad_y sg(x)}.
 *
 * <ul>
 *   <li>atan: {@code sg(x) = (alpha / 2) / (1 + (pi/2 alpha x)^2)};
 *   <li>sigmoid: {@code sg(x) = alpha s (1 - s)} with {@code s = sigmoid(alpha x)}.
 * </ul>
 *
 * <p>{@code x} is float32 of any shape; all axes but the last count rows, which may lie apart. Outputs have its shape, and may be {@code x}.
 */
public final class Surrogate {
    private static final double NANOS = 0.4;

    final Slope slope;
    final float alpha;

    private Surrogate(Slope slope, float alpha) {
        if (!(alpha > 0 && alpha < Float.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("alpha: " + alpha + ", must be positive and finite");
        }
        this.slope = slope;
        this.alpha = alpha;
    }

    /** The derivative of {@code atan(pi/2 alpha x) / pi + 1/2}; spiking networks mostly take alpha = 2. */
    public static Surrogate atan(float alpha) {
        return new Surrogate(Slope.ATAN, alpha);
    }

    /** The derivative of {@code sigmoid(alpha x)}; spiking networks mostly take alpha = 4. */
    public static Surrogate sigmoid(float alpha) {
        return new Surrogate(Slope.SIGMOID, alpha);
    }

    /** Computes y. */
    public Tensor forward(Tensor x) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        forward(x, y);
        return y;
    }

    /** Computes into {@code y}, which may be {@code x}. */
    public void forward(Tensor x, Tensor y) {
        Checks.type("x", x, DType.F32);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.sameOrApart("y", y, "x", x);
        LifRun.rows(LifProbe.STEP, NANOS, x, x, y, (k, a, _, o, n) -> k.step(a, o, n));
    }

    /** Computes the gradient of x. */
    public Tensor backward(Tensor x, Tensor gradY) {
        Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray());
        backward(x, gradY, gx);
        return gx;
    }

    /** The same into {@code gradX}, which may be {@code x} or {@code gradY}. */
    public void backward(Tensor x, Tensor gradY, Tensor gradX) {
        Checks.type("x", x, DType.F32);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.like("gradX", gradX, DType.F32, "x", x);
        Checks.sameOrApart("gradX", gradX, "x", x);
        Checks.sameOrApart("gradX", gradX, "gradY", gradY);
        LifRun.rows(
                LifProbe.slope(slope), NANOS, x, gradY, gradX, (k, a, g, o, n) -> k.slope(slope, a, g, o, alpha, n));
    }
}
