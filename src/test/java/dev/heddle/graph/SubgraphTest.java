package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SubgraphTest {
    static CsrGraph random(Random rnd, int n, int edges) {
        return CsrGraph.fromCoo(
                        Tensor.of(rnd.ints(edges, 0, n).toArray()),
                        Tensor.of(rnd.ints(edges, 0, n).toArray()),
                        n,
                        n)
                .graph();
    }

    /** Every edge of the part is the edge it says it is, and none between two of the nodes is missing. */
    private static void assertInduced(CsrGraph whole, Subgraph part) {
        int[] nodes = part.nodes().toIntArray();
        int[] src = whole.indices();
        int[] dst = whole.destinations().toIntArray();
        int[] localSrc = part.graph().indices();
        int[] localDst = part.graph().destinations().toIntArray();
        Set<Integer> kept = new HashSet<>();
        for (int node : nodes) {
            kept.add(node);
        }
        List<Integer> want = new ArrayList<>();
        for (int node : nodes) {
            for (int e = 0; e < src.length; e++) {
                if (dst[e] == node && kept.contains(src[e])) {
                    want.add(e);
                }
            }
        }
        assertArrayEquals(want.stream().mapToInt(i -> i).toArray(), part.edges().toIntArray());
        for (int k = 0; k < want.size(); k++) {
            assertEquals(src[want.get(k)], nodes[localSrc[k]]);
            assertEquals(dst[want.get(k)], nodes[localDst[k]]);
        }
    }

    @Property(tries = 60)
    void inducesWhatLiesBetweenTheNodes(@ForAll @IntRange(min = 1, max = 40) int n, @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = random(rnd, n, 4 * n);
        int[] nodes = rnd.ints(0, n).distinct().limit(rnd.nextInt(n) + 1).toArray();
        Subgraph part = Subgraph.induced(graph, Tensor.of(nodes));
        assertArrayEquals(nodes, part.nodes().toIntArray());
        assertInduced(graph, part);
    }

    @Property(tries = 60)
    void egoReachesWhatIsWithinSomeHops(
            @ForAll @IntRange(min = 1, max = 40) int n, @ForAll @IntRange(max = 3) int hops, @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = random(rnd, n, 2 * n);
        int[] seeds = rnd.ints(3, 0, n).toArray();
        Subgraph.Ego ego = Subgraph.ego(graph, Tensor.of(seeds), hops);
        Set<Integer> reached = new LinkedHashSet<>();
        for (int s : seeds) {
            reached.add(s);
        }
        int[] src = graph.indices();
        int[] dst = graph.destinations().toIntArray();
        for (int h = 0; h <= hops; h++) {
            assertEquals(reached.size(), ego.hopEnds()[h]);
            if (h < hops) {
                for (int node : new ArrayList<>(reached)) {
                    for (int e = 0; e < src.length; e++) {
                        if (dst[e] == node) {
                            reached.add(src[e]);
                        }
                    }
                }
            }
        }
        int[] nodes = ego.subgraph().nodes().toIntArray();
        Set<Integer> got = new HashSet<>();
        for (int node : nodes) {
            got.add(node);
        }
        assertEquals(reached, got);
        for (int i = 0; i < seeds.length; i++) {
            assertEquals(seeds[i], nodes[ego.seeds().toIntArray()[i]]);
        }
        assertInduced(graph, ego.subgraph());
    }

    @Test
    void refusesBadArguments() {
        CsrGraph graph = CsrGraph.of(new long[] {0, 1, 2}, new int[] {1, 0}, 2);
        CsrGraph wide = CsrGraph.of(new long[] {0, 1}, new int[] {1}, 2);
        Tensor zero = Tensor.of(new int[] {0});
        assertThrows(IllegalArgumentException.class, () -> Subgraph.induced(wide, zero));
        assertThrows(IllegalArgumentException.class, () -> Subgraph.induced(graph, Tensor.of(new int[] {0, 0})));
        assertThrows(IndexOutOfBoundsException.class, () -> Subgraph.induced(graph, Tensor.of(new int[] {2})));
        assertThrows(IllegalArgumentException.class, () -> Subgraph.ego(graph, zero, -1));
        assertThrows(IndexOutOfBoundsException.class, () -> Subgraph.ego(graph, Tensor.of(new int[] {-1}), 1));
    }
}
