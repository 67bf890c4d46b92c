package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SoftmaxKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * Softmax over the last axis: {@code y_c = exp(x_c - m) / sum_j exp(x_j - m)} with {@code m = max_j x_j}; or its logarithm,
 * {@code y_c = x_c - m - log sum_j exp(x_j - m)}.
 *
 * <p>{@code x} is float32 {@code [..., C]}; all axes but the last count rows, which may lie apart. {@code y} has its shape, and may
 * be {@code x} itself.
 *
 * <p>A score of -infinity has weight 0; a row of nothing else has weights 0 (its logarithm is NaN). A NaN or +infinity makes
 * its row NaN. Sums have 64 partial sums folded in halves, so the bits depend neither on vector width nor on threads.
 *
 * <p>Gradients: {@code grad_x = y (grad_y - sum(grad_y y))}; of the logarithm {@code grad_y - exp(y) sum(grad_y)}.
 */
public final class Softmax {
    static final Dispatch<SoftmaxKernels> KERNELS =
            new Dispatch<>(SoftmaxKernels.class, SoftmaxProbe.VARIANTS, SoftmaxProbe::run);

    private static final double NANOS = 0.7;
    private static final double BACKWARD_NANOS = 0.4;

    private final boolean log;

    private Softmax(boolean log) {
        this.log = log;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: not the logarithm. */
    public static final class Builder {
        private boolean log;

        private Builder() {}

        /** Whether the result is the logarithm of softmax. */
        public Builder log(boolean log) {
            this.log = log;
            return this;
        }

        public Softmax build() {
            return new Softmax(log);
        }
    }

    /** Computes y. */
    public Tensor forward(Tensor x) {
        Checks.type("x", x, DType.F32);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            forward(x, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}, which may be {@code x}. */
    public void forward(Tensor x, Tensor y, Workspace scratch) {
        Checks.type("x", x, DType.F32);
        Checks.like("y", y, DType.F32, "x", x);
        long xs = Checks.rowBytes("x", x);
        long ys = Checks.rowBytes("y", y);
        Checks.sameOrApart("y", y, "x", x);
        try (Use _ = Use.of(x, y)) {
            long xa = x.address();
            long ya = y.address();
            long columns = x.dim(-1);
            SoftmaxKernels k =
                    KERNELS.choose(SoftmaxProbe.forward(log), Long.MAX_VALUE).kernels();
            Rows.run(
                    Checks.rows(x),
                    columns,
                    NANOS,
                    SoftmaxKernels.SCRATCH,
                    scratch,
                    (r, n, s) -> k.forward(log, xa + r * xs, xs, ya + r * ys, ys, columns, s, n));
        }
    }

    /** Computes the gradient of x, from {@code y}, the forward's result. */
    public Tensor backward(Tensor y, Tensor gradY) {
        Tensor gx = Tensor.zeros(DType.F32, y.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            backward(y, gradY, gx, false, scratch);
        }
        return gx;
    }

    /**
     * The same into {@code gradX}, which may be {@code gradY} unless it accumulates.
     *
     * @param accumulate whether the gradient is added to what {@code gradX} holds
     */
    public void backward(Tensor y, Tensor gradY, Tensor gradX, boolean accumulate, Workspace scratch) {
        Checks.type("y", y, DType.F32);
        Checks.like("gradY", gradY, DType.F32, "y", y);
        Checks.like("gradX", gradX, DType.F32, "y", y);
        Checks.rowBytes("y", y);
        Checks.rowBytes("gradY", gradY);
        Checks.rowBytes("gradX", gradX);
        Checks.apart("gradX", gradX, "y", y);
        if (accumulate) {
            Checks.apart("gradX", gradX, "gradY", gradY);
        } else {
            Checks.sameOrApart("gradX", gradX, "gradY", gradY);
        }
        Accumulate.into(gradX, accumulate, scratch, out -> runBackward(y, gradY, out, scratch));
    }

    private void runBackward(Tensor y, Tensor gradY, Tensor gradX, Workspace scratch) {
        try (Use _ = Use.of(y, gradY, gradX)) {
            long ya = y.address();
            long ys = Checks.rowBytes("y", y);
            long ga = gradY.address();
            long gs = Checks.rowBytes("gradY", gradY);
            long xa = gradX.address();
            long xs = Checks.rowBytes("gradX", gradX);
            long columns = y.dim(-1);
            SoftmaxKernels k =
                    KERNELS.choose(SoftmaxProbe.backward(log), Long.MAX_VALUE).kernels();
            Rows.run(
                    Checks.rows(y),
                    columns,
                    BACKWARD_NANOS,
                    SoftmaxKernels.SCRATCH,
                    scratch,
                    (r, n, s) -> k.backward(log, ya + r * ys, ys, ga + r * gs, gs, xa + r * xs, xs, columns, s, n));
        }
    }
}
