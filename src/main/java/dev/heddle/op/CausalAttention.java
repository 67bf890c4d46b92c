package dev.heddle.op;

import dev.heddle.op.AttentionCall.Bias;
import dev.heddle.op.AttentionCall.Rule;
import dev.heddle.op.AttentionCall.Sequence;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Softmax attention: {@code y_i = sum over visible j of w_ij v_j} with {@code w_i = softmax over visible j of (scale <q_i, k_j> +
 * bias_ij - slope |p_i - j|)}.
 *
 * <ul>
 *   <li>{@code q} is float32 {@code [B, Lq, H, F]}, {@code k} is {@code [B, Lk, Hk, F]}, {@code v} is {@code [B, Lk, Hk, Fv]}, each with
 *       contiguous features; Hk divides H, and head h reads head {@code h / (H / Hk)}. y is {@code [B, Lq, H, Fv]}.
 *   <li>Query i has position {@code p_i = i + Lk - Lq}: the last query is at the last key. Key j is visible if {@code j <= p_i}
 *       (unless {@code causal} is off) and {@code j > p_i - window} (if there is a window).
 *   <li>{@link Terms} are what else may come in: biases, a mask of keys, packed sequences, slopes.
 * </ul>
 *
 * <p>A key that is not visible, or whose bias or score is -infinity, does not enter: its value is not read, and it has no
 * gradients. A query without keys gives 0. A visible score of +infinity or NaN makes its query's result NaN.
 *
 * <p>There is never a tensor of queries times keys. Keys are taken in tiles of 64 that start at multiples of 64, and tiles in
 * splits of 2048 keys; a product is one chain of fused multiply-adds over the features, the sum of a tile's weights has 16
 * partial sums. So the bits of a query follow from its own inputs, its keys and where they lie: a query alone, among others,
 * packed, in a batch or from a {@link KvCache} has the same, with any number of threads.
 *
 * <p>Gradients: with {@code d_i = sum_j w_ij <grad_y_i, v_j>} and {@code g_ij = w_ij (<grad_y_i, v_j> - d_i)}, {@code grad_q_i = scale sum_j
 * g_ij k_j}, {@code grad_k_j = scale sum_i g_ij q_i}, {@code grad_v_j = sum_i w_ij grad_y_i}, {@code grad_bias_ij = g_ij}, summed over the
 * batch. Weights are computed again in two passes. y and {@code weights}, if they are at hand, spare the first: d_i is {@code
 * <grad_y_i, y_i>} then, the same but for rounding, which shows where a query sees few keys and the gradients of its scores are
 * small beside those of its weights.
 *
 * <p>Scratch: forward, the keys and values once more if a head has more than 96 rows (queries times heads that share keys),
 * and about 100 KiB for each of at most 32 chunks. Backward, per chunk, queries, their gradients and those of y for the heads
 * that share a head of the keys; of a sequence of a thousand keys and more with up to four heads of them, the gradients of the
 * queries four times, so that several threads work on a head.
 */
public final class CausalAttention {
    private final float scale;
    private final boolean causal;
    private final long window;

    private CausalAttention(float scale, boolean causal, long window) {
        this.scale = scale;
        this.causal = causal;
        this.window = window;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: causal, no window, scale {@code 1 / sqrt(F)}. */
    public static final class Builder {
        private float scale = Float.NaN;
        private boolean causal = true;
        private long window;

        private Builder() {}

        /** What products are multiplied by. */
        public Builder scale(float scale) {
            if (!Float.isFinite(scale)) {
                throw new IllegalArgumentException("scale: " + scale + ", must be finite");
            }
            this.scale = scale;
            return this;
        }

        /** Whether a query sees no key after its position. */
        public Builder causal(boolean causal) {
            this.causal = causal;
            return this;
        }

        /** How many keys before its position, that one included, a query sees; 0 for all. */
        public Builder window(long window) {
            if (window < 0) {
                throw new IllegalArgumentException("window: " + window + ", must not be negative");
            }
            this.window = window;
            return this;
        }

        public CausalAttention build() {
            return new CausalAttention(scale, causal, window);
        }
    }

    /**
     * What may come in beside queries, keys and values; absent is null.
     *
     * @param bias float32 {@code [H, Lq, Lk]} with contiguous keys, added after scaling; with packed sequences, for steps counted
     *     over all of them
     * @param keyMask float32 {@code [B, Lk]}, contiguous; 0 hides a key from everyone
     * @param cuSeqlens int32 {@code [S + 1]} with B = 1 and Lq = Lk: sequence k is the steps from {@code cuSeqlens[k]} to {@code
     *     cuSeqlens[k + 1]}, and has what it has alone
     * @param slopes float32 {@code [H]}, contiguous: ALiBi, a bias of {@code -slope |p - j|}, see {@link #alibiSlopes}
     */
    public record Terms(
            @Nullable Tensor bias,
            @Nullable Tensor keyMask,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor slopes) {
        /** Nothing else. */
        public static final Terms NONE = new Terms(null, null, null, null);
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor q,
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor bias) {}

    /** The slopes of "Train Short, Test Long", arXiv 2108.12409: 2^(-8 (h + 1) / heads) for head h. */
    public static Tensor alibiSlopes(int heads) {
        float[] slopes = new float[heads];
        for (int h = 0; h < heads; h++) {
            slopes[h] = (float) StrictMath.pow(2, -8.0 * (h + 1) / heads);
        }
        return Tensor.of(slopes);
    }

    /** Computes y. */
    public Tensor forward(Tensor q, Tensor k, Tensor v) {
        return forward(q, k, v, Terms.NONE);
    }

    /** Computes y. */
    public Tensor forward(Tensor q, Tensor k, Tensor v, Terms terms) {
        Sequence[] sequences = check(q, k, v, terms);
        Tensor y = Tensor.zeros(DType.F32, q.dim(0), q.dim(1), q.dim(2), v.dim(3));
        try (Workspace scratch = new Workspace()) {
            run(sequences, q, k, v, terms, y, null, scratch);
        }
        return y;
    }

    /**
     * Computes into {@code y}.
     *
     * @param weights null, or float32 {@code [B, Lq, H, 2]}, contiguous, which gets the maximum of the scores and the sum of
     *     {@code e^(score - maximum)}: what {@link #backward} may use
     */
    public void forward(
            Tensor q, Tensor k, Tensor v, Terms terms, Tensor y, @Nullable Tensor weights, Workspace scratch) {
        Sequence[] sequences = check(q, k, v, terms);
        Checks.shape("y", y, DType.F32, q.dim(0), q.dim(1), q.dim(2), v.dim(3));
        Checks.contiguousRows("y", y);
        checkWeights(q, weights);
        inputs(q, k, v, terms).out("y", y).out("weights", weights);
        run(sequences, q, k, v, terms, y, weights, scratch);
    }

    /**
     * One stream's next queries over its cache, which already has their keys: {@code y [Lq, H, Fv]}.
     *
     * @param q float32 {@code [Lq, H, F]}; the last one is at the last key
     */
    public Tensor forward(Tensor q, KvCache cache) {
        Checks.rank("q", q, 3);
        Tensor y = Tensor.zeros(DType.F32, 1, q.dim(0), q.dim(1), cache.values());
        try (Workspace scratch = new Workspace()) {
            forward(q.reshape(1, q.dim(0), q.dim(1), q.dim(2)), List.of(cache), null, y, scratch);
        }
        return y.reshape(q.dim(0), q.dim(1), cache.values());
    }

    /**
     * The same for many streams, each over a cache of its own, into {@code y [B, Lq, H, Fv]}.
     *
     * @param q float32 {@code [B, Lq, H, F]}
     * @param caches B of them, alike in heads and features, of any lengths
     * @param slopes as in {@link Terms}; null for none
     */
    public void forward(Tensor q, List<KvCache> caches, @Nullable Tensor slopes, Tensor y, Workspace scratch) {
        Checks.type("q", q, DType.F32);
        Checks.rank("q", q, 4);
        Checks.contiguousRows("q", q);
        if (caches.size() != q.dim(0)) {
            throw new IllegalArgumentException("caches: there are " + caches.size() + ", but q has shape " + q.shape());
        }
        if (caches.isEmpty()) {
            return;
        }
        KvCache first = caches.getFirst();
        for (KvCache c : caches) {
            c.checkLike(first);
        }
        checkHeads(q.dim(2), first.heads());
        if (q.dim(3) != first.features()) {
            throw new IllegalArgumentException(
                    "q: shape " + q.shape() + ", but the keys have " + first.features() + " features");
        }
        checkSlopes(slopes, q.dim(2));
        Checks.shape("y", y, DType.F32, q.dim(0), q.dim(1), q.dim(2), first.values());
        Checks.contiguousRows("y", y);
        Apart apart = new Apart().in("q", q).in("slopes", slopes);
        caches.forEach(c -> c.pages().forEach(p -> apart.in("a cache", p)));
        apart.out("y", y);
        Sequence[] sequences = new Sequence[caches.size()];
        for (int b = 0; b < sequences.length; b++) {
            sequences[b] =
                    new Sequence(b, 0, q.dim(1), 0, checkKeys(caches.get(b).length()));
        }
        Tensor[] held = caches.stream().flatMap(c -> c.pages().stream()).toArray(Tensor[]::new);
        try (Use _ = Use.of(held);
                Use _ = Use.of(q, y, slopes)) {
            Rule rule = rule(q.dim(2), first.heads(), q.dim(3), first.values());
            AttentionCall call = new AttentionCall(rule, sequences, null, null, slopes, scratch);
            KeyTiles tiles = new KvCache.Tiles(call, caches);
            new AttentionForward(call, Matrix.of(q), tiles, Matrix.of(y), 0, q.dim(1)).run(scratch);
        }
    }

    /** All gradients, as new tensors; that of the bias only if there is one. */
    public Gradients backward(Tensor q, Tensor k, Tensor v, Terms terms, Tensor gradY) {
        Sequence[] sequences = check(q, k, v, terms);
        Checks.shape("gradY", gradY, DType.F32, q.dim(0), q.dim(1), q.dim(2), v.dim(3));
        Checks.contiguousRows("gradY", gradY);
        Gradients g = new Gradients(
                zerosLike(q), zerosLike(k), zerosLike(v), terms.bias == null ? null : zerosLike(terms.bias));
        try (Workspace scratch = new Workspace()) {
            runBackward(sequences, q, k, v, terms, gradY, null, null, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it.
     *
     * @param y and {@code weights}: what the forward pass gave; null, both, to compute it again
     */
    public void backward(
            Tensor q,
            Tensor k,
            Tensor v,
            Terms terms,
            Tensor gradY,
            @Nullable Tensor y,
            @Nullable Tensor weights,
            Gradients gradients,
            Workspace scratch) {
        Sequence[] sequences = check(q, k, v, terms);
        Checks.shape("gradY", gradY, DType.F32, q.dim(0), q.dim(1), q.dim(2), v.dim(3));
        Checks.contiguousRows("gradY", gradY);
        if ((y == null) != (weights == null)) {
            throw new IllegalArgumentException("y and weights: both, or neither");
        }
        if (y != null) {
            Checks.like("y", y, DType.F32, "gradY", gradY);
            Checks.contiguousRows("y", y);
        }
        checkWeights(q, weights);
        checkGradient("gradQ", gradients.q, q);
        checkGradient("gradK", gradients.k, k);
        checkGradient("gradV", gradients.v, v);
        if (gradients.bias != null) {
            if (terms.bias == null) {
                throw new IllegalArgumentException("gradBias: there is no bias");
            }
            checkGradient("gradBias", gradients.bias, terms.bias);
        }
        inputs(q, k, v, terms)
                .in("gradY", gradY)
                .in("y", y)
                .in("weights", weights)
                .out("gradQ", gradients.q)
                .out("gradK", gradients.k)
                .out("gradV", gradients.v)
                .out("gradBias", gradients.bias);
        runBackward(sequences, q, k, v, terms, gradY, y, weights, gradients, scratch);
    }

    // ------------------------------------------------------------------ running

    private Rule rule(long heads, long keyHeads, long features, long values) {
        float factor = Float.isNaN(scale) ? (float) (1 / Math.sqrt((double) Math.max(features, 1))) : scale;
        return new Rule(heads, keyHeads, features, values, factor, causal, window);
    }

    private AttentionCall call(Sequence[] sequences, Tensor q, Tensor k, Tensor v, Terms terms, Workspace scratch) {
        Rule rule = rule(q.dim(2), k.dim(2), q.dim(3), v.dim(3));
        return new AttentionCall(rule, sequences, Bias.of(terms.bias), terms.keyMask, terms.slopes, scratch);
    }

    private void run(
            Sequence[] sequences,
            Tensor q,
            Tensor k,
            Tensor v,
            Terms terms,
            Tensor y,
            @Nullable Tensor weights,
            Workspace scratch) {
        if (y.dim(0) * y.dim(1) * y.dim(2) == 0) {
            return;
        }
        try (Use _ = Use.of(q, k, v, terms.bias, terms.keyMask, terms.slopes, y, weights)) {
            AttentionCall call = call(sequences, q, k, v, terms, scratch);
            KeyTiles tiles = AttentionForward.reusesTiles(call)
                    ? new KeyTiles.Packed(call, Matrix.of(k), Matrix.of(v), scratch)
                    : new KeyTiles.Lazy(call, Matrix.of(k), Matrix.of(v));
            long at = weights == null ? 0 : weights.address();
            new AttentionForward(call, Matrix.of(q), tiles, Matrix.of(y), at, q.dim(1)).run(scratch);
        }
    }

    private void runBackward(
            Sequence[] sequences,
            Tensor q,
            Tensor k,
            Tensor v,
            Terms terms,
            Tensor gradY,
            @Nullable Tensor y,
            @Nullable Tensor weights,
            Gradients g,
            Workspace scratch) {
        if (g.bias != null) {
            g.bias.fill(0);
        }
        try (Use _ = Use.of(q, k, v, terms.bias, terms.keyMask, terms.slopes, gradY, y, weights);
                Use _ = Use.of(g.q, g.k, g.v, g.bias)) {
            AttentionCall call = call(sequences, q, k, v, terms, scratch);
            AttentionBackward.Inputs in = new AttentionBackward.Inputs(
                    Matrix.of(q),
                    Matrix.of(k),
                    Matrix.of(v),
                    matrix(y),
                    weights == null ? 0 : weights.address(),
                    Matrix.of(gradY));
            AttentionBackward.Outputs out =
                    new AttentionBackward.Outputs(matrix(g.q), matrix(g.k), matrix(g.v), Bias.of(g.bias));
            new AttentionBackward(call, in, out, q.dim(1)).run(scratch);
        }
    }

    private static @Nullable Matrix matrix(@Nullable Tensor t) {
        return t == null ? null : Matrix.of(t);
    }

    private static Tensor zerosLike(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    // ------------------------------------------------------------------ checks

    private static Sequence[] check(Tensor q, Tensor k, Tensor v, Terms terms) {
        for (Tensor t : new Tensor[] {q, k, v}) {
            String name = t == q ? "q" : t == k ? "k" : "v";
            Checks.type(name, t, DType.F32);
            Checks.rank(name, t, 4);
            Checks.contiguousRows(name, t);
        }
        Checks.shape("k", k, DType.F32, q.dim(0), k.dim(1), k.dim(2), q.dim(3));
        Checks.shape("v", v, DType.F32, q.dim(0), k.dim(1), k.dim(2), v.dim(3));
        checkHeads(q.dim(2), k.dim(2));
        checkKeys(k.dim(1));
        checkKeys(q.dim(1));
        if (terms.bias != null) {
            Checks.shape("bias", terms.bias, DType.F32, q.dim(2), q.dim(1), k.dim(1));
            Checks.contiguousRows("bias", terms.bias);
        }
        if (terms.keyMask != null) {
            Checks.shape("keyMask", terms.keyMask, DType.F32, k.dim(0), k.dim(1));
            Checks.contiguousRows("keyMask", terms.keyMask);
        }
        checkSlopes(terms.slopes, q.dim(2));
        if (terms.cuSeqlens != null && q.dim(1) != k.dim(1)) {
            throw new IllegalArgumentException("cuSeqlens: q has " + q.dim(1) + " steps, but k " + k.dim(1));
        }
        Sequences packed = Sequences.of(q.dim(0), q.dim(1), terms.cuSeqlens);
        Sequence[] sequences = new Sequence[Math.toIntExact(packed.count())];
        for (int i = 0; i < sequences.length; i++) {
            long keys = terms.cuSeqlens == null ? k.dim(1) : packed.length(i);
            sequences[i] = new Sequence(packed.row(i), packed.start(i), packed.length(i), packed.start(i), keys);
        }
        return sequences;
    }

    private static long checkKeys(long keys) {
        if (keys > Integer.MAX_VALUE - 64) {
            throw new IllegalArgumentException("sequences of " + keys + " steps are too long");
        }
        return keys;
    }

    private static void checkHeads(long heads, long keyHeads) {
        if (keyHeads == 0 ? heads != 0 : heads % keyHeads != 0) {
            throw new IllegalArgumentException(
                    "k: " + keyHeads + " heads, which must divide the " + heads + " heads of q");
        }
    }

    private static void checkSlopes(@Nullable Tensor slopes, long heads) {
        if (slopes != null) {
            Checks.shape("slopes", slopes, DType.F32, heads);
            Checks.contiguous("slopes", slopes);
        }
    }

    private static void checkWeights(Tensor q, @Nullable Tensor weights) {
        if (weights != null) {
            Checks.shape("weights", weights, DType.F32, q.dim(0), q.dim(1), q.dim(2), 2);
            Checks.contiguous("weights", weights);
        }
    }

    private static void checkGradient(String name, @Nullable Tensor gradient, Tensor of) {
        if (gradient != null) {
            Shape shape = of.shape();
            Checks.shape(name, gradient, DType.F32, shape.toArray());
            Checks.contiguousRows(name, gradient);
        }
    }

    private static Apart inputs(Tensor q, Tensor k, Tensor v, Terms terms) {
        return new Apart()
                .in("q", q)
                .in("k", k)
                .in("v", v)
                .in("bias", terms.bias)
                .in("keyMask", terms.keyMask)
                .in("slopes", terms.slopes);
    }
}
