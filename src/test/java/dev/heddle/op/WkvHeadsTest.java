package dev.heddle.op;

import static dev.heddle.op.Trial.assertClose;
import static dev.heddle.op.Trial.assertSameBits;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.fill;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** The recurrences with a matrix of state for each head: RWKV-5, 6 and 7. */
class WkvHeadsTest {
    private static final Wkv6 WKV6 = Wkv6.builder().build();
    private static final Wkv7 WKV7 = Wkv7.builder().build();

    /** A call: its sequences, and what is not one. */
    private record Case(
            int version, int b, int l, int h, int n, Tensor[] sequences, Tensor u, Tensor constantW, Tensor s0) {
        static Case of(int version, int b, int l, int h, int n, boolean start, Random rnd) {
            Tensor[] q = new Tensor[version == 7 ? 6 : 4];
            for (int i = 0; i < q.length; i++) {
                q[i] = fill(Tensor.zeros(DType.F32, b, l, h, n), () -> 0.7f * (float) rnd.nextGaussian());
            }
            int decay = version == 7 ? 1 : 3;
            q[decay] = fill(Tensor.zeros(DType.F32, b, l, h, n), rnd::nextFloat);
            if (version
                    == 7) { // a rotation of a unit key and a share of it, as the model has it: the state stays bounded
                float scale = 1 / (float) Math.sqrt(n);
                fill(q[4], () -> -scale * (rnd.nextFloat() - 0.5f));
                fill(q[5], () -> scale * (rnd.nextFloat() - 0.5f));
            }
            return new Case(
                    version,
                    b,
                    l,
                    h,
                    n,
                    q,
                    normal(rnd, h, n),
                    fill(Tensor.zeros(DType.F32, h, n), rnd::nextFloat),
                    start ? normal(rnd, b, h, n, n) : null);
        }

        Case cut(int from, int to, Tensor state) {
            Tensor[] q = Arrays.stream(sequences).map(t -> t.slice(1, from, to)).toArray(Tensor[]::new);
            return new Case(version, b, to - from, h, n, q, u, constantW, state);
        }

        private Tensor w() {
            return version == 5 ? constantW : sequences[3];
        }

        /** y and the last state. */
        Tensor[] forward() {
            Tensor[] q = sequences;
            if (version == 7) {
                Wkv7.Result r = WKV7.forward(q[0], q[1], q[2], q[3], q[4], q[5], s0 == null ? null : Wkv7State.of(s0));
                return new Tensor[] {r.y(), r.last().toTensor()};
            }
            Wkv6.Result r = WKV6.forward(q[0], q[1], q[2], w(), u, s0);
            return new Tensor[] {r.y(), r.s()};
        }

        /** Gradients in the order of {@link #inputs}, that of the state last. */
        Tensor[] backward(Tensor gy, Tensor gs) {
            Tensor[] q = sequences;
            if (version == 7) {
                Wkv7.Gradients g =
                        WKV7.backward(q[0], q[1], q[2], q[3], q[4], q[5], s0 == null ? null : Wkv7State.of(s0), gy, gs);
                return new Tensor[] {g.r(), g.w(), g.k(), g.v(), g.a(), g.b(), g.s0()};
            }
            Wkv6.Gradients g = WKV6.backward(q[0], q[1], q[2], w(), u, s0, gy, gs);
            return new Tensor[] {g.r(), g.k(), g.v(), g.w(), g.u(), g.s0()};
        }

        Tensor[] inputs() {
            Tensor[] q = sequences;
            return version == 7
                    ? new Tensor[] {q[0], q[1], q[2], q[3], q[4], q[5], s0}
                    : new Tensor[] {q[0], q[1], q[2], w(), u, s0};
        }

        /** y and the last state in float64, by the definition. */
        double[][] reference() {
            double[] y = new double[b * l * h * n];
            double[] last = new double[b * h * n * n];
            double[][] q = Arrays.stream(sequences).map(Trial::doubles).toArray(double[][]::new);
            double[] us = Trial.doubles(u);
            double[] ws = Trial.doubles(constantW);
            double[] start = Trial.doubles(s0);
            for (int i = 0; i < b * h; i++) {
                double[][] s = new double[n][n];
                for (int p = 0; p < n && s0 != null; p++) {
                    System.arraycopy(start, (i * n + p) * n, s[p], 0, n);
                }
                int head = i % h;
                for (int t = 0; t < l; t++) {
                    int at = ((i / h * l + t) * h + head) * n;
                    if (version == 7) {
                        step7(s, q, at, y);
                    } else {
                        step6(s, q, at, y, us, head * n, version == 5 ? ws : q[3], version == 5 ? head * n : at);
                    }
                }
                for (int p = 0; p < n; p++) {
                    System.arraycopy(s[p], 0, last, (i * n + p) * n, n);
                }
            }
            return new double[][] {y, last};
        }

        private void step6(
                double[][] s, double[][] q, int at, double[] y, double[] us, int head, double[] ws, int wAt) {
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    double kv = q[1][at + i] * q[2][at + j];
                    y[at + j] += q[0][at + i] * (s[i][j] + us[head + i] * kv);
                    s[i][j] = ws[wAt + i] * s[i][j] + kv;
                }
            }
        }

        private void step7(double[][] s, double[][] q, int at, double[] y) {
            for (int i = 0; i < n; i++) {
                double sa = 0;
                for (int j = 0; j < n; j++) {
                    sa += s[i][j] * q[4][at + j];
                }
                for (int j = 0; j < n; j++) {
                    s[i][j] = s[i][j] * q[1][at + j] + sa * q[5][at + j] + q[3][at + i] * q[2][at + j];
                    y[at + i] += s[i][j] * q[0][at + j];
                }
            }
        }
    }

    private static int version(int i) {
        return 5 + i;
    }

    @Property(tries = 40)
    void agreesWithTheDefinition(
            @ForAll @IntRange(max = 2) int kind,
            @ForAll @IntRange(max = 2) int b,
            @ForAll @IntRange(max = 70) int l,
            @ForAll @IntRange(min = 1, max = 3) int h,
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll boolean start,
            @ForAll long seed) {
        check(Case.of(version(kind), b, l, h, n, start, new Random(seed)));
    }

    @Test
    void wideHeads() {
        for (int kind = 0; kind < 3; kind++) {
            check(Case.of(version(kind), 1, 37, 2, 64, true, new Random(1)));
            check(Case.of(version(kind), 1, 5, 1, 81, true, new Random(2)));
        }
    }

    private static void check(Case c) {
        float[][] got = everywhere(c::forward);
        double[][] want = c.reference();
        assertClose(want[0], got[0], 1e-5, 1e-5 * c.n, "y");
        assertClose(want[1], got[1], 1e-5, 2e-5, "s");
    }

    @Property(tries = 20)
    void anyCutHasTheSameBits(
            @ForAll @IntRange(max = 2) int kind,
            @ForAll @IntRange(min = 1, max = 45) int l,
            @ForAll @IntRange(min = 1, max = 20) int n,
            @ForAll boolean start,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Case c = Case.of(version(kind), 2, l, 2, n, start, rnd);
        int cut = rnd.nextInt(l + 1);
        everywhere(() -> {
            Tensor[] whole = c.forward();
            Tensor[] first = c.cut(0, cut, c.s0).forward();
            Tensor[] second = c.cut(cut, l, first[1]).forward();
            assertSameBits(whole[0].slice(1, 0, cut).toFloatArray(), first[0].toFloatArray(), "first part");
            assertSameBits(whole[0].slice(1, cut, l).toFloatArray(), second[0].toFloatArray(), "second part");
            assertSameBits(whole[1].toFloatArray(), second[1].toFloatArray(), "state");
            Tensor state = c.s0;
            for (int t = 0; t < l; t++) {
                Tensor[] step = c.cut(t, t + 1, state).forward();
                assertSameBits(whole[0].slice(1, t, t + 1).toFloatArray(), step[0].toFloatArray(), "step " + t);
                state = step[1];
            }
            return whole;
        });
    }

    @Property(tries = 15)
    void gradientsAreSlopes(
            @ForAll @IntRange(max = 2) int kind,
            @ForAll @IntRange(min = 1, max = 70) int l,
            @ForAll @IntRange(min = 1, max = 19) int n,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Case c = Case.of(version(kind), 2, l, 2, n, true, rnd);
        Tensor gy = normal(rnd, 2, l, 2, n);
        Tensor gs = normal(rnd, 2, 2, n, n);
        float[][] got = everywhere(() -> c.backward(gy, gs));
        Tensor[] inputs = c.inputs();
        for (int i = 0; i < inputs.length; i++) {
            Tensor t = inputs[i];
            for (int again = 0; again < 3; again++) {
                long[] at = new long[t.rank()];
                int flat = 0;
                for (int axis = 0; axis < at.length; axis++) {
                    at[axis] = rnd.nextInt((int) t.dim(axis));
                    flat = flat * (int) t.dim(axis) + (int) at[axis];
                }
                float value = t.getFloat(at);
                // the state is a polynomial of degree l in the decay: a wide step would measure its curvature
                float step = 1 / 16384f;
                t.setFloat(value + step, at);
                double up = loss(c, gy, gs);
                double x = t.getFloat(at);
                t.setFloat(value - step, at);
                double slope = (up - loss(c, gy, gs)) / (x - t.getFloat(at));
                t.setFloat(value, at);
                assertEquals(slope, got[i][flat], 1e-2 + 5e-3 * Math.abs(slope), "input " + i);
            }
        }
    }

    private static double loss(Case c, Tensor gy, Tensor gs) {
        double[][] r = c.reference();
        double[] a = Trial.doubles(gy);
        double[] b = Trial.doubles(gs);
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * r[0][i];
        }
        for (int i = 0; i < b.length; i++) {
            sum += b[i] * r[1][i];
        }
        return sum;
    }

    @Test
    void noStepsLeaveTheStateAsItIs() {
        for (int kind = 0; kind < 3; kind++) {
            Case c = Case.of(version(kind), 2, 0, 3, 9, true, new Random(3));
            assertSameBits(c.s0.toFloatArray(), c.forward()[1].toFloatArray(), "state");
            Tensor gs = normal(new Random(4), 2, 3, 9, 9);
            Tensor[] g = c.backward(null, gs);
            assertSameBits(gs.toFloatArray(), g[g.length - 1].toFloatArray(), "its gradient");
        }
    }

    @Test
    void viewsServe() {
        for (int kind = 0; kind < 3; kind++) {
            Case c = Case.of(version(kind), 2, 35, 2, 12, true, new Random(5));
            Tensor[] wide = Arrays.stream(c.sequences).map(Trial::spread).toArray(Tensor[]::new);
            Case views = new Case(c.version, 2, 35, 2, 12, wide, c.u, c.constantW, c.s0);
            Tensor gy = normal(new Random(6), 2, 35, 2, 12);
            everywhere(() -> {
                assertSameBits(c.forward()[0].toFloatArray(), views.forward()[0].toFloatArray(), "y");
                Tensor[] a = c.backward(gy, null);
                Tensor[] b = views.backward(Trial.spread(gy), null);
                for (int i = 0; i < a.length; i++) {
                    assertSameBits(a[i].toFloatArray(), b[i].toFloatArray(), "gradient " + i);
                }
                return a;
            });
        }
    }

    @Test
    void refusesBadArguments() {
        Tensor x = Tensor.zeros(DType.F32, 1, 2, 3, 4);
        Tensor u = Tensor.zeros(DType.F32, 3, 4);
        Tensor s = Tensor.zeros(DType.F32, 1, 3, 4, 5);
        assertThrows(IllegalArgumentException.class, () -> WKV6.forward(u, x, x, x, u, null));
        assertThrows(IllegalArgumentException.class, () -> WKV6.forward(x, x, x, s, u, null));
        assertThrows(IllegalArgumentException.class, () -> WKV6.forward(x, x, x, x, u, s));
        assertThrows(IllegalArgumentException.class, () -> WKV6.backward(x, x, x, x, u, null, u, null));
        assertThrows(IllegalArgumentException.class, () -> WKV7.forward(x, x, x, x, x, u, null));
        assertThrows(IllegalArgumentException.class, () -> WKV7.forward(x, x, x, x, x, x, Wkv7State.empty(1, 3, 5)));
        assertThrows(IllegalArgumentException.class, () -> Wkv7State.of(s));
        assertThrows(IllegalArgumentException.class, () -> WKV7.backward(x, x, x, x, x, x, null, null, s));
    }
}
