package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.reference.PrefixAttention64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PrefixAttentionTest {
    private static final float HIDDEN = Float.NEGATIVE_INFINITY;

    /** One problem: scores of which some do not count, and whose values are NaN then. */
    private record Problem(
            Tensor s, Tensor v, AttentionState initial, Tensor cu, Tensor gy, Tensor gu, Tensor gw, boolean reverse) {
        static Problem random(
                long b, long steps, long h, long f, boolean state, boolean packed, boolean reverse, long seed) {
            Random r = new Random(seed);
            Tensor s = Trial.fill(
                    Tensor.zeros(DType.F32, b, steps, h),
                    () -> r.nextInt(5) == 0 ? HIDDEN : (float) (3 * r.nextGaussian()));
            Tensor v = Trial.normal(r, b, steps, h, f);
            for (int i = 0; i < b; i++) {
                for (int t = 0; t < steps; t++) {
                    for (int k = 0; k < h; k++) {
                        if (s.getFloat(i, t, k) == HIDDEN) {
                            v.select(0, i).select(0, t).select(0, k).fill(Float.NaN);
                        }
                    }
                }
            }
            Tensor cu = packed && b == 1 ? bounds((int) steps, r) : null;
            long n = cu == null ? b : cu.size() - 1;
            AttentionState initial = state ? state(r, n, h, f) : null;
            return new Problem(
                    s,
                    v,
                    initial,
                    cu,
                    Trial.normal(r, b, steps, h, f),
                    Trial.normal(r, n, h),
                    Trial.normal(r, n, h, f),
                    reverse);
        }

        private static Tensor bounds(int steps, Random r) {
            int a = r.nextInt(steps + 1);
            int b = a + r.nextInt(steps - a + 1);
            return Tensor.of(new int[] {0, a, a, b, steps});
        }

        /** Ordinary ones, and one that is empty but does not look it. */
        private static AttentionState state(Random r, long n, long h, long f) {
            Tensor m = Trial.normal(r, n, h);
            Tensor u = Trial.fill(Tensor.zeros(DType.F32, n, h), () -> 0.5f + r.nextFloat());
            Tensor w = Trial.normal(r, n, h, f);
            if (h > 1) {
                m.setFloat(HIDDEN, 0, 1);
                w.select(0, 0).select(0, 1).fill(Float.NaN);
            }
            return AttentionState.of(m, u, w);
        }

        PrefixAttention op() {
            return PrefixAttention.builder().reverse(reverse).build();
        }

        Tensor[] run() {
            PrefixAttention.Result r = op().forward(s, v, initial, cu);
            PrefixAttention.Gradients g = op().backward(s, v, initial, cu, gy, gu, gw);
            AttentionState last = r.last();
            return new Tensor[] {r.y(), last.m(), last.u(), last.w(), g.s(), g.v(), g.m0(), g.u0(), g.w0()};
        }

        /** The same from the definition, sequence by sequence and head by head. */
        double[][] reference() {
            int b = (int) v.dim(0);
            int steps = (int) v.dim(1);
            int h = (int) v.dim(2);
            int f = (int) v.dim(3);
            int[] bounds = cu == null ? null : cu.toIntArray();
            int n = bounds == null ? b : bounds.length - 1;
            int st = initial == null ? 0 : n * h;
            double[][] out = {
                new double[b * steps * h * f],
                new double[n * h],
                new double[n * h],
                new double[n * h * f],
                new double[b * steps * h],
                new double[b * steps * h * f],
                new double[st],
                new double[st],
                new double[st * f]
            };
            for (int k = 0; k < n; k++) {
                int row = bounds == null ? k : 0;
                int from = bounds == null ? 0 : bounds[k];
                int length = bounds == null ? steps : bounds[k + 1] - from;
                for (int i = 0; i < h; i++) {
                    head(out, k, row, from, length, i);
                }
            }
            return out;
        }

        private void head(double[][] out, int k, int row, int from, int length, int head) {
            int steps = (int) v.dim(1);
            int h = (int) v.dim(2);
            int f = (int) v.dim(3);
            int[] at = new int[length];
            double[] ss = new double[length];
            double[][] vs = new double[length][f];
            double[][] gs = new double[length][f];
            for (int t = 0; t < length; t++) {
                int time = from + (reverse ? length - 1 - t : t);
                at[t] = (row * steps + time) * h + head;
                ss[t] = s.getFloat(row, time, head);
                for (int c = 0; c < f; c++) {
                    vs[t][c] = v.getFloat(row, time, head, c);
                    gs[t][c] = gy.getFloat(row, time, head, c);
                }
            }
            double[] w0 = new double[f];
            double[] lastW = new double[f];
            for (int c = 0; c < f; c++) {
                w0[c] = initial == null ? 0 : initial.w().getFloat(k, head, c);
                lastW[c] = gw.getFloat(k, head, c);
            }
            double m0 = initial == null ? HIDDEN : initial.m().getFloat(k, head);
            double u0 = initial == null ? 0 : initial.u().getFloat(k, head);
            PrefixAttention64 r = new PrefixAttention64(ss, vs, m0, u0, w0);
            r.backward(gs, gu.getFloat(k, head), lastW);
            int p = k * h + head;
            for (int t = 0; t < length; t++) {
                System.arraycopy(r.y[t], 0, out[0], at[t] * f, f);
                out[4][at[t]] = r.gs[t];
                System.arraycopy(r.gv[t], 0, out[5], at[t] * f, f);
            }
            out[1][p] = r.m;
            out[2][p] = r.u;
            System.arraycopy(r.w, 0, out[3], p * f, f);
            if (initial != null) {
                out[6][p] = r.gm0;
                out[7][p] = r.gu0;
                System.arraycopy(r.gw0, 0, out[8], p * f, f);
            }
        }
    }

    private static final String[] NAMES = {"y", "m", "u", "w", "grad s", "grad v", "grad m0", "grad u0", "grad w0"};

    @Property(tries = 60)
    void agreesWithTheDefinitionOnEveryBackend(
            @ForAll("batches") long b,
            @ForAll("lengths") long steps,
            @ForAll("heads") long h,
            @ForAll("features") long f,
            @ForAll boolean state,
            @ForAll boolean packed,
            @ForAll boolean reverse,
            @ForAll long seed) {
        Problem p = Problem.random(b, steps, h, f, state, packed, reverse, seed);
        float[][] got = Trial.everywhere(p::run);
        double[][] want = p.reference();
        for (int i = 0; i < got.length; i++) {
            // a gradient of a score sums the products of all features at all later steps
            double noise = (i >= 4 ? 2e-6 * (1 + Math.sqrt((double) (steps * f))) : 1e-6) * Math.sqrt(1.0 + steps);
            Trial.assertClose(want[i], got[i], 1e-5, noise, NAMES[i]);
        }
        assertArrayEquals(narrow(want[1]), got[1], "the maximum is exact");
    }

    @Provide
    Arbitrary<Long> batches() {
        return Arbitraries.of(1L, 1L, 2L, 3L);
    }

    @Provide
    Arbitrary<Long> lengths() {
        return Arbitraries.of(0L, 1L, 2L, 7L, 33L, 64L, 65L, 130L);
    }

    @Provide
    Arbitrary<Long> heads() {
        return Arbitraries.of(1L, 2L, 3L, 5L, 9L);
    }

    /** Around lane counts and tile widths, and a few that need several tiles. */
    @Provide
    Arbitrary<Long> features() {
        return Arbitraries.of(0L, 1L, 3L, 4L, 5L, 8L, 15L, 16L, 17L, 20L, 33L, 64L, 68L, 79L, 100L, 144L);
    }

    private static float[] narrow(double[] d) {
        float[] f = new float[d.length];
        for (int i = 0; i < d.length; i++) {
            f[i] = (float) d[i];
        }
        return f;
    }

    @Property(tries = 30)
    void referenceHasTheGradientsOfFiniteDifferences(@ForAll long seed, @ForAll boolean state) {
        Random r = new Random(seed);
        int steps = 1 + r.nextInt(6);
        int f = 1 + r.nextInt(3);
        double[] x =
                r.doubles(steps + steps * f + (state ? 2 + f : 0), -1.5, 1.5).toArray();
        if (state) {
            x[steps + steps * f + 1] = 0.5 + r.nextDouble();
        }
        double[] c = r.doubles(steps * f + 1 + f, -1, 1).toArray();
        // the final u and w are differentiated at a fixed maximum, so the loss takes them relative to this one
        double fixed = reference(x, steps, f, state).m;
        PrefixAttention64 ref = reference(x, steps, f, state);
        double[][] gy = new double[steps][];
        for (int t = 0; t < steps; t++) {
            gy[t] = Arrays.copyOfRange(c, t * f, (t + 1) * f);
        }
        ref.backward(gy, c[steps * f], Arrays.copyOfRange(c, steps * f + 1, c.length));
        double[] got = new double[x.length];
        System.arraycopy(ref.gs, 0, got, 0, steps);
        for (int t = 0; t < steps; t++) {
            System.arraycopy(ref.gv[t], 0, got, steps + t * f, f);
        }
        if (state) {
            got[steps + steps * f] = ref.gm0;
            got[steps + steps * f + 1] = ref.gu0;
            System.arraycopy(ref.gw0, 0, got, steps + steps * f + 2, f);
        }
        for (int i = 0; i < x.length; i++) {
            double[] up = x.clone();
            double[] down = x.clone();
            up[i] += 1e-6;
            down[i] -= 1e-6;
            double d = (loss(up, c, steps, f, state, fixed) - loss(down, c, steps, f, state, fixed)) / 2e-6;
            assertEquals(d, got[i], 1e-6 * (1 + Math.abs(d)), "input " + i);
        }
    }

    private static PrefixAttention64 reference(double[] x, int steps, int f, boolean state) {
        double[][] v = new double[steps][];
        for (int t = 0; t < steps; t++) {
            v[t] = Arrays.copyOfRange(x, steps + t * f, steps + (t + 1) * f);
        }
        int at = steps + steps * f;
        return new PrefixAttention64(
                Arrays.copyOf(x, steps),
                v,
                state ? x[at] : HIDDEN,
                state ? x[at + 1] : 0,
                state ? Arrays.copyOfRange(x, at + 2, at + 2 + f) : new double[f]);
    }

    private static double loss(double[] x, double[] c, int steps, int f, boolean state, double fixed) {
        PrefixAttention64 r = reference(x, steps, f, state);
        double scale = Math.exp(r.m - fixed);
        double loss = c[steps * f] * r.u * scale;
        for (int i = 0; i < f; i++) {
            loss += c[steps * f + 1 + i] * r.w[i] * scale;
        }
        for (int t = 0; t < steps; t++) {
            for (int i = 0; i < f; i++) {
                loss += c[t * f + i] * r.y[t][i];
            }
        }
        return loss;
    }

    // ------------------------------------------------------------------ time

    @Property(tries = 30)
    void aStreamAndAnyCutHaveTheBitsOfTheSequence(
            @ForAll("batches") long b, @ForAll("heads") long h, @ForAll("features") long f, @ForAll long seed) {
        Problem p = Problem.random(b, 100, h, f, true, false, false, seed);
        PrefixAttention op = p.op();
        Trial.everywhere(() -> {
            PrefixAttention.Result whole = op.forward(p.s, p.v, p.initial, null);
            AttentionState stream = p.initial.copy();
            for (int t = 0; t < 100; t++) {
                Tensor y = op.step(stream, p.s.select(1, t), p.v.select(1, t));
                same(whole.y().select(1, t), y, "y of step " + t);
            }
            sameState(whole.last(), stream);
            Random r = new Random(seed);
            AttentionState cut = p.initial.copy();
            for (int t = 0; t < 100; ) {
                int end = Math.min(100, t + r.nextInt(70));
                PrefixAttention.Result part = op.forward(p.s.slice(1, t, end), p.v.slice(1, t, end), cut, null);
                same(whole.y().slice(1, t, end), part.y(), "y from step " + t);
                cut = part.last();
                t = end;
            }
            sameState(whole.last(), cut);
            return new Tensor[] {whole.y()};
        });
    }

    @Property(tries = 30)
    void packedAndInABatchHaveTheBitsOfAlone(
            @ForAll("heads") long h, @ForAll("features") long f, @ForAll boolean reverse, @ForAll long seed) {
        Problem p = Problem.random(1, 90, h, f, true, true, reverse, seed);
        Tensor[] packed = p.run();
        int[] bounds = p.cu.toIntArray();
        for (int k = 0; k < bounds.length - 1; k++) {
            int from = bounds[k];
            int to = bounds[k + 1];
            Problem alone = new Problem(
                    p.s.slice(1, from, to),
                    p.v.slice(1, from, to),
                    AttentionState.of(
                            p.initial.m().slice(0, k, k + 1),
                            p.initial.u().slice(0, k, k + 1),
                            p.initial.w().slice(0, k, k + 1)),
                    null,
                    p.gy.slice(1, from, to),
                    p.gu.slice(0, k, k + 1).contiguous(),
                    p.gw.slice(0, k, k + 1).contiguous(),
                    reverse);
            Tensor[] one = alone.run();
            for (int i = 0; i < one.length; i++) {
                boolean timed = i == 0 || i == 4 || i == 5;
                Tensor part = timed ? packed[i].slice(1, from, to) : packed[i].slice(0, k, k + 1);
                same(part, one[i], NAMES[i] + " of sequence " + k);
            }
        }
        Problem batch = Problem.random(3, 50, h, f, true, false, reverse, seed);
        Tensor[] all = batch.run();
        for (int k = 0; k < 3; k++) {
            Problem alone = new Problem(
                    batch.s.slice(0, k, k + 1),
                    batch.v.slice(0, k, k + 1),
                    AttentionState.of(
                            batch.initial.m().slice(0, k, k + 1),
                            batch.initial.u().slice(0, k, k + 1),
                            batch.initial.w().slice(0, k, k + 1)),
                    null,
                    batch.gy.slice(0, k, k + 1),
                    batch.gu.slice(0, k, k + 1),
                    batch.gw.slice(0, k, k + 1),
                    reverse);
            Tensor[] one = alone.run();
            for (int i = 0; i < one.length; i++) {
                same(all[i].slice(0, k, k + 1), one[i], NAMES[i] + " of row " + k);
            }
        }
    }

    @Test
    void aLongSequenceInPiecesAgreesWithItselfInOrder() {
        Random r = new Random(5);
        long steps = PrefixScan.LONG_STEPS + 1000;
        for (boolean reverse : new boolean[] {false, true}) {
            Tensor s = Trial.fill(
                    Tensor.zeros(DType.F32, 1, steps, 2),
                    () -> r.nextInt(9) == 0 ? HIDDEN : (float) (3 * r.nextGaussian()));
            Tensor v = Trial.normal(r, 1, steps, 2, 5);
            AttentionState initial = Problem.state(r, 1, 2, 5);
            PrefixAttention.Builder op = PrefixAttention.builder().reverse(reverse);
            PrefixAttention.Result ordered = op.timeOrdered(true).build().forward(s, v, initial, null);
            float[][] pieces = Trial.everywhere(() -> {
                PrefixAttention.Result p = op.timeOrdered(false).build().forward(s, v, initial, null);
                return new Tensor[] {p.y(), p.last().m(), p.last().u(), p.last().w()};
            });
            assertTrue(
                    !Arrays.equals(ordered.y().toFloatArray(), pieces[0]),
                    "a sequence of that length is meant to be cut");
            // tens of thousands of roundings in a row on one side
            Trial.assertClose(Trial.doubles(ordered.y()), pieces[0], 1e-4, 1e-4, "y");
            Trial.assertClose(Trial.doubles(ordered.last().m()), pieces[1], 0, 0, "m");
            Trial.assertClose(Trial.doubles(ordered.last().u()), pieces[2], 1e-4, 0, "u");
            Trial.assertClose(Trial.doubles(ordered.last().w()), pieces[3], 1e-4, 1e-3, "w");
        }
    }

    @Test
    void whetherASequenceIsCutDependsOnItAlone() {
        Random r = new Random(6);
        int steps = (int) PrefixScan.LONG_STEPS;
        Tensor s = Trial.normal(r, 1, steps + 40, 1);
        Tensor v = Trial.normal(r, 1, steps + 40, 1, 4);
        PrefixAttention op = PrefixAttention.builder().build();
        Tensor packed =
                op.forward(s, v, null, Tensor.of(new int[] {0, 40, steps + 40})).y();
        same(
                packed.slice(1, 0, 40),
                op.forward(s.slice(1, 0, 40), v.slice(1, 0, 40)).y(),
                "the short one");
        same(
                packed.slice(1, 40, steps + 40),
                op.forward(s.slice(1, 40, steps + 40), v.slice(1, 40, steps + 40))
                        .y(),
                "the long one");
    }

    // ------------------------------------------------------------------ special values

    @ParameterizedTest
    @ValueSource(floats = {80, 1e4f, 3e38f})
    void scoresOfAnySizeAreFine(float size) {
        Random r = new Random(2);
        Tensor s = Trial.fill(Tensor.zeros(DType.F32, 1, 60, 2), () -> size * (r.nextInt(3) - 1));
        Tensor v = Trial.normal(r, 1, 60, 2, 6);
        Tensor gy = Trial.normal(r, 1, 60, 2, 6);
        Problem p = new Problem(s, v, null, null, gy, Trial.normal(r, 1, 2), Trial.normal(r, 1, 2, 6), false);
        float[][] got = Trial.everywhere(p::run);
        double[][] want = p.reference();
        for (int i = 0; i < 6; i++) {
            Trial.assertClose(want[i], got[i], 1e-5, 2e-5, NAMES[i]);
        }
    }

    @Test
    void nothingButHiddenScoresGivesNothing() {
        Tensor s = Tensor.zeros(DType.F32, 2, 30, 3).fill(HIDDEN);
        Tensor v = Tensor.zeros(DType.F32, 2, 30, 3, 7).fill(Float.NaN);
        Tensor g = Tensor.zeros(DType.F32, 2, 30, 3, 7).fill(Float.NaN);
        Trial.everywhere(() -> {
            PrefixAttention op = PrefixAttention.builder().build();
            PrefixAttention.Result r = op.forward(s, v);
            assertArrayEquals(new float[2 * 30 * 3 * 7], r.y().toFloatArray());
            sameState(AttentionState.empty(2, 3, 7), r.last());
            PrefixAttention.Gradients d = op.backward(s, v, null, null, g);
            assertArrayEquals(new float[2 * 30 * 3], abs(d.s().toFloatArray()));
            assertArrayEquals(new float[2 * 30 * 3 * 7], abs(d.v().toFloatArray()));
            return new Tensor[] {r.y()};
        });
    }

    private static float[] abs(float[] x) {
        for (int i = 0; i < x.length; i++) {
            x[i] = Math.abs(x[i]);
        }
        return x;
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void aScoreOfNanOrInfinitySpoilsWhatFollows(float bad) {
        Random r = new Random(3);
        Tensor s = Trial.normal(r, 1, 20, 1);
        s.setFloat(bad, 0, 8, 0);
        Tensor v = Trial.normal(r, 1, 20, 1, 4);
        float[] y = Trial.everywhere(() -> {
            PrefixAttention.Result p = PrefixAttention.builder().build().forward(s, v);
            assertEquals(bad, p.last().m().getFloat(0, 0));
            return new Tensor[] {p.y(), p.last().u(), p.last().w()};
        })[0];
        for (int i = 0; i < y.length; i++) {
            assertEquals(i >= 8 * 4, Float.isNaN(y[i]), "y[" + i + "] is " + y[i]);
        }
    }

    @Test
    void aNanValueSpoilsItsOwnFeatureFromThereOn() {
        Random r = new Random(4);
        Tensor s = Trial.normal(r, 1, 10, 1);
        Tensor v = Trial.normal(r, 1, 10, 1, 6);
        v.setFloat(Float.NaN, 0, 3, 0, 2);
        float[] y = Trial.everywhere(() ->
                new Tensor[] {PrefixAttention.builder().build().forward(s, v).y()})[0];
        for (int i = 0; i < y.length; i++) {
            assertEquals(i % 6 == 2 && i >= 18, Float.isNaN(y[i]), "y[" + i + "] is " + y[i]);
        }
    }

    // ------------------------------------------------------------------ states

    @Property(tries = 40)
    void statesCombine(@ForAll("heads") long h, @ForAll("features") long f, @ForAll long seed) {
        Random r = new Random(seed);
        AttentionState a = Problem.state(r, 3, h, f);
        AttentionState b = Problem.state(r, 3, h, f);
        AttentionState c = Problem.state(r, 3, h, f);
        a.m().setFloat(1e4f, 0, 0);
        b.m().setFloat(-80, 1 % 3, 0);
        Trial.everywhere(() -> {
            AttentionState left = a.combine(b).combine(c);
            AttentionState right = a.combine(b.combine(c));
            same(left.m(), right.m(), "m");
            // u and w of three states: two factors and two sums, each rounded, relative to the sum of magnitudes (below
            // 5)
            Trial.assertClose(Trial.doubles(left.u()), right.u().toFloatArray(), 1e-6, 0, "u");
            Trial.assertClose(Trial.doubles(left.w()), right.w().toFloatArray(), 1e-6, 5e-6, "w");
            AttentionState empty = AttentionState.empty(3, h, f);
            AttentionState clean = empty.combine(a); // without what an empty state's u and w may say
            sameState(clean, clean.combine(empty));
            sameState(clean, empty.combine(clean));
            AttentionState self = a.copy();
            self.append(self);
            sameState(a.combine(a), self);
            return new Tensor[] {left.u(), left.w()};
        });
    }

    @Property(tries = 20)
    void appendingTheStateOfAStepIsTheStep(@ForAll("heads") long h, @ForAll("features") long f, @ForAll long seed) {
        Random r = new Random(seed);
        AttentionState stepped = Problem.state(r, 2, h, f);
        AttentionState appended = stepped.copy();
        for (int t = 0; t < 10; t++) {
            Tensor s = Trial.fill(
                    Tensor.zeros(DType.F32, 2, h), () -> r.nextInt(4) == 0 ? HIDDEN : (float) r.nextGaussian());
            Tensor v = Trial.normal(r, 2, h, f);
            PrefixAttention.builder().build().step(stepped, s, v);
            appended.append(AttentionState.of(s, Tensor.zeros(DType.F32, 2, h).fill(1), v));
        }
        AttentionState empty = AttentionState.empty(2, h, f);
        sameState(empty.combine(stepped), empty.combine(appended));
    }

    @Test
    void aStateMayBeUpdatedInPlaceAndIsNotSharedOtherwise() {
        Problem p = Problem.random(2, 20, 3, 20, true, false, false, 1);
        PrefixAttention.Result want = p.op().forward(p.s, p.v, p.initial, null);
        AttentionState state = p.initial.copy();
        Tensor y = Tensor.zeros(DType.F32, p.v.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            p.op().forward(p.s, p.v, state, null, y, state, scratch);
        }
        same(want.y(), y, "y");
        sameState(want.last(), state);
        AttentionState copy = state.copy();
        copy.clear();
        sameState(want.last(), state);
        sameState(AttentionState.empty(2, 3, 20), copy);
        copy.copyFrom(state);
        sameState(state, copy);
    }

    // ------------------------------------------------------------------ arguments

    @Test
    void viewsAndAKnownResultHaveTheSameBits() {
        Problem p = Problem.random(2, 70, 3, 20, true, false, true, 9);
        Tensor[] want = p.run();
        Problem views = new Problem(
                Trial.spread(p.s), Trial.spread(p.v), p.initial, null, Trial.spread(p.gy), p.gu, p.gw, true);
        Tensor[] got = views.run();
        for (int i = 0; i < want.length; i++) {
            same(want[i], got[i], NAMES[i]);
        }
        Tensor gs = Trial.spread(Tensor.zeros(DType.F32, 2, 70, 3));
        Tensor gv = Trial.spread(Tensor.zeros(DType.F32, 2, 70, 3, 20));
        try (Workspace scratch = new Workspace()) {
            PrefixAttention.Gradients g = new PrefixAttention.Gradients(gs, gv, null, null, null);
            p.op().backward(p.s, p.v, p.initial, null, p.gy, p.gu, p.gw, want[0], g, scratch);
            same(want[4], gs, "gradient of s, y known");
            same(want[5], gv, "gradient of v, y known");
            Tensor only = Tensor.zeros(DType.F32, 2, 70, 3);
            g = new PrefixAttention.Gradients(only, null, null, null, null);
            p.op().backward(p.s, p.v, p.initial, null, p.gy, p.gu, p.gw, null, g, scratch);
            same(want[4], only, "gradient of s alone");
        }
    }

    @Test
    void badArgumentsAreRefusedBeforeAnythingIsWritten() {
        PrefixAttention op = PrefixAttention.builder().build();
        Tensor s = Tensor.zeros(DType.F32, 1, 10, 2);
        Tensor v = Tensor.zeros(DType.F32, 1, 10, 2, 4);
        refused("s: shape [1, 9, 2], must be [1, 10, 2]", () -> op.forward(s.slice(1, 0, 9), v));
        refused("v: shape [1, 10, 2] has 3 axes", () -> op.forward(s, s));
        refused(
                "v: a view of shape [1, 10, 2, 4] with gaps",
                () -> op.forward(s, Tensor.zeros(DType.F32, 1, 10, 4, 2).transpose(2, 3)));
        refused(
                "initial.w: shape [1, 2, 5], must be [1, 2, 4]",
                () -> op.forward(s, v, AttentionState.empty(1, 2, 5), null));
        refused(
                "cuSeqlens: ends at 9, but there are 10 steps",
                () -> op.forward(s, v, null, Tensor.of(new int[] {0, 9})));
        refused("cuSeqlens: element 2 is 3, after 5", () -> op.forward(s, v, null, Tensor.of(new int[] {0, 5, 3, 10})));
        refused("cuSeqlens: starts at 1", () -> op.forward(s, v, null, Tensor.of(new int[] {1, 10})));
        refused(
                "cuSeqlens: packed sequences make one row",
                () -> op.forward(
                        Tensor.zeros(DType.F32, 2, 5, 2),
                        Tensor.zeros(DType.F32, 2, 5, 2, 4),
                        null,
                        Tensor.of(new int[] {0, 5})));
        Tensor y = Tensor.zeros(DType.F32, 1, 10, 2, 4).fill(7);
        AttentionState last = AttentionState.empty(1, 2, 4);
        try (Workspace scratch = new Workspace()) {
            refused("y: shape [1, 10, 2, 4], overlaps v", () -> op.forward(s, v, null, null, v, last, scratch));
            refused(
                    "last.w: shape [2, 2, 4]",
                    () -> op.forward(s, v, null, null, y, AttentionState.empty(2, 2, 4), scratch));
            refused(
                    "gradients: of an initial state",
                    () -> op.backward(
                            s,
                            v,
                            null,
                            null,
                            y,
                            null,
                            null,
                            null,
                            new PrefixAttention.Gradients(null, null, last.m(), null, null),
                            scratch));
            refused(
                    "gradV: shape [1, 10, 2, 4], overlaps gradY",
                    () -> op.backward(
                            s,
                            v,
                            null,
                            null,
                            y,
                            null,
                            null,
                            null,
                            new PrefixAttention.Gradients(null, y, null, null, null),
                            scratch));
        }
        refused("later: w of shape [1, 2, 5]", () -> last.append(AttentionState.empty(1, 2, 5)));
        float[] untouched = new float[80];
        Arrays.fill(untouched, 7);
        assertArrayEquals(untouched, y.toFloatArray());
        sameState(AttentionState.empty(1, 2, 4), last);
    }

    private static void refused(String message, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }

    private static void same(Tensor want, Tensor got, String what) {
        if (want == null) {
            assertEquals(null, got, what);
            return;
        }
        Trial.assertSameBits(want.toFloatArray(), got.toFloatArray(), what);
    }

    private static void sameState(AttentionState want, AttentionState got) {
        same(want.m(), got.m(), "m");
        same(want.u(), got.u(), "u");
        same(want.w(), got.w(), "w");
    }
}
