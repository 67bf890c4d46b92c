package dev.heddle.op;

import dev.heddle.op.LinearAttentionScan.Form;
import dev.heddle.op.LinearAttentionScan.Inputs;
import dev.heddle.op.LinearAttentionScan.Sums;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Attention without softmax, as a scan of sums: {@code S_t = S_{t-1} + phi(k_t) v_t^T}, {@code z_t = z_{t-1} + phi(k_t)}, {@code y_t =
 * phi(q_t) S_t}, divided by {@code <phi(q_t), z_t> + eps} with {@code normalize}.
 *
 * <ul>
 *   <li>{@code q} and {@code k} are float32 {@code [B, L, H, K]}, {@code v} is {@code [B, L, H, V]}, each with contiguous features; y is
 *       like v. phi is x, or elu(x) + 1.
 *   <li>{@code initial}, optional, holds the sums before the first step, the result those after the last: {@code s [N, H, K, V]} and
 *       {@code z [N, H, K]}. A result's sums as the next call's initial ones make the calls one.
 *   <li>{@code cuSeqlens}, optional, is int32 {@code [S + 1]} with B = 1: sequence i is the steps from {@code cuSeqlens[i]} to {@code
 *       cuSeqlens[i + 1]}, and has what it has alone; N is S then, otherwise B.
 * </ul>
 *
 * <p>Time runs in order: the bits of a step are the same in one call, in any cut into calls and step by step, alone, in a batch
 * and packed, at every vector width and with any number of threads.
 *
 * <p>Gradients: with {@code n = phi(q) S}, {@code c = <phi(q), z> + eps} and {@code h_t = grad_y_t / c_t}, {@code j_t = -<grad_y_t, n_t> /
 * c_t^2} (without normaliser h = grad_y, j = 0): {@code grad_phi(q)_t = S_t h_t + z_t j_t}, {@code grad_phi(k)_t = G_t v_t + e_t}, {@code
 * grad_v_t = G_t^T phi(k)_t} where {@code G_t = grad_s + sum over i >= t of phi(q)_i h_i^T}, {@code e_t = grad_z + sum over i >= t of
 * phi(q)_i j_i}; those of the initial sums are {@code G_1} and {@code e_1}.
 *
 * <p>Scratch: copies of a head's steps for each of at most 32 chunks.
 */
public final class LinearAttention {
    private final boolean elu;
    private final boolean normalize;
    private final float eps;

    private LinearAttention(boolean elu, boolean normalize, float eps) {
        this.elu = elu;
        this.normalize = normalize;
        this.eps = eps;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: elu + 1, normalised, eps 1e-6. */
    public static final class Builder {
        private boolean elu = true;
        private boolean normalize = true;
        private float eps = 1e-6f;

        private Builder() {}

        /** Whether phi is elu(x) + 1; otherwise it is x. */
        public Builder elu(boolean elu) {
            this.elu = elu;
            return this;
        }

        /** Whether results are divided by the normaliser. */
        public Builder normalize(boolean normalize) {
            this.normalize = normalize;
            return this;
        }

        /** What is added to the normaliser. */
        public Builder eps(float eps) {
            if (!Float.isFinite(eps)) {
                throw new IllegalArgumentException("eps: " + eps + ", must be finite");
            }
            this.eps = eps;
            return this;
        }

        public LinearAttention build() {
            return new LinearAttention(elu, normalize, eps);
        }
    }

    /** The sums of some streams: {@code s [N, H, K, V]} and {@code z [N, H, K]}, float32, contiguous. */
    public record State(Tensor s, Tensor z) {
        /** Nothing yet. */
        public static State empty(long streams, long heads, long keys, long values) {
            return new State(
                    Tensor.zeros(DType.F32, streams, heads, keys, values),
                    Tensor.zeros(DType.F32, streams, heads, keys));
        }
    }

    /** The result of every step, and the sums after the last. */
    public record Result(Tensor y, State last) {}

    /** Gradients; those of the initial sums are null if there were none. */
    public record Gradients(
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable Tensor s0,
            @Nullable Tensor z0) {}

    /** Computes from nothing. */
    public Result forward(Tensor q, Tensor k, Tensor v) {
        return forward(q, k, v, null, null);
    }

    /** Computes from initial sums, if there are some, and over packed sequences, if there are such. */
    public Result forward(Tensor q, Tensor k, Tensor v, @Nullable State initial, @Nullable Tensor cuSeqlens) {
        Sequences sequences = check(q, k, v, initial, cuSeqlens);
        State last = State.empty(sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            run(sequences, q, k, v, initial, y, last, scratch);
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
            @Nullable State initial,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            State last,
            Workspace scratch) {
        Sequences sequences = check(q, k, v, initial, cuSeqlens);
        Checks.like("y", y, DType.F32, "v", v);
        Checks.contiguousRows("y", y);
        checkState("last", last, sequences, q, v);
        Apart apart = new Apart().in("q", q).in("k", k).in("v", v).out("y", y);
        if (initial != null && initial.s != last.s) {
            apart.in("initial.s", initial.s).in("initial.z", initial.z);
            Checks.apart("y", y, "initial.s", initial.s);
            Checks.apart("y", y, "initial.z", initial.z);
        }
        apart.out("last.s", last.s).out("last.z", last.z);
        run(sequences, q, k, v, initial, y, last, scratch);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradY null for zeros
     * @param gradS of the final sums, null for zeros
     * @param gradZ of the final normaliser, null for zeros
     */
    public Gradients backward(
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable State initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS,
            @Nullable Tensor gradZ) {
        Sequences sequences = check(q, k, v, initial, cuSeqlens);
        if (gradY != null) {
            Checks.like("gradY", gradY, DType.F32, "v", v);
            Checks.contiguousRows("gradY", gradY);
        }
        checkSums("gradS", gradS, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        checkSums("gradZ", gradZ, sequences.count(), q.dim(2), q.dim(3));
        Gradients g = new Gradients(
                zerosLike(q),
                zerosLike(k),
                zerosLike(v),
                initial == null ? null : zerosLike(initial.s),
                initial == null ? null : zerosLike(initial.z));
        Tensor s0 = initial == null ? null : initial.s;
        Tensor z0 = initial == null ? null : initial.z;
        try (Workspace scratch = new Workspace();
                Use _ = Use.of(q, k, v, s0, z0, gradY, gradS, gradZ, g.q, g.k, g.v, g.s0, g.z0)) {
            scan(sequences, q, k, v)
                    .backward(
                            sums(s0, z0),
                            new LinearAttentionScan.Gradients(
                                    gradY == null ? null : Matrix.of(gradY),
                                    sums(gradS, gradZ),
                                    Matrix.of(g.q),
                                    Matrix.of(g.k),
                                    Matrix.of(g.v),
                                    null,
                                    sums(g.s0, g.z0)),
                            scratch);
        }
        return g;
    }

    private LinearAttentionScan scan(Sequences sequences, Tensor q, Tensor k, Tensor v) {
        Form form = new Form(q.dim(3), v.dim(3), 1, elu, normalize, eps, 1);
        return new LinearAttentionScan(
                sequences, q.dim(2), form, new Inputs(Matrix.of(q), Matrix.of(k), Matrix.of(v), null));
    }

    private void run(
            Sequences sequences,
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable State initial,
            Tensor y,
            State last,
            Workspace scratch) {
        Tensor s0 = initial == null ? null : initial.s;
        Tensor z0 = initial == null ? null : initial.z;
        try (Use _ = Use.of(q, k, v, s0, z0, y, last.s, last.z)) {
            scan(sequences, q, k, v).forward(sums(s0, z0), Matrix.of(y), sums(last.s, last.z), scratch);
        }
    }

    static Sums sums(@Nullable Tensor s, @Nullable Tensor z) {
        return new Sums(s == null ? 0 : s.address(), z == null ? 0 : z.address());
    }

    private static Tensor zerosLike(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    private static Sequences check(Tensor q, Tensor k, Tensor v, @Nullable State initial, @Nullable Tensor cuSeqlens) {
        Sequences sequences = checkOperands(q, k, v, cuSeqlens);
        if (initial != null) {
            checkState("initial", initial, sequences, q, v);
        }
        return sequences;
    }

    static Sequences checkOperands(Tensor q, Tensor k, Tensor v, @Nullable Tensor cuSeqlens) {
        Checks.type("q", q, DType.F32);
        Checks.rank("q", q, 4);
        Checks.like("k", k, DType.F32, "q", q);
        Checks.rank("v", v, 4);
        Checks.shape("v", v, DType.F32, q.dim(0), q.dim(1), q.dim(2), v.dim(3));
        Checks.contiguousRows("q", q);
        Checks.contiguousRows("k", k);
        Checks.contiguousRows("v", v);
        return Sequences.of(q.dim(0), q.dim(1), cuSeqlens);
    }

    private static void checkState(String name, State state, Sequences sequences, Tensor q, Tensor v) {
        checkSums(name + ".s", state.s, sequences.count(), q.dim(2), q.dim(3), v.dim(3));
        checkSums(name + ".z", state.z, sequences.count(), q.dim(2), q.dim(3));
    }

    static void checkSums(String name, @Nullable Tensor t, long... shape) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, shape);
            Checks.contiguous(name, t);
        }
    }
}
