package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EdgeListTest {
    private static EdgeList random(long seed, int edges, int n) {
        Random rnd = new Random(seed);
        float[] w = new float[edges];
        for (int e = 0; e < edges; e++) {
            w[e] = rnd.nextInt(100);
        }
        return EdgeList.of(
                Tensor.of(rnd.ints(edges, 0, n).toArray()),
                Tensor.of(rnd.ints(edges, 0, n).toArray()),
                Tensor.of(w),
                n,
                n);
    }

    /** An edge as it stands in a list. */
    private record Edge(long src, long dst, float weight, long origin) {
        static List<Edge> of(EdgeList l) {
            Tensor src = l.src();
            Tensor dst = l.dst();
            Tensor w = l.weights();
            Tensor origin = l.origin();
            List<Edge> edges = new ArrayList<>();
            for (long e = 0; e < l.size(); e++) {
                edges.add(new Edge(src.getLong(e), dst.getLong(e), w.getFloat(e), origin.getLong(e)));
            }
            return edges;
        }

        Edge reversed() {
            return new Edge(dst, src, weight, origin);
        }

        boolean isLoop() {
            return src == dst;
        }
    }

    @Property(tries = 60)
    void addsAndDropsEdges(
            @ForAll @IntRange(max = 60) int edges, @ForAll @IntRange(min = 1, max = 9) int n, @ForAll long seed) {
        EdgeList list = random(seed, edges, n);
        List<Edge> before = Edge.of(list);
        for (int e = 0; e < edges; e++) {
            assertEquals(e, before.get(e).origin);
        }
        List<Edge> both = new ArrayList<>(before);
        before.stream().filter(e -> !e.isLoop()).map(Edge::reversed).forEach(both::add);
        assertEquals(both, Edge.of(list.undirected()));
        assertEquals(before.stream().map(Edge::reversed).toList(), Edge.of(list.reversed()));
        List<Edge> bare = before.stream().filter(e -> !e.isLoop()).toList();
        assertEquals(bare, Edge.of(list.withoutSelfLoops()));
        List<Edge> looped = new ArrayList<>(before);
        for (int i = 0; i < n; i++) {
            int node = i;
            if (before.stream().noneMatch(e -> e.isLoop() && e.src == node)) {
                looped.add(new Edge(i, i, 2.5f, -1));
            }
        }
        assertEquals(looped, Edge.of(list.withSelfLoops(2.5f)));
    }

    @Property(tries = 100)
    void mergesDuplicates(
            @ForAll @IntRange(max = 80) int edges,
            @ForAll @IntRange(min = 1, max = 9) int n,
            @ForAll EdgeList.Merge merge,
            @ForAll long seed) {
        EdgeList list = random(seed, edges, n);
        Map<Long, List<Edge>> groups = new TreeMap<>();
        for (Edge e : Edge.of(list)) {
            groups.computeIfAbsent(e.dst * n + e.src, _ -> new ArrayList<>()).add(e);
        }
        List<Edge> want = groups.values().stream()
                .map(g -> new Edge(g.getFirst().src, g.getFirst().dst, merged(g, merge), g.getFirst().origin))
                .toList();
        EdgeList got = list.coalesced(merge);
        assertEquals(want, Edge.of(got));
        CsrGraph graph = got.toGraph();
        assertTrue(graph.isAscending());
        assertArrayEquals(got.src().toIntArray(), graph.indices());
    }

    private static float merged(List<Edge> group, EdgeList.Merge merge) {
        double[] w = group.stream().mapToDouble(Edge::weight).toArray();
        return (float)
                switch (merge) {
                    case SUM -> java.util.Arrays.stream(w).sum();
                    case MEAN -> java.util.Arrays.stream(w).average().orElseThrow();
                    case MAX -> java.util.Arrays.stream(w).max().orElseThrow();
                    case MIN -> java.util.Arrays.stream(w).min().orElseThrow();
                    case FIRST -> w[0];
                };
    }

    @Test
    void weightsFollowTheirEdgesIntoRows() {
        EdgeList list = random(3, 200, 20);
        EdgeList.Rows rows = list.undirected().toRows();
        int[] src = rows.graph().indices();
        int[] dst = rows.graph().destinations().toIntArray();
        for (int e = 0; e < src.length; e++) {
            long o = rows.origin().getLong(e);
            assertEquals(list.weights().getFloat(o), rows.weights().getFloat(e));
            long s = list.src().getLong(o);
            long d = list.dst().getLong(o);
            assertTrue((s == src[e] && d == dst[e]) || (s == dst[e] && d == src[e]));
        }
        EdgeList again = EdgeList.of(rows.graph(), rows.weights());
        assertArrayEquals(src, again.src().toIntArray());
        assertArrayEquals(dst, again.dst().toIntArray());
    }

    @Test
    void listsWithoutWeightsHaveNone() {
        EdgeList list = EdgeList.of(new int[] {0, 0}, new int[] {1, 1}, 2).coalesced(EdgeList.Merge.SUM);
        assertNull(list.weights());
        assertNull(list.toRows().weights());
        assertEquals(1, list.size());
        assertEquals(0, EdgeList.of(new int[0], new int[0], 0).undirected().size());
    }

    @ParameterizedTest
    @CsvSource({"src", "dst", "lengths", "weights", "sets"})
    void refusesBadArguments(String which) {
        Tensor two = Tensor.of(new int[] {0, 1});
        Tensor wrong = Tensor.of(new int[] {0, 2});
        switch (which) {
            case "src" -> assertThrows(IndexOutOfBoundsException.class, () -> EdgeList.of(wrong, two, 2));
            case "dst" -> assertThrows(IndexOutOfBoundsException.class, () -> EdgeList.of(two, wrong, 2));
            case "lengths" ->
                assertThrows(IllegalArgumentException.class, () -> EdgeList.of(two, Tensor.zeros(DType.I32, 3), 2));
            case "weights" ->
                assertThrows(
                        IllegalArgumentException.class, () -> EdgeList.of(two, two, Tensor.zeros(DType.F32, 3), 2, 2));
            default ->
                assertThrows(
                        IllegalArgumentException.class,
                        () -> EdgeList.of(two, two, null, 2, 3).undirected());
        }
    }
}
