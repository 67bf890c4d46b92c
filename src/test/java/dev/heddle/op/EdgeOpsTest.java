package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static dev.heddle.op.Alike.gaussian;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.reference.Numeric;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Sampled products along edges, and softmax over the edges of a node. */
class EdgeOpsTest {
    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(1, 2, 3, 5, 8, 15, 16, 17, 33);
    }

    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.of(0, 1, 2, 5, 9);
    }

    private static double[] sddmm(RandomGraph g, Sddmm.Op op, int heads, int f, double[] x, double[] y) {
        int n = heads * f;
        double[] z = new double[g.nnz() * (op == Sddmm.Op.DOT ? heads : n)];
        g.forEach((i, j, e) -> {
            for (int c = 0; c < n; c++) {
                double a = x[j * n + c];
                double b = y[i * n + c];
                switch (op) {
                    case DOT -> z[e * heads + c / f] += a * b;
                    case ADD -> z[e * n + c] = a + b;
                    case SUB -> z[e * n + c] = a - b;
                    case MUL -> z[e * n + c] = a * b;
                }
            }
        });
        return z;
    }

    @Property(tries = 60)
    void sddmmAgreesWithTheReferenceEverywhere(
            @ForAll Sddmm.Op kind,
            @ForAll boolean ranked,
            @ForAll("columns") int f,
            @ForAll("sizes") int nDst,
            @ForAll("sizes") int nSrc,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        RandomGraph g = RandomGraph.of(rnd, nDst, nSrc, 6);
        int heads = ranked ? 3 : 1;
        Tensor x = ranked ? gaussian(rnd, nSrc, heads, f) : gaussian(rnd, nSrc, f);
        Tensor y = ranked ? gaussian(rnd, nDst, heads, f) : gaussian(rnd, nDst, f);
        Sddmm op = Sddmm.of(kind);
        Tensor gz = gaussian(rnd, op.forward(g.csr(), x, y).shape().toArray());
        List<Tensor> got = Alike.everywhere(() -> {
            CsrGraph graph = g.csr();
            Sddmm.Gradients d = op.backward(graph, x, y, gz, true, true);
            return Arrays.asList(op.forward(graph, x, y), d.x(), d.y());
        });
        double[] xs = doubles(x);
        double[] ys = doubles(y);
        assertClose(sddmm(g, kind, heads, f, xs, ys), got.get(0), 1e-5, 1e-5, "z");
        double[] c = doubles(gz);
        assertClose(
                Numeric.gradient(v -> sddmm(g, kind, heads, f, v, ys), xs, c), got.get(1), 1e-4, 1e-4, "gradient of x");
        assertClose(
                Numeric.gradient(v -> sddmm(g, kind, heads, f, xs, v), ys, c), got.get(2), 1e-4, 1e-4, "gradient of y");
    }

    @ParameterizedTest
    @EnumSource(Sddmm.Op.class)
    void sddmmTakesViewsAndRefusesBadArguments(Sddmm.Op kind) {
        Random rnd = new Random(3);
        CsrGraph g = RandomGraph.of(rnd, 6, 5, 4).csr();
        Tensor x = gaussian(rnd, 5, 30).slice(1, 3, 14);
        Tensor y = gaussian(rnd, 6, 20).slice(1, 1, 12);
        Sddmm op = Sddmm.of(kind);
        Tensor z = op.forward(g, x, y);
        assertArrayEquals(z.toFloatArray(), op.forward(g, x.copy(), y.copy()).toFloatArray());
        Sddmm.Gradients d = op.backward(g, x, y, z, true, true);
        Sddmm.Gradients same = op.backward(g, x.copy(), y.copy(), z, true, true);
        Alike.assertSameBits(List.of(d.x(), d.y()), List.of(same.x(), same.y()), "views");
        refused("x", () -> op.forward(g, y, y));
        refused("y", () -> op.forward(g, x, x));
        refused("y", () -> op.forward(g, x, Tensor.zeros(DType.F32, 6, 12)));
        refused("gradZ", () -> op.backward(g, x, y, Tensor.zeros(DType.F32, 3), true, true));
        refused("gradX", () -> op.backward(g, x, y, z, x, null));
        if (kind != Sddmm.Op.DOT) {
            refused("z", () -> op.forward(g, x, y, Tensor.zeros(DType.F32, 2, 2)));
        }
    }

    @Property(tries = 60)
    void softmaxAgreesWithTheReferenceEverywhere(
            @ForAll boolean ranked, @ForAll("columns") int h, @ForAll("sizes") int nDst, @ForAll long seed) {
        Random rnd = new Random(seed);
        RandomGraph g = RandomGraph.of(rnd, nDst, 7, 20);
        int heads = ranked ? h : 1;
        Tensor s = ranked ? gaussian(rnd, g.nnz(), heads) : gaussian(rnd, g.nnz());
        Tensor ga = ranked ? gaussian(rnd, g.nnz(), heads) : gaussian(rnd, g.nnz());
        List<Tensor> got = Alike.everywhere(() -> {
            Tensor alpha = EdgeSoftmax.forward(g.csr(), s);
            return List.of(alpha, EdgeSoftmax.backward(g.csr(), alpha, ga));
        });
        assertClose(g.softmax(doubles(s), heads), got.get(0), 1e-6, 1e-5, "alpha");
        assertClose(
                Numeric.gradient(v -> g.softmax(v, heads), doubles(s), doubles(ga)),
                got.get(1),
                1e-4,
                1e-4,
                "gradient");
        sumsToOne(g, got.get(0), heads);
    }

    private static void sumsToOne(RandomGraph g, Tensor alpha, int heads) {
        float[] a = alpha.toFloatArray();
        for (int i = 0; i < g.nDst(); i++) {
            for (int h = 0; h < heads && g.indptr()[i] != g.indptr()[i + 1]; h++) {
                int head = h;
                double[] sum = {0};
                g.forEach(i, (_, _, e) -> sum[0] += a[e * heads + head]);
                assertEquals(1, sum[0], 1e-5, "row " + i);
            }
        }
    }

    @Test
    void rowsOfManyBlocksAreTheSameForAnyNumberOfThreads() {
        Random rnd = new Random(5);
        RandomGraph g = RandomGraph.withHub(rnd, 40, 30, 10_000);
        Tensor s = gaussian(rnd, g.nnz(), 3);
        Tensor ga = gaussian(rnd, g.nnz(), 3);
        List<Tensor> got = Alike.everywhereAndWithAnyThreads(() -> {
            Tensor alpha = EdgeSoftmax.forward(g.csr(), s);
            return List.of(alpha, EdgeSoftmax.backward(g.csr(), alpha, ga));
        });
        assertClose(g.softmax(doubles(s), 3), got.get(0), 1e-8, 1e-4, "alpha");
    }

    @Test
    void softmaxKeepsToTheRulesOfInfinityAndNan() {
        float inf = Float.POSITIVE_INFINITY;
        CsrGraph g = CsrGraph.of(new long[] {0, 2, 4, 6, 9, 9}, new int[9], 1);
        Tensor s = Tensor.of(new float[] {-inf, 0, -inf, -inf, inf, 0, Float.NaN, 1, 2}, 9);
        Tensor alpha =
                Alike.everywhere(() -> List.of(EdgeSoftmax.forward(g, s))).getFirst();
        float nan = Float.NaN;
        float[] want = {0, 1, 0, 0, nan, nan, nan, nan, nan};
        float[] got = alpha.toFloatArray();
        assertEquals(nan, got[4]);
        got[5] = nan; // exp(-infinity) times the reciprocal of a NaN
        assertArrayEquals(want, got);
        Tensor d = EdgeSoftmax.backward(g, alpha, Tensor.zeros(DType.F32, 9).fill(1));
        assertArrayEquals(new float[] {0, 0, 0, 0}, d.slice(0, 0, 4).toFloatArray());
    }

    @Test
    void softmaxWorksInPlaceAndRefusesBadArguments() {
        Random rnd = new Random(9);
        CsrGraph g = RandomGraph.of(rnd, 9, 7, 8).csr();
        Tensor wide = gaussian(rnd, g.nnz(), 9);
        Tensor s = wide.slice(1, 2, 6);
        Tensor alpha = EdgeSoftmax.forward(g, s.copy());
        EdgeSoftmax.forward(g, s, s);
        assertArrayEquals(alpha.toFloatArray(), s.toFloatArray());
        Tensor ga = gaussian(rnd, g.nnz(), 4);
        Tensor d = EdgeSoftmax.backward(g, alpha, ga);
        EdgeSoftmax.backward(g, alpha, ga, ga);
        assertArrayEquals(d.toFloatArray(), ga.toFloatArray());
        refused("scores", () -> EdgeSoftmax.forward(g, Tensor.zeros(DType.F32, 2, 2)));
        refused("alpha", () -> EdgeSoftmax.forward(g, s, wide.slice(1, 3, 7)));
        refused("gradAlpha", () -> EdgeSoftmax.backward(g, alpha, wide));
        refused("gradScores", () -> EdgeSoftmax.backward(g, alpha, ga, alpha));
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument + ":"), e.getMessage());
    }

    @Test
    void probesStayInTheirScratch() {
        Probes.run(EdgeProbe.KERNELS, IntStream.range(0, EdgeProbe.VARIANTS).toArray(), EdgeProbe::run);
    }
}
