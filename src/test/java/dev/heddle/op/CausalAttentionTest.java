package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.CausalAttention.Terms;
import dev.heddle.reference.Attention64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class CausalAttentionTest {
    private static final float HIDDEN = Float.NEGATIVE_INFINITY;

    /** One problem. Keys that nobody sees, and their values, are NaN. */
    private record Problem(
            Tensor q, Tensor k, Tensor v, Terms terms, Tensor gy, boolean causal, int window, float scale) {
        static Problem random(Random r, int lq, int lk, int f, int fv) {
            int b = r.nextInt(1, 3);
            int hk = r.nextInt(1, 3);
            int h = hk * r.nextInt(1, 4);
            boolean packed = lq == lk && r.nextInt(3) == 0;
            b = packed ? 1 : b;
            Tensor bias = r.nextBoolean()
                    ? Trial.fill(
                            Tensor.zeros(DType.F32, h, lq, lk),
                            () -> r.nextInt(9) == 0 ? HIDDEN : (float) r.nextGaussian())
                    : null;
            Tensor k = Trial.normal(r, b, lk, hk, f);
            Tensor v = Trial.normal(r, b, lk, hk, fv);
            Tensor mask = null;
            if (r.nextBoolean()) {
                mask = Trial.fill(Tensor.zeros(DType.F32, b, lk), () -> r.nextInt(5) == 0 ? 0 : 1);
                for (int i = 0; i < b; i++) {
                    for (int j = 0; j < lk; j++) {
                        if (mask.getFloat(i, j) == 0) {
                            k.select(0, i).select(0, j).fill(Float.NaN);
                            v.select(0, i).select(0, j).fill(Float.NaN);
                        }
                    }
                }
            }
            Tensor cu = null;
            if (packed) {
                int at = r.nextInt(lq + 1);
                cu = Tensor.of(new int[] {0, at, at, lq});
            }
            Tensor slopes = r.nextInt(3) == 0 ? CausalAttention.alibiSlopes(h) : null;
            return new Problem(
                    Trial.normal(r, b, lq, h, f),
                    k,
                    v,
                    new Terms(bias, mask, cu, slopes),
                    Trial.normal(r, b, lq, h, fv),
                    r.nextBoolean(),
                    r.nextBoolean() ? 0 : r.nextInt(1, lk + 3),
                    0.3f + r.nextFloat());
        }

        CausalAttention op() {
            return CausalAttention.builder()
                    .causal(causal)
                    .window(window)
                    .scale(scale)
                    .build();
        }

        @Nullable
        Tensor[] run() {
            CausalAttention.Gradients g = op().backward(q, k, v, terms, gy);
            return new Tensor[] {op().forward(q, k, v, terms), g.q(), g.k(), g.v(), g.bias()};
        }

        double[][] reference() {
            double[][] out = {
                new double[(int) gy.size()],
                new double[(int) q.size()],
                new double[(int) k.size()],
                new double[(int) v.size()],
                new double[terms.bias() == null ? 0 : (int) terms.bias().size()]
            };
            int[] bounds = terms.cuSeqlens() == null ? null : terms.cuSeqlens().toIntArray();
            for (int b = 0; b < q.dim(0); b++) {
                for (int h = 0; h < q.dim(2); h++) {
                    if (bounds == null) {
                        head(out, b, h, 0, (int) q.dim(1), 0, (int) k.dim(1));
                    }
                    for (int s = 1; bounds != null && s < bounds.length; s++) {
                        int n = bounds[s] - bounds[s - 1];
                        head(out, b, h, bounds[s - 1], n, bounds[s - 1], n);
                    }
                }
            }
            return out;
        }

        private void head(double[][] out, int b, int h, int q0, int lq, int k0, int lk) {
            int hk = (int) (h / (q.dim(2) / k.dim(2)));
            double[][] bias = new double[lq][lk];
            for (int i = 0; i < lq; i++) {
                for (int j = 0; j < lk; j++) {
                    int p = i + lk - lq;
                    double x = terms.bias() == null ? 0 : terms.bias().getFloat(h, q0 + i, k0 + j);
                    if (terms.slopes() != null) {
                        x -= terms.slopes().getFloat(h) * (double) Math.abs(p - j);
                    }
                    boolean seen = (!causal || j <= p) && (window == 0 || j > p - window);
                    seen &= terms.keyMask() == null || terms.keyMask().getFloat(b, k0 + j) != 0;
                    bias[i][j] = seen ? x : Double.NEGATIVE_INFINITY;
                }
            }
            Attention64 a = new Attention64(
                    rows(q, b, q0, lq, h),
                    rows(k, b, k0, lk, hk),
                    rows(v, b, k0, lk, hk),
                    bias,
                    scale,
                    rows(gy, b, q0, lq, h),
                    (int) v.dim(3));
            add(out[0], a.y, gy, b, q0, h);
            add(out[1], a.gq, q, b, q0, h);
            add(out[2], a.gk, k, b, k0, hk);
            add(out[3], a.gv, v, b, k0, hk);
            for (int i = 0; i < lq && terms.bias() != null; i++) {
                for (int j = 0; j < lk; j++) {
                    long at = (h * q.dim(1) + q0 + i) * k.dim(1) + k0 + j;
                    out[4][(int) at] += a.gs[i][j];
                }
            }
        }

        private static double[][] rows(Tensor t, int b, int from, int count, int h) {
            double[][] rows = new double[count][(int) t.dim(3)];
            for (int i = 0; i < count; i++) {
                for (int f = 0; f < rows[i].length; f++) {
                    rows[i][f] = t.getFloat(b, from + i, h, f);
                }
            }
            return rows;
        }

        private static void add(double[] out, double[][] rows, Tensor like, int b, int from, int h) {
            for (int i = 0; i < rows.length; i++) {
                for (int f = 0; f < rows[i].length; f++) {
                    long at = ((b * like.dim(1) + from + i) * like.dim(2) + h) * like.dim(3) + f;
                    out[(int) at] += rows[i][f];
                }
            }
        }
    }

    @Provide
    Arbitrary<Integer> features() {
        return Arbitraries.of(0, 1, 3, 8, 16, 17, 48, 64, 70);
    }

    @Provide
    Arbitrary<Integer> lengths() {
        return Arbitraries.of(0, 1, 2, 5, 17, 63, 64, 65, 100, 130);
    }

    @Property(tries = 60)
    void isSoftmaxOfTheScoresOfTheKeysThatAreSeen(
            @ForAll("lengths") int lq,
            @ForAll("lengths") int lk,
            @ForAll("features") int f,
            @ForAll("features") int fv,
            @ForAll long seed) {
        Random r = new Random(seed);
        agrees(Problem.random(r, r.nextBoolean() ? lk : lq, lk, f, fv));
    }

    private static void agrees(Problem p) {
        long f = p.q().dim(3);
        long fv = p.v().dim(3);
        float[][] got = Trial.everywhere(p::run);
        double[][] want = p.reference();
        String[] names = {"y", "gradient of q", "gradient of k", "gradient of v", "gradient of bias"};
        for (int i = 0; i < want.length; i++) {
            Trial.assertClose(want[i], got[i], 1e-5, 4e-6 * (1 + f) * (1 + fv / 8.0), names[i]);
        }
    }

    /** So many keys that the backward pass deals them out to several threads. */
    @Property(tries = 6)
    void gradientsOfManyKeysForFewHeads(@ForAll long seed) {
        int keys = 64 * (int) AttentionBackward.MANY_TILES - 30;
        Random r = new Random(seed);
        agrees(Problem.random(r, r.nextInt(3) == 0 ? 1 : 50, keys, r.nextInt(3) == 0 ? 0 : 9, 5));
    }

    /** A query's bits do not depend on the queries beside it, nor on where its keys come from. */
    @Property(tries = 8)
    void aQueryAloneHasTheBitsThatItHasAmongOthers(
            @ForAll("features") int f, @ForAll boolean long1, @ForAll long seed) {
        Random r = new Random(seed);
        int keys = long1 ? 4500 : 150;
        int heads = 4;
        Tensor q = Trial.normal(r, 1, keys, heads, f);
        Tensor k = Trial.normal(r, 1, keys, 2, f);
        Tensor v = Trial.normal(r, 1, keys, 2, 24);
        CausalAttention op =
                CausalAttention.builder().window(r.nextBoolean() ? 0 : 2100).build();
        Tensor all = op.forward(q, k, v);
        KvCache cache = new KvCache(2, f, 24);
        int last = 0;
        for (int at : new int[] {1, 63, 64, 65, 149, 150, 2048, 2049, 4200, 4500}) {
            if (at > keys) {
                break;
            }
            Tensor want = all.select(1, at - 1);
            Tensor one = op.forward(q.slice(1, at - 1, at), k.slice(1, 0, at), v.slice(1, 0, at));
            Trial.assertSameBits(want.toFloatArray(), one.toFloatArray(), "alone, " + at);
            int from = Math.max(0, at - 3);
            Tensor few = op.forward(q.slice(1, from, at), k.slice(1, 0, at), v.slice(1, 0, at));
            Trial.assertSameBits(
                    want.toFloatArray(), few.select(1, few.dim(1) - 1).toFloatArray(), "few, " + at);
            cache.append(k.select(0, 0).slice(0, last, at), v.select(0, 0).slice(0, last, at));
            last = at;
            Tensor cached = op.forward(q.select(0, 0).slice(0, at - 1, at), cache);
            Trial.assertSameBits(want.toFloatArray(), cached.toFloatArray(), "cached, " + at);
        }
    }

    @Test
    void packedSequencesHaveTheBitsThatTheyHaveAlone() {
        Random r = new Random(3);
        Tensor q = Trial.normal(r, 1, 300, 2, 16);
        Tensor k = Trial.normal(r, 1, 300, 1, 16);
        Tensor v = Trial.normal(r, 1, 300, 1, 8);
        Tensor gy = Trial.normal(r, 1, 300, 2, 8);
        int[] bounds = {0, 70, 70, 211, 300};
        CausalAttention op = CausalAttention.builder().build();
        Terms packed = new Terms(null, null, Tensor.of(bounds), null);
        Tensor y = op.forward(q, k, v, packed);
        CausalAttention.Gradients g = op.backward(q, k, v, packed, gy);
        for (int i = 1; i < bounds.length; i++) {
            int a = bounds[i - 1];
            int b = bounds[i];
            Tensor qs = q.slice(1, a, b);
            Tensor ks = k.slice(1, a, b);
            Tensor vs = v.slice(1, a, b);
            CausalAttention.Gradients gs = op.backward(qs, ks, vs, Terms.NONE, gy.slice(1, a, b));
            same(op.forward(qs, ks, vs), y.slice(1, a, b), "y");
            same(gs.q(), g.q().slice(1, a, b), "gradient of q");
            same(gs.k(), g.k().slice(1, a, b), "gradient of k");
            same(gs.v(), g.v().slice(1, a, b), "gradient of v");
        }
    }

    private static void same(Tensor want, Tensor got, String what) {
        Trial.assertSameBits(want.toFloatArray(), got.toFloatArray(), what);
    }

    /** What is kept from the forward pass spares it, and changes roundings only. */
    @Test
    void backwardTakesTheForwardsResults() {
        Random r = new Random(4);
        Tensor q = Trial.normal(r, 2, 100, 4, 16);
        Tensor k = Trial.normal(r, 2, 120, 2, 16);
        Tensor v = Trial.normal(r, 2, 120, 2, 16);
        Tensor gy = Trial.normal(r, 2, 100, 4, 16);
        CausalAttention op = CausalAttention.builder().build();
        CausalAttention.Gradients want = op.backward(q, k, v, Terms.NONE, gy);
        try (Workspace scratch = new Workspace()) {
            Tensor y = scratch.zeros(DType.F32, 2, 100, 4, 16);
            Tensor weights = scratch.zeros(DType.F32, 2, 100, 4, 2);
            op.forward(q, k, v, Terms.NONE, y, weights, scratch);
            Tensor gk = Tensor.zeros(DType.F32, 2, 120, 2, 16);
            CausalAttention.Gradients some = new CausalAttention.Gradients(null, gk, null, null);
            op.backward(q, k, v, Terms.NONE, gy, y, weights, some, scratch);
            Trial.assertClose(Trial.doubles(want.k()), gk.toFloatArray(), 1e-5, 1e-5, "gradient of k");
        }
    }

    /** A NaN or an infinity spoils the queries that see it, and no other. */
    @Test
    void whatIsNotSeenIsNotRead() {
        Random r = new Random(5);
        int n = 200;
        Tensor q = Trial.normal(r, 1, n, 1, 16);
        Tensor k = Trial.normal(r, 1, n, 1, 16);
        Tensor v = Trial.normal(r, 1, n, 1, 16);
        Tensor gy = Trial.normal(r, 1, n, 1, 16);
        CausalAttention op = CausalAttention.builder().build();
        Tensor y = op.forward(q, k, v);
        CausalAttention.Gradients g = op.backward(q, k, v, Terms.NONE, gy);
        int bad = 101;
        v.select(1, bad).fill(Float.NaN);
        k.select(1, bad).fill(Float.POSITIVE_INFINITY);
        float[][] got = Trial.everywhere(() -> new Tensor[] {op.forward(q, k, v)});
        Trial.assertSameBits(
                y.slice(1, 0, bad).toFloatArray(), java.util.Arrays.copyOf(got[0], bad * 16), "queries before it");
        assertTrue(Float.isNaN(got[0][bad * 16]) && Float.isNaN(got[0][(n - 1) * 16]));

        gy.slice(1, 0, 40).fill(Float.NaN);
        k.select(1, bad).fill(0);
        v.select(1, bad).fill(0);
        Tensor gk = op.backward(q, k, v, Terms.NONE, gy).k();
        assertTrue(Float.isNaN(gk.getFloat(0, 39, 0, 0)));
        assertTrue(Float.isFinite(gk.getFloat(0, 40, 0, 0)) && Float.isFinite(g.k().getFloat(0, 40, 0, 0)));
    }

    /** Scores up to the square of the size, which are whole numbers and so exact: what rounds is the rest. */
    @Test
    void scoresOfAnySizeAgreeWithTheDefinition() {
        Random r = new Random(11);
        for (int size : new int[] {9, 100}) {
            Tensor q = Tensor.zeros(DType.F32, 1, 90, 2, 1);
            Tensor k = Tensor.zeros(DType.F32, 1, 90, 2, 1);
            Trial.fill(q, () -> r.nextInt(-size, size + 1));
            Trial.fill(k, () -> r.nextInt(-size, size + 1));
            Tensor v = Trial.normal(r, 1, 90, 2, 5);
            Problem p = new Problem(q, k, v, Terms.NONE, Trial.normal(r, 1, 90, 2, 5), true, 0, 1);
            float[][] got = Trial.everywhere(p::run);
            double[][] want = p.reference();
            for (int i = 0; i < 4; i++) {
                Trial.assertClose(want[i], got[i], 1e-5, 1e-5 * size, "size " + size + ", result " + i);
            }
        }
    }

    /** A value that is not finite is remembered of its page, but not beyond it. */
    @Test
    void aCacheMayHoldValuesThatAreNotFinite() {
        Random r = new Random(12);
        Tensor q = Trial.normal(r, 70, 2, 8);
        Tensor k = Trial.normal(r, 70, 2, 8);
        Tensor v = Trial.normal(r, 70, 2, 8);
        CausalAttention op = CausalAttention.builder().build();
        float[] want = op.forward(q.reshape(1, 70, 2, 8), k.reshape(1, 70, 2, 8), v.reshape(1, 70, 2, 8))
                .toFloatArray();
        KvCache cache = new KvCache(2, 8, 8);
        cache.append(k.slice(0, 0, 5), v.slice(0, 0, 5));
        Tensor bad = v.slice(0, 5, 6).copy();
        bad.select(1, 1).fill(Float.NaN);
        cache.append(k.slice(0, 5, 6), bad);
        KvCache shared = cache.prefix(6);
        float[] seen = op.forward(q.slice(0, 5, 6), shared).toFloatArray();
        Trial.assertSameBits(
                java.util.Arrays.copyOfRange(want, 5 * 16, 5 * 16 + 8),
                java.util.Arrays.copyOf(seen, 8),
                "the other head");
        assertTrue(Float.isNaN(seen[8]));
        cache.truncate(5);
        cache.append(k.slice(0, 5, 70), v.slice(0, 5, 70));
        Trial.assertSameBits(want, op.forward(q, cache).toFloatArray(), "cut");
        assertTrue(Float.isNaN(op.forward(q.slice(0, 5, 6), shared).getFloat(0, 1, 0)));
    }

    @Test
    void extremeScoresAndNothingToSee() {
        Random r = new Random(6);
        Tensor q = Trial.normal(r, 1, 90, 2, 16);
        Tensor k = Trial.fill(Tensor.zeros(DType.F32, 1, 90, 2, 16), () -> (float) (2500 * r.nextGaussian()));
        Tensor v = Trial.normal(r, 1, 90, 2, 16);
        CausalAttention op = CausalAttention.builder().scale(1).build();
        Tensor mask = Tensor.zeros(DType.F32, 1, 90);
        float[][] got = Trial.everywhere(() -> {
            Terms none = new Terms(null, mask, null, null);
            CausalAttention.Gradients g = op.backward(q, k, v, none, v);
            return new Tensor[] {op.forward(q, k, v), op.forward(q, k, v, none), g.q(), g.k(), g.v()};
        });
        for (float x : got[0]) {
            assertTrue(Float.isFinite(x));
        }
        for (int i = 1; i < got.length; i++) {
            for (float x : got[i]) {
                assertEquals(0f, x);
            }
        }
    }

    /** Twice the constant of one query and key is four times a tensor of scores; here it stays the same. */
    @Test
    void scratchGrowsWithTheLengthOnly() {
        long[] held = new long[2];
        for (int i = 0; i < 2; i++) {
            int n = 1024 << i;
            Tensor x = Tensor.zeros(DType.F32, 1, n, 1, 16);
            try (Workspace scratch = new Workspace(1 << 10)) {
                Tensor y = Tensor.zeros(DType.F32, 1, n, 1, 16);
                CausalAttention op = CausalAttention.builder().build();
                op.forward(x, x, x, Terms.NONE, y, null, scratch);
                CausalAttention.Gradients g = new CausalAttention.Gradients(x.copy(), x.copy(), x.copy(), null);
                op.backward(x, x, x, Terms.NONE, y, null, null, g, scratch);
                held[i] = scratch.capacity();
            }
        }
        assertTrue(held[1] < 3 * held[0], held[0] + " bytes, then " + held[1]);
        assertTrue(held[1] < 4L * 2048 * 2048, "a tensor of scores would fit");
    }

    @Test
    void cachesAreCutAndShared() {
        Random r = new Random(7);
        Tensor k = Trial.normal(r, 200, 2, 8);
        Tensor v = Trial.normal(r, 200, 2, 12);
        Tensor q = Trial.normal(r, 1, 4, 8);
        CausalAttention op = CausalAttention.builder().build();
        KvCache a = new KvCache(2, 8, 12);
        a.append(k.slice(0, 0, 150), v.slice(0, 0, 150));
        KvCache b = a.prefix(140);
        a.append(k.slice(0, 150, 200), v.slice(0, 150, 200));
        b.append(k.slice(0, 0, 60), v.slice(0, 0, 60));
        assertEquals(200, a.length());
        assertEquals(200, b.length());
        same(whole(op, q, k, v), op.forward(q, a), "the first");
        Tensor k2 = Tensor.zeros(DType.F32, 200, 2, 8);
        k2.slice(0, 0, 140).copyFrom(k.slice(0, 0, 140));
        k2.slice(0, 140, 200).copyFrom(k.slice(0, 0, 60));
        Tensor v2 = Tensor.zeros(DType.F32, 200, 2, 12);
        v2.slice(0, 0, 140).copyFrom(v.slice(0, 0, 140));
        v2.slice(0, 140, 200).copyFrom(v.slice(0, 0, 60));
        same(whole(op, q, k2, v2), op.forward(q, b), "the second");
        a.truncate(70);
        same(whole(op, q, k.slice(0, 0, 70), v.slice(0, 0, 70)), op.forward(q, a), "cut");
        Tensor both = Tensor.zeros(DType.F32, 2, 1, 4, 8);
        both.select(0, 0).copyFrom(q);
        both.select(0, 1).copyFrom(q);
        Tensor y = Tensor.zeros(DType.F32, 2, 1, 4, 12);
        try (Workspace scratch = new Workspace()) {
            op.forward(both, List.of(a, b), null, y, scratch);
        }
        same(op.forward(q, a), y.select(0, 0), "together, the first");
        same(op.forward(q, b), y.select(0, 1), "together, the second");
        assertEquals(0, a.prefix(0).length());
        refused("length: 71", () -> a.truncate(71));
        refused("k: shape [200, 2, 8], must be [200, 3, 8]", () -> new KvCache(3, 8, 12).append(k, v));
    }

    private static Tensor whole(CausalAttention op, Tensor q, Tensor k, Tensor v) {
        return op.forward(
                q.reshape(1, q.dim(0), q.dim(1), q.dim(2)),
                k.reshape(1, k.dim(0), k.dim(1), k.dim(2)),
                v.reshape(1, v.dim(0), v.dim(1), v.dim(2)));
    }

    @Test
    void badArgumentsAreRefused() {
        CausalAttention op = CausalAttention.builder().build();
        Tensor q = Tensor.zeros(DType.F32, 1, 5, 4, 8);
        Tensor k = Tensor.zeros(DType.F32, 1, 6, 2, 8);
        refused(
                "k: 3 heads",
                () -> op.forward(q, Tensor.zeros(DType.F32, 1, 6, 3, 8), Tensor.zeros(DType.F32, 1, 6, 3, 8)));
        refused("v: shape [1, 5, 2, 8], must be [1, 6, 2, 8]", () -> op.forward(q, k, k.slice(1, 0, 5)));
        refused(
                "cuSeqlens: q has 5 steps",
                () -> op.forward(q, k, k, new Terms(null, null, Tensor.of(new int[] {0, 5}), null)));
        refused(
                "bias: shape [5, 6], must be [4, 5, 6]",
                () -> op.forward(q, k, k, new Terms(Tensor.zeros(DType.F32, 5, 6), null, null, null)));
        refused(
                "keyMask: shape [6]",
                () -> op.forward(q, k, k, new Terms(null, Tensor.zeros(DType.F32, 6), null, null)));
        refused("window: -1", () -> CausalAttention.builder().window(-1));
        refused("scale: NaN", () -> CausalAttention.builder().scale(Float.NaN));
        try (Workspace scratch = new Workspace()) {
            refused("y: shape [1, 5, 4, 8], overlaps q", () -> op.forward(q, k, k, Terms.NONE, q, null, scratch));
        }
    }

    private static void refused(String message, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
