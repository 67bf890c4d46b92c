package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class AarenAttentionTest {
    @Provide
    Arbitrary<Long> features() {
        return Arbitraries.of(0L, 1L, 4L, 5L, 15L, 16L, 17L, 33L, 64L, 79L, 100L);
    }

    @Provide
    Arbitrary<Long> lengths() {
        return Arbitraries.of(0L, 1L, 20L, 65L, 256L, 300L);
    }

    /** The scores, and what becomes of their gradients, in float64; the rest is prefix attention's. */
    @Property(tries = 40)
    void isPrefixAttentionOverProductsOfQueryAndKeys(
            @ForAll("features") long f,
            @ForAll("features") long fv,
            @ForAll("lengths") long steps,
            @ForAll boolean reverse,
            @ForAll long seed) {
        Random r = new Random(seed);
        long h = r.nextInt(1, 4);
        long b = r.nextInt(1, 3);
        Tensor q = Trial.normal(r, h, f);
        Tensor k = Trial.normal(r, b, steps, h, f);
        Tensor v = Trial.normal(r, b, steps, h, fv);
        Tensor gy = Trial.normal(r, b, steps, h, fv);
        float scale = 0.7f;
        AarenAttention op =
                AarenAttention.builder().scale(scale).reverse(reverse).build();
        float[][] got = Trial.everywhere(() -> {
            PrefixAttention.Result p = op.forward(q, k, v);
            AarenAttention.Gradients g = op.backward(q, k, v, null, null, gy);
            return new Tensor[] {p.y(), p.last().m(), p.last().u(), p.last().w(), g.q(), g.k(), g.v()};
        });
        double[] s = new double[(int) (b * steps * h)];
        float[] qs = q.toFloatArray();
        float[] ks = k.toFloatArray();
        int head = (int) (h * f);
        for (int i = 0; i < ks.length; i++) {
            s[(int) (i / f)] += scale * (double) ks[i] * qs[i % head];
        }
        Tensor scores = Tensor.zeros(DType.F32, b, steps, h);
        int[] at = {0};
        Trial.fill(scores, () -> (float) s[at[0]++]);
        PrefixAttention prefix = PrefixAttention.builder().reverse(reverse).build();
        PrefixAttention.Result p = prefix.forward(scores, v);
        PrefixAttention.Gradients g = prefix.backward(scores, v, null, null, gy);
        double near = 1e-5 * (1 + f);
        Trial.assertClose(Trial.doubles(p.y()), got[0], near, near, "y");
        Trial.assertClose(Trial.doubles(p.last().m()), got[1], near, near, "m");
        Trial.assertClose(Trial.doubles(p.last().u()), got[2], near, near, "u");
        Trial.assertClose(Trial.doubles(p.last().w()), got[3], near, 10 * near, "w");
        float[] gs = g.s().toFloatArray();
        double[] gq = new double[qs.length];
        double[] gk = new double[ks.length];
        for (int i = 0; i < ks.length; i++) {
            gk[i] = scale * (double) gs[(int) (i / f)] * qs[i % head];
            gq[i % head] += scale * (double) gs[(int) (i / f)] * ks[i];
        }
        double noise = near * Math.sqrt(1.0 + fv);
        Trial.assertClose(gq, got[4], near, noise * Math.sqrt(1.0 + b * steps), "gradient of q");
        Trial.assertClose(gk, got[5], near, noise, "gradient of k");
        Trial.assertClose(Trial.doubles(g.v()), got[6], near, near, "gradient of v");
    }

    @Property(tries = 20)
    void aStreamHasTheBitsOfTheSequence(@ForAll("features") long f, @ForAll("features") long fv, @ForAll long seed) {
        Random r = new Random(seed);
        Tensor q = Trial.normal(r, 3, f);
        Tensor k = Trial.normal(r, 2, 40, 3, f);
        Tensor v = Trial.normal(r, 2, 40, 3, fv);
        AarenAttention op = AarenAttention.builder().build();
        Trial.everywhere(() -> {
            PrefixAttention.Result whole = op.forward(q, k, v);
            AttentionState state = AttentionState.empty(2, 3, fv);
            for (int t = 0; t < 40; t++) {
                Tensor y = op.step(state, q, k.select(1, t), v.select(1, t));
                Trial.assertSameBits(whole.y().select(1, t).toFloatArray(), y.toFloatArray(), "step " + t);
            }
            Trial.assertSameBits(whole.last().w().toFloatArray(), state.w().toFloatArray(), "w");
            return new Tensor[] {whole.y()};
        });
    }

    /** Longer than what may be cut into pieces of time; the memory of a step is that of the first. */
    @Test
    void aLongStreamHasTheBitsOfTheSequenceAndNoMoreMemory() {
        Random r = new Random(2);
        int steps = (int) PrefixScan.LONG_STEPS + 300;
        Tensor q = Trial.normal(r, 2, 5);
        Tensor k = Trial.normal(r, 1, steps, 2, 5);
        Tensor v = Trial.normal(r, 1, steps, 2, 3);
        AarenAttention op = AarenAttention.builder().timeOrdered(true).build();
        PrefixAttention.Result whole = op.forward(q, k, v);
        AttentionState state = AttentionState.empty(1, 2, 3);
        Tensor got = Tensor.zeros(DType.F32, 1, steps, 2, 3);
        try (Workspace scratch = new Workspace()) {
            long memory = 0;
            for (int t = 0; t < steps; t++) {
                scratch.reset();
                op.step(state, q, k.select(1, t), v.select(1, t), got.select(1, t), scratch);
                memory = t == 0 ? scratch.capacity() : memory;
            }
            assertEquals(memory, scratch.capacity());
        }
        Trial.assertSameBits(whole.y().toFloatArray(), got.toFloatArray(), "y");
        Trial.assertSameBits(whole.last().w().toFloatArray(), state.w().toFloatArray(), "w");
        Trial.assertSameBits(whole.last().u().toFloatArray(), state.u().toFloatArray(), "u");
    }

    /** Infinite keys may hide a step; the gradients know it too. */
    @Test
    void anInfiniteKeyThatScoresMinusInfinityHasNoPart() {
        Random r = new Random(1);
        Tensor q = Tensor.zeros(DType.F32, 1, 4).fill(1);
        Tensor k = Trial.normal(r, 1, 9, 1, 4);
        Tensor v = Trial.normal(r, 1, 9, 1, 4);
        k.setFloat(Float.NEGATIVE_INFINITY, 0, 5, 0, 2);
        v.select(1, 5).fill(Float.NaN);
        AarenAttention op = AarenAttention.builder().build();
        float[][] got = Trial.everywhere(() -> {
            AarenAttention.Gradients g =
                    op.backward(q, k, v, null, null, v.copy().fill(1));
            return new Tensor[] {op.forward(q, k, v).y(), g.q(), g.k(), g.v()};
        });
        for (float[] values : got) {
            for (float x : values) {
                assertTrue(Float.isFinite(x), () -> "not finite: " + x);
            }
        }
    }

    @Test
    void badArgumentsAreRefused() {
        AarenAttention op = AarenAttention.builder().build();
        Tensor q = Tensor.zeros(DType.F32, 2, 4);
        Tensor k = Tensor.zeros(DType.F32, 1, 5, 2, 4);
        Tensor v = Tensor.zeros(DType.F32, 1, 5, 2, 3);
        refused("q: shape [2, 4], must be [2, 5]", () -> op.forward(q, Tensor.zeros(DType.F32, 1, 5, 2, 5), v));
        refused("k: shape [1, 4, 2, 4], must be [1, 5, 2, 4]", () -> op.forward(q, k.slice(1, 0, 4), v));
        refused("cuSeqlens: ends at 4", () -> op.forward(q, k, v, null, Tensor.of(new int[] {0, 4})));
        refused("scale: NaN", () -> AarenAttention.builder().scale(Float.NaN));
        try (Workspace scratch = new Workspace()) {
            AttentionState last = AttentionState.empty(1, 2, 3);
            refused(
                    "k: shape [1, 1, 2, 3], overlaps the state's w",
                    () -> op.forward(
                            q.slice(1, 0, 3),
                            last.w().reshape(1, 1, 2, 3),
                            Tensor.zeros(DType.F32, 1, 1, 2, 3),
                            null,
                            null,
                            Tensor.zeros(DType.F32, 1, 1, 2, 3),
                            last,
                            scratch));
        }
    }

    private static void refused(String message, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
