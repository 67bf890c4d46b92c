package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class NodeOrderTest {
    @Property(tries = 100)
    void ordersByBatchThenDegreeStably(@ForAll @IntRange(max = 200) int n, @ForAll boolean wild, @ForAll long seed) {
        Random rnd = new Random(seed);
        int[] deg = wild ? rnd.ints(n).toArray() : rnd.ints(n, 0, 6).toArray();
        int[] batch = wild ? rnd.ints(n, -3, 3).toArray() : rnd.ints(n, 0, 300).toArray();
        int[] want = IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.<Integer>comparingInt(i -> batch[i]).thenComparingInt(i -> deg[i]))
                .mapToInt(i -> i)
                .toArray();
        assertArrayEquals(
                want,
                NodeOrder.byDegree(Tensor.of(deg), Tensor.of(batch)).perm().toIntArray());
    }

    private static CsrGraph random(Random rnd, int n, int edges) {
        return CsrGraph.fromCoo(
                        Tensor.of(rnd.ints(edges, 0, n).toArray()),
                        Tensor.of(rnd.ints(edges, 0, n).toArray()),
                        n,
                        n)
                .graph();
    }

    @Property(tries = 50)
    void relabelsAndGoesBack(@ForAll @IntRange(min = 1, max = 60) int n, @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = random(rnd, n, 3 * n);
        NodeOrder order = NodeOrder.byDegree(graph);
        CsrGraph.Derived there = order.relabel(graph);
        int[] perm = order.perm().toIntArray();
        int[] edges = there.perm().toIntArray();
        int[] src = graph.indices();
        int[] dst = graph.destinations().toIntArray();
        int[] newSrc = there.graph().indices();
        int[] newDst = there.graph().destinations().toIntArray();
        for (int e = 0; e < edges.length; e++) {
            assertEquals(src[edges[e]], perm[newSrc[e]]);
            assertEquals(dst[edges[e]], perm[newDst[e]]);
        }
        for (int k = 1; k < n; k++) {
            assertTrue(there.graph().degree(k - 1) <= there.graph().degree(k));
        }
        CsrGraph.Derived back = order.inverse().relabel(there.graph());
        assertArrayEquals(graph.indptr(), back.graph().indptr());
        assertArrayEquals(graph.indices(), back.graph().indices());
        int[] twice = back.perm().toIntArray();
        for (int e = 0; e < twice.length; e++) {
            assertEquals(e, edges[twice[e]]);
        }
    }

    private static long bandwidth(CsrGraph g) {
        int[] src = g.indices();
        int[] dst = g.destinations().toIntArray();
        return IntStream.range(0, src.length)
                .map(e -> Math.abs(src[e] - dst[e]))
                .max()
                .orElse(0);
    }

    /** A grid whose nodes were shuffled: neighbours come close together again. */
    @Test
    void reverseCuthillMcKeeNarrowsTheBand() {
        int side = 30;
        int n = side * side;
        int[] label = new Random(1).ints(0, n).distinct().limit(n).toArray();
        int[] src = new int[4 * n];
        int[] dst = new int[4 * n];
        int m = 0;
        for (int i = 0; i < n; i++) {
            for (int j : new int[] {i % side + 1 < side ? i + 1 : -1, i + side < n ? i + side : -1}) {
                if (j >= 0) {
                    src[m] = dst[m + 1] = label[i];
                    dst[m] = src[m + 1] = label[j];
                    m += 2;
                }
            }
        }
        CsrGraph graph = CsrGraph.fromCoo(
                        Tensor.of(java.util.Arrays.copyOf(src, m)), Tensor.of(java.util.Arrays.copyOf(dst, m)), n, n)
                .graph();
        CsrGraph ordered = NodeOrder.reverseCuthillMcKee(graph).relabel(graph).graph();
        assertTrue(bandwidth(graph) > n / 2, "shuffled: " + bandwidth(graph));
        assertTrue(bandwidth(ordered) <= 2L * side, "ordered: " + bandwidth(ordered));
    }

    /** Directed edges, several components, lone nodes: still every node once. */
    @Property(tries = 60)
    void reverseCuthillMcKeeIsAnOrder(@ForAll @IntRange(max = 80) int n, @ForAll long seed) {
        CsrGraph graph = n == 0 ? CsrGraph.of(new long[1], new int[0], 0) : random(new Random(seed), n, n / 2);
        int[] perm = NodeOrder.reverseCuthillMcKee(graph).perm().toIntArray();
        assertArrayEquals(
                IntStream.range(0, n).toArray(), IntStream.of(perm).sorted().toArray());
        assertArrayEquals(perm, NodeOrder.reverseCuthillMcKee(graph).perm().toIntArray());
        assertArrayEquals(perm, NodeOrder.of(Tensor.of(perm)).perm().toIntArray());
    }

    @Test
    void refusesWhatIsNoOrder() {
        assertThrows(IllegalArgumentException.class, () -> NodeOrder.of(Tensor.of(new int[] {0, 2, 2})));
        assertThrows(IndexOutOfBoundsException.class, () -> NodeOrder.of(Tensor.of(new int[] {0, 3, 2})));
        NodeOrder two = NodeOrder.of(Tensor.of(new int[] {1, 0}));
        assertThrows(
                IllegalArgumentException.class, () -> two.relabel(CsrGraph.of(new long[] {0, 0, 0, 0}, new int[0], 3)));
        assertThrows(
                IllegalArgumentException.class,
                () -> NodeOrder.byDegree(Tensor.zeros(DType.I32, 2), Tensor.zeros(DType.I32, 3)));
    }
}
