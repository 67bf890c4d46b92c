package dev.heddle.op;

import dev.heddle.kernel.NormKernels.Form;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Layer normalisation: {@code y = (x - mean) / sqrt(var + eps) * weight + bias} over the last axis, with
 * {@code var = mean((x - mean)^2)}.
 *
 * <p>{@code x} is float32 {@code [..., C]}; all axes but the last count rows, which may lie apart. {@code weight} and {@code bias}, both optional,
 * are {@code [C]}, contiguous: 1 and 0 if absent. {@code y} has the shape of {@code x}; it may not overlap it.
 *
 * <p>Sums over a row have 64 partial sums folded in halves; the gradients of weight and bias are sums over blocks of rows, in
 * order: bits depend neither on vector width nor on threads.
 *
 * <p>Gradients, with {@code n = (x - mean) / sqrt(var + eps)} and {@code h = grad_y weight}: {@code grad_x = (h - mean(h) - n mean(h n)) / sqrt(var +
 * eps)}, {@code grad_weight = sum over rows of grad_y n}, {@code grad_bias = sum over rows of grad_y}.
 */
public final class LayerNorm {
    private final Norm norm;

    private LayerNorm(float eps) {
        norm = new Norm(Form.CENTRED, eps);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: eps 1e-5. */
    public static final class Builder {
        private float eps = 1e-5f;

        private Builder() {}

        /** Added to the variance. */
        public Builder eps(float eps) {
            this.eps = eps;
            return this;
        }

        public LayerNorm build() {
            return new LayerNorm(eps);
        }
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor weight,
            @Nullable Tensor bias) {}

    /** Computes y. */
    public Tensor forward(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            forward(x, weight, bias, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}. */
    public void forward(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        checkInputs(x, weight, bias);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.rowBytes("y", y);
        new Apart().in("x", x).in("weight", weight).in("bias", bias).out("y", y);
        norm.forward(x, null, weight, bias, y, 1, scratch);
    }

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(
            Tensor x, @Nullable Tensor weight, Tensor gradY, boolean wantX, boolean wantWeight, boolean wantBias) {
        Gradients g = new Gradients(
                wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null,
                wantWeight ? Tensor.zeros(DType.F32, x.dim(-1)) : null,
                wantBias ? Tensor.zeros(DType.F32, x.dim(-1)) : null);
        try (Workspace scratch = new Workspace()) {
            backward(x, weight, gradY, g.x, g.weight, g.bias, false, scratch);
        }
        return g;
    }

    /**
     * The gradients into the tensors given; a null one is not computed.
     *
     * @param accumulate whether they are added to what the tensors hold
     */
    public void backward(
            Tensor x,
            @Nullable Tensor weight,
            Tensor gradY,
            @Nullable Tensor gradX,
            @Nullable Tensor gradWeight,
            @Nullable Tensor gradBias,
            boolean accumulate,
            Workspace scratch) {
        checkInputs(x, weight, null);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.rowBytes("gradY", gradY);
        if (gradX != null) {
            Checks.like("gradX", gradX, DType.F32, "x", x);
            Checks.rowBytes("gradX", gradX);
        }
        Norm.checkParameter("gradWeight", gradWeight, x.dim(-1));
        Norm.checkParameter("gradBias", gradBias, x.dim(-1));
        new Apart()
                .in("x", x)
                .in("weight", weight)
                .in("gradY", gradY)
                .out("gradX", gradX)
                .out("gradWeight", gradWeight)
                .out("gradBias", gradBias);
        norm.backward(x, null, weight, null, gradY, gradX, null, gradWeight, gradBias, 1, accumulate, scratch);
    }

    private static void checkInputs(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias) {
        Checks.type("x", x, DType.F32);
        Checks.rowBytes("x", x);
        Norm.checkParameter("weight", weight, x.dim(-1));
        Norm.checkParameter("bias", bias, x.dim(-1));
    }
}
