package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class GcnNormTest {
    /** From the formula, in float64. */
    private record Reference(CsrGraph graph, double[] w, double fill) {
        boolean looped(int i) {
            int[] src = graph.indices();
            long[] ptr = graph.indptr();
            boolean any = false;
            for (long e = ptr[i]; e < ptr[i + 1]; e++) {
                any |= src[(int) e] == i;
            }
            return any;
        }

        double[] scale() {
            double[] s = new double[(int) graph.nDst()];
            long[] ptr = graph.indptr();
            for (int i = 0; i < s.length; i++) {
                double d = looped(i) ? 0 : fill;
                for (long e = ptr[i]; e < ptr[i + 1]; e++) {
                    d += w[(int) e];
                }
                s[i] = d == 0 ? 0 : 1 / Math.sqrt(d);
            }
            return s;
        }

        double[] norm() {
            double[] s = scale();
            int[] src = graph.indices();
            int[] dst = graph.destinations().toIntArray();
            double[] norm = new double[w.length];
            Arrays.setAll(norm, e -> s[src[e]] * w[e] * s[dst[e]]);
            return norm;
        }

        double[] self() {
            double[] s = scale();
            double[] self = new double[s.length];
            Arrays.setAll(self, i -> looped(i) ? 0 : s[i] * s[i] * fill);
            return self;
        }

        double loss(double[] gNorm, double[] gSelf, double[] gScale) {
            return dot(gNorm, norm()) + dot(gSelf, self()) + dot(gScale, scale());
        }

        private static double dot(double[] a, double[] b) {
            double sum = 0;
            for (int i = 0; i < a.length; i++) {
                sum += a[i] * b[i];
            }
            return sum;
        }
    }

    private static CsrGraph random(Random rnd, int n) {
        long[] indptr = new long[n + 1];
        for (int i = 0; i < n; i++) {
            indptr[i + 1] = indptr[i] + rnd.nextInt(6);
        }
        return CsrGraph.of(indptr, rnd.ints(indptr[n], 0, Math.max(n, 1)).toArray(), n);
    }

    private static Tensor positive(Random rnd, long n) {
        float[] v = new float[(int) n];
        for (int i = 0; i < v.length; i++) {
            v[i] = 0.5f + rnd.nextFloat();
        }
        return Tensor.of(v);
    }

    @Property(tries = 60)
    void agreesWithTheFormulaAndItsSlopes(
            @ForAll @IntRange(max = 12) int n,
            @ForAll boolean loops,
            @ForAll boolean improved,
            @ForAll boolean weighted,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = random(rnd, n);
        Tensor w = weighted
                ? positive(rnd, graph.nnz())
                : Tensor.zeros(DType.F32, graph.nnz()).fill(1);
        Tensor gNorm = Alike.gaussian(rnd, graph.nnz());
        Tensor gSelf = Alike.gaussian(rnd, n);
        Tensor gScale = Alike.gaussian(rnd, n);
        GcnNorm op = GcnNorm.builder().addSelfLoops(loops).improved(improved).build();
        List<Tensor> got = Alike.everywhere(() -> {
            GcnNorm.Result r = op.forward(graph, weighted ? w : null);
            return List.of(r.norm(), r.selfNorm(), r.degInvSqrt(), op.backward(graph, w, gNorm, gSelf, gScale));
        });
        Reference ref = new Reference(graph, doubles(w), loops ? improved ? 2 : 1 : 0);
        assertClose(ref.norm(), got.get(0), 0, 1e-6, "norm");
        assertClose(ref.self(), got.get(1), 0, 1e-6, "selfNorm");
        assertClose(ref.scale(), got.get(2), 0, 1e-6, "degInvSqrt");
        double[] slopes = new double[(int) graph.nnz()];
        Arrays.setAll(slopes, e -> {
            double h = 1e-5;
            return (moved(ref, e, h).loss(doubles(gNorm), doubles(gSelf), doubles(gScale))
                            - moved(ref, e, -h).loss(doubles(gNorm), doubles(gSelf), doubles(gScale)))
                    / (2 * h);
        });
        assertClose(slopes, got.get(3), 1e-5, 1e-5, "gradient");
    }

    private static Reference moved(Reference r, int e, double h) {
        double[] w = r.w.clone();
        w[e] += h;
        return new Reference(r.graph, w, r.fill);
    }

    @Test
    void degreesOfZeroAndBelow() {
        CsrGraph graph = CsrGraph.of(new long[] {0, 1, 2, 2}, new int[] {1, 0}, 3);
        Tensor w = Tensor.of(new float[] {-1, 0});
        GcnNorm.Result r = GcnNorm.builder().addSelfLoops(false).build().forward(graph, w);
        assertTrue(Float.isNaN(r.degInvSqrt().getFloat(0)));
        assertEquals(0f, r.degInvSqrt().getFloat(1));
        assertEquals(0f, r.degInvSqrt().getFloat(2));
        Tensor g = GcnNorm.builder()
                .addSelfLoops(false)
                .build()
                .backward(
                        CsrGraph.of(new long[] {0, 1, 2, 2}, new int[] {1, 0}, 3),
                        Tensor.of(new float[] {0, 0}),
                        Tensor.of(new float[] {1, 1}),
                        null,
                        null);
        assertClose(new double[] {0, 0}, g, 0, 0, "a node that is cut off has no gradient");
    }

    @Test
    void refusesBadArguments() {
        GcnNorm op = GcnNorm.builder().build();
        CsrGraph graph = CsrGraph.of(new long[] {0, 1, 2}, new int[] {1, 0}, 2);
        CsrGraph wide = CsrGraph.of(new long[] {0, 1}, new int[] {1}, 2);
        Tensor w = Tensor.zeros(DType.F32, 2).fill(1);
        assertThrows(IllegalArgumentException.class, () -> op.forward(wide, null));
        assertThrows(IllegalArgumentException.class, () -> op.forward(graph, Tensor.zeros(DType.F32, 3)));
        assertThrows(IllegalArgumentException.class, () -> op.forward(graph, w, w, w.copy(), w.copy()));
        assertThrows(IllegalArgumentException.class, () -> op.backward(graph, w, w, w, w, w));
        assertThrows(
                IllegalArgumentException.class, () -> op.backward(graph, w, Tensor.zeros(DType.F32, 1), null, null));
    }
}
