package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * A short causal convolution of each channel over time:
 * {@code y_t = act(bias + sum over k of w[:, k] x_{t-K+1+k})}, where act is nothing or silu.
 *
 * <ul>
 *   <li>{@code x} and {@code y} are float32 {@code [B, L, D]}: batch, time, channel;
 *   <li>{@code w} is {@code [D, K]}, K at least 1; {@code bias}, optional, is {@code [D]};
 *   <li>{@code state}, optional, is {@code [B, K-1, D]}: the K-1 inputs before the first, oldest first, 0 without it; the new state is the
 *       last K-1 rows of (state, x), also where L &lt; K-1;
 *   <li>{@code cu_seqlens}, optional and with B = 1, is int32 {@code [S + 1]}: sequence k is the time from {@code cu[k]} to
 *       {@code cu[k + 1]} and gives what it gives alone; the states are then {@code [S, K-1, D]}.
 * </ul>
 *
 * <p>One step of a stream is a call with L = 1 that writes the new state over the old one. The sum starts with the bias and takes
 * the oldest input first, so a stream, a sequence and any cut of it have the same bits, on any width and number of threads.
 *
 * <p>Gradients: with {@code g_t = grad_y_t act'}, {@code grad_x_t = sum over k of w[:, k] g_{t+K-1-k}}, to which the gradient of the new
 * state adds, and so for the rows of state; {@code grad_w[:, k] = sum over t of g_t x_{t-K+1+k}}, {@code grad_bias = sum of g}. Sums over
 * time go by 64 steps, those over sequences by at most 16 parts, added up in order.
 *
 * <p>Tensors may be views whose last axis is contiguous. An output may not overlap an input, but the new state may be the old
 * one. Scratch: w transposed, and for each thread a stretch of rows; the backward also keeps a w for each of 16 parts.
 *
 * <p>After Dao-AILab/causal-conv1d.
 */
public final class CausalConv1d {
    private final boolean silu;

    private CausalConv1d(boolean silu) {
        this.silu = silu;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no activation. */
    public static final class Builder {
        private boolean silu;

        private Builder() {}

        /** Whether silu follows. */
        public Builder silu(boolean silu) {
            this.silu = silu;
            return this;
        }

        public CausalConv1d build() {
            return new CausalConv1d(silu);
        }
    }

    /** {@code y}, and the new state. */
    public record Result(Tensor y, Tensor state) {}

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor w,
            @Nullable Tensor bias,
            @Nullable Tensor state) {}

    /** Computes y and the new state as new tensors. */
    public Result forward(
            Tensor x, Tensor w, @Nullable Tensor bias, @Nullable Tensor state, @Nullable Tensor cuSeqlens) {
        Sequences q = check(x, w, bias, state, cuSeqlens);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor next = Tensor.zeros(DType.F32, q.count(), w.dim(1) - 1, x.dim(2));
        try (Workspace scratch = new Workspace()) {
            new ConvForward(q, x, w, bias, state, silu).run(y, next, scratch);
        }
        return new Result(y, next);
    }

    /**
     * Computes y and, if it is wanted, the new state into tensors given; the new state may be {@code state} itself. Memory that
     * it needs meanwhile comes from {@code scratch}.
     */
    public void forward(
            Tensor x,
            Tensor w,
            @Nullable Tensor bias,
            @Nullable Tensor state,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            @Nullable Tensor newState,
            Workspace scratch) {
        Sequences q = check(x, w, bias, state, cuSeqlens);
        sequence("y", y, x);
        state("newState", newState, q, x, w);
        Apart.carried(
                () -> new Apart().in("x", x).in("w", w).in("bias", bias), y, "state", state, "newState", newState);
        new ConvForward(q, x, w, bias, state, silu).run(y, newState, scratch);
    }

    /**
     * The gradients that are wanted, as new tensors.
     *
     * @param gradY of y, {@code gradState} of the new state; 0 where they are null
     */
    public Gradients backward(
            Tensor x,
            Tensor w,
            @Nullable Tensor bias,
            @Nullable Tensor state,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradState,
            boolean wantX,
            boolean wantW,
            boolean wantBias,
            boolean wantState) {
        Sequences q = check(x, w, bias, state, cuSeqlens);
        sequence("gradY", gradY, x);
        state("gradState", gradState, q, x, w);
        Gradients g = new Gradients(
                wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null,
                wantW ? Tensor.zeros(DType.F32, w.shape().toArray()) : null,
                wantBias ? Tensor.zeros(DType.F32, x.dim(2)) : null,
                wantState ? Tensor.zeros(DType.F32, q.count(), w.dim(1) - 1, x.dim(2)) : null);
        try (Workspace scratch = new Workspace()) {
            new ConvBackward(q, x, w, bias, state, silu).run(gradY, gradState, g, scratch);
        }
        return g;
    }

    /** The gradients into the tensors given; an absent one is not computed. */
    public void backward(
            Tensor x,
            Tensor w,
            @Nullable Tensor bias,
            @Nullable Tensor state,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradState,
            Gradients into,
            Workspace scratch) {
        Sequences q = check(x, w, bias, state, cuSeqlens);
        sequence("gradY", gradY, x);
        state("gradState", gradState, q, x, w);
        sequence("gradX", into.x, x);
        state("gradState of the input", into.state, q, x, w);
        if (into.w != null) {
            Checks.like("gradW", into.w, DType.F32, "w", w);
        }
        if (into.bias != null) {
            Checks.shape("gradBias", into.bias, DType.F32, x.dim(2));
        }
        new Apart()
                .in("x", x)
                .in("w", w)
                .in("bias", bias)
                .in("state", state)
                .in("gradY", gradY)
                .in("gradState", gradState)
                .out("gradX", into.x)
                .out("gradW", into.w)
                .out("gradBias", into.bias)
                .out("gradState of the input", into.state);
        new ConvBackward(q, x, w, bias, state, silu).run(gradY, gradState, into, scratch);
    }

    // ------------------------------------------------------------------ checks

    private static Sequences check(
            Tensor x, Tensor w, @Nullable Tensor bias, @Nullable Tensor state, @Nullable Tensor cuSeqlens) {
        Checks.type("x", x, DType.F32);
        Checks.rank("x", x, 3);
        Checks.contiguousRows("x", x);
        Checks.type("w", w, DType.F32);
        if (w.rank() != 2 || w.dim(0) != x.dim(2) || w.dim(1) < 1) {
            throw new IllegalArgumentException(
                    "w: shape " + w.shape() + ", must be [D, K] with K at least 1 and x of shape " + x.shape());
        }
        if (bias != null) {
            Checks.shape("bias", bias, DType.F32, x.dim(2));
            Checks.contiguousRows("bias", bias);
        }
        Sequences q = Sequences.of(x, cuSeqlens);
        state("state", state, q, x, w);
        return q;
    }

    private static void sequence(String name, @Nullable Tensor t, Tensor x) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "x", x);
            Checks.contiguousRows(name, t);
        }
    }

    private static void state(String name, @Nullable Tensor t, Sequences q, Tensor x, Tensor w) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, q.count(), w.dim(1) - 1, x.dim(2));
            Checks.contiguousRows(name, t);
        }
    }
}
