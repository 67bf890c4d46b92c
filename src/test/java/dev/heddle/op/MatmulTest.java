package dev.heddle.op;

import static dev.heddle.reference.Matmul64.product;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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

class MatmulTest {
    private record Problem(int m, int n, int k, boolean ta, boolean tb, Tensor a, Tensor b, Tensor bias, Tensor g) {
        static Problem random(int m, int n, int k, boolean ta, boolean tb, boolean views, long seed) {
            Random r = new Random(seed);
            Tensor a = ta ? Trial.normal(r, k, m) : Trial.normal(r, m, k);
            Tensor b = tb ? Trial.normal(r, n, k) : Trial.normal(r, k, n);
            Tensor g = Trial.normal(r, m, n);
            return new Problem(
                    m,
                    n,
                    k,
                    ta,
                    tb,
                    views ? Trial.spread(a) : a,
                    views ? Trial.spread(b) : b,
                    Trial.normal(r, n),
                    views ? Trial.spread(g) : g);
        }

        Matmul op() {
            return Matmul.builder().transposeA(ta).transposeB(tb).build();
        }
    }

    @Provide
    Arbitrary<Integer> extents() {
        return Arbitraries.oneOf(
                Arbitraries.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 130),
                Arbitraries.integers().between(0, 80));
    }

    @Provide
    Arbitrary<Integer> depths() {
        return Arbitraries.of(0, 1, 2, 3, 7, 16, 33, 255, 256, 257, 600);
    }

    @Property(tries = 60)
    void equalsTheReferenceEverywhere(
            @ForAll("extents") int m,
            @ForAll("extents") int n,
            @ForAll("depths") int k,
            @ForAll boolean ta,
            @ForAll boolean tb,
            @ForAll boolean views,
            @ForAll long seed) {
        Problem p = Problem.random(m, n, k, ta, tb, views, seed);
        double[] a = Trial.doubles(p.a);
        double[] b = Trial.doubles(p.b);
        double[] g = Trial.doubles(p.g);
        float[][] out = Trial.everywhere(() -> {
            Matmul.Gradients d = p.op().backward(p.a, p.b, p.g, true, true, true);
            return new Tensor[] {p.op().forward(p.a, p.b), p.op().forward(p.a, p.b, p.bias), d.a(), d.b(), d.bias()};
        });
        double[] y = product(a, ta, b, tb, m, n, k);
        Trial.assertClose(y, out[0], 1e-5, 2e-6 * (k + 1), "y");
        double[] biased = y.clone();
        double[] ones = new double[m];
        Arrays.fill(ones, 1);
        double[] bias = Trial.doubles(p.bias);
        for (int i = 0; i < biased.length; i++) {
            biased[i] += bias[i % n];
        }
        Trial.assertClose(biased, out[1], 1e-5, 2e-6 * (k + 1), "y with bias");
        double[] ga = ta ? product(b, tb, g, true, k, m, n) : product(g, false, b, !tb, m, k, n);
        Trial.assertClose(ga, out[2], 1e-5, 2e-6 * (n + 1), "gradient of a");
        double[] gb = tb ? product(g, true, a, ta, n, k, m) : product(a, !ta, g, false, k, n, m);
        Trial.assertClose(gb, out[3], 1e-5, 2e-6 * (m + 1), "gradient of b");
        Trial.assertClose(product(ones, false, g, false, 1, n, m), out[4], 1e-5, 2e-6 * (m + 1), "gradient of bias");
    }

    /** Batches, with a b for each or one for all, as views with gaps between rows, between matrices, or with all rows alike. */
    @Property(tries = 60)
    void batchesAreProductsOneByOne(
            @ForAll boolean ta,
            @ForAll boolean tb,
            @ForAll boolean shared,
            @ForAll boolean accumulate,
            @ForAll long seed) {
        Random r = new Random(seed);
        int batch = r.nextInt(4);
        int m = r.nextInt(1, 50);
        int n = r.nextInt(1, 80);
        int k = r.nextInt(300);
        Tensor a = view(r, ta ? Trial.normal(r, batch, k, m) : Trial.normal(r, batch, m, k));
        Tensor all = tb ? Trial.normal(r, batch, n, k) : Trial.normal(r, batch, k, n);
        Tensor b = shared ? (tb ? Trial.normal(r, n, k) : Trial.normal(r, k, n)) : view(r, all);
        Tensor g = view(r, Trial.normal(r, batch, m, n));
        Tensor bias = Trial.normal(r, n);
        Matmul op = Matmul.builder().transposeA(ta).transposeB(tb).build();
        float[][] out = Trial.everywhere(() -> {
            Tensor ga = Tensor.zeros(DType.F32, a.shape().toArray()).fill(1);
            Tensor gb = Tensor.zeros(DType.F32, b.shape().toArray()).fill(1);
            Tensor gbias = Tensor.zeros(DType.F32, n).fill(1);
            try (Workspace scratch = new Workspace()) {
                op.backward(a, b, bias, g, ga, gb, gbias, accumulate, scratch);
            }
            return new Tensor[] {op.forward(a, b, bias), ga, gb, gbias};
        });
        double[] gbWant = new double[(int) b.size()];
        double[] gbiasWant = new double[n];
        Arrays.fill(gbWant, accumulate ? 1 : 0);
        Arrays.fill(gbiasWant, accumulate ? 1 : 0);
        for (int i = 0; i < batch; i++) {
            Tensor bi = shared ? b : b.select(0, i);
            Tensor gi = g.select(0, i);
            Tensor y = op.forward(a.select(0, i), bi, bias);
            Trial.assertSameBits(y.toFloatArray(), item(out[0], i, m * n), "y of " + i);
            Matmul.Gradients d = op.backward(a.select(0, i), bi, gi, true, true, true);
            double[] ga = Trial.doubles(d.a());
            Trial.assertClose(accumulate ? plus(ga, 1) : ga, item(out[1], i, m * k), 1e-5, 1e-5, "gradient of a");
            double[] gb = Trial.doubles(d.b());
            for (int j = 0; j < gb.length; j++) {
                gbWant[shared ? j : i * gb.length + j] += gb[j];
            }
            double[] gbias = Trial.doubles(d.bias());
            for (int j = 0; j < n; j++) {
                gbiasWant[j] += gbias[j];
            }
        }
        if (batch > 0) {
            Trial.assertClose(gbWant, out[2], 1e-5, 1e-4, "gradient of b");
        }
        Trial.assertClose(gbiasWant, out[3], 1e-5, 1e-4, "gradient of bias");
    }

    private static float[] item(float[] all, int i, int size) {
        return Arrays.copyOfRange(all, i * size, (i + 1) * size);
    }

    /** The same elements, with a gap after each row, or after each matrix, or without. */
    private static Tensor view(Random r, Tensor t) {
        return switch (r.nextInt(3)) {
            case 0 -> t;
            case 1 -> Trial.spread(t);
            default ->
                Tensor.zeros(DType.F32, t.dim(0), t.dim(1) + 2, t.dim(2))
                        .fill(Float.NaN)
                        .slice(1, 1, 1 + t.dim(1))
                        .copyFrom(t);
        };
    }

    @Property(tries = 20)
    void activationIsThatOfTheProduct(
            @ForAll("extents") int m, @ForAll("extents") int n, @ForAll Activation f, @ForAll long seed) {
        Problem p = Problem.random(m, n, 40, false, false, true, seed);
        Matmul op = Matmul.builder().activation(f).build();
        float[][] out = Trial.everywhere(() -> {
            Matmul.Gradients d = op.backward(p.a, p.b, p.bias, p.g, true, true, true);
            return new Tensor[] {op.forward(p.a, p.b, p.bias), d.a(), d.b(), d.bias()};
        });
        Tensor z = p.op().forward(p.a, p.b, p.bias);
        Matmul.Gradients d = p.op().backward(p.a, p.b, f.backward(z, p.g), true, true, true);
        Trial.assertSameBits(f.forward(z).toFloatArray(), out[0], "y");
        Trial.assertClose(Trial.doubles(d.a()), out[1], 0, 0, "gradient of a");
        Trial.assertClose(Trial.doubles(d.b()), out[2], 0, 0, "gradient of b");
        Trial.assertClose(Trial.doubles(d.bias()), out[3], 0, 0, "gradient of bias");
    }

    /** Several chunks, blocks and parts in each direction. */
    @ParameterizedTest
    @CsvSource({
        "200, 300, 260, false",
        "100, 130, 300, true",
        "7, 1000, 260, false",
        "3, 40, 80000, false",
        "1000, 3, 300, true",
        "1, 1000, 600, true",
        "1, 5000, 300, true",
        "1, 5003, 300, false",
        "1, 70, 9, false",
        "5003, 1, 300, false",
        "1000, 1, 600, false"
    })
    void largeExtents(int m, int n, int k, boolean tb) {
        Problem p = Problem.random(m, n, k, false, tb, false, 7);
        float[][] out = Trial.everywhere(() -> new Tensor[] {p.op().forward(p.a, p.b, p.bias)});
        double[] want = product(Trial.doubles(p.a), false, Trial.doubles(p.b), tb, m, n, k);
        double[] bias = Trial.doubles(p.bias);
        for (int i = 0; i < want.length; i++) {
            want[i] += bias[i % n];
        }
        Trial.assertClose(want, out[0], 1e-5, 3e-6 * Math.sqrt(k), "y");
    }

    @Property(tries = 30)
    void anElementFollowsFromItsRowAndColumnAlone(
            @ForAll("extents") int m, @ForAll("extents") int n, @ForAll("depths") int k, @ForAll long seed) {
        if (m == 0 || n == 0) {
            return;
        }
        Problem p = Problem.random(m, n, k, false, false, false, seed);
        float[] all = p.op().forward(p.a, p.b, p.bias).toFloatArray();
        Random r = new Random(seed);
        int i = r.nextInt(m);
        int j = r.nextInt(n);
        Tensor row = p.op().forward(p.a.slice(0, i, i + 1), p.b, p.bias);
        Trial.assertSameBits(Arrays.copyOfRange(all, i * n, (i + 1) * n), row.toFloatArray(), "row " + i + " alone");
        Tensor one = p.op().forward(p.a.slice(0, i, i + 1), p.b.slice(1, j, j + 1), p.bias.slice(0, j, j + 1));
        assertEquals(all[i * n + j], one.getFloat(0, 0));
        Matmul transposed = Matmul.builder().transposeA(true).transposeB(true).build();
        Tensor same = transposed.forward(
                p.a.transpose(0, 1).copy(), p.b.transpose(0, 1).copy(), p.bias);
        Trial.assertSameBits(all, same.toFloatArray(), "transposed");
    }

    @Test
    void accumulatesAndComputesOnlyWhatIsAskedFor() {
        Problem p = Problem.random(9, 70, 300, false, true, true, 3);
        Matmul.Gradients fresh = p.op().backward(p.a, p.b, p.g, true, true, true);
        Tensor ga = Tensor.zeros(DType.F32, 9, 300).fill(2);
        Tensor gb = Tensor.zeros(DType.F32, 70, 300).fill(-3);
        Tensor gbias = Tensor.zeros(DType.F32, 70).fill(1);
        try (Workspace scratch = new Workspace()) {
            p.op().backward(p.a, p.b, p.g, ga, gb, gbias, true, scratch);
        }
        Trial.assertClose(plus(Trial.doubles(fresh.a()), 2), ga.toFloatArray(), 1e-5, 1e-5, "gradient of a");
        Trial.assertClose(plus(Trial.doubles(fresh.b()), -3), gb.toFloatArray(), 1e-5, 1e-5, "gradient of b");
        Trial.assertClose(plus(Trial.doubles(fresh.bias()), 1), gbias.toFloatArray(), 1e-5, 1e-5, "gradient of bias");
        Matmul.Gradients some = p.op().backward(p.a, p.b, p.g, false, true, false);
        assertEquals(null, some.a());
        assertEquals(null, some.bias());
        assertArrayEquals(Trial.doubles(fresh.b()), Trial.doubles(some.b()));
    }

    private static double[] plus(double[] v, double x) {
        for (int i = 0; i < v.length; i++) {
            v[i] += x;
        }
        return v;
    }

    @Test
    void nansAndInfinitiesStayInTheirRowsAndColumns() {
        Problem p = Problem.random(8, 20, 5, false, false, false, 1);
        p.a.setFloat(Float.NaN, 3, 2);
        p.b.setFloat(Float.POSITIVE_INFINITY, 1, 17);
        float[][] out = Trial.everywhere(() -> new Tensor[] {p.op().forward(p.a, p.b)});
        double[] want = product(Trial.doubles(p.a), false, Trial.doubles(p.b), false, 8, 20, 5);
        Trial.assertClose(want, out[0], 1e-5, 1e-5, "y");
    }

    @Test
    void outputsMayBeViewsAndWhatIsBesideThemStays() {
        Problem p = Problem.random(13, 37, 29, false, false, true, 5);
        Tensor y = Trial.spread(Tensor.zeros(DType.F32, 13, 37));
        float[] want = p.op().forward(p.a, p.b, p.bias).toFloatArray();
        try (Workspace scratch = new Workspace()) {
            p.op().forward(p.a, p.b, p.bias, y, scratch);
        }
        Trial.assertSameBits(want, y.toFloatArray(), "y");
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Matmul op = Matmul.builder().build();
        Tensor a = Tensor.zeros(DType.F32, 3, 4);
        Tensor b = Tensor.zeros(DType.F32, 5, 6);
        refused("b: shape [5, 6] does not follow a of shape [3, 4]", () -> op.forward(a, b));
        refused(
                "a: shape [3] has 1 axes, must have at least 2",
                () -> op.forward(a.select(1, 0).contiguous(), b));
        refused(
                "bias: shape [4], must be [6]",
                () -> op.forward(Tensor.zeros(DType.F32, 3, 5), b, Tensor.zeros(DType.F32, 4)));
        refused(
                "b: a view of shape [4, 3] with gaps along the last axis; pass b.contiguous()",
                () -> op.forward(a, a.transpose(0, 1)));
        try (Workspace scratch = new Workspace()) {
            Tensor square = Tensor.zeros(DType.F32, 4, 4);
            refused(
                    "y: shape [4, 4], overlaps b of shape [4, 4]",
                    () -> op.forward(Tensor.zeros(DType.F32, 4, 4), square, null, square, scratch));
            refused(
                    "gradB: shape [4, 4], must be [4, 6]",
                    () -> op.backward(
                            square,
                            Tensor.zeros(DType.F32, 4, 6),
                            null,
                            Tensor.zeros(DType.F32, 4, 6),
                            null,
                            Tensor.zeros(DType.F32, 4, 4),
                            null,
                            false,
                            scratch));
        }
    }

    private static void refused(String message, org.junit.jupiter.api.function.Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
