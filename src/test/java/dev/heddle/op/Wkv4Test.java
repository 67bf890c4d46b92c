package dev.heddle.op;

import static dev.heddle.op.Trial.assertClose;
import static dev.heddle.op.Trial.doubles;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.fill;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.reference.Wkv464;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class Wkv4Test {
    private static final Wkv4 OP = Wkv4.builder().build();

    /** One random call. */
    private record Case(Tensor k, Tensor v, Tensor w, Tensor u, Wkv4State initial) {
        static Case of(Random rnd, int b, int l, int c, boolean state) {
            Wkv4State initial = state
                    ? Wkv4State.of(
                            normal(rnd, b, c),
                            fill(Tensor.zeros(DType.F32, b, c), () -> 0.5f + rnd.nextFloat()),
                            normal(rnd, b, c))
                    : null;
            return new Case(
                    normal(rnd, b, l, c),
                    normal(rnd, b, l, c),
                    fill(Tensor.zeros(DType.F32, c), () -> -3 * rnd.nextFloat()),
                    normal(rnd, c),
                    initial);
        }

        Wkv4.Result forward() {
            return OP.forward(k, v, w, u, initial);
        }

        /** The results by the definition. */
        double[] reference() {
            int b = (int) k.dim(0);
            int l = (int) k.dim(1);
            int c = (int) k.dim(2);
            double[] y = new double[b * l * c];
            for (int i = 0; i < b; i++) {
                for (int j = 0; j < c; j++) {
                    double[] s = initial == null
                            ? new double[] {0, 0, -1e38}
                            : new double[] {
                                initial.aa().getFloat(i, j),
                                initial.bb().getFloat(i, j),
                                initial.pp().getFloat(i, j)
                            };
                    double[] own = Wkv464.channel(
                            doubles(k.select(0, i).select(1, j)),
                            doubles(v.select(0, i).select(1, j)),
                            w.getFloat(j),
                            u.getFloat(j),
                            s);
                    for (int t = 0; t < l; t++) {
                        y[(i * l + t) * c + j] = own[t];
                    }
                }
            }
            return y;
        }
    }

    @Property(tries = 25)
    void agreesWithTheDefinition(
            @ForAll @IntRange(max = 3) int b,
            @ForAll @IntRange(max = 70) int l,
            @ForAll @IntRange(max = 40) int c,
            @ForAll boolean state,
            @ForAll long seed) {
        Case x = Case.of(new Random(seed), b, l, c, state);
        float[][] got = everywhere(() -> {
            Wkv4.Result r = x.forward();
            return new Tensor[] {r.y(), r.last().aa(), r.last().bb(), r.last().pp()};
        });
        assertClose(x.reference(), got[0], 1e-5, 1e-5, "y");
    }

    @Property(tries = 15)
    void anyCutAndEveryStepHaveTheSameBits(
            @ForAll @IntRange(min = 1, max = 2) int b,
            @ForAll @IntRange(min = 1, max = 40) int l,
            @ForAll @IntRange(min = 1, max = 150) int c,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Case x = Case.of(rnd, b, l, c, rnd.nextBoolean());
        everywhere(() -> {
            Wkv4.Result whole = x.forward();
            int cut = rnd.nextInt(l + 1);
            Wkv4.Result first = OP.forward(x.k.slice(1, 0, cut), x.v.slice(1, 0, cut), x.w, x.u, x.initial);
            Wkv4.Result second = OP.forward(x.k.slice(1, cut, l), x.v.slice(1, cut, l), x.w, x.u, first.last());
            same(whole.y().slice(1, 0, cut), first.y());
            same(whole.y().slice(1, cut, l), second.y());
            same(whole.last().planes(), second.last().planes());
            Wkv4State stream = x.initial == null ? Wkv4State.empty(b, c) : x.initial.copy();
            for (int t = 0; t < l; t++) {
                same(whole.y().select(1, t), OP.step(stream, x.k.select(1, t), x.v.select(1, t), x.w, x.u));
            }
            same(whole.last().planes(), stream.planes());
            return new Tensor[] {whole.y()};
        });
    }

    private static void same(Tensor a, Tensor b) {
        Trial.assertSameBits(a.toFloatArray(), b.toFloatArray(), "parts");
    }

    @Property(tries = 12)
    void gradientsAreSlopes(
            @ForAll @IntRange(min = 1, max = 2) int b,
            @ForAll @IntRange(min = 1, max = 70) int l,
            @ForAll @IntRange(min = 1, max = 9) int c,
            @ForAll boolean state,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Case x = Case.of(rnd, b, l, c, state);
        Tensor gy = normal(rnd, b, l, c);
        Tensor[] inputs = state
                ? new Tensor[] {x.k, x.v, x.w, x.u, x.initial.aa(), x.initial.bb(), x.initial.pp()}
                : new Tensor[] {x.k, x.v, x.w, x.u};
        float[][] got = everywhere(() -> {
            Wkv4.Gradients g = OP.backward(x.k, x.v, x.w, x.u, x.initial, gy);
            return state
                    ? new Tensor[] {g.k(), g.v(), g.w(), g.u(), g.aa(), g.bb(), g.pp()}
                    : new Tensor[] {g.k(), g.v(), g.w(), g.u()};
        });
        double[] weights = doubles(gy);
        for (int i = 0; i < inputs.length; i++) {
            Tensor t = inputs[i];
            long[] at = new long[t.rank()];
            int flat = 0;
            for (int axis = 0; axis < at.length; axis++) {
                at[axis] = rnd.nextInt((int) t.dim(axis));
                flat = flat * (int) t.dim(axis) + (int) at[axis];
            }
            float value = t.getFloat(at);
            float h = 1 / 256f;
            t.setFloat(value + h, at);
            double up = loss(x, weights);
            double upAt = t.getFloat(at);
            t.setFloat(value - h, at);
            double slope = (up - loss(x, weights)) / (upAt - t.getFloat(at));
            t.setFloat(value, at);
            assertEquals(slope, got[i][flat], 2e-3 + 2e-3 * Math.abs(slope), "input " + i);
        }
    }

    private static double loss(Case x, double[] weights) {
        double[] y = x.reference();
        double sum = 0;
        for (int i = 0; i < y.length; i++) {
            sum += weights[i] * y[i];
        }
        return sum;
    }

    /** The final sums, whose cotangents come in at a fixed maximum, are what one more step would see. */
    @Property(tries = 8)
    void gradientsOfACutAreThoseOfTheWhole(
            @ForAll @IntRange(min = 2, max = 70) int l, @ForAll @IntRange(min = 1, max = 20) int c, @ForAll long seed) {
        Random rnd = new Random(seed);
        Case x = Case.of(rnd, 2, l, c, true);
        Tensor gy = normal(rnd, 2, l, c);
        int cut = rnd.nextInt(l + 1);
        float[][] got = everywhere(() -> {
            Wkv4.Gradients whole = OP.backward(x.k, x.v, x.w, x.u, x.initial, gy);
            Tensor k1 = x.k.slice(1, 0, cut);
            Tensor v1 = x.v.slice(1, 0, cut);
            Wkv4State middle = OP.forward(k1, v1, x.w, x.u, x.initial).last();
            Wkv4.Gradients second =
                    OP.backward(x.k.slice(1, cut, l), x.v.slice(1, cut, l), x.w, x.u, middle, gy.slice(1, cut, l));
            Wkv4.Gradients first =
                    OP.backward(k1, v1, x.w, x.u, x.initial, gy.slice(1, 0, cut), second.aa(), second.bb());
            return new Tensor[] {
                whole.k().slice(1, 0, cut),
                first.k(),
                whole.v().slice(1, 0, cut),
                first.v(),
                whole.aa(),
                first.aa(),
                whole.bb(),
                first.bb(),
                whole.pp(),
                first.pp()
            };
        });
        for (int i = 0; i < got.length; i += 2) {
            double[] want = new double[got[i].length];
            Arrays.setAll(want, widen(got[i]));
            assertClose(want, got[i + 1], 1e-4, 1e-5, "gradient " + i / 2);
        }
    }

    private static IntToDoubleFunction widen(float[] v) {
        return i -> v[i];
    }

    @Test
    void extremesStayFinite() {
        Random rnd = new Random(5);
        Tensor k = fill(Tensor.zeros(DType.F32, 2, 50, 33), () -> 2000 * rnd.nextFloat() - 1000);
        Tensor v = normal(rnd, 2, 50, 33);
        Tensor w = fill(Tensor.zeros(DType.F32, 33), () -> -200 * rnd.nextFloat());
        Tensor u = fill(Tensor.zeros(DType.F32, 33), () -> 120 * rnd.nextFloat() - 60);
        Tensor gy = normal(rnd, 2, 50, 33);
        float[][] got = everywhere(() -> {
            Wkv4.Gradients g = OP.backward(k, v, w, u, null, gy);
            return new Tensor[] {OP.forward(k, v, w, u, null).y(), g.k(), g.v(), g.w(), g.u()};
        });
        for (float[] out : got) {
            for (float f : out) {
                assertTrue(Float.isFinite(f));
            }
        }
    }

    /** Whatever the sums of an empty state hold, and however its emptiness is written. */
    @Test
    void emptyStatesAreEmpty() {
        Random rnd = new Random(7);
        Case x = Case.of(rnd, 1, 40, 20, false);
        Tensor gy = normal(rnd, 1, 40, 20);
        for (float pp : new float[] {-1e30f, -1e38f, Float.NEGATIVE_INFINITY}) {
            Wkv4State odd = Wkv4State.of(
                    Tensor.zeros(DType.F32, 1, 20).fill(Float.NaN),
                    Tensor.zeros(DType.F32, 1, 20).fill(3),
                    Tensor.zeros(DType.F32, 1, 20).fill(pp));
            everywhere(() -> {
                Wkv4.Result a = x.forward();
                Wkv4.Result b = OP.forward(x.k, x.v, x.w, x.u, odd);
                same(a.y(), b.y());
                same(a.last().planes(), b.last().planes());
                Wkv4.Gradients g = OP.backward(x.k, x.v, x.w, x.u, odd, gy);
                same(OP.backward(x.k, x.v, x.w, x.u, null, gy).k(), g.k());
                assertClose(new double[20], g.aa().toFloatArray(), 0, 0, "gradient of aa");
                assertClose(new double[20], g.pp().toFloatArray(), 0, 0, "gradient of pp");
                return new Tensor[] {b.y()};
            });
        }
    }

    @Test
    void aNanStaysInItsChannelAndInWhatFollows() {
        Case x = Case.of(new Random(9), 1, 10, 17, false);
        x.k.setFloat(Float.NaN, 0, 3, 4);
        float[][] got = everywhere(() -> {
            Wkv4.Result r = x.forward();
            return new Tensor[] {r.y(), r.last().aa(), r.last().bb(), r.last().pp()};
        });
        for (int t = 0; t < 10; t++) {
            for (int c = 0; c < 17; c++) {
                assertEquals(c == 4 && t >= 3, Float.isNaN(got[0][17 * t + c]));
            }
        }
        for (int i = 1; i < 4; i++) {
            for (int c = 0; c < 17; c++) {
                assertEquals(c == 4, Float.isNaN(got[i][c]));
            }
        }
    }

    @Test
    void noStepsLeaveTheStateAsItIs() {
        Case x = Case.of(new Random(3), 2, 0, 5, true);
        same(x.initial.planes(), x.forward().last().planes());
        Tensor ga = normal(new Random(4), 2, 5);
        Wkv4.Gradients g = OP.backward(x.k, x.v, x.w, x.u, x.initial, null, ga, null);
        same(ga, g.aa());
        assertClose(new double[5], g.w().toFloatArray(), 0, 0, "gradient of w");
    }

    @Test
    void viewsServeAndOutputsMayBeChosen() {
        Case x = Case.of(new Random(11), 2, 35, 21, true);
        Tensor gy = normal(new Random(12), 2, 35, 21);
        everywhere(() -> {
            Tensor k = Trial.spread(x.k);
            Tensor v = Trial.spread(x.v);
            Tensor y = Trial.spread(x.v);
            Wkv4State last = x.initial.copy();
            OP.forward(k, v, x.w, x.u, last, y, last);
            same(x.forward().y(), y);
            same(x.forward().last().planes(), last.planes());
            Tensor gk = Tensor.zeros(DType.F32, 2, 35, 21);
            try (var scratch = new Workspace()) {
                OP.backward(
                        k,
                        v,
                        x.w,
                        x.u,
                        x.initial,
                        Trial.spread(gy),
                        null,
                        null,
                        new Wkv4.Gradients(gk, null, null, null, null, null, null),
                        scratch);
            }
            same(OP.backward(x.k, x.v, x.w, x.u, x.initial, gy).k(), gk);
            return new Tensor[] {y, gk};
        });
    }

    /** The state neither grows nor drifts: a million tokens in calls of 1000 and in calls of 250. */
    @Test
    void aMillionTokens() {
        Case x = Case.of(new Random(13), 1, 1000, 16, false);
        Wkv4State[] states = {Wkv4State.empty(1, 16), Wkv4State.empty(1, 16)};
        Tensor y = Tensor.zeros(DType.F32, 1, 1000, 16);
        for (int i = 0; i < 1000; i++) {
            OP.forward(x.k, x.v, x.w, x.u, states[0], y, states[0]);
            for (int from = 0; from < 1000; from += 250) {
                OP.forward(
                        x.k.slice(1, from, from + 250),
                        x.v.slice(1, from, from + 250),
                        x.w,
                        x.u,
                        states[1],
                        y.slice(1, from, from + 250),
                        states[1]);
            }
        }
        same(states[0].planes(), states[1].planes());
        for (float f : y.toFloatArray()) {
            assertTrue(Math.abs(f) < 5, "a mean of values, " + f);
        }
    }

    @Test
    void refusesBadArguments() {
        Case x = Case.of(new Random(1), 2, 3, 4, true);
        Wkv4State small = Wkv4State.empty(2, 3);
        Tensor flat = Tensor.zeros(DType.F32, 3, 4);
        assertThrows(IllegalArgumentException.class, () -> OP.forward(flat, x.v, x.w, x.u, null));
        assertThrows(IllegalArgumentException.class, () -> OP.forward(x.k, x.v, x.w, flat, null));
        assertThrows(IllegalArgumentException.class, () -> OP.forward(x.k, x.v, x.w, x.u, small));
        assertThrows(IllegalArgumentException.class, () -> OP.forward(x.k, x.v, x.w, x.u, null, x.k, x.initial.copy()));
        assertThrows(IllegalArgumentException.class, () -> OP.backward(x.k, x.v, x.w, x.u, null, flat));
        assertThrows(IllegalArgumentException.class, () -> OP.step(small, flat, flat, x.w, x.u));
        assertThrows(IllegalArgumentException.class, () -> Wkv4State.of(flat, flat, x.w));
    }
}
