package dev.heddle.op;

import static dev.heddle.op.Trial.assertClose;
import static dev.heddle.op.Trial.assertSameBits;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class AdaptiveLifTest {
    private static final double LEAK = 1 / 2.5;
    private static final double RHO = 0.8f;
    private static final double BETA = 0.3f;
    private static final double RESET = -0.25;

    private static AdaptiveLif op(boolean soft, boolean decay, boolean detach, boolean sigmoid) {
        AdaptiveLif.Builder b = AdaptiveLif.builder()
                .tau(2.5f)
                .decayInput(decay)
                .detachReset(detach)
                .surrogate(sigmoid ? Surrogate.sigmoid(4) : Surrogate.atan(2))
                .adaptation((float) RHO, (float) BETA);
        return soft ? b.softReset().build() : b.reset((float) RESET).build();
    }

    @Property(tries = 30)
    void agreesWithTheEquationsForwardAndBackward(
            @ForAll @IntRange(min = 1, max = 2) int b,
            @ForAll @IntRange(max = 40) int l,
            @ForAll @IntRange(min = 1, max = 40) int d,
            @ForAll boolean soft,
            @ForAll boolean decay,
            @ForAll boolean detach,
            @ForAll boolean sigmoid,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Tensor x = normal(rnd, b, l, d);
        Tensor v0 = normal(rnd, b, d);
        Tensor a0 = normal(rnd, b, d);
        Tensor gs = normal(rnd, b, l, d);
        Tensor gv = normal(rnd, b, d);
        Tensor ga = normal(rnd, b, d);
        AdaptiveLif op = op(soft, decay, detach, sigmoid);
        float[][] got = everywhere(() -> {
            AdaptiveLif.Result r = op.forward(x, v0, a0);
            AdaptiveLif.Gradients g = op.backward(x, v0, a0, gs, gv, ga);
            return new Tensor[] {r.spike(), r.vLast(), r.aLast(), g.x(), g.v0(), g.a0()};
        });
        for (int n = 0; n < b * d; n++) {
            neuron(got, n, l, d, soft, decay, detach, sigmoid, x, v0, a0, gs, gv, ga);
        }
    }

    /** One neuron in float64; its spikes are given, they hang on the last bit of h. */
    private static void neuron(
            float[][] got,
            int n,
            int l,
            int d,
            boolean soft,
            boolean decay,
            boolean detach,
            boolean sigmoid,
            Tensor x,
            Tensor v0,
            Tensor a0,
            Tensor gs,
            Tensor gv,
            Tensor ga) {
        double reset = soft ? 0 : RESET;
        double[] h = new double[l];
        double[] limit = new double[l];
        int[] s = new int[l];
        double v = v0.getFloat(n / d, n % d);
        double a = a0.getFloat(n / d, n % d);
        for (int t = 0; t < l; t++) {
            double in = x.getFloat(n / d, t, n % d);
            h[t] = decay ? v + (in - (v - reset)) * LEAK : v - (v - reset) * LEAK + in;
            limit[t] = 1 + BETA * a;
            s[t] = (int) got[0][(n / d * l + t) * d + n % d];
            if (Math.abs(h[t] - limit[t]) > 1e-5) {
                assertEquals(h[t] >= limit[t] ? 1 : 0, s[t]);
            }
            v = soft ? h[t] - s[t] * limit[t] : s[t] == 1 ? reset : h[t];
            a = RHO * a + s[t];
        }
        double ofV = gv.getFloat(n / d, n % d);
        double ofA = ga.getFloat(n / d, n % d);
        double[] gx = new double[l];
        float[] gotX = new float[l];
        for (int t = l - 1; t >= 0; t--) {
            double ds = gs.getFloat(n / d, t, n % d) + ofA + (detach ? 0 : ofV * (soft ? -limit[t] : reset - h[t]));
            double du = ds * slope(sigmoid, h[t] - limit[t]);
            double dh = (soft ? ofV : ofV * (1 - s[t])) + du;
            ofA = RHO * ofA + BETA * (-du - (soft && !detach ? s[t] * ofV : 0));
            gx[t] = decay ? dh * LEAK : dh;
            ofV = dh * (1 - LEAK);
            gotX[t] = got[3][(n / d * l + t) * d + n % d];
        }
        double[] want = {v, a, ofV, ofA};
        assertClose(want, new float[] {got[1][n], got[2][n], got[4][n], got[5][n]}, 1e-4, 1e-4, "v, a, gv, ga");
        assertClose(gx, gotX, 1e-4, 1e-4, "gx");
    }

    private static double slope(boolean sigmoid, double x) {
        double z = Math.PI * x;
        double s = 1 / (1 + Math.exp(-4 * x));
        return sigmoid ? 4 * s * (1 - s) : 1 / (1 + z * z);
    }

    @Test
    void anyCutHasTheSameBits() {
        Tensor x = normal(new Random(3), 2, 30, 300);
        everywhere(() -> {
            AdaptiveLif op = op(false, true, false, false);
            AdaptiveLif.Result whole = op.forward(x, null, null);
            AdaptiveLif.Result first = op.forward(x.slice(1, 0, 11), null, null);
            AdaptiveLif.Result second = op.forward(x.slice(1, 11, 30), first.vLast(), first.aLast());
            assertSameBits(
                    whole.spike().slice(1, 11, 30).toFloatArray(),
                    second.spike().toFloatArray(),
                    "spikes");
            assertSameBits(whole.aLast().toFloatArray(), second.aLast().toFloatArray(), "a");
            return new Tensor[] {whole.spike(), whole.vLast()};
        });
    }

    @Test
    void withoutAdaptationItIsLif() {
        Tensor x = normal(new Random(4), 2, 30, 20);
        everywhere(() -> {
            AdaptiveLif op = AdaptiveLif.builder().adaptation(0.5f, 0).build();
            Tensor spike = op.forward(x, null, null).spike();
            assertSameBits(
                    Lif.builder().build().forward(x, null).spike().toFloatArray(), spike.toFloatArray(), "spikes");
            return new Tensor[] {spike};
        });
    }

    @Test
    void refusesBadArguments() {
        AdaptiveLif op = AdaptiveLif.builder().build();
        Tensor x = Tensor.zeros(DType.F32, 2, 3, 4);
        Tensor small = Tensor.zeros(DType.F32, 2, 3);
        assertThrows(IllegalArgumentException.class, () -> op.forward(small, null, null));
        assertThrows(IllegalArgumentException.class, () -> op.forward(x, null, small));
        assertThrows(IllegalArgumentException.class, () -> op.backward(x, null, null, null, null, small));
        assertThrows(IllegalArgumentException.class, () -> AdaptiveLif.builder().tau(0));
    }
}
