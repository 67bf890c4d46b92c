package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class RandomWalksTest {
    private static boolean hasEdge(CsrGraph g, int src, int dst) {
        int from = (int) g.rows().start(dst);
        int end = (int) g.rows().start(dst + 1L);
        return Arrays.stream(g.indices(), from, end).anyMatch(j -> j == src);
    }

    @Property(tries = 50)
    void walksAlongEdgesUntilThereAreNone(
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(max = 8) int length,
            @ForAll boolean secondOrder,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = SubgraphTest.random(rnd, n, 2 * n);
        int[] starts = rnd.ints(100, 0, n).toArray();
        RandomWalks.Builder b = RandomWalks.builder(graph);
        RandomWalks op = secondOrder ? b.node2vec(0.5, 3).build() : b.build();
        Tensor walks = op.walk(Tensor.of(starts), length, seed);
        assertEquals(length + 1, walks.dim(1));
        for (int w = 0; w < starts.length; w++) {
            int[] path = walks.select(0, w).toIntArray();
            assertEquals(starts[w], path[0]);
            for (int s = 1; s <= length; s++) {
                if (path[s] >= 0) {
                    assertTrue(hasEdge(graph, path[s], path[s - 1]));
                } else {
                    assertTrue(path[s - 1] < 0 || graph.degree(path[s - 1]) == 0);
                }
            }
        }
        Team.with(
                3,
                () -> assertArrayEquals(
                        walks.toIntArray(),
                        op.walk(Tensor.of(starts), length, seed).toIntArray()));
    }

    @Test
    void goesWhereTheWeightsAre() {
        CsrGraph graph = CsrGraph.of(new long[] {0, 3, 3, 3, 3}, new int[] {1, 2, 3}, 4);
        RandomWalks op = RandomWalks.builder(graph)
                .weights(Tensor.of(new float[] {1, 0, 3}))
                .build();
        int[] starts = new int[20_000];
        int[] counts = new int[4];
        for (int node : op.walk(Tensor.of(starts), 1, 9).slice(1, 1, 2).toIntArray()) {
            counts[node]++;
        }
        assertEquals(0, counts[2]);
        assertEquals(0.25, counts[1] / 20_000.0, 5 * Math.sqrt(0.25 / 20_000));
        RandomWalks stuck =
                RandomWalks.builder(graph).weights(Tensor.zeros(DType.F32, 3)).build();
        assertArrayEquals(
                new int[] {0, -1, -1}, stuck.walk(Tensor.of(new int[1]), 2, 1).toIntArray());
    }

    /** From t = 0 over v = 1, whose neighbours are t, one neighbour of t and one other: 1/p, 1 and 1/q. */
    @Test
    void node2vecWeighsTheWayBackAndTheWayOut() {
        CsrGraph graph = CsrGraph.of(new long[] {0, 2, 5, 7, 8}, new int[] {1, 2, 0, 2, 3, 0, 1, 1}, 4);
        double p = 0.25;
        double q = 2;
        RandomWalks op = RandomWalks.builder(graph).node2vec(p, q).build();
        Tensor walks = op.walk(Tensor.of(new int[60_000]), 2, 5);
        int[] path = walks.toIntArray();
        double[] counts = new double[4];
        double all = 0;
        for (int w = 0; w < path.length; w += 3) {
            if (path[w + 1] == 1) {
                counts[path[w + 2]]++;
                all++;
            }
        }
        double total = 1 / p + 1 + 1 / q;
        assertEquals(1 / p / total, counts[0] / all, 0.02);
        assertEquals(1 / total, counts[2] / all, 0.02);
        assertEquals(1 / q / total, counts[3] / all, 0.02);
    }

    @Test
    void refusesBadArguments() {
        CsrGraph g = CsrGraph.of(new long[] {0, 1, 2}, new int[] {1, 0}, 2);
        assertThrows(
                IllegalArgumentException.class,
                () -> RandomWalks.builder(CsrGraph.of(new long[] {0, 1}, new int[] {1}, 2)));
        assertThrows(
                IllegalArgumentException.class, () -> RandomWalks.builder(g).node2vec(0, 1));
        assertThrows(
                IllegalArgumentException.class, () -> RandomWalks.builder(g).node2vec(1, Double.NaN));
        RandomWalks op = RandomWalks.builder(g).build();
        assertThrows(IllegalArgumentException.class, () -> op.walk(Tensor.of(new int[1]), -1, 0));
        assertThrows(IndexOutOfBoundsException.class, () -> op.walk(Tensor.of(new int[] {2}), 1, 0));
    }
}
