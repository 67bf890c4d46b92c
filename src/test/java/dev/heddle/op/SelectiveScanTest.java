package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.SelectiveScan.Gradients;
import dev.heddle.op.SelectiveScan.Input;
import dev.heddle.op.SelectiveScan.Inputs;
import dev.heddle.reference.Derivative;
import dev.heddle.reference.SelectiveScan64;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SelectiveScanTest {
    /** What varies beside sizes; drawn from the seed. */
    private record Problem(
            Sample sample,
            int channels,
            int states,
            int bGroups,
            int cGroups,
            boolean softplus,
            boolean reverse,
            Inputs in,
            Tensor gy,
            Tensor gLast) {
        static Problem random(int sequences, int steps, int channels, int states, boolean packed, long seed) {
            Random r = new Random(seed);
            Sample s = Sample.random(r, sequences, steps, packed);
            int groups = channels % 3 == 0 && r.nextBoolean() ? 3 : 1;
            boolean softplus = r.nextInt(3) > 0;
            boolean optional = r.nextInt(4) > 0;
            int bGroups = r.nextInt(3) == 0 ? 0 : groups;
            int cGroups = r.nextInt(3) == 0 ? 0 : groups;
            long[] shape = {s.batch(), s.steps(), channels};
            Tensor delta = Trial.fill(Tensor.zeros(DType.F32, shape), () -> 0.8f * r.nextFloat() - (softplus ? 1 : 0));
            Tensor a = Trial.fill(Tensor.zeros(DType.F32, channels, states), () -> -2 * r.nextFloat());
            if (r.nextInt(4) == 0 && a.size() > 0) {
                a.setFloat(0.3f, 0, 0); // one that rises
            }
            Inputs in = Inputs.of(
                            Trial.spread(Trial.normal(r, shape)),
                            delta,
                            a,
                            factor(r, s, bGroups, channels, states),
                            Trial.spread(factor(r, s, cGroups, channels, states)))
                    .withD(optional || r.nextBoolean() ? Trial.normal(r, channels) : null)
                    .withZ(optional || r.nextBoolean() ? Trial.normal(r, shape) : null)
                    .withDeltaBias(
                            optional || r.nextBoolean()
                                    ? Trial.fill(Tensor.zeros(DType.F32, channels), r::nextFloat)
                                    : null)
                    .withH0(optional || r.nextBoolean() ? Trial.normal(r, s.count(), channels, states) : null)
                    .withCuSeqlens(s.pointers());
            return new Problem(
                    s,
                    channels,
                    states,
                    bGroups,
                    cGroups,
                    softplus,
                    r.nextBoolean(),
                    in,
                    Trial.normal(r, shape),
                    Trial.normal(r, s.count(), channels, states));
        }

        private static Tensor factor(Random r, Sample s, int groups, int channels, int states) {
            return switch (groups) {
                case 0 -> Trial.normal(r, channels, states);
                case 1 -> Trial.normal(r, s.batch(), s.steps(), states);
                default -> Trial.normal(r, s.batch(), s.steps(), groups, states);
            };
        }

        SelectiveScan op() {
            return SelectiveScan.builder()
                    .deltaSoftplus(softplus)
                    .reverse(reverse)
                    .build();
        }

        SelectiveScan64.Inputs doubles() {
            return new SelectiveScan64.Inputs(
                    Trial.doubles(in.u()),
                    Trial.doubles(in.delta()),
                    Trial.doubles(in.a()),
                    Trial.doubles(in.b()),
                    Trial.doubles(in.c()),
                    Trial.doubles(in.d()),
                    Trial.doubles(in.z()),
                    Trial.doubles(in.deltaBias()),
                    Trial.doubles(in.h0()));
        }

        SelectiveScan64.Result reference(SelectiveScan64.Inputs inputs) {
            return SelectiveScan64.forward(
                    new SelectiveScan64.Shape(sample.bounds(), channels, states, bGroups, cGroups, softplus, reverse),
                    inputs);
        }

        double loss(SelectiveScan64.Inputs inputs) {
            SelectiveScan64.Result r = reference(inputs);
            return Derivative.dot(r.y(), Trial.doubles(gy)) + Derivative.dot(r.last(), Trial.doubles(gLast));
        }
    }

    private static Tensor[] tensors(Gradients g) {
        return new Tensor[] {g.u(), g.delta(), g.a(), g.b(), g.c(), g.d(), g.z(), g.deltaBias(), g.h0()};
    }

    private static double[][] arrays(SelectiveScan64.Inputs in) {
        return new double[][] {in.u(), in.delta(), in.a(), in.b(), in.c(), in.d(), in.z(), in.deltaBias(), in.h0()};
    }

    @Provide
    Arbitrary<Integer> channels() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 33, 48, 64, 65, 100);
    }

    @Provide
    Arbitrary<Integer> states() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 7, 8, 16, 17);
    }

    @Provide
    Arbitrary<Integer> steps() {
        return Arbitraries.of(0, 1, 2, 3, 17, 31, 32, 33, 64, 65, 70);
    }

    @Property(tries = 40)
    void equalsTheReferenceEverywhere(
            @ForAll("channels") int channels,
            @ForAll("states") int states,
            @ForAll("steps") int steps,
            @ForAll boolean packed,
            @ForAll long seed) {
        Problem p = Problem.random(3, steps, channels, states, packed, seed);
        float[][] out = Trial.everywhere(() -> {
            SelectiveScan.Result f = p.op().forward(p.in);
            return new Tensor[] {f.y(), f.lastState()};
        });
        SelectiveScan64.Result want = p.reference(p.doubles());
        Trial.assertClose(want.y(), out[0], 2e-5, 3e-5, "y");
        Trial.assertClose(want.last(), out[1], 2e-5, 2e-5, "last state");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 6, 18, 63, 64, 65, 128, 200, 256})
    void anyNumberOfStates(int states) {
        Problem p = Problem.random(1, 34, 18, states, false, states);
        float[][] out = Trial.everywhere(() -> {
            SelectiveScan.Result f = p.op().forward(p.in);
            Gradients g = p.op().backward(p.in, p.gy, p.gLast);
            return new Tensor[] {f.y(), f.lastState(), g.u(), g.a(), g.b(), g.c()};
        });
        SelectiveScan64.Result want = p.reference(p.doubles());
        Trial.assertClose(want.y(), out[0], 2e-5, 1e-4, "y");
        Trial.assertClose(want.last(), out[1], 2e-5, 2e-5, "last state");
    }

    @ParameterizedTest
    @ValueSource(ints = {63, 64, 256})
    void gradientsOfManyStatesAreThoseOfDirections(int states) {
        Problem p = Problem.random(1, 34, 18, states, false, states);
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        SelectiveScan64.Inputs x = p.doubles();
        Slopes.assertAlong(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    @Property(tries = 20)
    void gradientsAreThoseOfFiniteDifferences(@ForAll("steps") int steps, @ForAll boolean packed, @ForAll long seed) {
        Random r = new Random(seed);
        int channels = r.nextInt(1, 7);
        int states = r.nextInt(0, 6);
        Problem p = Problem.random(2, Math.min(steps, 35), channels, states, packed, seed);
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        SelectiveScan64.Inputs x = p.doubles();
        Slopes.assertEach(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    /** Several runs of blocks and stretches of time, and several parts of the batch. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void gradientsOfLargerSizesAreThoseOfDirections(boolean packed) {
        Problem p = Problem.random(17, 33, 83, 6, packed, 3);
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        SelectiveScan64.Inputs x = p.doubles();
        Slopes.assertAlong(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    @ParameterizedTest
    @EnumSource(Input.class)
    void gradientsDoNotDependOnWhichAreWanted(Input input) {
        Problem p = Problem.random(3, 40, 70, 5, true, 12);
        Slopes.assertAlone(Input.class, input, wanted -> tensors(p.op().backward(p.in, p.gy, p.gLast, wanted)));
    }

    @Property(tries = 20)
    void anyCutGivesTheSameBits(@ForAll("channels") int channels, @ForAll("states") int states, @ForAll long seed) {
        int steps = 90;
        Problem p = Problem.random(1, steps, channels, states, false, seed);
        SelectiveScan.Result whole = p.op().forward(p.in);
        Random r = new Random(seed);
        Tensor y = Tensor.zeros(DType.F32, 1, steps, channels);
        Tensor state = Tensor.zeros(DType.F32, 1, states, channels).transpose(1, 2);
        if (p.in.h0() != null) {
            state.copyFrom(p.in.h0());
        }
        try (Workspace scratch = new Workspace()) {
            for (int from = 0, to; from < steps; from = to) {
                to = Math.min(steps, from + (r.nextBoolean() ? 1 : r.nextInt(70)));
                int first = p.reverse ? steps - to : from;
                int end = p.reverse ? steps - from : to;
                Inputs part = Inputs.of(
                                p.in.u().slice(1, first, end),
                                p.in.delta().slice(1, first, end),
                                p.in.a(),
                                p.bGroups == 0 ? p.in.b() : p.in.b().slice(1, first, end),
                                p.cGroups == 0 ? p.in.c() : p.in.c().slice(1, first, end))
                        .withD(p.in.d())
                        .withDeltaBias(p.in.deltaBias())
                        .withZ(p.in.z() == null ? null : p.in.z().slice(1, first, end))
                        .withH0(state);
                p.op().forward(part, y.slice(1, first, end), state, scratch);
                scratch.reset();
            }
        }
        Trial.assertSameBits(whole.y().toFloatArray(), y.toFloatArray(), "y");
        Trial.assertSameBits(whole.lastState().toFloatArray(), state.toFloatArray(), "last state");
    }

    @Property(tries = 20)
    void packedOrInABatchIsLikeAlone(@ForAll("channels") int channels, @ForAll boolean packed, @ForAll long seed) {
        Problem p = Problem.random(4, 20, channels, 6, packed, seed);
        SelectiveScan.Result all = p.op().forward(p.in);
        Gradients g = p.op().backward(p.in, p.gy, p.gLast);
        for (int k = 0; k < p.sample.count(); k++) {
            Inputs one = alone(p, k);
            SelectiveScan.Result r = p.op().forward(one);
            Trial.assertSameBits(p.sample.cut(all.y(), k).toFloatArray(), r.y().toFloatArray(), "y");
            Trial.assertSameBits(
                    all.lastState().slice(0, k, k + 1).toFloatArray(),
                    r.lastState().toFloatArray(),
                    "last state");
            Gradients h = p.op().backward(one, p.sample.cut(p.gy, k), p.gLast.slice(0, k, k + 1));
            Trial.assertSameBits(p.sample.cut(g.u(), k).toFloatArray(), h.u().toFloatArray(), "gradient of u");
            if (p.bGroups > 0) {
                Trial.assertSameBits(p.sample.cut(g.b(), k).toFloatArray(), h.b().toFloatArray(), "gradient of B");
            }
        }
    }

    private static Inputs alone(Problem p, int k) {
        Inputs in = p.in;
        Sample s = p.sample;
        return Inputs.of(
                        s.cut(in.u(), k),
                        s.cut(in.delta(), k),
                        in.a(),
                        p.bGroups == 0 ? in.b() : s.cut(in.b(), k),
                        p.cGroups == 0 ? in.c() : s.cut(in.c(), k))
                .withD(in.d())
                .withDeltaBias(in.deltaBias())
                .withZ(in.z() == null ? null : s.cut(in.z(), k))
                .withH0(in.h0() == null ? null : in.h0().slice(0, k, k + 1));
    }

    @Test
    void reverseIsFlipScanFlip() {
        Problem p = Problem.random(2, 37, 21, 5, false, 17);
        Inputs in = p.in;
        Inputs flipped = Inputs.of(
                        flip(in.u()),
                        flip(in.delta()),
                        in.a(),
                        p.bGroups == 0 ? in.b() : flip(in.b()),
                        p.cGroups == 0 ? in.c() : flip(in.c()))
                .withD(in.d())
                .withDeltaBias(in.deltaBias())
                .withZ(in.z() == null ? null : flip(in.z()))
                .withH0(in.h0());
        SelectiveScan forward =
                SelectiveScan.builder().deltaSoftplus(p.softplus).build();
        SelectiveScan backward =
                SelectiveScan.builder().deltaSoftplus(p.softplus).reverse(true).build();
        SelectiveScan.Result a = forward.forward(in);
        SelectiveScan.Result b = backward.forward(flipped);
        Trial.assertSameBits(a.y().toFloatArray(), flip(b.y()).toFloatArray(), "y");
        Trial.assertSameBits(a.lastState().toFloatArray(), b.lastState().toFloatArray(), "last state");
    }

    private static Tensor flip(Tensor t) {
        Tensor f = Tensor.zeros(DType.F32, t.shape().toArray());
        for (long i = 0; i < t.dim(1); i++) {
            f.select(1, i).copyFrom(t.select(1, t.dim(1) - 1 - i));
        }
        return f;
    }

    @Test
    void noTimeKeepsTheStateAndMuchTimeForgetsIt() {
        Tensor h0 = Trial.normal(new Random(1), 1, 18, 7);
        Tensor a = Trial.fill(Tensor.zeros(DType.F32, 18, 7), () -> -1);
        SelectiveScan op = SelectiveScan.builder().build();
        for (float dt : new float[] {0, 90, 1e8f, 1e30f, Float.POSITIVE_INFINITY}) {
            Tensor delta = Tensor.zeros(DType.F32, 1, 5, 18).fill(dt);
            Tensor u = Tensor.zeros(DType.F32, 1, 5, 18);
            Tensor b = Tensor.zeros(DType.F32, 1, 5, 7).fill(1);
            if (dt == Float.POSITIVE_INFINITY) {
                b.fill(0);
                u.fill(1e-30f);
            }
            float[][] out = Trial.everywhere(() -> new Tensor[] {
                op.forward(Inputs.of(u, delta, a, b, b).withH0(h0)).lastState()
            });
            float[] want = dt == 0 ? h0.toFloatArray() : new float[18 * 7];
            if (dt < Float.POSITIVE_INFINITY) {
                Trial.assertSameBits(want, out[0], "dt = " + dt);
            } else {
                assertTrue(Float.isNaN(out[0][0])); // infinity times B = 0
            }
        }
        Tensor growing = Trial.fill(Tensor.zeros(DType.F32, 18, 7), () -> 1);
        for (float dt : new float[] {88.8f, 1e8f, 1e30f}) {
            Tensor delta = Tensor.zeros(DType.F32, 1, 1, 18).fill(dt);
            Tensor zero = Tensor.zeros(DType.F32, 1, 1, 18);
            Tensor b = Tensor.zeros(DType.F32, 1, 1, 7);
            Tensor ones = Tensor.zeros(DType.F32, 1, 18, 7).fill(1);
            float[][] out = Trial.everywhere(() -> new Tensor[] {
                op.forward(Inputs.of(zero, delta, growing, b, b).withH0(ones)).lastState()
            });
            assertEquals(Float.POSITIVE_INFINITY, out[0][17], "dt = " + dt);
        }
    }

    @Test
    void nanStaysInItsChannelAndGoesOnInTime() {
        Problem p = Problem.random(2, 10, 20, 3, false, 24);
        p.in.u().setFloat(Float.NaN, 1, 4, 17);
        Inputs in = Inputs.of(p.in.u(), p.in.delta(), p.in.a(), p.in.b(), p.in.c());
        SelectiveScan op = SelectiveScan.builder().deltaSoftplus(true).build();
        float[] y = Trial.everywhere(() -> new Tensor[] {op.forward(in).y()})[0];
        for (int i = 0; i < y.length; i++) {
            boolean after = i >= (10 + 4) * 20 && i % 20 == 17;
            assertEquals(after, Float.isNaN(y[i]), "y[" + i + "]");
        }
    }

    @Test
    void outputsMayBeViews() {
        Problem p = Problem.random(2, 40, 37, 5, false, 9);
        Gradients fresh = p.op().backward(p.in, p.gy, p.gLast);
        Tensor[] views = tensors(fresh);
        for (int i = 0; i < views.length; i++) {
            views[i] = views[i] == null || views[i].rank() == 1
                    ? views[i] == null ? null : views[i].copy()
                    : Trial.spread(Tensor.zeros(DType.F32, views[i].shape().toArray()));
        }
        Gradients into =
                new Gradients(views[0], views[1], views[2], views[3], views[4], views[5], views[6], views[7], views[8]);
        try (Workspace scratch = new Workspace()) {
            p.op().backward(p.in, p.gy, p.gLast, into, scratch);
        }
        for (int i = 0; i < views.length; i++) {
            if (views[i] != null) {
                Trial.assertSameBits(
                        tensors(fresh)[i].toFloatArray(), views[i].toFloatArray(), Input.values()[i].name());
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        SelectiveScan op = SelectiveScan.builder().build();
        Tensor u = Tensor.zeros(DType.F32, 2, 5, 6);
        Tensor a = Tensor.zeros(DType.F32, 6, 3);
        Tensor b = Tensor.zeros(DType.F32, 2, 5, 3);
        Inputs in = Inputs.of(u, u, a, b, b);
        refused(
                "A: shape [5, 3], must be [D, N] with u of shape [2, 5, 6]",
                new Inputs(u, u, a.slice(0, 0, 5), b, b, null, null, null, null, null));
        refused(
                "B: shape [2, 4, 3], must be [D, N], [B, L, N] or [B, L, G, N], G dividing D, with u of shape [2, 5, 6] and A"
                        + " of shape [6, 3]",
                Inputs.of(u, u, a, b.slice(1, 0, 4), b));
        refused(
                "C: shape [2, 5, 3, 3] has 3 groups, but B of shape [2, 5, 2, 3] has 2",
                Inputs.of(u, u, a, Tensor.zeros(DType.F32, 2, 5, 2, 3), Tensor.zeros(DType.F32, 2, 5, 3, 3)));
        refused("D: shape [5], must be [6]", in.withD(Tensor.zeros(DType.F32, 5)));
        refused("z: shape [2, 5, 5], must be that of u, [2, 5, 6]", in.withZ(Tensor.zeros(DType.F32, 2, 5, 5)));
        refused("h0: shape [2, 3, 6], must be [2, 6, 3]", in.withH0(Tensor.zeros(DType.F32, 2, 3, 6)));
        refused("cuSeqlens: packed sequences make one row, but there are 2", in.withCuSeqlens(Tensor.of(new int[] {0, 5
        })));
        try (Workspace scratch = new Workspace()) {
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> op.forward(in, u, null, scratch));
            assertEquals("y: shape [2, 5, 6], overlaps u of shape [2, 5, 6]", e.getMessage());
            Tensor h0 = Tensor.zeros(DType.F32, 2, 6, 3);
            Tensor y = Tensor.zeros(DType.F32, 2, 5, 6);
            op.forward(in.withH0(h0), y, h0, scratch); // in place
            Tensor wide = Tensor.zeros(DType.F32, 3, 6, 3);
            e = assertThrows(
                    IllegalArgumentException.class,
                    () -> op.forward(in.withH0(wide.slice(0, 0, 2)), y, wide.slice(0, 1, 3), scratch));
            assertEquals("lastState: shape [2, 6, 3], overlaps h0 of shape [2, 6, 3]", e.getMessage());
            Gradients g = new Gradients(null, null, null, null, null, Tensor.zeros(DType.F32, 6), null, null, null);
            e = assertThrows(IllegalArgumentException.class, () -> op.backward(in, null, null, g, scratch));
            assertEquals("gradD: there is no D", e.getMessage());
        }
    }

    private static void refused(String message, Inputs in) {
        SelectiveScan op = SelectiveScan.builder().build();
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> op.forward(in))
                        .getMessage());
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> op.backward(in, null, null))
                        .getMessage());
    }
}
