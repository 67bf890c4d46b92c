package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static dev.heddle.op.Alike.gaussian;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.reference.Numeric;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class PnaTest {
    private static final Pna ALL = Pna.builder()
            .aggregators(
                    Pna.Aggregator.STD, Pna.Aggregator.MEAN, Pna.Aggregator.SUM, Pna.Aggregator.MAX, Pna.Aggregator.MIN)
            .scalers(Pna.Scaler.values())
            .averageDegrees(1.3, 2.5)
            .build();

    private static double[] reference(RandomGraph g, int f, double[] x) {
        int width = 25 * f;
        double[] y = new double[g.nDst() * width];
        for (int i = 0; i < g.nDst(); i++) {
            int d = (int) (g.indptr()[i + 1] - g.indptr()[i]);
            int c = Math.max(d, 1);
            double[] scale = {1, Math.log(d + 1) / 1.3, 1.3 / Math.log(c + 1), d / 2.5, 2.5 / c};
            for (int k = 0; k < f; k++) {
                int column = k;
                double[] v = Arrays.stream(g.indices(), (int) g.indptr()[i], (int) g.indptr()[i + 1])
                        .mapToDouble(j -> x[j * f + column])
                        .toArray();
                double mean = Arrays.stream(v).sum() / c;
                double variance =
                        Arrays.stream(v).map(u -> (u - mean) * (u - mean)).sum() / c;
                double[] a = {
                    variance > 1e-5 ? Math.sqrt(variance) : 0,
                    mean,
                    Arrays.stream(v).sum(),
                    Arrays.stream(v).max().orElse(0),
                    Arrays.stream(v).min().orElse(0)
                };
                for (int s = 0; s < 5; s++) {
                    for (int q = 0; q < 5; q++) {
                        y[i * width + (s * 5 + q) * f + k] = scale[s] * a[q];
                    }
                }
            }
        }
        return y;
    }

    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(1, 2, 3, 4, 8, 15, 16, 17, 33, 64);
    }

    @Property(tries = 30)
    void agreesWithTheReferenceEverywhere(@ForAll("columns") int f, @ForAll long seed) {
        Random rnd = new Random(seed);
        RandomGraph g = RandomGraph.of(rnd, rnd.nextInt(8), rnd.nextInt(8), 6);
        Tensor x = gaussian(rnd, g.nSrc(), f);
        Tensor gy = gaussian(rnd, g.nDst(), 25L * f);
        List<Tensor> got = Alike.everywhere(() -> List.of(ALL.forward(g.csr(), x), ALL.backward(g.csr(), x, gy)));
        assertClose(reference(g, f, doubles(x)), got.get(0), 1e-5, 1e-5, "y");
        double[] want = Numeric.gradient(v -> reference(g, f, v), doubles(x), doubles(gy));
        assertClose(want, got.get(1), 1e-3, 1e-3, "gradient");
    }

    @Test
    void manyEdgesAreTheSameForAnyNumberOfThreads() {
        Random rnd = new Random(3);
        RandomGraph g = RandomGraph.withHub(rnd, 9, 40, 9_000);
        Tensor x = gaussian(rnd, 40, 9);
        Tensor gy = gaussian(rnd, 9, 225);
        List<Tensor> got =
                Alike.everywhereAndWithAnyThreads(() -> List.of(ALL.forward(g.csr(), x), ALL.backward(g.csr(), x, gy)));
        assertClose(reference(g, 9, doubles(x)), got.getFirst(), 1e-2, 1e-4, "y");
        assertEquals(1, g.csr().rowSplit().hubs());
        // NaN in one part of the row reaches all that is made of the whole
        x.setFloat(Float.NaN, 3, 2);
        float[] y = Alike.everywhere(() -> List.of(ALL.forward(g.csr(), x)))
                .getFirst()
                .select(0, hubRow(g))
                .toFloatArray();
        for (int k = 0; k < 25; k++) {
            assertTrue(Float.isNaN(y[9 * k + 2]), "aggregation " + k);
            assertFalse(Float.isNaN(y[9 * k + 3]), "aggregation " + k);
        }
    }

    private static int hubRow(RandomGraph g) {
        int row = 0;
        while (g.indptr()[row + 1] - g.indptr()[row] < 9_000) {
            row++;
        }
        return row;
    }

    @Test
    void nanReachesEveryAggregationAndEqualSourcesHaveNoDeviation() {
        CsrGraph g = CsrGraph.of(new long[] {0, 2, 4}, new int[] {0, 1, 1, 1}, 2);
        Tensor x = Tensor.of(new float[] {Float.NaN, 3}, 2, 1);
        float[] y =
                Alike.everywhere(() -> List.of(ALL.forward(g, x))).getFirst().toFloatArray();
        for (int k = 0; k < 5; k++) {
            assertTrue(Float.isNaN(y[k]), "aggregation " + k);
        }
        assertArrayEquals(new float[] {0, 3, 6, 3, 3}, Arrays.copyOfRange(y, 25, 30));
        assertArrayEquals(
                new float[2],
                Pna.builder()
                        .aggregators(Pna.Aggregator.STD)
                        .build()
                        .backward(g, Tensor.of(new float[] {3, 3}, 2, 1), Tensor.of(new float[] {1, 1}, 2, 1))
                        .toFloatArray());
    }

    @Test
    void refusesBadArguments() {
        CsrGraph g = CsrGraph.of(new long[] {0, 2, 4}, new int[] {0, 1, 1, 1}, 2);
        Tensor x = Tensor.zeros(DType.F32, 2, 3);
        refused("x", () -> ALL.forward(g, Tensor.zeros(DType.F32, 3, 3)));
        refused("y", () -> ALL.forward(g, x, Tensor.zeros(DType.F32, 2, 74)));
        refused("gradY", () -> ALL.backward(g, x, x));
        refused("aggregators", () -> Pna.builder().aggregators().build());
        Probes.run(PnaProbe.KERNELS, new int[] {1, 2, 4, 9, 10, 12, 16, 17, 18, 19, 25, 26, 28}, PnaProbe::run);
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument), e.getMessage());
    }
}
