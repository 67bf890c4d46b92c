package dev.heddle.op;

import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * A layer with a packed weight, for inference: {@code y = f(x w^T + bias)}, {@code y[..., n] = f(bias[n] + sum_k x[..., k] w[n, k])}.
 *
 * <p>{@code x} is float32 {@code [..., K]}; all axes but the last count rows, which may lie apart. {@code bias}, optional, is float32 {@code [N]};
 * {@code y} is {@code [..., N]} and may not overlap an input.
 *
 * <p>Weights are widened to float32 exactly and sums are float32. The k are taken in blocks of 256, or of a group if the
 * weight has smaller ones. Within a block the products {@code x q} form one chain of fused multiply-adds from 0 in the order of k;
 * then the blocks are added in order to the bias (or 0), each by one fused multiply-add with its scale (or 1). With F32 these
 * are the bits of {@link Matmul}. They depend neither on the other rows nor on vector width or threads: a token alone has
 * the result that it has in a sequence.
 *
 * <p>There is no backward: train with {@link Matmul}.
 */
public final class Linear {
    private final @Nullable Activation activation;

    private Linear(@Nullable Activation activation) {
        this.activation = activation;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no activation. */
    public static final class Builder {
        private @Nullable Activation activation;

        private Builder() {}

        /** The function f, applied while the sums are in cache. */
        public Builder activation(Activation activation) {
            this.activation = activation;
            return this;
        }

        public Linear build() {
            return new Linear(activation);
        }
    }

    /** Computes y. */
    public Tensor forward(Tensor x, PackedWeight weight, @Nullable Tensor bias) {
        Tensor y = Tensor.zeros(DType.F32, shape(x, weight));
        try (Workspace scratch = new Workspace()) {
            forward(x, weight, bias, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Tensor x, PackedWeight weight, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        Checks.shape("y", y, DType.F32, shape(x, weight));
        if (bias != null) {
            Checks.shape("bias", bias, DType.F32, weight.outputs());
            Checks.contiguous("bias", bias);
        }
        long xs = Checks.rowBytes("x", x);
        long ys = Checks.rowBytes("y", y);
        new Apart().in("x", x).in("bias", bias).out("y", y);
        try (Use _ = weight.use();
                Use _ = Use.of(x, bias, y)) {
            new Gemm(Checks.rows(x), weight.outputs(), weight.inputs())
                    .a(new Matrix(x.address(), xs, 4))
                    .b(weight.source())
                    .c(new Matrix(y.address(), ys, 4))
                    .bias(bias == null ? 0 : bias.address())
                    .activation(activation)
                    .run(scratch);
        }
    }

    private static long[] shape(Tensor x, PackedWeight weight) {
        Checks.type("x", x, DType.F32);
        long[] shape = x.shape().toArray();
        if (shape.length == 0 || shape[shape.length - 1] != weight.inputs()) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", must have rows of " + weight.inputs() + " as the weight has");
        }
        shape[shape.length - 1] = weight.outputs();
        return shape;
    }
}
