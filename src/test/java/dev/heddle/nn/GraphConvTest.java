package dev.heddle.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Reduce;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GraphConvTest {
    @SuppressWarnings("ImmutableEnumChecker") // layers and how to make them
    enum Kind {
        GCN(GcnConv::of, GcnConv.create(5, 4, 1)),
        SAGE(p -> SageConv.of(p, Reduce.MEAN, false), SageConv.create(5, 4, 2)),
        SAGE_NORMALIZED(p -> SageConv.of(p, Reduce.MEAN, true), SageConv.create(5, 4, 3)),
        GIN(GinConv::of, GinConv.create(5, 6, 4, 4)),
        GAT(p -> GatConv.of(p, true, 0.2f), GatConv.create(5, 2, 2, true, 5)),
        GAT_MEAN(p -> GatConv.of(p, false, 0.2f), GatConv.create(5, 2, 4, false, 6)),
        GAT_V2(p -> GatV2Conv.of(p, true, 0.2f), GatV2Conv.create(5, 2, 2, true, 7));

        final Function<Map<String, Tensor>, GraphConv> of;
        final GraphConv some;

        Kind(Function<Map<String, Tensor>, GraphConv> of, GraphConv some) {
            this.of = of;
            this.some = some;
        }
    }

    private static final CsrGraph GRAPH =
            CsrGraph.of(new long[] {0, 2, 5, 5, 6, 9}, new int[] {1, 3, 0, 2, 4, 4, 0, 1, 3}, 5);

    private static Tensor gaussian(Random rnd, long... shape) {
        float[] v = new float[(int) Tensor.zeros(DType.F32, shape).size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) rnd.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    private static double dot(Tensor a, Tensor b) {
        float[] x = a.toFloatArray();
        float[] y = b.toFloatArray();
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += (double) x[i] * y[i];
        }
        return sum;
    }

    /** Along a random direction in each input the result changes as the gradient says. */
    @ParameterizedTest
    @EnumSource(Kind.class)
    void gradientsAreThoseOfTheResult(Kind kind) {
        Random rnd = new Random(11);
        Tensor x = gaussian(rnd, 5, 5);
        Tensor gy = gaussian(rnd, 5, 4);
        GraphConv layer = kind.of.apply(kind.some.parameters());
        layer.forward(GRAPH, x);
        GraphConv.Gradients g = layer.backward(gy);
        assertEquals(layer.parameters().keySet(), g.parameters().keySet());
        Tensor dx = gaussian(rnd, 5, 5);
        check(
                h -> {
                    Tensor at = Tensor.zeros(DType.F32, 5, 5);
                    Arithmetic.axpy(h, dx, x, at);
                    return dot(layer.forward(GRAPH, at), gy);
                },
                dot(g.x(), dx),
                "x");
        layer.parameters().forEach((name, p) -> {
            assertEquals(p.shape(), g.parameters().get(name).shape(), name);
            Tensor d = gaussian(rnd, p.shape().toArray());
            check(
                    h -> {
                        Map<String, Tensor> moved = new HashMap<>(layer.parameters());
                        Tensor at = Tensor.zeros(DType.F32, p.shape().toArray());
                        Arithmetic.axpy(h, d, p, at);
                        moved.put(name, at);
                        return dot(kind.of.apply(moved).forward(GRAPH, x), gy);
                    },
                    dot(g.parameters().get(name), d),
                    name);
        });
    }

    private static void check(Function<Float, Double> loss, double gradient, String what) {
        float h = 2e-3f;
        double measured = (loss.apply(h) - loss.apply(-h)) / (2 * h);
        assertEquals(gradient, measured, 0.01 + 0.01 * Math.abs(gradient), what);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void refusesWhatItCannotUse(Kind kind) {
        assertThrows(
                IllegalStateException.class,
                () -> kind.of.apply(kind.some.parameters()).backward(GRAPH.sources()));
        assertThrows(IllegalArgumentException.class, () -> kind.of.apply(Map.of()));
        CsrGraph wide = CsrGraph.of(new long[] {0, 1}, new int[] {1}, 2);
        assertThrows(IllegalArgumentException.class, () -> kind.some.forward(wide, Tensor.zeros(DType.F32, 2, 5)));
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void aSelfLoopIsAddedOnceOnly(Kind kind) {
        CsrGraph loops = CsrGraph.of(new long[] {0, 2, 3, 4}, new int[] {0, 1, 1, 0}, 3);
        assertArrayEquals(new int[] {1, 0, 1, 0, 2}, loops.withSelfLoops().indices());
        assertArrayEquals(new long[] {0, 2, 3, 5}, loops.withSelfLoops().indptr());
        assertEquals(4, kind.some.forward(loops, Tensor.zeros(DType.F32, 3, 5)).dim(1));
    }
}
