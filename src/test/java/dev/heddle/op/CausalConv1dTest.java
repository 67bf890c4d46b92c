package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.op.CausalConv1d.Gradients;
import dev.heddle.reference.CausalConv64;
import dev.heddle.reference.Derivative;
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
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CausalConv1dTest {
    private record Problem(
            Sample sample,
            int channels,
            boolean silu,
            Tensor x,
            Tensor w,
            Tensor bias,
            Tensor state,
            Tensor gy,
            Tensor gState) {
        static Problem random(int sequences, int steps, int channels, int taps, boolean packed, long seed) {
            Random r = new Random(seed);
            Sample s = Sample.random(r, sequences, steps, packed);
            return new Problem(
                    s,
                    channels,
                    r.nextBoolean(),
                    Trial.spread(Trial.normal(r, s.batch(), s.steps(), channels)),
                    weights(r, channels, taps),
                    r.nextBoolean() ? Trial.normal(r, channels) : null,
                    r.nextBoolean() ? Trial.spread(Trial.normal(r, s.count(), taps - 1, channels)) : null,
                    Trial.normal(r, s.batch(), s.steps(), channels),
                    Trial.normal(r, s.count(), taps - 1, channels));
        }

        /** Rows with gaps, or channels side by side. */
        private static Tensor weights(Random r, int channels, int taps) {
            return r.nextBoolean()
                    ? Trial.spread(Trial.normal(r, channels, taps))
                    : Trial.normal(r, taps, channels).transpose(0, 1);
        }

        CausalConv1d op() {
            return CausalConv1d.builder().silu(silu).build();
        }

        CausalConv1d.Result forward() {
            return op().forward(x, w, bias, state, sample.pointers());
        }

        Gradients backward(boolean x, boolean w, boolean bias, boolean state) {
            return op().backward(
                            this.x, this.w, this.bias, this.state, sample.pointers(), gy, gState, x, w, bias, state);
        }

        CausalConv64.Result reference(double[] x, double[] w, double[] bias, double[] state) {
            return CausalConv64.forward(x, w, bias, state, sample.bounds(), channels, silu);
        }

        double loss(double[] x, double[] w, double[] bias, double[] state) {
            CausalConv64.Result r = reference(x, w, bias, state);
            return Derivative.dot(r.y(), Trial.doubles(gy)) + Derivative.dot(r.state(), Trial.doubles(gState));
        }
    }

    @Provide
    Arbitrary<Integer> channels() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 127, 128, 129, 513);
    }

    @Provide
    Arbitrary<Integer> steps() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 17, 63, 64, 65, 66, 130, 300);
    }

    @Provide
    Arbitrary<Integer> taps() {
        return Arbitraries.of(1, 2, 3, 4, 5, 8);
    }

    @Property(tries = 60)
    void equalsTheReferenceEverywhere(
            @ForAll("channels") int channels,
            @ForAll("steps") int steps,
            @ForAll("taps") int taps,
            @ForAll boolean packed,
            @ForAll long seed) {
        Problem p = Problem.random(3, steps, channels, taps, packed, seed);
        float[][] out = Trial.everywhere(() -> {
            CausalConv1d.Result f = p.forward();
            return new Tensor[] {f.y(), f.state()};
        });
        CausalConv64.Result want =
                p.reference(Trial.doubles(p.x), Trial.doubles(p.w), Trial.doubles(p.bias), Trial.doubles(p.state));
        Trial.assertClose(want.y(), out[0], 1e-5, 5e-6, "y");
        Trial.assertClose(want.state(), out[1], 0, 0, "state");
    }

    @Property(tries = 40)
    void gradientsAreThoseOfFiniteDifferences(
            @ForAll("steps") int steps, @ForAll("taps") int taps, @ForAll boolean packed, @ForAll long seed) {
        int channels = new Random(seed).nextInt(1, 6);
        checkGradients(Problem.random(2, Math.min(steps, 70), channels, taps, packed, seed));
    }

    /** Stretches longer than the taps, and shorter; more parts than sequences, and fewer. */
    @ParameterizedTest
    @CsvSource({"1, 150, 2, 4, false", "20, 3, 2, 4, true", "2, 100, 1, 90, false", "1, 40, 3, 66, false"})
    void gradientsAtOddSizes(int sequences, int steps, int channels, int taps, boolean packed) {
        checkGradients(Problem.random(sequences, steps, channels, taps, packed, 3));
    }

    private static void checkGradients(Problem p) {
        float[][] out = Trial.everywhere(() -> {
            Gradients g = p.backward(true, true, true, true);
            return new Tensor[] {g.x(), g.w(), g.bias(), g.state()};
        });
        double[] x = Trial.doubles(p.x);
        double[] w = Trial.doubles(p.w);
        double[] bias = p.bias == null ? new double[p.channels] : Trial.doubles(p.bias);
        double[] state = p.state == null ? new double[(int) p.gState.size()] : Trial.doubles(p.state);
        check(Derivative.of(v -> p.loss(v, w, bias, state), x), out[0], "gradient of x");
        check(Derivative.of(v -> p.loss(x, v, bias, state), w), out[1], "gradient of w");
        check(Derivative.of(v -> p.loss(x, w, v, state), bias), out[2], "gradient of bias");
        check(Derivative.of(v -> p.loss(x, w, bias, v), state), out[3], "gradient of state");
    }

    private static void check(double[] want, float[] got, String what) {
        double size = Arrays.stream(want).map(Math::abs).max().orElse(0);
        Trial.assertClose(want, got, 1e-5, 1e-6 * (1 + size), what);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8})
    void gradientsDoNotDependOnWhichAreWanted(int wanted) {
        Problem p = Problem.random(3, 90, 150, 4, true, 6);
        Gradients all = p.backward(true, true, true, true);
        Gradients one = p.backward((wanted & 1) != 0, (wanted & 2) != 0, (wanted & 4) != 0, (wanted & 8) != 0);
        Tensor[] a = {all.x(), all.w(), all.bias(), all.state()};
        Tensor[] b = {one.x(), one.w(), one.bias(), one.state()};
        for (int i = 0; i < 4; i++) {
            if ((wanted & 1 << i) != 0) {
                Trial.assertSameBits(a[i].toFloatArray(), b[i].toFloatArray(), "gradient " + i);
            } else {
                assertNull(b[i]);
            }
        }
    }

    /** Also step by step, with the state written over itself. */
    @Property(tries = 30)
    void anyCutGivesTheSameBits(@ForAll("channels") int channels, @ForAll("taps") int taps, @ForAll long seed) {
        int steps = 60;
        Problem p = Problem.random(2, steps, channels, taps, false, seed);
        CausalConv1d.Result whole = p.forward();
        Tensor y = Tensor.zeros(DType.F32, 2, steps, channels);
        Tensor state = Tensor.zeros(DType.F32, 2, taps - 1, channels);
        if (p.state != null) {
            state.copyFrom(p.state);
        }
        Random r = new Random(seed);
        try (Workspace scratch = new Workspace()) {
            for (int from = 0, to; from < steps; from = to) {
                to = Math.min(steps, from + (r.nextBoolean() ? 1 : r.nextInt(20)));
                p.op().forward(p.x.slice(1, from, to), p.w, p.bias, state, null, y.slice(1, from, to), state, scratch);
                scratch.reset();
            }
        }
        Trial.assertSameBits(whole.y().toFloatArray(), y.toFloatArray(), "y");
        Trial.assertSameBits(whole.state().toFloatArray(), state.toFloatArray(), "state");
    }

    @Property(tries = 30)
    void packedOrInABatchIsLikeAlone(
            @ForAll("channels") int channels, @ForAll("taps") int taps, @ForAll boolean packed, @ForAll long seed) {
        Problem p = Problem.random(5, 9, channels, taps, packed, seed);
        CausalConv1d.Result all = p.forward();
        Gradients g = p.backward(true, false, false, true);
        for (int k = 0; k < p.sample.count(); k++) {
            Tensor state = p.state == null ? null : p.state.slice(0, k, k + 1);
            Tensor x = p.sample.cut(p.x, k);
            CausalConv1d.Result one = p.op().forward(x, p.w, p.bias, state, null);
            Trial.assertSameBits(
                    p.sample.cut(all.y(), k).toFloatArray(), one.y().toFloatArray(), "y");
            Trial.assertSameBits(
                    all.state().slice(0, k, k + 1).toFloatArray(), one.state().toFloatArray(), "state");
            Tensor gy = p.sample.cut(p.gy, k);
            Gradients h = p.op().backward(
                            x, p.w, p.bias, state, null, gy, p.gState.slice(0, k, k + 1), true, false, false, true);
            Trial.assertSameBits(p.sample.cut(g.x(), k).toFloatArray(), h.x().toFloatArray(), "gradient of x");
            Trial.assertSameBits(
                    g.state().slice(0, k, k + 1).toFloatArray(), h.state().toFloatArray(), "gradient of state");
        }
    }

    @Test
    void nanReachesAsFarAsTheTaps() {
        Problem p = Problem.random(1, 12, 20, 4, false, 2);
        p.x.setFloat(Float.NaN, 0, 3, 18);
        float[] y = Trial.everywhere(() -> new Tensor[] {p.forward().y()})[0];
        for (int i = 0; i < y.length; i++) {
            int t = i / 20;
            assertEquals(i % 20 == 18 && t >= 3 && t < 7, Float.isNaN(y[i]), "y[" + i + "]");
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        CausalConv1d op = CausalConv1d.builder().build();
        Tensor x = Tensor.zeros(DType.F32, 2, 5, 6);
        Tensor w = Tensor.zeros(DType.F32, 6, 4);
        refused(
                "w: shape [5, 4], must be [D, K] with K at least 1 and x of shape [2, 5, 6]",
                () -> op.forward(x, w.slice(0, 0, 5), null, null, null));
        refused(
                "w: shape [6, 0], must be [D, K] with K at least 1 and x of shape [2, 5, 6]",
                () -> op.forward(x, w.slice(1, 0, 0), null, null, null));
        refused("bias: shape [4], must be [6]", () -> op.forward(x, w, Tensor.zeros(DType.F32, 4), null, null));
        refused(
                "state: shape [2, 4, 6], must be [2, 3, 6]",
                () -> op.forward(x, w, null, Tensor.zeros(DType.F32, 2, 4, 6), null));
        try (Workspace scratch = new Workspace()) {
            refused(
                    "y: shape [2, 5, 6], overlaps x of shape [2, 5, 6]",
                    () -> op.forward(x, w, null, null, null, x, null, scratch));
            Tensor y = Tensor.zeros(DType.F32, 2, 5, 6);
            refused(
                    "newState: shape [2, 3, 6], overlaps x of shape [2, 5, 6]",
                    () -> op.forward(x, w, null, null, null, y, x.slice(1, 0, 3), scratch));
        }
    }

    private static void refused(String message, org.junit.jupiter.api.function.Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
