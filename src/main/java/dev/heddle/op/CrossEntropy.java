package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.SoftmaxKernels;
import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * Cross-entropy of rows of logits with a target class each: {@code loss = log sum_c exp(x_c - m) - (x_target - m)} with
 * {@code m = max_c x_c}.
 *
 * <p>{@code logits} is float32 {@code [M, C]}, {@code target} int32 {@code [M]}, contiguous. The loss is {@code [M]}; or of rank 0, if it is the mean over
 * the rows that are not ignored (NaN if all are) or their sum.
 *
 * <p>With label smoothing e the target has weight {@code 1 - e + e/C} and every other class {@code e/C}. A row whose target is the
 * ignored index has loss and gradient 0. A row of logits that are all -infinity, or has +infinity or NaN, gives NaN.
 *
 * <p>Sums over classes have 64 partial sums folded in halves, sums over rows blocks of 256: the bits depend neither on vector
 * width nor on threads.
 *
 * <p>Gradient: {@code grad_x_c = grad_loss (softmax(x)_c - weight_c)}.
 */
public final class CrossEntropy {
    /** What becomes of the losses of the rows. */
    public enum Reduction {
        NONE,
        MEAN,
        SUM
    }

    private static final double NANOS = 0.5;
    private static final double BACKWARD_NANOS = 0.7;

    /** No target has this value, since negative ones are refused. */
    private static final int NOTHING_IGNORED = Integer.MIN_VALUE;

    private final float smoothing;
    private final int ignored;
    private final Reduction reduction;

    private CrossEntropy(Builder b) {
        smoothing = b.labelSmoothing;
        ignored = b.ignoreIndex;
        reduction = b.reduction;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no reduction, no smoothing, nothing ignored. */
    public static final class Builder {
        private float labelSmoothing;
        private int ignoreIndex = NOTHING_IGNORED;
        private Reduction reduction = Reduction.NONE;

        private Builder() {}

        /** From 0 to 1. */
        public Builder labelSmoothing(float labelSmoothing) {
            if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
                throw new IllegalArgumentException("labelSmoothing: " + labelSmoothing + ", must be from 0 to 1");
            }
            this.labelSmoothing = labelSmoothing;
            return this;
        }

        /** The target of rows that do not count; it need not be a class. */
        public Builder ignoreIndex(int ignoreIndex) {
            this.ignoreIndex = ignoreIndex;
            return this;
        }

        /** What becomes of the losses of the rows. */
        public Builder reduction(Reduction reduction) {
            this.reduction = reduction;
            return this;
        }

        public CrossEntropy build() {
            return new CrossEntropy(this);
        }
    }

    /** Computes the loss. */
    public Tensor forward(Tensor logits, Tensor target) {
        Checks.rank("logits", logits, 2);
        Tensor loss = Tensor.zeros(DType.F32, lossShape(logits));
        try (Workspace scratch = new Workspace()) {
            forward(logits, target, loss, scratch);
        }
        return loss;
    }

    /** Computes into {@code loss}. */
    public void forward(Tensor logits, Tensor target, Tensor loss, Workspace scratch) {
        checkInputs(logits, target);
        Checks.shape("loss", loss, DType.F32, lossShape(logits));
        Checks.contiguous("loss", loss);
        Checks.apart("loss", loss, "logits", logits);
        Checks.apart("loss", loss, "target", target);
        try (Use _ = Use.of(logits, target, loss)) {
            long counted = checkTargets(logits, target);
            if (reduction == Reduction.NONE) {
                losses(logits, target, loss, scratch);
                return;
            }
            Tensor each = scratch.empty(DType.F32, logits.dim(0));
            losses(logits, target, each, scratch);
            try (Use _ = Use.of(each)) {
                ColumnSum.run(logits.dim(0), 1, new Matrix(each.address(), 4, 4), loss.address(), false, scratch);
            }
            if (reduction == Reduction.MEAN) {
                loss.setFloat(loss.getFloat() / counted);
            }
        }
    }

    private void losses(Tensor logits, Tensor target, Tensor loss, Workspace scratch) {
        long columns = logits.dim(1);
        long xs = Checks.rowBytes("logits", logits);
        boolean smooth = smoothing != 0;
        SoftmaxKernels k = Softmax.KERNELS
                .choose(SoftmaxProbe.loss(smooth), Long.MAX_VALUE)
                .kernels();
        try (Use _ = Use.of(loss)) {
            long x = logits.address();
            long t = target.address();
            long y = loss.address();
            Rows.run(
                    logits.dim(0),
                    columns,
                    NANOS,
                    SoftmaxKernels.SCRATCH,
                    scratch,
                    (r, n, s) ->
                            k.loss(smooth, x + r * xs, xs, t + 4 * r, ignored, smoothing, y + 4 * r, columns, s, n));
        }
    }

    /** Computes the gradient of the logits. */
    public Tensor backward(Tensor logits, Tensor target, Tensor gradLoss) {
        Tensor gx = Tensor.zeros(DType.F32, logits.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            backward(logits, target, gradLoss, gx, false, scratch);
        }
        return gx;
    }

    /**
     * The same into {@code gradLogits}, which may be {@code logits} unless it accumulates.
     *
     * @param accumulate whether the gradient is added to what {@code gradLogits} holds
     */
    public void backward(
            Tensor logits, Tensor target, Tensor gradLoss, Tensor gradLogits, boolean accumulate, Workspace scratch) {
        checkInputs(logits, target);
        Checks.shape("gradLoss", gradLoss, DType.F32, lossShape(logits));
        Checks.contiguous("gradLoss", gradLoss);
        Checks.like("gradLogits", gradLogits, DType.F32, "logits", logits);
        Checks.rowBytes("gradLogits", gradLogits);
        Checks.apart("gradLogits", gradLogits, "target", target);
        Checks.apart("gradLogits", gradLogits, "gradLoss", gradLoss);
        if (accumulate) {
            Checks.apart("gradLogits", gradLogits, "logits", logits);
        } else {
            Checks.sameOrApart("gradLogits", gradLogits, "logits", logits);
        }
        try (Use _ = Use.of(logits, target, gradLoss)) {
            long counted = checkTargets(logits, target);
            Tensor g = gradLoss;
            if (reduction == Reduction.MEAN) {
                g = scratch.empty(DType.F32);
                g.setFloat(gradLoss.getFloat() / counted);
            }
            Tensor weight = g;
            Accumulate.into(gradLogits, accumulate, scratch, out -> runBackward(logits, target, weight, out, scratch));
        }
    }

    private void runBackward(Tensor logits, Tensor target, Tensor weight, Tensor out, Workspace scratch) {
        long columns = logits.dim(1);
        long xs = Checks.rowBytes("logits", logits);
        long ys = Checks.rowBytes("gradLogits", out);
        long gs = reduction == Reduction.NONE ? 4 : 0;
        SoftmaxKernels k = Softmax.KERNELS
                .choose(SoftmaxProbe.LOSS_BACKWARD, Long.MAX_VALUE)
                .kernels();
        try (Use _ = Use.of(weight, out)) {
            long x = logits.address();
            long t = target.address();
            long g = weight.address();
            long y = out.address();
            Rows.run(
                    logits.dim(0),
                    columns,
                    BACKWARD_NANOS,
                    SoftmaxKernels.SCRATCH,
                    scratch,
                    (r, n, s) -> k.lossBackward(
                            x + r * xs,
                            xs,
                            t + 4 * r,
                            ignored,
                            smoothing,
                            g + gs * r,
                            gs,
                            y + r * ys,
                            ys,
                            columns,
                            s,
                            n));
        }
    }

    private long[] lossShape(Tensor logits) {
        return reduction == Reduction.NONE ? new long[] {logits.dim(0)} : new long[0];
    }

    private static void checkInputs(Tensor logits, Tensor target) {
        Checks.type("logits", logits, DType.F32);
        Checks.rank("logits", logits, 2);
        Checks.rowBytes("logits", logits);
        Checks.shape("target", target, DType.I32, logits.dim(0));
        Checks.contiguous("target", target);
    }

    /** How many rows are not ignored. */
    private long checkTargets(Tensor logits, Tensor target) {
        long classes = logits.dim(1);
        long counted = 0;
        long a = target.address();
        for (long i = 0; i < target.size(); i++) {
            int t = ALL.get(I32, a + 4 * i);
            if (t != ignored) {
                if (t < 0 || t >= classes) {
                    throw new IndexOutOfBoundsException("target[" + i + "] is " + t + ", but logits of shape "
                            + logits.shape() + " have " + classes + " classes");
                }
                counted++;
            }
        }
        return counted;
    }
}
