package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.reference.LinearAttention64;
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

/** Linear attention and the gated one. */
class LinearAttentionTest {
    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.of(0, 1, 3, 4, 7, 16, 19);
    }

    /** What belongs to a head of {@code [1, L, H, K]} (axis 2), or of sums (axis 1). */
    private static double[] doubles(Tensor t, int axis, int head) {
        return Trial.doubles(t.select(axis, head));
    }

    private static Tensor positive(Random r, long... shape) {
        return Trial.fill(Tensor.zeros(DType.F32, shape), r::nextFloat);
    }

    @Property(tries = 40)
    void isTheScanOfTheSums(
            @ForAll("sizes") int keys, @ForAll("sizes") int values, @ForAll boolean elu, @ForAll long seed) {
        Random r = new Random(seed);
        int steps = r.nextInt(6);
        int heads = r.nextInt(1, 3);
        Tensor q = Trial.normal(r, 1, steps, heads, keys);
        Tensor k = Trial.normal(r, 1, steps, heads, keys);
        Tensor v = Trial.normal(r, 1, steps, heads, values);
        Tensor s0 = Trial.normal(r, 1, heads, keys, values);
        Tensor z0 = positive(r, 1, heads, keys);
        Tensor gy = Trial.normal(r, 1, steps, heads, values);
        Tensor gs = Trial.normal(r, 1, heads, keys, values);
        Tensor gz = Trial.normal(r, 1, heads, keys);
        boolean normalize = elu && r.nextBoolean();
        LinearAttention op = LinearAttention.builder()
                .elu(elu)
                .normalize(normalize)
                .eps(0.125f)
                .build();
        LinearAttention.State initial = new LinearAttention.State(s0, z0);
        Trial.everywhere(() -> {
            LinearAttention.Result f = op.forward(q, k, v, initial, null);
            LinearAttention.Gradients g = op.backward(q, k, v, initial, null, gy, gs, gz);
            return new Tensor[] {f.y(), f.last().s(), f.last().z(), g.q(), g.k(), g.v(), g.s0(), g.z0()};
        });
        LinearAttention.Result f = op.forward(q, k, v, initial, null);
        LinearAttention.Gradients g = op.backward(q, k, v, initial, null, gy, gs, gz);
        LinearAttention64 reference = new LinearAttention64(steps, keys, values, elu, normalize, 0.125, 1);
        Tensor one = Tensor.zeros(DType.F32, 1, steps, heads, keys).fill(1);
        for (int h = 0; h < heads; h++) {
            check(
                    reference,
                    new Tensor[] {q, k, one, v, s0, z0},
                    new Tensor[] {f.y(), f.last().s(), f.last().z()},
                    new Tensor[] {gy, gs, gz},
                    new Tensor[] {g.q(), g.k(), null, g.v(), g.s0(), g.z0()},
                    h);
        }
    }

    @Property(tries = 40)
    void theGatedOneForgets(@ForAll("sizes") int keys, @ForAll("sizes") int values, @ForAll long seed) {
        Random r = new Random(seed);
        int steps = r.nextInt(6);
        int heads = r.nextInt(1, 3);
        Tensor q = Trial.normal(r, 1, steps, heads, keys);
        Tensor k = Trial.normal(r, 1, steps, heads, keys);
        Tensor d =
                Trial.fill(Tensor.zeros(DType.F32, 1, steps, heads, keys), () -> r.nextInt(4) == 0 ? 0 : r.nextFloat());
        Tensor v = Trial.normal(r, 1, steps, heads, values);
        Tensor s0 = Trial.normal(r, 1, heads, keys, values);
        Tensor gy = Trial.normal(r, 1, steps, heads, values);
        Tensor gs = Trial.normal(r, 1, heads, keys, values);
        GatedLinearAttention op = GatedLinearAttention.builder().scale(0.75f).build();
        Trial.everywhere(() -> {
            GatedLinearAttention.Result f = op.forward(q, k, v, d, s0, null);
            GatedLinearAttention.Gradients g = op.backward(q, k, v, d, s0, null, gy, gs);
            return new Tensor[] {f.y(), f.s(), g.q(), g.k(), g.v(), g.decay(), g.s0()};
        });
        GatedLinearAttention.Result f = op.forward(q, k, v, d, s0, null);
        GatedLinearAttention.Gradients g = op.backward(q, k, v, d, s0, null, gy, gs);
        LinearAttention64 reference = new LinearAttention64(steps, keys, values, false, false, 0, 0.75);
        Tensor none = Tensor.zeros(DType.F32, 1, heads, keys);
        for (int h = 0; h < heads; h++) {
            check(
                    reference,
                    new Tensor[] {q, k, d, v, s0, none},
                    new Tensor[] {f.y(), f.s(), null},
                    new Tensor[] {gy, gs, none},
                    new Tensor[] {g.q(), g.k(), g.decay(), g.v(), g.s0(), null},
                    h);
        }
    }

    private static void check(
            LinearAttention64 reference, Tensor[] in, Tensor[] out, Tensor[] cotangents, Tensor[] gradients, int head) {
        double[][] operands = new double[in.length][];
        for (int i = 0; i < in.length; i++) {
            operands[i] = doubles(in[i], i < 4 ? 2 : 1, head);
        }
        double[] want = reference.forward(operands);
        double[] c = new double[want.length];
        int at = 0;
        for (int i = 0; i < out.length; i++) {
            double[] ci = doubles(cotangents[i], i == 0 ? 2 : 1, head);
            System.arraycopy(ci, 0, c, at, ci.length);
            if (out[i] != null) {
                double[] w = java.util.Arrays.copyOfRange(want, at, at + ci.length);
                Trial.assertClose(w, floats(doubles(out[i], i == 0 ? 2 : 1, head)), 1e-5, 2e-5, "output " + i);
            }
            at += ci.length;
        }
        double[][] g = reference.gradients(operands, c);
        for (int i = 0; i < g.length; i++) {
            if (gradients[i] != null) {
                Trial.assertClose(
                        g[i], floats(doubles(gradients[i], i < 4 ? 2 : 1, head)), 1e-4, 2e-4, "gradient " + i);
            }
        }
    }

    private static float[] floats(double[] d) {
        float[] f = new float[d.length];
        for (int i = 0; i < d.length; i++) {
            f[i] = (float) d[i];
        }
        return f;
    }

    /** In one call, cut in two, step by step, packed and in a batch. */
    @Property(tries = 10)
    void everyCutIntoCallsHasTheSameBits(@ForAll("sizes") int keys, @ForAll("sizes") int values, @ForAll long seed) {
        Random r = new Random(seed);
        int steps = 30;
        Tensor q = Trial.normal(r, 1, steps, 2, keys);
        Tensor k = Trial.normal(r, 1, steps, 2, keys);
        Tensor d = positive(r, 1, steps, 2, keys);
        Tensor v = Trial.normal(r, 1, steps, 2, values);
        LinearAttention op = LinearAttention.builder().build();
        GatedLinearAttention gated = GatedLinearAttention.builder().build();
        LinearAttention.Result whole = op.forward(q, k, v);
        GatedLinearAttention.Result gatedWhole = gated.forward(q, k, v, d);
        LinearAttention.State state = LinearAttention.State.empty(1, 2, keys, values);
        Tensor s = Tensor.zeros(DType.F32, 1, 2, keys, values);
        try (Workspace scratch = new Workspace()) {
            for (int t = 0; t < steps; ) {
                int to = Math.min(steps, t + (t < 10 ? 1 : 7));
                Tensor y = Tensor.zeros(DType.F32, 1, to - t, 2, values);
                Tensor qs = q.slice(1, t, to);
                Tensor ks = k.slice(1, t, to);
                Tensor vs = v.slice(1, t, to);
                op.forward(qs, ks, vs, state, null, y, state, scratch);
                same(whole.y().slice(1, t, to), y, "step " + t);
                gated.forward(qs, ks, vs, d.slice(1, t, to), s, null, y, s, scratch);
                same(gatedWhole.y().slice(1, t, to), y, "gated step " + t);
                t = to;
            }
        }
        same(whole.last().s(), state.s(), "s");
        same(whole.last().z(), state.z(), "z");
        same(gatedWhole.s(), s, "gated s");
        Tensor gy = Trial.normal(r, 1, steps, 2, values);
        Tensor cu = Tensor.of(new int[] {0, 0, 11, 30});
        GatedLinearAttention.Gradients packed = gated.backward(q, k, v, d, null, cu, gy, null);
        GatedLinearAttention.Gradients alone = gated.backward(
                q.slice(1, 11, 30),
                k.slice(1, 11, 30),
                v.slice(1, 11, 30),
                d.slice(1, 11, 30),
                null,
                null,
                gy.slice(1, 11, 30),
                null);
        same(alone.decay(), packed.decay().slice(1, 11, 30), "gradient of decay");
        same(alone.v(), packed.v().slice(1, 11, 30), "gradient of v");
        same(
                op.forward(q.slice(1, 0, 11), k.slice(1, 0, 11), v.slice(1, 0, 11))
                        .y(),
                op.forward(q, k, v, null, cu).y().slice(1, 0, 11),
                "packed");
    }

    /** So many steps that the sums of the gated one's backward pass are computed again block by block. */
    @Test
    void blocksOfStepsDoNotShow() {
        Random r = new Random(2);
        int keys = 64;
        int steps = 50; // blocks of 16
        Tensor q = Trial.normal(r, 1, steps, 1, keys);
        Tensor k = Trial.normal(r, 1, steps, 1, keys);
        Tensor d = positive(r, 1, steps, 1, keys);
        Tensor v = Trial.normal(r, 1, steps, 1, keys);
        Tensor gy = Trial.normal(r, 1, steps, 1, keys);
        GatedLinearAttention op = GatedLinearAttention.builder().build();
        GatedLinearAttention.Gradients whole = op.backward(q, k, v, d, null, null, gy, null);
        // the first 20 steps, with what the others do to them as the gradient of the last sums
        Tensor after = op.forward(q.slice(1, 0, 20), k.slice(1, 0, 20), v.slice(1, 0, 20), d.slice(1, 0, 20))
                .s();
        GatedLinearAttention.Gradients second = op.backward(
                q.slice(1, 20, steps),
                k.slice(1, 20, steps),
                v.slice(1, 20, steps),
                d.slice(1, 20, steps),
                after,
                null,
                gy.slice(1, 20, steps),
                null);
        GatedLinearAttention.Gradients first = op.backward(
                q.slice(1, 0, 20),
                k.slice(1, 0, 20),
                v.slice(1, 0, 20),
                d.slice(1, 0, 20),
                null,
                null,
                gy.slice(1, 0, 20),
                second.s0());
        for (int i = 0; i < 4; i++) {
            Tensor w = new Tensor[] {whole.q(), whole.k(), whole.v(), whole.decay()}[i];
            Tensor a = new Tensor[] {first.q(), first.k(), first.v(), first.decay()}[i];
            Tensor b = new Tensor[] {second.q(), second.k(), second.v(), second.decay()}[i];
            Trial.assertClose(Trial.doubles(w.slice(1, 0, 20)), a.toFloatArray(), 1e-5, 1e-4, "first " + i);
            Trial.assertClose(Trial.doubles(w.slice(1, 20, steps)), b.toFloatArray(), 1e-5, 1e-4, "second " + i);
        }
    }

    private static void same(Tensor want, Tensor got, String what) {
        Trial.assertSameBits(want.toFloatArray(), got.toFloatArray(), what);
    }

    @Test
    void badArgumentsAreRefused() {
        LinearAttention op = LinearAttention.builder().build();
        Tensor q = Tensor.zeros(DType.F32, 1, 5, 2, 8);
        refused("k: shape [1, 4, 2, 8], must be that of q", () -> op.forward(q, q.slice(1, 0, 4), q));
        refused("v: shape [1, 4, 2, 8], must be [1, 5, 2, 8]", () -> op.forward(q, q, q.slice(1, 0, 4)));
        refused(
                "initial.s: shape [2, 2, 8, 8]",
                () -> op.forward(q, q, q, LinearAttention.State.empty(2, 2, 8, 8), null));
        refused(
                "decay: shape [1, 5, 2, 7]",
                () -> GatedLinearAttention.builder().build().forward(q, q, q, q.slice(3, 0, 7)));
        refused("eps: NaN", () -> LinearAttention.builder().eps(Float.NaN));
    }

    private static void refused(String message, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
