package dev.heddle.op;

import dev.heddle.kernel.NormKernels.Form;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Root mean square normalisation, with an optional gate: {@code y = x / sqrt(mean(x^2) + eps) * weight + bias}, times {@code silu(z)}.
 *
 * <p>{@code x} is float32 {@code [..., C]}; all axes but the last count rows, which may lie apart. {@code z}, optional, has its shape; {@code weight}
 * and {@code bias}, optional, are {@code [C]}, contiguous: 1 and 0 if absent. {@code y} has the shape of {@code x}; it may not overlap an input.
 *
 * <p>The mean is taken over groups of {@code groupSize} neighbouring columns, each by itself; 0 means all of them. With
 * {@code normBeforeGate} the result is multiplied by {@code silu(z)}; without it {@code x} is, before all else.
 *
 * <p>Sums over a row have 64 partial sums folded in halves; the gradients of weight and bias are sums over blocks of rows, in
 * order: bits depend neither on vector width nor on threads.
 *
 * <p>Gradients, without a gate, with {@code r = 1 / sqrt(mean(x^2) + eps)}, {@code n = x r} and {@code h = grad_y weight}: {@code grad_x = (h - n mean(h n))
 * r}, {@code grad_weight = sum over rows of grad_y n}, {@code grad_bias = sum over rows of grad_y}. The gate multiplies, and its gradient
 * follows by the product rule.
 */
public final class RmsNorm {
    private final float eps;
    private final long groupSize;
    private final boolean normBeforeGate;

    private RmsNorm(Builder b) {
        eps = b.eps;
        groupSize = b.groupSize;
        normBeforeGate = b.normBeforeGate;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: eps 1e-6, one group, the gate last. */
    public static final class Builder {
        private float eps = 1e-6f;
        private long groupSize;
        private boolean normBeforeGate = true;

        private Builder() {}

        /** Added to the mean square. */
        public Builder eps(float eps) {
            this.eps = eps;
            return this;
        }

        /** Columns of a group, a divisor of their number; 0 for all. */
        public Builder groupSize(long groupSize) {
            if (groupSize < 0) {
                throw new IllegalArgumentException("groupSize: " + groupSize + ", must be 0 or more");
            }
            this.groupSize = groupSize;
            return this;
        }

        /** Whether the gate comes after the normalisation. */
        public Builder normBeforeGate(boolean normBeforeGate) {
            this.normBeforeGate = normBeforeGate;
            return this;
        }

        public RmsNorm build() {
            return new RmsNorm(this);
        }
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            @Nullable Tensor z) {}

    /** Computes y. */
    public Tensor forward(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, @Nullable Tensor z) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            forward(x, weight, bias, z, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}. */
    public void forward(
            Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, @Nullable Tensor z, Tensor y, Workspace scratch) {
        long groups = checkInputs(x, weight, bias, z);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.rowBytes("y", y);
        new Apart().in("x", x).in("weight", weight).in("bias", bias).in("z", z).out("y", y);
        norm(z).forward(x, z, weight, bias, y, groups, scratch);
    }

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(
            Tensor x,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            @Nullable Tensor z,
            Tensor gradY,
            boolean wantX,
            boolean wantWeight,
            boolean wantBias,
            boolean wantZ) {
        Gradients g = new Gradients(
                wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null,
                wantWeight ? Tensor.zeros(DType.F32, x.dim(-1)) : null,
                wantBias ? Tensor.zeros(DType.F32, x.dim(-1)) : null,
                wantZ ? Tensor.zeros(DType.F32, x.shape().toArray()) : null);
        try (Workspace scratch = new Workspace()) {
            backward(x, weight, bias, z, gradY, g, false, scratch);
        }
        return g;
    }

    /**
     * The gradients into the tensors of {@code grads}; a null one is not computed.
     *
     * @param accumulate whether they are added to what the tensors hold
     */
    public void backward(
            Tensor x,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            @Nullable Tensor z,
            Tensor gradY,
            Gradients grads,
            boolean accumulate,
            Workspace scratch) {
        long groups = checkInputs(x, weight, bias, z);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.rowBytes("gradY", gradY);
        checkRows("gradX", grads.x, x);
        checkRows("gradZ", grads.z, x);
        if (grads.z != null && z == null) {
            throw new IllegalArgumentException("gradZ: there is no z");
        }
        Norm.checkParameter("gradWeight", grads.weight, x.dim(-1));
        Norm.checkParameter("gradBias", grads.bias, x.dim(-1));
        new Apart()
                .in("x", x)
                .in("weight", weight)
                .in("bias", bias)
                .in("z", z)
                .in("gradY", gradY)
                .out("gradX", grads.x)
                .out("gradWeight", grads.weight)
                .out("gradBias", grads.bias)
                .out("gradZ", grads.z);
        norm(z).backward(
                        x,
                        z,
                        weight,
                        bias,
                        gradY,
                        grads.x,
                        grads.z,
                        grads.weight,
                        grads.bias,
                        groups,
                        accumulate,
                        scratch);
    }

    private Norm norm(@Nullable Tensor z) {
        return new Norm(z == null ? Form.PLAIN : normBeforeGate ? Form.GATE_LAST : Form.GATE_FIRST, eps);
    }

    /** The number of groups. */
    private long checkInputs(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, @Nullable Tensor z) {
        Checks.type("x", x, DType.F32);
        Checks.rowBytes("x", x);
        Norm.checkParameter("weight", weight, x.dim(-1));
        Norm.checkParameter("bias", bias, x.dim(-1));
        checkRows("z", z, x);
        if (groupSize == 0) {
            return 1;
        }
        if (x.dim(-1) % groupSize != 0) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", must have a multiple of groupSize = " + groupSize + " columns");
        }
        return x.dim(-1) / groupSize;
    }

    private static void checkRows(String name, @Nullable Tensor t, Tensor x) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "x", x);
            Checks.rowBytes(name, t);
        }
    }
}
