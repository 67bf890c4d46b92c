package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.io.SafetensorsFile;
import dev.heddle.op.Ssd.Gradients;
import dev.heddle.op.Ssd.Input;
import dev.heddle.op.Ssd.Inputs;
import dev.heddle.reference.Derivative;
import dev.heddle.reference.Golden;
import dev.heddle.reference.SelectiveScan64;
import dev.heddle.reference.Ssd64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SsdTest {
    record Sizes(int groups, int headsPerGroup, int channels, int states) {
        int heads() {
            return groups * headsPerGroup;
        }
    }

    private record Problem(
            Sample sample, Sizes sizes, boolean softplus, float least, float most, Inputs in, Tensor gy, Tensor gLast) {
        static Problem random(int sequences, int steps, Sizes n, boolean packed, long seed) {
            Random r = new Random(seed);
            Sample s = Sample.random(r, sequences, steps, packed);
            boolean optional = r.nextInt(4) > 0;
            int heads = n.heads();
            long[] shape = {s.batch(), s.steps(), heads, n.channels};
            long[] factor = {s.batch(), s.steps(), n.groups, n.states};
            boolean limited = r.nextBoolean();
            Inputs in = Inputs.of(
                            Trial.spread(Trial.normal(r, shape)),
                            Trial.fill(
                                    Tensor.zeros(DType.F32, s.batch(), s.steps(), heads), () -> 2 * r.nextFloat() - 1),
                            Trial.fill(Tensor.zeros(DType.F32, heads), () -> -2 * r.nextFloat()),
                            Trial.normal(r, factor),
                            Trial.spread(Trial.normal(r, factor)))
                    .withD(
                            optional || r.nextBoolean()
                                    ? r.nextBoolean() ? Trial.normal(r, heads) : Trial.normal(r, heads, n.channels)
                                    : null)
                    .withZ(optional || r.nextBoolean() ? Trial.normal(r, shape) : null)
                    .withDtBias(
                            optional || r.nextBoolean()
                                    ? Trial.fill(Tensor.zeros(DType.F32, heads), r::nextFloat)
                                    : null)
                    .withH0(
                            optional || r.nextBoolean()
                                    ? Trial.normal(r, s.count(), heads, n.channels, n.states)
                                    : null)
                    .withCuSeqlens(s.pointers());
            return new Problem(
                    s,
                    n,
                    r.nextBoolean(),
                    limited ? 0.2f : 0,
                    limited ? 0.9f : Float.POSITIVE_INFINITY,
                    in,
                    Trial.normal(r, shape),
                    Trial.normal(r, s.count(), heads, n.channels, n.states));
        }

        Ssd op() {
            return op(Ssd.Form.FASTER);
        }

        Ssd op(Ssd.Form form) {
            return Ssd.builder()
                    .dtSoftplus(softplus)
                    .dtLimit(least, most)
                    .form(form)
                    .build();
        }

        Ssd64.Inputs doubles() {
            return new Ssd64.Inputs(
                    Trial.doubles(in.x()),
                    Trial.doubles(in.dt()),
                    Trial.doubles(in.a()),
                    Trial.doubles(in.b()),
                    Trial.doubles(in.c()),
                    Trial.doubles(in.d()),
                    Trial.doubles(in.z()),
                    Trial.doubles(in.dtBias()),
                    Trial.doubles(in.h0()));
        }

        SelectiveScan64.Result reference(Ssd64.Inputs inputs) {
            return Ssd64.forward(
                    new Ssd64.Shape(
                            sample.bounds(),
                            sizes.heads(),
                            sizes.channels,
                            sizes.groups,
                            sizes.states,
                            softplus,
                            least,
                            most),
                    inputs);
        }

        double loss(Ssd64.Inputs inputs) {
            SelectiveScan64.Result r = reference(inputs);
            return Derivative.dot(r.y(), Trial.doubles(gy)) + Derivative.dot(r.last(), Trial.doubles(gLast));
        }
    }

    private static Tensor[] tensors(Gradients g) {
        return new Tensor[] {g.x(), g.dt(), g.a(), g.b(), g.c(), g.d(), g.z(), g.dtBias(), g.h0()};
    }

    private static double[][] arrays(Ssd64.Inputs in) {
        return new double[][] {in.x(), in.dt(), in.a(), in.b(), in.c(), in.d(), in.z(), in.dtBias(), in.h0()};
    }

    @Provide
    Arbitrary<Sizes> sizes() {
        return Arbitraries.of(
                new Sizes(1, 1, 1, 1),
                new Sizes(1, 3, 4, 3),
                new Sizes(2, 2, 16, 8),
                new Sizes(3, 1, 5, 7),
                new Sizes(1, 17, 2, 4),
                new Sizes(1, 2, 33, 16),
                new Sizes(2, 3, 64, 5),
                new Sizes(1, 1, 100, 6),
                new Sizes(1, 2, 0, 4),
                new Sizes(1, 0, 4, 4),
                new Sizes(1, 4, 8, 0),
                new Sizes(1, 9, 20, 1));
    }

    @Property(tries = 30)
    void equalsTheReferenceEverywhere(@ForAll("sizes") Sizes n, @ForAll boolean packed, @ForAll long seed) {
        Problem p = Problem.random(3, new Random(seed).nextInt(0, 150), n, packed, seed);
        float[][] out = Trial.everywhere(() -> {
            Ssd.Result f = p.op().forward(p.in);
            return new Tensor[] {f.y(), f.lastState()};
        });
        SelectiveScan64.Result want = p.reference(p.doubles());
        Trial.assertClose(want.y(), out[0], 2e-5, 5e-5, "y");
        Trial.assertClose(want.last(), out[1], 2e-5, 2e-5, "last state");
    }

    /** P is a multiple of 64, or a power of two: such as the chunk form takes. */
    @Provide
    Arbitrary<Sizes> sizesForChunks() {
        return Arbitraries.of(
                new Sizes(1, 1, 2, 1),
                new Sizes(1, 3, 4, 3),
                new Sizes(2, 2, 16, 8),
                new Sizes(3, 1, 8, 7),
                new Sizes(1, 17, 2, 4),
                new Sizes(1, 2, 32, 16),
                new Sizes(2, 3, 64, 5),
                new Sizes(1, 1, 128, 6),
                new Sizes(1, 4, 8, 0),
                new Sizes(1, 33, 4, 9));
    }

    @Property(tries = 30)
    void chunksEqualTheReferenceEverywhere(
            @ForAll("sizesForChunks") Sizes n, @ForAll boolean packed, @ForAll long seed) {
        Problem p = Problem.random(3, new Random(seed).nextInt(0, 150), n, packed, seed);
        Ssd op = p.op(Ssd.Form.CHUNKS);
        float[][] out = Trial.everywhere(() -> {
            Ssd.Result f = op.forward(p.in);
            return new Tensor[] {f.y(), f.lastState()};
        });
        SelectiveScan64.Result want = p.reference(p.doubles());
        Trial.assertClose(want.y(), out[0], 2e-5, 5e-5, "y");
        Trial.assertClose(want.last(), out[1], 2e-5, 2e-5, "last state");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "b1_l16_h3_p4_g3_n8_dfull",
                "b1_l24_h2_p16_g1_n8_plain",
                "b1_l256_h4_p16_g1_n16",
                "b2_l32_h4_p8_g2_n16",
                "dt_limit_b2_l21",
                "extreme_decay",
                "h0_b2_l21_h2_p8_n8",
                "varlen_h0"
            })
    void chunksAgreeWithTheGoldenFiles(String name) throws IOException {
        Golden golden = Golden.read("ssd", name);
        Path path = Path.of("src/test/resources/golden/ssd", name + ".safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            Function<String, Tensor> input = n ->
                    file.names().contains("in." + n) ? file.tensor("in." + n).copy() : null;
            Inputs in = new Inputs(
                    input.apply("x"),
                    input.apply("dt"),
                    input.apply("A"),
                    input.apply("B"),
                    input.apply("C"),
                    input.apply("D"),
                    input.apply("z"),
                    input.apply("dt_bias"),
                    input.apply("h0"),
                    input.apply("cu_seqlens"));
            Map<String, String> options = golden.metadata();
            Ssd op = Ssd.builder()
                    .dtSoftplus(options.getOrDefault("param.dt_softplus", "0").equals("1"))
                    .dtLimit(
                            Float.parseFloat(options.getOrDefault("param.dt_min", "0")),
                            Float.parseFloat(options.getOrDefault("param.dt_max", "Infinity")
                                    .replace("inf", "Infinity")))
                    .form(Ssd.Form.CHUNKS)
                    .build();
            assertTrue(SsdChunks.possible(in));
            float[][] out = Trial.everywhere(() -> {
                Ssd.Result f = op.forward(in);
                return new Tensor[] {f.y(), f.lastState()};
            });
            assertEquals("", golden.difference("y", out[0]));
            assertEquals("", golden.difference("last_state", out[1]));
        }
    }

    /** Which form a sequence has follows from its own sizes; and the forms agree, but have other bits. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void chunksAreTakenByTheSizesOfASequence(boolean packed) {
        Problem p = Problem.random(5, 90, new Sizes(2, 4, 64, 64), packed, 8);
        Ssd.Result faster = p.op().forward(p.in);
        Ssd.Result recurrent = p.op(Ssd.Form.RECURRENT).forward(p.in);
        Ssd.Result chunks = p.op(Ssd.Form.CHUNKS).forward(p.in);
        Trial.assertClose(Trial.doubles(recurrent.y()), chunks.y().toFloatArray(), 2e-5, 5e-4, "y");
        boolean different = false;
        for (int k = 0; k < p.sample.count(); k++) {
            Tensor alone = p.op().forward(alone(p, k)).y();
            Ssd.Result same = p.sample.cut(p.in.dt(), k).dim(1) >= 64 ? chunks : recurrent;
            Trial.assertSameBits(
                    alone.toFloatArray(), p.sample.cut(faster.y(), k).toFloatArray(), "y");
            Trial.assertSameBits(alone.toFloatArray(), p.sample.cut(same.y(), k).toFloatArray(), "y in its form");
            float[] other = p.sample.cut(recurrent.y(), k).toFloatArray();
            different |= !Arrays.equals(other, p.sample.cut(chunks.y(), k).toFloatArray());
        }
        assertTrue(different);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 6, 18, 63, 64, 65, 128, 200, 256})
    void anyNumberOfStates(int states) {
        Problem p = Problem.random(1, 34, new Sizes(1, 2, 16, states), false, states);
        SelectiveScan64.Result want = p.reference(p.doubles());
        for (Ssd.Form form : Ssd.Form.values()) {
            float[][] out = Trial.everywhere(() -> {
                Ssd.Result f = p.op(form).forward(p.in);
                return new Tensor[] {f.y(), f.lastState()};
            });
            Trial.assertClose(want.y(), out[0], 2e-5, 1e-4, "y");
            Trial.assertClose(want.last(), out[1], 2e-5, 2e-5, "last state");
        }
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        Ssd64.Inputs x = p.doubles();
        Slopes.assertAlong(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void noStepOrOne(int steps) {
        Problem p = Problem.random(2, steps, new Sizes(1, 2, 16, 5), false, 9);
        SelectiveScan64.Result want = p.reference(p.doubles());
        for (Ssd.Form form : Ssd.Form.values()) {
            float[][] out = Trial.everywhere(() -> {
                Ssd.Result f = p.op(form).forward(p.in);
                return new Tensor[] {f.y(), f.lastState()};
            });
            Trial.assertClose(want.y(), out[0], 1e-5, 1e-5, "y");
            Trial.assertClose(want.last(), out[1], 1e-5, 1e-5, "last state");
        }
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        Ssd64.Inputs x = p.doubles();
        Slopes.assertEach(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    @Property(tries = 15)
    void gradientsAreThoseOfFiniteDifferences(@ForAll boolean packed, @ForAll long seed) {
        Random r = new Random(seed);
        Sizes n = new Sizes(r.nextInt(1, 3), r.nextInt(1, 3), r.nextInt(1, 6), r.nextInt(0, 6));
        Problem p = Problem.random(2, r.nextInt(0, 36), n, packed, seed);
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        Ssd64.Inputs x = p.doubles();
        Slopes.assertEach(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    /** Several runs of heads, heads of several blocks, stretches of time, and parts of the batch. */
    @Test
    void gradientsOfLargerSizesAreThoseOfDirections() {
        Problem p = Problem.random(20, 45, new Sizes(2, 3, 36, 6), true, 3);
        float[][] out = Trial.everywhere(() -> tensors(p.op().backward(p.in, p.gy, p.gLast)));
        Ssd64.Inputs x = p.doubles();
        Slopes.assertAlong(Input.values(), arrays(x), () -> p.loss(x), out);
    }

    @ParameterizedTest
    @EnumSource(Input.class)
    void gradientsDoNotDependOnWhichAreWanted(Input input) {
        Problem p = Problem.random(3, 40, new Sizes(1, 3, 20, 5), true, 12);
        Slopes.assertAlone(Input.class, input, wanted -> tensors(p.op().backward(p.in, p.gy, p.gLast, wanted)));
    }

    private static Inputs alone(Problem p, int k) {
        Inputs in = p.in;
        Sample s = p.sample;
        return Inputs.of(s.cut(in.x(), k), s.cut(in.dt(), k), in.a(), s.cut(in.b(), k), s.cut(in.c(), k))
                .withD(in.d())
                .withDtBias(in.dtBias())
                .withZ(in.z() == null ? null : s.cut(in.z(), k))
                .withH0(in.h0() == null ? null : in.h0().slice(0, k, k + 1));
    }

    @Property(tries = 15)
    void packedOrInABatchIsLikeAlone(@ForAll("sizes") Sizes n, @ForAll boolean packed, @ForAll long seed) {
        Problem p = Problem.random(4, 20, n, packed, seed);
        Ssd.Result all = p.op().forward(p.in);
        Gradients g = p.op().backward(p.in, p.gy, p.gLast);
        for (int k = 0; k < p.sample.count(); k++) {
            Inputs one = alone(p, k);
            Ssd.Result r = p.op().forward(one);
            Trial.assertSameBits(p.sample.cut(all.y(), k).toFloatArray(), r.y().toFloatArray(), "y");
            Trial.assertSameBits(
                    all.lastState().slice(0, k, k + 1).toFloatArray(),
                    r.lastState().toFloatArray(),
                    "last state");
            Gradients h = p.op().backward(one, p.sample.cut(p.gy, k), p.gLast.slice(0, k, k + 1));
            Trial.assertSameBits(p.sample.cut(g.x(), k).toFloatArray(), h.x().toFloatArray(), "gradient of x");
            Trial.assertSameBits(p.sample.cut(g.dt(), k).toFloatArray(), h.dt().toFloatArray(), "gradient of dt");
            Trial.assertSameBits(p.sample.cut(g.b(), k).toFloatArray(), h.b().toFloatArray(), "gradient of B");
        }
    }

    /** Streams of a batch whose states lie in a pool, in another order, step by step. */
    @Property(tries = 15)
    void streamsHaveTheBitsOfSequences(@ForAll("sizes") Sizes n, @ForAll long seed) {
        int steps = 70;
        Problem p = Problem.random(3, steps, n, false, seed);
        Ssd.Result whole = p.op().forward(p.in);
        Tensor y = Tensor.zeros(DType.F32, 3, steps, n.heads(), n.channels);
        Tensor pool = Tensor.zeros(DType.F32, 5, n.heads(), n.states, n.channels)
                .fill(7)
                .transpose(2, 3);
        int[] slots = {4, 0, 2};
        for (int k = 0; k < 3; k++) {
            if (p.in.h0() == null) {
                pool.select(0, slots[k]).fill(0);
            } else {
                pool.select(0, slots[k]).copyFrom(p.in.h0().select(0, k));
            }
        }
        try (Workspace scratch = new Workspace()) {
            for (int t = 0; t < steps; t++) {
                Inputs step = Inputs.of(
                                p.in.x().slice(1, t, t + 1),
                                p.in.dt().slice(1, t, t + 1),
                                p.in.a(),
                                p.in.b().slice(1, t, t + 1),
                                p.in.c().slice(1, t, t + 1))
                        .withD(p.in.d())
                        .withDtBias(p.in.dtBias())
                        .withZ(p.in.z() == null ? null : p.in.z().slice(1, t, t + 1))
                        .withH0(pool);
                p.op().step(step, Tensor.of(slots), y.slice(1, t, t + 1), pool, scratch);
                scratch.reset();
            }
        }
        Trial.assertSameBits(whole.y().toFloatArray(), y.toFloatArray(), "y");
        for (int k = 0; k < 3; k++) {
            Trial.assertSameBits(
                    whole.lastState().select(0, k).toFloatArray(),
                    pool.select(0, slots[k]).toFloatArray(),
                    "state");
        }
        for (float v : pool.select(0, 1).toFloatArray()) {
            assertEquals(7, v); // nobody's
        }
    }

    @ParameterizedTest
    @EnumSource(Ssd.Form.class)
    void noTimeKeepsTheStateAndMuchTimeForgetsIt(Ssd.Form form) {
        Tensor h0 = Trial.normal(new Random(1), 1, 3, 16, 7);
        Tensor a = Tensor.zeros(DType.F32, 3).fill(-1);
        Tensor x = Tensor.zeros(DType.F32, 1, 5, 3, 16);
        Tensor b = Tensor.zeros(DType.F32, 1, 5, 1, 7).fill(1);
        for (float dt : new float[] {0, 90, 1e8f, 1e30f}) {
            Tensor delta = Tensor.zeros(DType.F32, 1, 5, 3).fill(dt);
            Inputs in = Inputs.of(x, delta, a, b, b).withH0(h0);
            float[][] out = Trial.everywhere(() ->
                    new Tensor[] {Ssd.builder().form(form).build().forward(in).lastState()});
            Trial.assertSameBits(dt == 0 ? h0.toFloatArray() : new float[3 * 16 * 7], out[0], "dt = " + dt);
        }
    }

    @ParameterizedTest
    @EnumSource(Ssd.Form.class)
    void nanStaysInItsHeadAndChannel(Ssd.Form form) {
        Problem p = Problem.random(1, 40, new Sizes(1, 3, 16, 5), false, 5);
        p.in.x().setFloat(Float.NaN, 0, 10, 1, 7);
        p.in.dt().setFloat(Float.NaN, 0, 20, 2);
        Tensor y = p.op(form).forward(p.in).y();
        for (int t = 0; t < 40; t++) {
            for (int h = 0; h < 3; h++) {
                for (int c = 0; c < 16; c++) {
                    boolean nan = (h == 1 && c == 7 && t >= 10) || (h == 2 && t >= 20);
                    assertEquals(nan, Float.isNaN(y.getFloat(0, t, h, c)), t + " " + h + " " + c);
                }
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Problem p = Problem.random(2, 4, new Sizes(2, 2, 4, 3), false, 4);
        Inputs in = p.in.withH0(null);
        refused("dt:", new Inputs(in.x(), in.a(), in.a(), in.b(), in.c(), null, null, null, null, null));
        refused("A:", new Inputs(in.x(), in.dt(), in.dt(), in.b(), in.c(), null, null, null, null, null));
        refused("B:", new Inputs(in.x(), in.dt(), in.a(), in.dt(), in.c(), null, null, null, null, null));
        refused("C:", new Inputs(in.x(), in.dt(), in.a(), in.b(), in.x(), null, null, null, null, null));
        refused("D:", in.withD(in.dt()));
        refused("z:", in.withZ(in.dt()));
        refused("dtBias:", in.withDtBias(in.dt()));
        refused("h0:", in.withH0(in.x()));
        refused("cuSeqlens:", in.withCuSeqlens(Tensor.of(new int[] {0, 4})));
        assertThrows(IllegalArgumentException.class, () -> Ssd.builder().dtLimit(2, 1));
        assertThrows(IllegalArgumentException.class, () -> Ssd.builder().dtLimit(Float.NaN, 1));
        try (Workspace scratch = new Workspace()) {
            assertThrows(IllegalArgumentException.class, () -> p.op().forward(in, in.x(), null, scratch));
            Inputs step = alone(Problem.random(1, 1, p.sizes, false, 4), 0);
            Tensor pool = Tensor.zeros(DType.F32, 2, 4, 4, 3);
            Tensor y = Tensor.zeros(DType.F32, 1, 1, 4, 4);
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> p.op().step(step.withH0(pool), Tensor.of(new int[] {2}), y, pool, scratch));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> p.op().step(step.withH0(null), Tensor.of(new int[] {0}), y, pool, scratch));
        }
    }

    private static void refused(String message, Inputs in) {
        var e = assertThrows(
                IllegalArgumentException.class, () -> Ssd.builder().build().forward(in));
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
