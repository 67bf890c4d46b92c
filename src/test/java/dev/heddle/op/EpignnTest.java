package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static dev.heddle.op.Alike.gaussian;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.reference.Numeric;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class EpignnTest {
    private static double[] compose(int rows, int facets, int n, double[] l, double[] r, double[] a) {
        double[] y = new double[rows * facets * n];
        for (int q = 0; q < rows * facets; q++) {
            for (int p = 0; p < n; p++) {
                for (int i = 0; i < n; i++) {
                    for (int j = 0; j < n; j++) {
                        y[q * n + p] += l[q * n + i] * a[((q % facets * n + p) * n + i) * n + j] * r[q * n + j];
                    }
                }
            }
        }
        return y;
    }

    @Property(tries = 25)
    void compositionAgreesWithTheReferenceEverywhere(
            @ForAll @IntRange(max = 7) int rows,
            @ForAll @IntRange(min = 1, max = 3) int facets,
            @ForAll @IntRange(min = 1, max = 18) int n,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Tensor l = gaussian(rnd, rows, facets, n);
        Tensor r = gaussian(rnd, rows, facets, n);
        Tensor a = gaussian(rnd, facets, n, n, n);
        Tensor gy = gaussian(rnd, rows, facets, n);
        List<Tensor> got = Alike.everywhere(() -> {
            EpignnCompose.Gradients g = EpignnCompose.backward(l, r, a, gy);
            return List.of(EpignnCompose.forward(l, r, a), g.left(), g.right(), g.a());
        });
        double[] ls = doubles(l);
        double[] rs = doubles(r);
        double[] as = doubles(a);
        double[] c = doubles(gy);
        assertClose(compose(rows, facets, n, ls, rs, as), got.get(0), 1e-4, 1e-4, "y");
        // trilinear: the gradient is the form with a unit vector in the place of the input
        double[] want = new double[as.length];
        for (int q = 0; q < rows * facets; q++) {
            for (int k = 0; k < n * n * n; k++) {
                want[q % facets * n * n * n + k] += c[q * n + k / n / n] * ls[q * n + k / n % n] * rs[q * n + k % n];
            }
        }
        assertClose(want, got.get(3), 1e-4, 1e-4, "gradient of A");
        if (n < 9) {
            assertClose(
                    Numeric.gradient(v -> compose(rows, facets, n, v, rs, as), ls, c),
                    got.get(1),
                    1e-3,
                    1e-3,
                    "gradient of left");
            assertClose(
                    Numeric.gradient(v -> compose(rows, facets, n, ls, v, as), rs, c),
                    got.get(2),
                    1e-3,
                    1e-3,
                    "gradient of right");
        }
    }

    private static double[] softmax(double[] v, int n) {
        double[] s = new double[v.length];
        for (int q = 0; q < v.length; q += n) {
            double sum = 0;
            for (int i = q; i < q + n; i++) {
                s[i] = Math.exp(v[i]);
                sum += s[i];
            }
            for (int i = q; i < q + n; i++) {
                s[i] /= sum;
            }
        }
        return s;
    }

    private record Layer(RandomGraph g, int[] types, int facets, int n, boolean forward, boolean minimum) {
        double[] y(double[] h, double[] rel, double[] raw) {
            double[] r = softmax(rel, n);
            double[] soft = n == 1 ? raw : softmax(raw, n - 1);
            double[] y = new double[g.nDst() * facets * n];
            for (int i = 0; i < g.nDst(); i++) {
                for (int f = 0; f < facets; f++) {
                    int facet = f;
                    boolean empty = g.indptr()[i] == g.indptr()[i + 1];
                    double[] v = new double[n];
                    java.util.Arrays.fill(v, !minimum ? 1 : empty ? 0 : Double.POSITIVE_INFINITY);
                    g.forEach(i, (_, j, e) -> {
                        for (int p = 0; p < n; p++) {
                            double m = 0;
                            for (int a = 0; a < n; a++) {
                                for (int b = 0; b < n; b++) {
                                    double source = h[(j * facets + facet) * n + (forward ? a : b)];
                                    double relation = r[(types[e] * facets + facet) * n + (forward ? b : a)];
                                    m += source * relation * entry(soft, facet, p, a, b);
                                }
                            }
                            v[p] = minimum ? Math.min(v[p], m) : v[p] * m;
                        }
                    });
                    double sum = 0;
                    for (double w : v) {
                        sum += w + 1e-18;
                    }
                    for (int p = 0; p < n; p++) {
                        y[(i * facets + f) * n + p] = (v[p] + 1e-18) / sum;
                    }
                }
            }
            return y;
        }

        private double entry(double[] soft, int f, int p, int i, int j) {
            double sum = 0;
            for (int q = 0; q < n; q++) {
                sum += raw(soft, f, q, i, j);
            }
            return raw(soft, f, p, i, j) / sum;
        }

        private double raw(double[] soft, int f, int p, int i, int j) {
            if (i == 0 || j == 0) {
                return p == Math.max(i, j) ? 1 : 0;
            }
            return soft[((f * n + p) * (n - 1) + i - 1) * (n - 1) + j - 1];
        }
    }

    @Property(tries = 20)
    void layersAgreeWithTheReferenceEverywhere(
            @ForAll boolean forward,
            @ForAll boolean minimum,
            @ForAll @IntRange(min = 1, max = 2) int facets,
            @ForAll @IntRange(min = 1, max = 5) int n,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        int nodes = 5;
        RandomGraph g = RandomGraph.of(rnd, nodes, nodes, 3);
        int[] types = rnd.ints(g.nnz(), 0, 3).toArray();
        Tensor type = types.length == 0 ? Tensor.zeros(DType.I32, 0) : Tensor.of(types);
        Tensor h = Softmax.builder().build().forward(gaussian(rnd, nodes, facets, n));
        Tensor rel = gaussian(rnd, 3, facets, n);
        Tensor raw = gaussian(rnd, facets, n, n - 1, n - 1);
        Tensor gy = gaussian(rnd, nodes, facets, n);
        EpignnLayer op = EpignnLayer.of(forward, minimum);
        List<Tensor> got = Alike.everywhere(() -> {
            EpignnLayer.Gradients d = op.backward(g.csr(), h, rel, type, raw, gy);
            return List.of(op.forward(g.csr(), h, rel, type, raw), d.h(), d.rel(), d.aRaw());
        });
        Layer layer = new Layer(g, types, facets, n, forward, minimum);
        double[] hs = doubles(h);
        double[] rs = doubles(rel);
        double[] as = doubles(raw);
        double[] c = doubles(gy);
        assertClose(layer.y(hs, rs, as), got.get(0), 1e-5, 1e-5, "y");
        assertClose(Numeric.gradient(v -> layer.y(v, rs, as), hs, c), got.get(1), 2e-3, 2e-3, "gradient of h");
        assertClose(Numeric.gradient(v -> layer.y(hs, v, as), rs, c), got.get(2), 2e-3, 2e-3, "gradient of rel");
        assertClose(Numeric.gradient(v -> layer.y(hs, rs, v), as, c), got.get(3), 2e-3, 2e-3, "gradient of A_raw");
    }

    @Test
    void refusesBadArguments() {
        Tensor l = Tensor.zeros(DType.F32, 3, 2, 4);
        Tensor a = Tensor.zeros(DType.F32, 2, 4, 4, 4);
        assertEquals(l.shape(), EpignnCompose.forward(l, l, a).shape());
        refused("right", () -> EpignnCompose.forward(l, a, a));
        refused("A", () -> EpignnCompose.forward(l, l, l));
        refused("gradY", () -> EpignnCompose.backward(l, l, a, a));
        RandomGraph g = RandomGraph.of(new Random(1), 3, 3, 2);
        Tensor types = Tensor.zeros(DType.I32, g.nnz());
        EpignnLayer op = EpignnLayer.of(true, true);
        refused("aRaw", () -> op.forward(g.csr(), l, l, types, a));
        refused("rel", () -> op.forward(g.csr(), l, Tensor.zeros(DType.F32, 3, 1, 4), types, a));
        Probes.run(EpignnProbe.KERNELS, new int[] {0, 1, 2, 3, 4, 5}, EpignnProbe::run);
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument), e.getMessage());
    }
}
