package dev.heddle.op;

import dev.heddle.kernel.NormKernels.Form;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Group normalisation: each row of {@code x}, and in it each of the groups of neighbouring columns, is normalised by itself,
 * {@code y = (x - mean) / sqrt(var + eps) * weight + bias}, as {@link LayerNorm} does with a whole row.
 *
 * <p>{@code x} is float32 {@code [..., C]}; all axes but the last count rows, which may lie apart. {@code weight} and {@code bias}, both optional,
 * are {@code [C]}, contiguous: 1 and 0 if absent. {@code y} has the shape of {@code x}; it may not overlap it. Order of additions
 * and gradients are those of {@link LayerNorm}.
 */
public final class GroupNorm {
    private final Norm norm;
    private final long groups;

    private GroupNorm(float eps, long groups) {
        norm = new Norm(Form.CENTRED, eps);
        this.groups = groups;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: one group, eps 64e-5. */
    public static final class Builder {
        private float eps = 64e-5f;
        private long groups = 1;

        private Builder() {}

        /** Added to the variance. */
        public Builder eps(float eps) {
            this.eps = eps;
            return this;
        }

        /** The number of groups, a divisor of the number of columns. */
        public Builder groups(long groups) {
            if (groups < 1) {
                throw new IllegalArgumentException("groups: " + groups + ", must be at least 1");
            }
            this.groups = groups;
            return this;
        }

        public GroupNorm build() {
            return new GroupNorm(eps, groups);
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
        norm.forward(x, null, weight, bias, y, groups, scratch);
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
        norm.backward(x, null, weight, null, gradY, gradX, null, gradWeight, gradBias, groups, accumulate, scratch);
    }

    private void checkInputs(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias) {
        Checks.type("x", x, DType.F32);
        Checks.rowBytes("x", x);
        if (x.dim(-1) % groups != 0) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", must have a multiple of " + groups + " columns, the number of groups");
        }
        Norm.checkParameter("weight", weight, x.dim(-1));
        Norm.checkParameter("bias", bias, x.dim(-1));
    }
}
