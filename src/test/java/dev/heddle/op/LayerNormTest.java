package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.reference.Rows64;
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

class LayerNormTest {
    private static final LayerNorm OP = LayerNorm.builder().build();

    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.oneOf(
                Arbitraries.of(0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 128),
                Arbitraries.integers().between(0, 150));
    }

    @Property(tries = 50)
    void equalsTheReferenceEverywhere(
            @ForAll("columns") int columns,
            @ForAll boolean view,
            @ForAll boolean weighted,
            @ForAll boolean biased,
            @ForAll long seed) {
        Random r = new Random(seed);
        int rows = r.nextInt(5);
        Tensor x = Trial.normal(r, rows, columns);
        Tensor w = weighted ? Trial.normal(r, columns) : null;
        Tensor b = biased ? Trial.normal(r, columns) : null;
        Tensor g = Trial.normal(r, rows, columns);
        Tensor in = view ? Trial.spread(x) : x;
        Tensor gy = view ? Trial.spread(g) : g;
        float[][] out = Trial.everywhere(() -> {
            LayerNorm.Gradients d = OP.backward(in, w, gy, true, true, true);
            return new Tensor[] {OP.forward(in, w, b), d.x(), d.weight(), d.bias()};
        });
        double[] ww = weighted ? Trial.doubles(w) : ones(columns);
        double[] bb = biased ? Trial.doubles(b) : new double[columns];
        double[] xs = Trial.doubles(x);
        double[] gs = Trial.doubles(g);
        Trial.assertClose(forward(xs, ww, bb), out[0], 1e-5, 1e-5, "y");
        if (columns > 1) {
            Trial.assertClose(
                    Rows64.gradient(v -> Rows64.dot(forward(v, ww, bb), gs), xs), out[1], 1e-3, 1e-3, "gradient of x");
        }
        Trial.assertClose(
                Rows64.gradient(v -> Rows64.dot(forward(xs, v, bb), gs), ww), out[2], 1e-4, 1e-4, "of weight");
        Trial.assertClose(Rows64.gradient(v -> Rows64.dot(forward(xs, ww, v), gs), bb), out[3], 1e-4, 1e-4, "of bias");
    }

    private static double[] forward(double[] x, double[] w, double[] b) {
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int c = i % w.length;
            if (c == 0) {
                System.arraycopy(
                        Rows64.normalised(Arrays.copyOfRange(x, i, i + w.length), true, 1e-5f), 0, y, i, w.length);
            }
            y[i] = y[i] * w[c] + b[c];
        }
        return y;
    }

    private static double[] ones(int n) {
        double[] ones = new double[n];
        Arrays.fill(ones, 1);
        return ones;
    }

    /** Many blocks of rows, whose parts of the parameters' gradients are folded. */
    @Test
    void gradientsOfParametersOverManyRows() {
        Random r = new Random(3);
        Tensor x = Trial.normal(r, 5000, 70);
        Tensor g = Trial.normal(r, 5000, 70);
        float[][] out = Trial.everywhere(() -> {
            LayerNorm.Gradients d = OP.backward(x, null, g, false, true, true);
            return new Tensor[] {d.weight(), d.bias()};
        });
        double[] n = forward(Trial.doubles(x), ones(70), new double[70]);
        double[] gs = Trial.doubles(g);
        double[] gw = new double[70];
        double[] gb = new double[70];
        for (int i = 0; i < gs.length; i++) {
            gw[i % 70] += gs[i] * n[i];
            gb[i % 70] += gs[i];
        }
        Trial.assertClose(gw, out[0], 1e-5, 1e-4, "gradient of weight");
        Trial.assertClose(gb, out[1], 1e-5, 1e-4, "gradient of bias");
    }

    @Test
    void accumulatesAndComputesOnlyWhatIsAskedFor() {
        Random r = new Random(4);
        Tensor x = Trial.normal(r, 3, 4, 30);
        Tensor g = Trial.normal(r, 3, 4, 30);
        Tensor w = Trial.normal(r, 30);
        LayerNorm.Gradients fresh = OP.backward(x, w, g, true, true, false);
        assertEquals(null, fresh.bias());
        Tensor gx = Tensor.zeros(DType.F32, 3, 4, 30).fill(1);
        Tensor gw = Tensor.zeros(DType.F32, 30).fill(2);
        try (Workspace scratch = new Workspace()) {
            OP.backward(x, w, g, gx, gw, null, true, scratch);
        }
        Trial.assertClose(plus(fresh.x(), 1), gx.toFloatArray(), 1e-6, 1e-6, "gradient of x");
        Trial.assertClose(plus(fresh.weight(), 2), gw.toFloatArray(), 1e-6, 1e-6, "gradient of weight");
    }

    private static double[] plus(Tensor t, double v) {
        return Arrays.stream(Trial.doubles(t)).map(d -> d + v).toArray();
    }

    @Test
    void largeMeanAndNan() {
        Random r = new Random(5);
        Tensor x = Trial.fill(Tensor.zeros(DType.F32, 4, 96), () -> 1000 + (float) r.nextGaussian());
        x.setFloat(Float.NaN, 2, 5);
        float[][] out = Trial.everywhere(() -> new Tensor[] {OP.forward(x, null, null)});
        double[] want = forward(Trial.doubles(x), ones(96), new double[96]);
        Trial.assertClose(want, out[0], 1e-5, 2e-4, "y");
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor x = Tensor.zeros(DType.F32, 3, 4);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> OP.forward(x, Tensor.zeros(DType.F32, 5), null));
        assertEquals("weight: shape [5], must be [4]", e.getMessage());
        try (Workspace scratch = new Workspace()) {
            e = assertThrows(IllegalArgumentException.class, () -> OP.forward(x, null, null, x, scratch));
            assertEquals("y: shape [3, 4], overlaps x of shape [3, 4]", e.getMessage());
        }
    }
}
