package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.SelectiveScanBidir.Direction;
import dev.heddle.op.SelectiveScanBidir.Gradients;
import dev.heddle.op.SelectiveScanBidir.Inputs;
import dev.heddle.reference.Derivative;
import dev.heddle.reference.SelectiveScan64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SelectiveScanBidirTest {
    private static Inputs random(Sample s, int channels, int states, boolean optional, boolean gated, long seed) {
        Random r = new Random(seed);
        long[] shape = {s.batch(), s.steps(), channels};
        return new Inputs(
                Trial.spread(Trial.normal(r, shape)),
                direction(r, s, channels, states, optional),
                direction(r, s, channels, states, optional),
                gated ? Trial.normal(r, shape) : null,
                s.pointers());
    }

    private static Direction direction(Random r, Sample s, int channels, int states, boolean optional) {
        return new Direction(
                Trial.normal(r, s.batch(), s.steps(), channels),
                Trial.fill(Tensor.zeros(DType.F32, channels, states), () -> -r.nextFloat()),
                Trial.normal(r, s.batch(), s.steps(), states),
                r.nextBoolean() ? Trial.normal(r, channels, states) : Trial.normal(r, s.batch(), s.steps(), states),
                optional ? Trial.normal(r, channels) : null,
                optional ? Trial.normal(r, channels) : null);
    }

    private static SelectiveScan64.Inputs doubles(Inputs in, Direction d) {
        return new SelectiveScan64.Inputs(
                Trial.doubles(in.u()),
                Trial.doubles(d.delta()),
                Trial.doubles(d.a()),
                Trial.doubles(d.b()),
                Trial.doubles(d.c()),
                Trial.doubles(d.d()),
                new double[0],
                Trial.doubles(d.deltaBias()),
                new double[0]);
    }

    private static double[] scan(Sample s, Direction d, SelectiveScan64.Inputs in, boolean reverse) {
        int channels = (int) d.a().dim(0);
        int states = (int) d.a().dim(1);
        return SelectiveScan64.forward(
                        new SelectiveScan64.Shape(
                                s.bounds(), channels, states, 1, d.c().rank() == 2 ? 0 : 1, true, reverse),
                        in)
                .y();
    }

    private static double[] reference(
            Sample s, Inputs in, SelectiveScan64.Inputs ahead, SelectiveScan64.Inputs back, double[] z) {
        double[] y = scan(s, in.ahead(), ahead, false);
        double[] other = scan(s, in.back(), back, true);
        for (int i = 0; i < y.length; i++) {
            y[i] = (y[i] + other[i]) * (z.length == 0 ? 1 : z[i] / (1 + Math.exp(-z[i])));
        }
        return y;
    }

    @Property(tries = 20)
    void equalsTheReferenceWithItsGradients(
            @ForAll boolean packed, @ForAll boolean optional, @ForAll boolean gated, @ForAll long seed) {
        Random r = new Random(seed);
        Sample s = Sample.random(r, 2, r.nextInt(40), packed);
        Inputs in = random(s, r.nextInt(1, 20), r.nextInt(1, 6), optional, gated, seed);
        Tensor gy = Trial.normal(r, s.batch(), s.steps(), in.u().dim(2));
        SelectiveScanBidir op = SelectiveScanBidir.builder().deltaSoftplus(true).build();
        float[][] out = Trial.everywhere(() -> {
            Gradients g = op.backward(in, gy);
            return new Tensor[] {
                op.forward(in),
                g.u(),
                g.z(),
                g.ahead().delta(),
                g.back().delta(),
                g.ahead().a(),
                g.back().a(),
                g.back().b(),
                g.ahead().c(),
                g.back().d(),
                g.ahead().deltaBias()
            };
        });
        SelectiveScan64.Inputs ahead = doubles(in, in.ahead());
        SelectiveScan64.Inputs back = doubles(in, in.back());
        double[] z = Trial.doubles(in.z());
        Trial.assertClose(reference(s, in, ahead, back, z), out[0], 2e-5, 1e-4, "y");
        double[] cotangent = Trial.doubles(gy);
        ToDoubleFunction<double[]> loss = _ -> Derivative.dot(reference(s, in, ahead, back, z), cotangent);
        close(Derivative.of(loss, z), out[2], "z");
        close(Derivative.of(loss, back.delta()), out[4], "delta_b");
        close(Derivative.of(loss, back.a()), out[6], "A_b");
        close(Derivative.of(loss, ahead.c()), out[8], "C");
        close(Derivative.of(loss, back.d()), out[9], "D_b");
        double[] u = ahead.u();
        close(
                Derivative.of(
                        _ -> {
                            System.arraycopy(u, 0, back.u(), 0, u.length);
                            return loss.applyAsDouble(u);
                        },
                        u),
                out[1],
                "u");
    }

    private static void close(double[] want, float @Nullable [] got, String what) {
        double size = Arrays.stream(want).map(Math::abs).max().orElse(0);
        Trial.assertClose(want, got, 2e-5, 1e-5 * (1 + size), "gradient of " + what);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Inputs in = random(new Sample(new int[] {0, 4}, false), 6, 3, true, true, 1);
        Direction bad = new Direction(
                in.back().delta(), in.back().b(), in.back().b(), in.back().c(), null, null);
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> SelectiveScanBidir.builder().build().forward(new Inputs(in.u(), in.ahead(), bad, null, null)));
        assertTrue(e.getMessage().startsWith("A_b: "), e.getMessage());
    }
}
