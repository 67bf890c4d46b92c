package dev.heddle.op;

import dev.heddle.kernel.PrefixGradKernels;
import dev.heddle.kernel.PrefixKernels;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Attention with one query per head for all positions: scores {@code s_t = scale <q_h, k_t>}, then {@link PrefixAttention} over
 * them, so y_t is {@code softmax(s_1 ... s_t)} applied to {@code v_1 ... v_t}.
 *
 * <ul>
 *   <li>{@code q} is float32 {@code [H, F]}, {@code k} {@code [B, L, H, F]}, {@code v} {@code [B, L, H, Fv]}; y is like v. The last axes
 *       of q, k and v are contiguous.
 *   <li>{@code scale} is {@code 1 / sqrt(F)} unless it is set.
 *   <li>{@code initial}, {@code cuSeqlens}, {@code reverse} and the order of time are those of {@link PrefixAttention}.
 * </ul>
 *
 * <p>A score is summed in 16 partial sums that are folded in halves, and so has the same bits everywhere. Gradients: {@code
 * grad_k_t = scale grad_s_t q_h} and {@code grad_q_h = scale sum over b, t of grad_s_t k_t}, summed by pieces of 256 steps, the pieces
 * in order.
 *
 * <p>Scratch beyond that of {@link PrefixAttention}: the scores, backward also their gradients and a row of q's shape for each
 * piece of 256 steps.
 */
public final class AarenAttention {
    /** Steps over which the gradient of q is summed at once. */
    private static final long PIECE = 256;

    /** Nanoseconds for one feature of one score. */
    private static final double NANOS = 0.1;

    private final float scale;
    private final PrefixAttention prefix;

    private AarenAttention(float scale, PrefixAttention prefix) {
        this.scale = scale;
        this.prefix = prefix;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: scale 1 / sqrt(F), forward in time, long sequences in pieces. */
    public static final class Builder {
        private float scale = Float.NaN;
        private final PrefixAttention.Builder prefix = PrefixAttention.builder();

        private Builder() {}

        /** What the products of q and k are multiplied with. */
        public Builder scale(float scale) {
            if (Float.isNaN(scale)) {
                throw new IllegalArgumentException("scale: NaN");
            }
            this.scale = scale;
            return this;
        }

        /** Whether time runs from the last step to the first. */
        public Builder reverse(boolean reverse) {
            prefix.reverse(reverse);
            return this;
        }

        /** See {@link PrefixAttention.Builder#timeOrdered}. */
        public Builder timeOrdered(boolean timeOrdered) {
            prefix.timeOrdered(timeOrdered);
            return this;
        }

        public AarenAttention build() {
            return new AarenAttention(scale, prefix.build());
        }
    }

    /** Those that were asked for; the last three belong to the initial state. */
    public record Gradients(
            @Nullable Tensor q,
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor m0,
            @Nullable Tensor u0,
            @Nullable Tensor w0) {}

    /** Computes from the empty state. */
    public PrefixAttention.Result forward(Tensor q, Tensor k, Tensor v) {
        return forward(q, k, v, null, null);
    }

    /** Computes from an initial state, if there is one, and over packed sequences, if there are such. */
    public PrefixAttention.Result forward(
            Tensor q, Tensor k, Tensor v, @Nullable AttentionState initial, @Nullable Tensor cuSeqlens) {
        check(q, k, v);
        try (Workspace scratch = new Workspace()) {
            Tensor s = emptyScores(k, scratch);
            PrefixAttention.check(s, v, initial, cuSeqlens);
            scores(q, k, s, scratch);
            Sequences sequences = Sequences.of(v.dim(0), v.dim(1), cuSeqlens);
            AttentionState last = AttentionState.empty(sequences.count(), v.dim(2), v.dim(3));
            Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
            prefix.forward(s, v, initial, cuSeqlens, y, last, scratch);
            return new PrefixAttention.Result(y, last);
        }
    }

    /**
     * Computes into {@code y} and {@code last}; memory that it needs meanwhile comes from {@code scratch}.
     *
     * @param last may be {@code initial} itself, which it then replaces
     */
    public void forward(
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            AttentionState last,
            Workspace scratch) {
        check(q, k, v);
        Tensor s = emptyScores(k, scratch);
        prefix.checkForward(s, v, initial, cuSeqlens, y, last);
        Checks.apart("y", y, "q", q);
        Checks.apart("y", y, "k", k);
        last.checkApart("q", q);
        last.checkApart("k", k);
        scores(q, k, s, scratch);
        prefix.forward(s, v, initial, cuSeqlens, y, last, scratch);
    }

    /**
     * One step of one or many streams: {@code state} becomes the state after it.
     *
     * @param k float32 {@code [N, H, F]}
     * @param v float32 {@code [N, H, Fv]}
     * @return y, like v
     */
    public Tensor step(AttentionState state, Tensor q, Tensor k, Tensor v) {
        Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
        try (Workspace scratch = new Workspace(1 << 14)) {
            step(state, q, k, v, y, scratch);
        }
        return y;
    }

    /** The same into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void step(AttentionState state, Tensor q, Tensor k, Tensor v, Tensor y, Workspace scratch) {
        Checks.rank("k", k, 3);
        Tensor s = scratch.empty(DType.F32, k.dim(0), k.dim(1));
        checkQuery(q, k);
        prefix.checkStep(state, s, v, y);
        Checks.apart("y", y, "q", q);
        Checks.apart("y", y, "k", k);
        state.checkApart("q", q);
        state.checkApart("k", k);
        try (Use _ = Use.of(q, k, s)) {
            scores(q, k.dim(0), 1, k.dim(1), k.dim(2), Matrix.ofStep(k), Matrix.ofStep(s), scratch);
        }
        prefix.step(state, s, v, y, scratch);
    }

    /** All gradients, as new tensors; those of the initial state only if there is one. */
    public Gradients backward(
            Tensor q, Tensor k, Tensor v, @Nullable AttentionState initial, @Nullable Tensor cuSeqlens, Tensor gradY) {
        Gradients g = new Gradients(
                zerosLike(q),
                zerosLike(k),
                zerosLike(v),
                initial == null ? null : zerosLike(initial.m()),
                initial == null ? null : zerosLike(initial.u()),
                initial == null ? null : zerosLike(initial.w()));
        try (Workspace scratch = new Workspace()) {
            backward(q, k, v, initial, cuSeqlens, gradY, null, null, null, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     *
     * @param gradY null for zeros
     * @param gradU of the final u {@code [N, H]}; null for zeros
     * @param gradW of the final w {@code [N, H, Fv]}; null for zeros
     * @param y the forward's result, if it is at hand: it need not be computed again then
     */
    public void backward(
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradU,
            @Nullable Tensor gradW,
            @Nullable Tensor y,
            Gradients gradients,
            Workspace scratch) {
        check(q, k, v);
        Tensor s = emptyScores(k, scratch);
        boolean needsScores = gradients.q != null || gradients.k != null;
        Tensor gs = needsScores ? emptyScores(k, scratch) : null;
        PrefixAttention.Gradients rest =
                new PrefixAttention.Gradients(gs, gradients.v, gradients.m0, gradients.u0, gradients.w0);
        Apart apart = new Apart().in("q", q).in("k", k);
        prefix.checkBackward(s, v, initial, cuSeqlens, gradY, gradU, gradW, y, rest, apart);
        if (gradients.q != null) {
            Checks.shape("gradQ", gradients.q, DType.F32, q.shape().toArray());
            Checks.contiguous("gradQ", gradients.q);
            apart.out("gradQ", gradients.q);
        }
        if (gradients.k != null) {
            Checks.shape("gradK", gradients.k, DType.F32, k.shape().toArray());
            Checks.contiguousRows("gradK", gradients.k);
            apart.out("gradK", gradients.k);
        }
        scores(q, k, s, scratch);
        prefix.backward(s, v, initial, cuSeqlens, gradY, gradU, gradW, y, rest, scratch);
        if (gs != null) {
            gradScores(q, k, gs, gradients.q, gradients.k, scratch);
        }
    }

    // ------------------------------------------------------------------ scores

    private float scale(long features) {
        return Float.isNaN(scale) ? (float) (1 / Math.sqrt((double) features)) : scale;
    }

    private static Tensor emptyScores(Tensor k, Workspace scratch) {
        return scratch.empty(DType.F32, k.dim(0), k.dim(1), k.dim(2));
    }

    private void scores(Tensor q, Tensor k, Tensor s, Workspace scratch) {
        try (Use _ = Use.of(q, k, s)) {
            scores(q, k.dim(0), k.dim(1), k.dim(2), k.dim(3), Matrix.of(k), Matrix.of(s), scratch);
        }
    }

    private void scores(
            Tensor q, long rows, long steps, long heads, long features, Matrix k, Matrix s, Workspace scratch) {
        PrefixKernels dots =
                PrefixScan.KERNELS.choose(PrefixProbe.DOTS, Long.MAX_VALUE).kernels();
        long pieces = PrefixScan.ceil(steps, PIECE);
        long chunks = Math.min(PrefixScan.MAX_CHUNKS, rows * pieces);
        long pads = scratch.zeros(DType.F32, chunks, 48).address();
        Team.run((int) chunks, NANOS * rows * steps * heads * features, c -> {
            for (long i = rows * pieces * c / chunks; i < rows * pieces * (c + 1) / chunks; i++) {
                long t = i % pieces * PIECE;
                dots.dots(
                        k.at(i / pieces, t, 0),
                        k.step(),
                        k.head(),
                        q.address(),
                        0,
                        4 * q.stride(0),
                        features,
                        scale(features),
                        s.at(i / pieces, t, 0),
                        s.step(),
                        s.head(),
                        heads,
                        Math.min(PIECE, steps - t),
                        pads + 192L * c);
            }
        });
    }

    private void gradScores(
            Tensor q, Tensor k, Tensor gs, @Nullable Tensor gradQ, @Nullable Tensor gradK, Workspace scratch) {
        long steps = k.dim(1);
        long heads = k.dim(2);
        long features = k.dim(3);
        long pieces = PrefixScan.ceil(steps, PIECE);
        long all = k.dim(0) * pieces;
        Tensor sums = scratch.empty(DType.F32, all, heads, features);
        Tensor still = scratch.empty(DType.F32, features);
        Tensor zeros = scratch.zeros(DType.F32, features);
        List<Pass<PrefixGradKernels>> passes =
                Tiles.over(PrefixScan.GRAD_KERNELS, features, PrefixScan.GRADIENT_TILES, PrefixProbe::gradDots);
        try (Use _ = Use.of(q, k, gs, gradQ, gradK, sums, still, zeros)) {
            Matrix ks = Matrix.of(k);
            Matrix g = Matrix.of(gs);
            Matrix gk = gradK == null ? Matrix.still(still.address()) : Matrix.of(gradK);
            Team.run(Math.toIntExact(all), 2 * NANOS * k.size(), i -> {
                long row = i / pieces;
                long t = i % pieces * PIECE;
                for (Pass<PrefixGradKernels> p : passes) {
                    long o = p.from();
                    p.kernels()
                            .gradDots(
                                    p.tile(),
                                    g.at(row, t, 0),
                                    g.step(),
                                    g.head(),
                                    scale(features),
                                    q.address() + o,
                                    4 * q.stride(0),
                                    ks.at(row, t, 0) + o,
                                    ks.step(),
                                    ks.head(),
                                    gk.at(row, t, 0) + o,
                                    gk.step(),
                                    gk.head(),
                                    sums.address() + 4L * i * heads * features + o,
                                    4 * features,
                                    p.last(),
                                    heads,
                                    Math.min(PIECE, steps - t),
                                    zeros.address());
                }
            });
            if (gradQ != null) {
                long width = heads * features;
                ColumnSum.run(
                        all, width, new Gemm.Matrix(sums.address(), 4 * width, 4), gradQ.address(), false, scratch);
            }
        }
    }

    // ------------------------------------------------------------------ checks

    private static void check(Tensor q, Tensor k, Tensor v) {
        Checks.type("v", v, DType.F32);
        Checks.rank("v", v, 4);
        Checks.rank("k", k, 4);
        Checks.shape("k", k, DType.F32, v.dim(0), v.dim(1), v.dim(2), k.dim(3));
        checkQuery(q, k);
    }

    private static void checkQuery(Tensor q, Tensor k) {
        Checks.type("k", k, DType.F32);
        Checks.contiguousRows("k", k);
        Checks.shape("q", q, DType.F32, k.dim(-2), k.dim(-1));
        Checks.contiguousRows("q", q);
    }

    private static Tensor zerosLike(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }
}
