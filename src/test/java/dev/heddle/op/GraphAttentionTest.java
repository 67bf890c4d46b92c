package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static dev.heddle.op.Alike.gaussian;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.memory.LiveRanges;
import dev.heddle.reference.Numeric;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Attention along the edges of graphs: GAT, GATv2 and dot products. */
class GraphAttentionTest {
    /** One problem; {@code inputs} are what the gradients are of, in the order of the operator's arguments. */
    private record Problem(Score score, RandomGraph g, int heads, int f, int fv, List<Tensor> inputs) {
        static Problem random(Random rnd, Score score, RandomGraph g, int heads, int f, int fv, boolean edges) {
            int nSrc = g.nSrc();
            int nDst = g.nDst();
            List<Tensor> in = new ArrayList<>();
            switch (score) {
                case ADDED -> {
                    in.add(gaussian(rnd, nSrc, heads, fv));
                    in.add(gaussian(rnd, nSrc, heads));
                    in.add(gaussian(rnd, nDst, heads));
                    in.add(edges ? gaussian(rnd, g.nnz(), heads) : null);
                }
                case LEAKY_DOT -> {
                    in.add(gaussian(rnd, nSrc, heads, f));
                    in.add(gaussian(rnd, nDst, heads, f));
                    in.add(gaussian(rnd, heads, f));
                    in.add(edges ? gaussian(rnd, g.nnz(), heads, f) : null);
                }
                case DOT -> {
                    in.add(gaussian(rnd, nDst, heads, f));
                    in.add(gaussian(rnd, nSrc, heads, f));
                    in.add(gaussian(rnd, nSrc, heads, fv));
                    in.add(edges ? gaussian(rnd, g.nnz(), heads) : null);
                }
            }
            return new Problem(score, g, heads, f, score == Score.LEAKY_DOT ? f : fv, in);
        }

        /** Outputs of the operator: y, alpha, gradients. */
        @SuppressWarnings("RefactorSwitch") // three ways of doing the same, one below the other
        List<Tensor> run(CsrGraph graph, Tensor gy) {
            Tensor a = inputs.get(0);
            Tensor b = inputs.get(1);
            Tensor c = inputs.get(2);
            Tensor e = inputs.get(3);
            switch (score) {
                case ADDED -> {
                    Gat.Result r = Gat.create().forward(graph, a, b, c, e, true);
                    Gat.Gradients d = Gat.create().backward(graph, a, b, c, e, r, gy);
                    return Arrays.asList(r.y(), r.alpha(), d.x(), d.el(), d.er(), d.ee());
                }
                case LEAKY_DOT -> {
                    GatV2.Result r = GatV2.create().forward(graph, a, b, c, e, true);
                    GatV2.Gradients d = GatV2.create().backward(graph, a, b, c, e, r, gy);
                    return Arrays.asList(r.y(), r.alpha(), d.xl(), d.xr(), d.att(), d.ee());
                }
                default -> {
                    GraphAttention.Result r = GraphAttention.of(0.4f).forward(graph, a, b, c, e, true);
                    GraphAttention.Gradients d = GraphAttention.of(0.4f).backward(graph, a, b, c, e, r, gy);
                    return Arrays.asList(r.y(), r.alpha(), d.q(), d.k(), d.v(), d.bias());
                }
            }
        }

        void runWithoutAlpha(CsrGraph graph, Tensor gy) {
            Tensor a = inputs.get(0);
            Tensor b = inputs.get(1);
            Tensor c = inputs.get(2);
            switch (score) {
                case ADDED -> {
                    Gat.Result r = Gat.create().forward(graph, a, b, c, null, false);
                    Gat.create().backward(graph, a, b, c, null, r, gy);
                }
                case LEAKY_DOT -> {
                    GatV2.Result r = GatV2.create().forward(graph, a, b, c, null, false);
                    GatV2.create().backward(graph, a, b, c, null, r, gy);
                }
                case DOT -> {
                    GraphAttention.Result r = GraphAttention.create().forward(graph, a, b, c, null, false);
                    GraphAttention.create().backward(graph, a, b, c, null, r, gy);
                }
            }
        }

        /** alpha in float64, of inputs in float64. */
        double[] alpha(double[][] in) {
            double[] s = new double[g.nnz() * heads];
            g.forEach((i, j, e) -> {
                for (int h = 0; h < heads; h++) {
                    double z = 0;
                    double own = in[3] == null || score == Score.LEAKY_DOT ? 0 : in[3][e * heads + h];
                    if (score == Score.ADDED) {
                        z = leaky(in[1][j * heads + h] + in[2][i * heads + h] + own);
                    }
                    for (int c = 0; c < f && score != Score.ADDED; c++) {
                        int o = h * f + c;
                        double left = in[score == Score.DOT ? 1 : 0][j * heads * f + o];
                        double right = in[score == Score.DOT ? 0 : 1][i * heads * f + o];
                        double edge = in[3] == null ? 0 : score == Score.DOT ? 0 : in[3][e * heads * f + o];
                        z += score == Score.DOT ? 0.4f * left * right : in[2][o] * leaky(left + right + edge);
                    }
                    s[e * heads + h] = score == Score.DOT ? z + own : z;
                }
            });
            return g.softmax(s, heads);
        }

        private static double leaky(double z) {
            return z > 0 ? z : 0.2f * z;
        }

        double[] y(double[][] in) {
            double[] alpha = alpha(in);
            double[] v = in[score == Score.DOT ? 2 : 0];
            double[] y = new double[g.nDst() * heads * fv];
            g.forEach((i, j, e) -> {
                for (int c = 0; c < heads * fv; c++) {
                    y[i * heads * fv + c] += alpha[e * heads + c / fv] * v[j * heads * fv + c];
                }
            });
            return y;
        }

        double[][] wide() {
            double[][] in = new double[4][];
            for (int i = 0; i < 4; i++) {
                in[i] = inputs.get(i) == null ? null : doubles(inputs.get(i));
            }
            return in;
        }
    }

    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 32, 33);
    }

    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.of(0, 1, 2, 4, 6);
    }

    @Property(tries = 30)
    void agreesWithTheReferenceEverywhere(
            @ForAll Score score,
            @ForAll boolean edges,
            @ForAll("columns") int f,
            @ForAll("columns") int fv,
            @ForAll("sizes") int nDst,
            @ForAll("sizes") int nSrc,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        RandomGraph g = RandomGraph.of(rnd, nDst, nSrc, 5);
        Problem p = Problem.random(rnd, score, g, 2, f, fv, edges);
        Tensor gy = gaussian(rnd, nDst, 2, p.fv);
        List<Tensor> got = Alike.everywhere(() -> p.run(g.csr(), gy));
        double[][] in = p.wide();
        assertClose(p.y(in), got.get(0), 1e-5, 1e-5, "y");
        assertClose(p.alpha(in), got.get(1), 1e-6, 1e-5, "alpha");
        for (int k = 0; k < 4; k++) {
            if (in[k] != null) {
                int input = k;
                double[] want = Numeric.gradient(
                        v -> {
                            double[][] at = in.clone();
                            at[input] = v;
                            return p.y(at);
                        },
                        in[k],
                        doubles(gy));
                assertClose(want, got.get(2 + k), 2e-4, 2e-4, "gradient of input " + k);
            }
        }
    }

    /** Blocks of a row, parts of a hub, hubs of the transposed graph. */
    @ParameterizedTest
    @EnumSource(Score.class)
    void hubsAreTheSameForAnyNumberOfThreads(Score score) {
        Random rnd = new Random(8);
        RandomGraph g = RandomGraph.withHub(rnd, 12, 1, 9_000);
        Problem p = Problem.random(rnd, score, g, 2, 9, 9, true);
        Tensor gy = gaussian(rnd, 12, 2, 9);
        CsrGraph graph = g.csr();
        assertEquals(1, graph.rowSplit().hubs());
        assertTrue(graph.transpose().graph().rowSplit().hubs() > 0);
        List<Tensor> got = Alike.everywhereAndWithAnyThreads(() -> p.run(graph, gy));
        double[][] in = p.wide();
        assertClose(p.y(in), got.get(0), 1e-4, 1e-4, "y");
        assertClose(p.alpha(in), got.get(1), 1e-7, 1e-4, "alpha");
        // the gradient of what the edges add is, summed over a row, that of what the node adds
        if (score == Score.ADDED) {
            double[] own = new double[24];
            float[] ee = got.get(5).toFloatArray();
            g.forEach((i, j, e) -> {
                own[2 * i] += ee[2 * e];
                own[2 * i + 1] += ee[2 * e + 1];
            });
            assertClose(own, got.get(4), 1e-4, 1e-3, "gradient of er");
        }
    }

    /** Less than a number an edge: there is no tensor of the edges, let alone of edges times features. */
    @ParameterizedTest
    @EnumSource(Score.class)
    void memoryDoesNotGrowWithTheEdges(Score score) {
        assumeTrue(LiveRanges.ENABLED, "allocations are counted in the checked mode only");
        Random rnd = new Random(7);
        int n = 100;
        long[] indptr = new long[n + 1];
        for (int i = 1; i <= n; i++) {
            indptr[i] = indptr[i - 1] + 600;
        }
        RandomGraph g = RandomGraph.with(rnd, indptr, n);
        Problem p = Problem.random(rnd, score, g, 1, 16, 16, false);
        CsrGraph graph = g.csr();
        Tensor gy = gaussian(rnd, n, 1, 16);
        Backends.with(
                Backends.usable().getLast(),
                () -> { // named, so that no kernel is warmed up, which takes memory, too
                    p.runWithoutAlpha(graph, gy); // makes what a graph keeps
                    long most = LiveRanges.mostDuring(() -> p.runWithoutAlpha(graph, gy));
                    assertTrue(most < 4L * g.nnz(), most + " bytes more for " + g.nnz() + " edges");
                });
    }

    /** Relabelled nodes give relabelled results, to the last bit, as the edges of a row keep their order. */
    @ParameterizedTest
    @EnumSource(Score.class)
    void relabelledNodesGiveRelabelledResults(Score score) {
        Random rnd = new Random(4);
        int n = 9;
        RandomGraph g = RandomGraph.of(rnd, n, n, 6);
        Problem p = Problem.random(rnd, score, g, 2, 12, 12, false);
        int[] to = {4, 7, 0, 2, 8, 1, 6, 5, 3}; // old node v is new node to[v]
        long[] indptr = new long[n + 1];
        int[] indices = new int[g.nnz()];
        int at = 0;
        for (int row = 0; row < n; row++) {
            int old = 0;
            while (to[old] != row) {
                old++;
            }
            for (long e = g.indptr()[old]; e < g.indptr()[old + 1]; e++) {
                indices[at++] = to[g.indices()[(int) e]];
            }
            indptr[row + 1] = at;
        }
        List<Tensor> moved = new ArrayList<>();
        for (int k = 0; k < 4; k++) {
            Tensor t = p.inputs.get(k);
            boolean node = t != null && !(score == Score.LEAKY_DOT && k == 2);
            moved.add(node ? permuted(t, to) : t);
        }
        Problem q = new Problem(score, new RandomGraph(indptr, indices, n), 2, 12, 12, moved);
        Tensor gy = gaussian(rnd, n, 2, 12);
        Tensor y = p.run(g.csr(), gy).getFirst();
        Tensor other = q.run(q.g.csr(), permuted(gy, to)).getFirst();
        assertArrayEquals(permuted(y, to).toFloatArray(), other.toFloatArray());
    }

    private static Tensor permuted(Tensor t, int[] to) {
        Tensor out = Tensor.zeros(DType.F32, t.shape().toArray());
        for (int i = 0; i < to.length; i++) {
            out.select(0, to[i]).copyFrom(t.select(0, i));
        }
        return out;
    }

    /** What a removed edge brings is not looked at. */
    @Test
    void aBiasOfMinusInfinityRemovesTheEdge() {
        Random rnd = new Random(6);
        CsrGraph g = CsrGraph.of(new long[] {0, 3, 4, 5}, new int[] {0, 1, 2, 1, 0}, 3);
        CsrGraph without = CsrGraph.of(new long[] {0, 2, 2, 3}, new int[] {0, 2, 0}, 3);
        Tensor q = gaussian(rnd, 3, 2, 17);
        Tensor k = gaussian(rnd, 3, 2, 17);
        Tensor v = gaussian(rnd, 3, 2, 9);
        k.select(0, 1).fill(Float.NaN);
        v.select(0, 1).fill(Float.NaN);
        Tensor bias = Tensor.zeros(DType.F32, 5, 2);
        bias.select(0, 1).fill(Float.NEGATIVE_INFINITY);
        bias.select(0, 3).fill(Float.NEGATIVE_INFINITY);
        Tensor gy = gaussian(rnd, 3, 2, 9);
        GraphAttention op = GraphAttention.create();
        List<Tensor> got = Alike.everywhere(() -> {
            GraphAttention.Result r = op.forward(g, q, k, v, bias, true);
            GraphAttention.Gradients d = op.backward(g, q, k, v, bias, null, gy);
            return List.of(r.y(), d.q(), d.k(), d.v(), r.alpha(), d.bias());
        });
        GraphAttention.Result r = op.forward(without, q, k, v, null, true);
        GraphAttention.Gradients d = op.backward(without, q, k, v, null, r, gy);
        Alike.assertSameBits(List.of(r.y(), d.q(), d.k(), d.v()), got.subList(0, 4), "as if it were not there");
        for (int e : new int[] {1, 3}) {
            assertArrayEquals(new float[2], got.get(4).select(0, e).toFloatArray());
            assertArrayEquals(new float[2], got.get(5).select(0, e).toFloatArray());
        }
    }

    @Test
    void nanAndInfinityMakeTheirRowNan() {
        CsrGraph g = CsrGraph.of(new long[] {0, 2, 4, 6}, new int[] {0, 1, 2, 1, 1, 1}, 3);
        Tensor x = Tensor.zeros(DType.F32, 3, 1, 5).fill(1);
        Tensor er = Tensor.zeros(DType.F32, 3, 1);
        Tensor el = Tensor.of(new float[] {Float.NaN, 0, Float.POSITIVE_INFINITY}, 3, 1);
        float[] y = Alike.everywhere(() ->
                        List.of(Gat.create().forward(g, x, el, er, null, false).y()))
                .getFirst()
                .toFloatArray();
        for (int i = 0; i < 10; i++) {
            assertTrue(Float.isNaN(y[i]));
        }
        assertArrayEquals(new float[] {1, 1, 1, 1, 1}, Arrays.copyOfRange(y, 10, 15));
    }

    @Test
    void takesViewsAndDestinationsAndRefusesBadArguments() {
        Random rnd = new Random(3);
        CsrGraph g = RandomGraph.of(rnd, 6, 5, 4).csr();
        Tensor x = gaussian(rnd, 5, 2, 7);
        Tensor wide = Tensor.zeros(DType.F32, 5, 4, 7);
        wide.slice(1, 1, 3).copyFrom(x);
        Tensor el = gaussian(rnd, 5, 2);
        Tensor er = gaussian(rnd, 6, 2);
        Gat op = Gat.of(0.1f);
        Gat.Result r = op.forward(g, x, el, er, null, true);
        Gat.Result into = new Gat.Result(
                Tensor.zeros(DType.F32, 6, 2, 7),
                Tensor.zeros(DType.F32, 6, 2, 2),
                Tensor.zeros(DType.F32, g.nnz(), 5).slice(1, 2, 4));
        op.forward(g, wide.slice(1, 1, 3), el, er, null, into);
        assertArrayEquals(r.y().toFloatArray(), into.y().toFloatArray());
        assertArrayEquals(r.alpha().toFloatArray(), into.alpha().toFloatArray());
        Tensor gy = gaussian(rnd, 6, 2, 7);
        Gat.Gradients d = op.backward(g, x, el, er, null, r, gy);
        Gat.Gradients some = new Gat.Gradients(null, Tensor.zeros(DType.F32, 5, 2), null, null);
        op.backward(g, x, el, er, null, null, gy, some);
        assertArrayEquals(d.el().toFloatArray(), some.el().toFloatArray());
        refused("x", () -> op.forward(g, el, el, er, null, false));
        refused("el", () -> op.forward(g, x, er, er, null, false));
        refused("er", () -> op.forward(g, x, el, el, null, false));
        refused("ee", () -> op.forward(g, x, el, er, er, false));
        refused("gradY", () -> op.backward(g, x, el, er, null, r, x));
        refused("grad ee", () -> op.backward(g, x, el, er, null, r, gy, new Gat.Gradients(null, null, null, el)));
        refused("grad el", () -> op.backward(g, x, el, er, null, r, gy, new Gat.Gradients(null, el, null, null)));
        refused("y", () -> op.forward(g, x, el, er, null, new Gat.Result(x, into.stats(), null)));
        refused("negativeSlope", () -> Gat.of(-1));
        refused("att", () -> GatV2.create().forward(g, x, gaussian(rnd, 6, 2, 7), el, null, false));
        refused("scale", () -> GraphAttention.of(Float.NaN));
        refused("k", () -> GraphAttention.create().forward(g, gy, gaussian(rnd, 5, 1, 7), x, null, false));
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument + ":"), e.getMessage());
    }

    @Test
    void probesStayInTheirScratch() {
        List<Integer> variants = new ArrayList<>(List.of(EdgeAttentionProbe.MEANS, EdgeAttentionProbe.COMBINE));
        for (Score s : Score.values()) {
            variants.add(EdgeAttentionProbe.weights(s));
            for (int tile = 1; tile <= EdgeAttention.MAX_TILE; tile *= 2) {
                variants.add(EdgeAttentionProbe.forward(s, tile));
                variants.add(EdgeAttentionProbe.grad(s, false, tile));
                variants.add(EdgeAttentionProbe.grad(s, true, tile));
            }
        }
        Probes.run(
                EdgeAttentionProbe.KERNELS, variants.stream().mapToInt(v -> v).toArray(), EdgeAttentionProbe::run);
    }
}
