package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.reference.Derivative;
import dev.heddle.reference.LinearScan64;
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

class LinearScanTest {
    /** Sequences in a batch, or packed; with random numbers of random strides. */
    private record Problem(
            Sample sample, int channels, boolean reverse, Tensor a, Tensor b, Tensor h0, Tensor gh, Tensor gLast) {
        static Problem random(int sequences, int steps, int channels, boolean reverse, boolean packed, long seed) {
            Random r = new Random(seed);
            Sample s = Sample.random(r, sequences, steps, packed);
            long[] shape = {s.batch(), s.steps(), channels};
            Tensor a = Trial.fill(Tensor.zeros(DType.F32, shape), () -> 1.2f - 1.5f * r.nextFloat());
            return new Problem(
                    s,
                    channels,
                    reverse,
                    a,
                    Trial.spread(Trial.normal(r, shape)),
                    Trial.normal(r, s.count(), channels),
                    Trial.normal(r, shape),
                    Trial.spread(Trial.normal(r, s.count(), channels)));
        }

        LinearScan op() {
            return LinearScan.builder().reverse(reverse).build();
        }

        LinearScan64.Result reference(double[] a, double[] b, double[] h0) {
            return LinearScan64.forward(a, b, h0, sample.bounds(), channels, reverse);
        }

        double loss(double[] a, double[] b, double[] h0) {
            LinearScan64.Result r = reference(a, b, h0);
            return Derivative.dot(r.h(), Trial.doubles(gh)) + Derivative.dot(r.last(), Trial.doubles(gLast));
        }
    }

    @Provide
    Arbitrary<Integer> channels() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 255, 256, 257, 300);
    }

    @Provide
    Arbitrary<Integer> steps() {
        return Arbitraries.of(0, 1, 2, 3, 17, 63, 64, 65, 130, 200);
    }

    @Property(tries = 50)
    void equalsTheReferenceEverywhere(
            @ForAll("channels") int channels,
            @ForAll("steps") int steps,
            @ForAll boolean packed,
            @ForAll boolean reverse,
            @ForAll boolean started,
            @ForAll long seed) {
        Problem p = Problem.random(3, steps, channels, reverse, packed, seed);
        Tensor h0 = started ? p.h0 : null;
        float[][] out = Trial.everywhere(() -> {
            LinearScan.Result f = p.op().forward(p.a, p.b, h0, p.sample.pointers());
            return new Tensor[] {f.h(), f.last()};
        });
        LinearScan64.Result want = p.reference(Trial.doubles(p.a), Trial.doubles(p.b), Trial.doubles(h0));
        Trial.assertClose(want.h(), out[0], 1e-5, 1e-5, "h");
        Trial.assertClose(want.last(), out[1], 1e-5, 1e-5, "last");
    }

    @Property(tries = 25)
    void gradientsAreThoseOfFiniteDifferences(
            @ForAll("steps") int steps,
            @ForAll boolean packed,
            @ForAll boolean reverse,
            @ForAll boolean given,
            @ForAll long seed) {
        int channels = new Random(seed).nextInt(1, 4);
        Problem p = Problem.random(2, Math.min(steps, 70), channels, reverse, packed, seed);
        float[][] out = Trial.everywhere(() -> {
            Tensor h =
                    given ? p.op().forward(p.a, p.b, p.h0, p.sample.pointers()).h() : null;
            LinearScan.Gradients g =
                    p.op().backward(p.a, p.b, p.h0, p.sample.pointers(), h, p.gh, p.gLast, true, true, true);
            return new Tensor[] {g.a(), g.b(), g.h0()};
        });
        double[] a = Trial.doubles(p.a);
        double[] b = Trial.doubles(p.b);
        double[] h0 = Trial.doubles(p.h0);
        Trial.assertClose(Derivative.of(x -> p.loss(x, b, h0), a), out[0], 1e-5, 2e-5, "gradient of a");
        Trial.assertClose(Derivative.of(x -> p.loss(a, x, h0), b), out[1], 1e-5, 2e-5, "gradient of b");
        Trial.assertClose(Derivative.of(x -> p.loss(a, b, x), h0), out[2], 1e-5, 2e-5, "gradient of h0");
    }

    /** Several blocks of channels and stretches of time, whichever gradients are wanted and whatever is given. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7})
    void gradientsDoNotDependOnWhichAreWanted(int wanted) {
        Problem p = Problem.random(2, 150, 600, false, true, 5);
        Tensor h = p.op().forward(p.a, p.b, p.h0, p.sample.pointers()).h();
        LinearScan.Gradients all =
                p.op().backward(p.a, p.b, p.h0, p.sample.pointers(), h, p.gh, p.gLast, true, true, true);
        boolean a = (wanted & 1) != 0;
        boolean b = (wanted & 2) != 0;
        boolean h0 = (wanted & 4) != 0;
        float[][] some = Trial.everywhere(() -> {
            LinearScan.Gradients g =
                    p.op().backward(p.a, p.b, p.h0, p.sample.pointers(), null, p.gh, p.gLast, a, b, h0);
            return new Tensor[] {g.a(), g.b(), g.h0()};
        });
        Tensor[] want = {all.a(), all.b(), all.h0()};
        for (int i = 0; i < 3; i++) {
            float[] w = (wanted & 1 << i) != 0 ? want[i].toFloatArray() : new float[0];
            Trial.assertSameBits(w, some[i], "gradient " + i);
        }
    }

    @Property(tries = 25)
    void anyCutGivesTheSameBits(@ForAll("channels") int channels, @ForAll boolean reverse, @ForAll long seed) {
        Problem p = Problem.random(1, 50, channels, reverse, false, seed);
        LinearScan.Result whole = p.op().forward(p.a, p.b, p.h0, null);
        Random r = new Random(seed);
        Tensor h = Tensor.zeros(DType.F32, 1, 50, channels);
        Tensor state = p.h0;
        for (int from = 0, to; from < 50; from = to) {
            to = Math.min(50, from + r.nextInt(20));
            int first = reverse ? 50 - to : from;
            int end = reverse ? 50 - from : to;
            Tensor last = Tensor.zeros(DType.F32, 1, channels);
            p.op().forward(
                            p.a.slice(1, first, end),
                            p.b.slice(1, first, end),
                            state,
                            null,
                            h.slice(1, first, end),
                            last);
            state = last;
        }
        Trial.assertSameBits(whole.h().toFloatArray(), h.toFloatArray(), "h");
        Trial.assertSameBits(whole.last().toFloatArray(), state.toFloatArray(), "last");
    }

    @Property(tries = 25)
    void packedOrInABatchIsLikeAlone(
            @ForAll("channels") int channels, @ForAll boolean packed, @ForAll boolean reverse, @ForAll long seed) {
        Problem p = Problem.random(4, 20, channels, reverse, packed, seed);
        LinearScan.Result all = p.op().forward(p.a, p.b, p.h0, p.sample.pointers());
        for (int k = 0; k < p.sample.count(); k++) {
            LinearScan.Result alone =
                    p.op().forward(p.sample.cut(p.a, k), p.sample.cut(p.b, k), p.h0.slice(0, k, k + 1), null);
            Trial.assertSameBits(
                    p.sample.cut(all.h(), k).toFloatArray(), alone.h().toFloatArray(), "h");
            Trial.assertSameBits(
                    all.last().slice(0, k, k + 1).toFloatArray(), alone.last().toFloatArray(), "last");
        }
    }

    @Test
    void reverseIsFlipScanFlip() {
        Problem p = Problem.random(2, 37, 21, false, false, 17);
        LinearScan.Result forward = p.op().forward(p.a, p.b, p.h0, null);
        LinearScan.Result backward =
                LinearScan.builder().reverse(true).build().forward(flip(p.a), flip(p.b), p.h0, null);
        Trial.assertSameBits(forward.h().toFloatArray(), flip(backward.h()).toFloatArray(), "h");
        Trial.assertSameBits(forward.last().toFloatArray(), backward.last().toFloatArray(), "last");
    }

    private static Tensor flip(Tensor t) {
        Tensor f = Tensor.zeros(DType.F32, t.shape().toArray());
        for (long i = 0; i < t.dim(1); i++) {
            f.select(1, i).copyFrom(t.select(1, t.dim(1) - 1 - i));
        }
        return f;
    }

    @Test
    void nanStaysInItsChannelAndGoesOnInTime() {
        Problem p = Problem.random(2, 10, 20, false, false, 1);
        p.b.setFloat(Float.NaN, 1, 4, 17);
        float[][] out = Trial.everywhere(
                () -> new Tensor[] {p.op().forward(p.a, p.b, null, null).h()});
        double[] want = p.reference(Trial.doubles(p.a), Trial.doubles(p.b), new double[0])
                .h();
        assertEquals(6, Arrays.stream(want).filter(Double::isNaN).count());
        Trial.assertClose(want, out[0], 1e-5, 1e-5, "h");
    }

    @Test
    void whatDoesNotFitIsRefused() {
        LinearScan op = LinearScan.builder().build();
        Tensor a = Tensor.zeros(DType.F32, 2, 3, 4);
        refused("a: shape [3, 4] has 2 axes, must have 3", () -> op.forward(a.select(0, 0), a, null, null));
        refused("b: shape [2, 3, 3], must be that of a, [2, 3, 4]", () -> op.forward(a, a.slice(2, 0, 3), null, null));
        refused("h0: shape [3, 4], must be [2, 4]", () -> op.forward(a, a, Tensor.zeros(DType.F32, 3, 4), null));
        refused(
                "cuSeqlens: packed sequences make one row, but there are 2",
                () -> op.forward(a, a, null, Tensor.of(new int[] {0, 3})));
        Tensor one = a.slice(0, 0, 1);
        Throwable e = assertThrows(
                IllegalArgumentException.class, () -> op.forward(one, one, null, Tensor.of(new int[] {0, 2, 1, 3})));
        assertEquals("cuSeqlens: element 2 is 1, after 2", e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> op.forward(one, one, null, Tensor.of(new int[] {0, 2})));
        assertThrows(IllegalArgumentException.class, () -> op.forward(one, one, null, Tensor.of(new int[] {1, 3})));
        refused(
                "h: shape [2, 3, 4], overlaps b of shape [2, 3, 4]",
                () -> op.forward(Tensor.zeros(DType.F32, 2, 3, 4), a, null, null, a, null));
        try (Workspace scratch = new Workspace()) {
            Tensor g = Tensor.zeros(DType.F32, 2, 3, 4);
            refused(
                    "gradB: shape [2, 3, 4], overlaps gradA of shape [2, 3, 4]",
                    () -> op.backward(a, a, null, null, null, null, null, g, g, null, scratch));
        }
        LinearScan.Gradients none = op.backward(a, a, null, null, null, null, null, false, false, false);
        assertNull(none.a());
    }

    private static void refused(String message, org.junit.jupiter.api.function.Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
