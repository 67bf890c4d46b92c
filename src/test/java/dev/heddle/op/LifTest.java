package dev.heddle.op;

import static dev.heddle.op.Trial.assertClose;
import static dev.heddle.op.Trial.assertSameBits;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.fill;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class LifTest {
    private record Options(
            float tau, float threshold, float reset, boolean soft, boolean decay, boolean detach, boolean sigmoid) {
        static Options of(Random rnd) {
            float tau = 1 + 3 * rnd.nextFloat();
            return new Options(
                    tau,
                    0.5f + rnd.nextFloat(),
                    rnd.nextFloat() - 0.7f,
                    rnd.nextBoolean(),
                    rnd.nextBoolean(),
                    rnd.nextBoolean(),
                    rnd.nextBoolean());
        }

        Surrogate surrogate() {
            return sigmoid ? Surrogate.sigmoid(4) : Surrogate.atan(2);
        }

        Lif op() {
            Lif.Builder b = Lif.builder()
                    .tau(tau)
                    .threshold(threshold)
                    .decayInput(decay)
                    .detachReset(detach)
                    .surrogate(surrogate());
            return soft ? b.softReset().build() : b.reset(reset).build();
        }

        double slope(double x) {
            if (sigmoid) {
                double s = 1 / (1 + Math.exp(-4 * x));
                return 4 * s * (1 - s);
            }
            return 1 / (1 + Math.PI * x * Math.PI * x);
        }
    }

    /** One neuron in float64, its spikes given: they hang on the last bit of h. */
    private static final class Neuron {
        final double[] h;
        final double[] v;
        double back;
        double leakSum;
        final double[] gx;

        Neuron(Options o, double leak, double[] x, double v0, float[] spikes, double[] gs, double[] gv, double gLast) {
            double r = o.soft ? 0 : o.reset;
            int l = x.length;
            h = new double[l];
            v = new double[l];
            gx = new double[l];
            double last = v0;
            for (int t = 0; t < l; t++) {
                h[t] = o.decay ? last + (x[t] - (last - r)) * leak : last - (last - r) * leak + x[t];
                v[t] = o.soft ? h[t] - spikes[t] * o.threshold : spikes[t] == 1 ? r : h[t];
                last = v[t];
            }
            back = gLast;
            for (int t = l - 1; t >= 0; t--) {
                double a = back + gv[t];
                double ds = gs[t] + (o.detach ? 0 : a * (o.soft ? -o.threshold : r - h[t]));
                double dh = (o.soft ? a : a * (1 - spikes[t])) + ds * o.slope(h[t] - o.threshold);
                double before = t == 0 ? v0 : v[t - 1];
                gx[t] = o.decay ? dh * leak : dh;
                back = dh * (1 - leak);
                leakSum += dh * ((o.decay ? x[t] : 0) - (before - r));
            }
        }
    }

    private static double[] column(Tensor t, int b, int d) {
        return Trial.doubles(t.select(0, b).select(1, d));
    }

    private static float[] floats(double[] v) {
        float[] f = new float[v.length];
        for (int i = 0; i < f.length; i++) {
            f[i] = (float) v[i];
        }
        return f;
    }

    @Property(tries = 40)
    void agreesWithTheEquationsForwardAndBackward(
            @ForAll @IntRange(min = 1, max = 3) int b,
            @ForAll @IntRange(max = 150) int l,
            @ForAll @IntRange(min = 1, max = 70) int d,
            @ForAll boolean start,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Options o = Options.of(rnd);
        Tensor x = fill(Tensor.zeros(DType.F32, b, l, d), () -> (float) rnd.nextGaussian() + 0.5f);
        Tensor v0 = start ? normal(rnd, b, d) : null;
        Tensor gs = normal(rnd, b, l, d);
        Tensor gv = normal(rnd, b, l, d);
        Tensor gl = normal(rnd, b, d);
        float[][] got = everywhere(() -> {
            Lif op = o.op();
            Lif.Result r = op.forward(x, v0);
            Lif.Gradients g = new Lif.Gradients(Tensor.zeros(DType.F32, b, l, d), Tensor.zeros(DType.F32, b, d));
            Lif.Gradients again = new Lif.Gradients(Tensor.zeros(DType.F32, b, l, d), Tensor.zeros(DType.F32, b, d));
            try (Workspace scratch = new Workspace()) {
                op.backward(x, v0, null, gs, gv, gl, g, scratch);
                op.backward(x, v0, r.v(), gs, gv, gl, again, scratch);
            }
            assertSameBits(g.x().toFloatArray(), again.x().toFloatArray(), "with v at hand");
            assertSameBits(g.v0().toFloatArray(), again.v0().toFloatArray(), "with v at hand");
            return new Tensor[] {r.spike(), r.v(), r.vLast(), g.x(), g.v0()};
        });
        Tensor spike = Tensor.of(got[0], b, l, d);
        Tensor v = Tensor.of(got[1], b, l, d);
        Tensor gx = Tensor.of(got[3], b, l, d);
        for (int i = 0; i < b; i++) {
            for (int j = 0; j < d; j++) {
                float[] spikes = floats(column(spike, i, j));
                double first = start ? v0.getFloat(i, j) : o.soft ? 0 : o.reset;
                Neuron n = new Neuron(
                        o,
                        1 / (double) o.tau,
                        column(x, i, j),
                        first,
                        spikes,
                        column(gs, i, j),
                        column(gv, i, j),
                        gl.getFloat(i, j));
                for (int t = 0; t < l; t++) {
                    if (Math.abs(n.h[t] - o.threshold) > 1e-5) {
                        assertEquals(n.h[t] >= o.threshold ? 1 : 0, spikes[t]);
                    }
                }
                assertClose(n.v, floats(column(v, i, j)), 1e-5, 1e-5, "v");
                assertClose(n.gx, floats(column(gx, i, j)), 1e-4, 1e-4, "gx");
                assertClose(new double[] {n.back}, new float[] {got[4][i * d + j]}, 1e-4, 1e-4, "gv0");
                assertEquals(l == 0 ? (float) first : v.getFloat(i, l - 1, j), got[2][i * d + j]);
            }
        }
    }

    @Property(tries = 25)
    void packedSpikesAndAnyCutAreTheSame(
            @ForAll @IntRange(min = 1, max = 2) int b,
            @ForAll @IntRange(min = 1, max = 20) int l,
            @ForAll @IntRange(min = 1, max = 300) int d,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Options o = Options.of(rnd);
        Tensor x = normal(rnd, b, l, d);
        int cut = rnd.nextInt(l + 1);
        everywhere(() -> {
            Lif op = o.op();
            Lif.Result r = op.forward(x, null);
            SpikeBits bits = SpikeBits.zeros((long) b * l, d);
            bits.words()
                    .copyFrom(Tensor.of(
                            new long[(int) bits.words().size()],
                            bits.words().shape().toArray()));
            Tensor last = Tensor.zeros(DType.F32, b, d);
            try (Workspace scratch = new Workspace()) {
                op.forward(x, null, null, bits, null, last, scratch);
            }
            assertSameBits(r.spike().toFloatArray(), bits.unpack().toFloatArray(), "packed");
            assertSameBits(r.vLast().toFloatArray(), last.toFloatArray(), "last");
            SpikeBits packed = SpikeBits.of(r.spike());
            assertArrayEquals(bits.words().toLongArray(), packed.words().toLongArray());
            Lif.Result first = op.forward(x.slice(1, 0, cut), null);
            Lif.Result second = op.forward(x.slice(1, cut, l), first.vLast());
            assertSameBits(
                    r.spike().slice(1, cut, l).toFloatArray(), second.spike().toFloatArray(), "second part");
            assertSameBits(r.vLast().toFloatArray(), second.vLast().toFloatArray(), "second part");
            return new Tensor[] {r.spike(), r.v()};
        });
    }

    @Property(tries = 15)
    void aLearnedTimeConstantHasItsGradient(
            @ForAll @IntRange(min = 1, max = 3) int b,
            @ForAll @IntRange(max = 100) int l,
            @ForAll @IntRange(min = 1, max = 40) int d,
            @ForAll boolean hint,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Options o = Options.of(rnd);
        Tensor x = normal(rnd, b, l, d);
        Tensor gs = normal(rnd, b, l, d);
        Tensor gl = normal(rnd, b, d);
        Tensor p = normal(rnd, 1);
        double leak = 1 / (1 + Math.exp(-p.getFloat(0)));
        ParametricLif.Builder builder = ParametricLif.builder()
                .threshold(o.threshold)
                .decayInput(o.decay)
                .detachReset(o.detach)
                .surrogate(o.surrogate());
        ParametricLif op =
                o.soft ? builder.softReset().build() : builder.reset(o.reset).build();
        float[][] got = everywhere(() -> {
            Lif.Result r = op.forward(x, null, p);
            ParametricLif.Gradients g = op.backward(x, null, p, hint ? r.v() : null, gs, gl);
            return new Tensor[] {r.spike(), g.x(), g.p()};
        });
        Tensor spike = Tensor.of(got[0], b, l, d);
        double sum = 0;
        double magnitude = 0;
        for (int i = 0; i < b; i++) {
            for (int j = 0; j < d; j++) {
                Neuron n = new Neuron(
                        o,
                        leak,
                        column(x, i, j),
                        o.soft ? 0 : o.reset,
                        floats(column(spike, i, j)),
                        column(gs, i, j),
                        new double[l],
                        gl.getFloat(i, j));
                assertClose(n.gx, floats(column(Tensor.of(got[1], b, l, d), i, j)), 1e-4, 1e-4, "gx");
                sum += n.leakSum;
                magnitude += Math.abs(n.leakSum);
            }
        }
        assertEquals(sum * leak * (1 - leak), got[2][0], 1e-5 + 1e-4 * magnitude);
    }

    @Test
    void withoutLeakInputsAddUp() {
        Tensor x = Tensor.of(new float[] {0.25f, 0.25f, 0.5f, 0.75f, 0.5f}, 1, 5, 1);
        float[][] got = everywhere(() -> {
            Lif.Result r = Lif.builder().integrate().softReset().build().forward(x, null);
            return new Tensor[] {r.spike(), r.v()};
        });
        assertArrayEquals(new float[] {0, 0, 1, 0, 1}, got[0]);
        assertArrayEquals(new float[] {0.25f, 0.5f, 0, 0.75f, 0.25f}, got[1]);
    }

    @Test
    void theTimeConstantOfAParameter() {
        Tensor p = Tensor.of(new float[] {ParametricLif.parameter(3)}, 1);
        assertEquals(1 / 3f, Activation.SIGMOID.forward(p).getFloat(0), 1e-7);
        assertThrows(IllegalArgumentException.class, () -> ParametricLif.parameter(1));
    }

    @Property(tries = 20)
    void surrogatesAreWhatTheySay(@ForAll @IntRange(max = 200) int n, @ForAll boolean sigmoid, @ForAll long seed) {
        Random rnd = new Random(seed);
        float alpha = 0.5f + 5 * rnd.nextFloat();
        Surrogate op = sigmoid ? Surrogate.sigmoid(alpha) : Surrogate.atan(alpha);
        Tensor x = normal(rnd, 3, n);
        Tensor g = normal(rnd, 3, n);
        float[][] got = everywhere(() -> {
            Tensor wide = Trial.spread(x);
            assertSameBits(
                    op.backward(x, g).toFloatArray(),
                    op.backward(wide, Trial.spread(g)).toFloatArray(),
                    "views");
            return new Tensor[] {op.forward(x), op.backward(x, g)};
        });
        for (int i = 0; i < 3 * n; i++) {
            double v = x.getFloat(i / n, i % n);
            double s = 1 / (1 + Math.exp(-alpha * v));
            double z = Math.PI / 2 * alpha * v;
            double slope = sigmoid ? alpha * s * (1 - s) : alpha / 2 / (1 + z * z);
            assertEquals(v >= 0 ? 1 : 0, got[0][i]);
            double want = slope * g.getFloat(i / n, i % n);
            assertEquals(want, got[1][i], 1e-6 + 2e-6 * Math.abs(want));
        }
    }

    @Test
    void stepsAtZeroAndBeyondNumbers() {
        Tensor x = Tensor.of(
                new float[] {0f, -0f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -Float.MIN_VALUE},
                6);
        Surrogate op = Surrogate.atan(2);
        float[][] got = everywhere(() -> new Tensor[] {
            op.forward(x), op.backward(x, Tensor.zeros(DType.F32, 6).fill(1))
        });
        assertArrayEquals(new float[] {1, 1, 0, 1, 0, 0}, got[0]);
        assertArrayEquals(new float[] {1, 1, Float.NaN, 0, 0, 1}, got[1]);
    }

    @Test
    void refusesBadArguments() {
        Lif op = Lif.builder().build();
        Tensor x = Tensor.zeros(DType.F32, 2, 3, 4);
        Tensor small = Tensor.zeros(DType.F32, 2, 3);
        assertThrows(IllegalArgumentException.class, () -> op.forward(small, null));
        assertThrows(IllegalArgumentException.class, () -> op.forward(x, small));
        assertThrows(IllegalArgumentException.class, () -> op.backward(x, null, small, null));
        assertThrows(IllegalArgumentException.class, () -> Lif.builder().tau(0.5f));
        assertThrows(IllegalArgumentException.class, () -> Surrogate.atan(0));
        assertThrows(IllegalArgumentException.class, () -> SpikeBits.of(x.copy().fill(0.5f)));
        try (Workspace scratch = new Workspace()) {
            assertThrows(IllegalArgumentException.class, () -> op.forward(x, null, x, null, null, null, scratch));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> op.forward(x, null, null, SpikeBits.zeros(3, 4), null, null, scratch));
        }
    }
}
