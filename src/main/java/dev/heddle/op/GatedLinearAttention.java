package dev.heddle.op;

import dev.heddle.op.LinearAttentionScan.Form;
import dev.heddle.op.LinearAttentionScan.Inputs;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Linear attention that forgets: {@code S_t = diag(decay_t) S_{t-1} + k_t v_t^T}, {@code y_t = scale q_t S_t}.
 *
 * <ul>
 *   <li>{@code q}, {@code k} and {@code decay} are float32 {@code [B, L, H, K]}, {@code v} is {@code [B, L, H, V]}, each with contiguous
 *       features; y is like v. Decays are from 0 to 1, though nothing depends on that.
 *   <li>{@code initial}, optional, is {@code S [N, H, K, V]} before the first step, the result holds it after the last. A result's
 *       as the next call's initial one makes the calls one.
 *   <li>{@code cuSeqlens}, optional, is int32 {@code [S + 1]} with B = 1: sequence i is the steps from {@code cuSeqlens[i]} to {@code
 *       cuSeqlens[i + 1]}, and has what it has alone; N is S then, otherwise B.
 * </ul>
 *
 * <p>Time runs in order: the bits of a step are the same in one call, in any cut into calls and step by step, alone, in a batch
 * and packed, at every vector width and with any number of threads.
 *
 * <p>Gradients: with {@code G_t = diag(decay_{t+1}) G_{t+1} + scale q_t grad_y_t^T}, where the gradient of the final S takes the place of
 * the first term at the last step: {@code grad_q_t = scale S_t grad_y_t}, {@code grad_k_t = G_t v_t}, {@code grad_v_t = G_t^T k_t}, {@code
 * grad_decay_t} the row sums of {@code S_{t-1} G_t} element by element, and {@code diag(decay_1) G_1} that of the initial S.
 *
 * <p>Scratch: copies of a head's steps for each of at most 32 chunks; the backward pass also keeps S before each block of steps,
 * and those of a block's steps.
 */
public final class GatedLinearAttention {
    private final float scale;

    private GatedLinearAttention(float scale) {
        this.scale = scale;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: scale 1. */
    public static final class Builder {
        private float scale = 1;

        private Builder() {}

        /** What results are multiplied by. */
        public Builder scale(float scale) {
            if (!Float.isFinite(scale)) {
                throw new IllegalArgumentException("scale: " + scale + ", must be finite");
            }
            this.scale = scale;
            return this;
        }

        public GatedLinearAttention build() {
            return new GatedLinearAttention(scale);
        }
    }

    /** The result of every step, and S after the last. */
    public record Result(Tensor y, Tensor s) {}

    /** Gradients; that of the initial S is null if there was none. */
    public record Gradients(
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor decay,
            @Nullable Tensor s0) {}

    /** Computes from nothing. */
    public Result forward(Tensor q, Tensor k, Tensor v, Tensor decay) {
        return forward(q, k, v, decay, null, null);
    }

    /** Computes from an initial S, if there is one, and over packed sequences, if there are such. */
    public Result forward(
            Tensor q, Tensor k, Tensor v, Tensor decay, @Nullable Tensor initial, @Nullable Tensor cuSeqlens) {
        Sequences sequences = check(q, k, v, decay, initial, cuSeqlens);
        Tensor last = Tensor.zeros(DType.F32, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            run(sequences, q, k, v, decay, initial, y, last, scratch);
        }
        return new Result(y, last);
    }

    /**
     * Computes into {@code y} and {@code last}; memory that it needs meanwhile comes from {@code scratch}. With L = 1 it is a step of B
     * streams.
     *
     * @param last may be {@code initial} itself, which it then replaces
     */
    public void forward(
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor decay,
            @Nullable Tensor initial,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            Tensor last,
            Workspace scratch) {
        Sequences sequences = check(q, k, v, decay, initial, cuSeqlens);
        Checks.like("y", y, DType.F32, "v", v);
        Checks.contiguousRows("y", y);
        LinearAttention.checkSums("last", last, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        Apart apart =
                new Apart().in("q", q).in("k", k).in("v", v).in("decay", decay).out("y", y);
        if (initial != null) {
            Checks.apart("y", y, "initial", initial);
            Checks.sameOrApart("last", last, "initial", initial);
        }
        apart.out("last", last);
        run(sequences, q, k, v, decay, initial, y, last, scratch);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradY null for zeros
     * @param gradS of the final S, null for zeros
     */
    public Gradients backward(
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor decay,
            @Nullable Tensor initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS) {
        Sequences sequences = check(q, k, v, decay, initial, cuSeqlens);
        if (gradY != null) {
            Checks.like("gradY", gradY, DType.F32, "v", v);
            Checks.contiguousRows("gradY", gradY);
        }
        LinearAttention.checkSums("gradS", gradS, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        Gradients g = new Gradients(
                zerosLike(q),
                zerosLike(k),
                zerosLike(v),
                zerosLike(decay),
                initial == null ? null : zerosLike(initial));
        try (Workspace scratch = new Workspace();
                Use _ = Use.of(q, k, v, decay, initial, gradY, gradS, g.q, g.k, g.v, g.decay, g.s0)) {
            scan(sequences, q, k, v, decay)
                    .backward(
                            LinearAttention.sums(initial, null),
                            new LinearAttentionScan.Gradients(
                                    gradY == null ? null : Matrix.of(gradY),
                                    LinearAttention.sums(gradS, null),
                                    Matrix.of(g.q),
                                    Matrix.of(g.k),
                                    Matrix.of(g.v),
                                    Matrix.of(g.decay),
                                    LinearAttention.sums(g.s0, null)),
                            scratch);
        }
        return g;
    }

    private LinearAttentionScan scan(Sequences sequences, Tensor q, Tensor k, Tensor v, Tensor decay) {
        Form form = new Form(q.dim(3), v.dim(3), 0, false, false, 0, scale);
        Inputs in = new Inputs(Matrix.of(q), Matrix.of(k), Matrix.of(v), Matrix.of(decay));
        return new LinearAttentionScan(sequences, q.dim(2), form, in);
    }

    private void run(
            Sequences sequences,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor decay,
            @Nullable Tensor initial,
            Tensor y,
            Tensor last,
            Workspace scratch) {
        try (Use _ = Use.of(q, k, v, decay, initial, y, last)) {
            scan(sequences, q, k, v, decay)
                    .forward(
                            LinearAttention.sums(initial, null),
                            Matrix.of(y),
                            LinearAttention.sums(last, null),
                            scratch);
        }
    }

    private static Tensor zerosLike(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    private static Sequences check(
            Tensor q, Tensor k, Tensor v, Tensor decay, @Nullable Tensor initial, @Nullable Tensor cuSeqlens) {
        Sequences sequences = LinearAttention.checkOperands(q, k, v, cuSeqlens);
        Checks.like("decay", decay, DType.F32, "q", q);
        Checks.contiguousRows("decay", decay);
        LinearAttention.checkSums("initial", initial, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        return sequences;
    }
}
