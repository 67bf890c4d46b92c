package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CsrGraphTest {
    private static String refusal(Class<? extends RuntimeException> type, Runnable call) {
        return assertThrows(type, call::run).getMessage();
    }

    private static CsrGraph small() {
        return CsrGraph.of(new long[] {0, 2, 2, 5}, new int[] {1, 0, 3, 3, 2}, 4);
    }

    @Test
    void tellsItsShape() {
        CsrGraph g = small();
        assertEquals(3, g.nDst());
        assertEquals(4, g.nSrc());
        assertEquals(5, g.nnz());
        assertEquals(2, g.degree(0));
        assertEquals(0, g.degree(1));
        assertThrows(IndexOutOfBoundsException.class, () -> g.degree(3));
        assertThrows(IndexOutOfBoundsException.class, () -> g.degree(-1));
        assertArrayEquals(new int[] {0, 0, 2, 2, 2}, g.destinations().toIntArray());
    }

    @Test
    void copiesWhatItIsMadeOf() {
        Tensor indptr = Tensor.of(new long[] {0, 1});
        Tensor indices = Tensor.of(new int[] {0});
        CsrGraph g = CsrGraph.of(indptr, indices, 1);
        indptr.setLong(1000, 1);
        indices.setLong(77, 0);
        g.indices()[0] = 5;
        g.sources().setLong(6, 0);
        g.transpose().perm().setLong(7, 0);
        g.rows().indptr().setLong(8, 0);
        assertArrayEquals(new int[] {0}, g.indices());
        assertArrayEquals(new long[] {0, 1}, g.indptr());
        assertArrayEquals(new int[] {0}, g.transpose().perm().toIntArray());
    }

    @Test
    void refusesWrongArrays() {
        assertEquals(
                "indptr[0] = 1, must be 0",
                refusal(IndexOutOfBoundsException.class, () -> CsrGraph.of(new long[] {1, 1}, new int[1], 1)));
        assertEquals(
                "indptr[2] = 1 decreases from 2",
                refusal(IndexOutOfBoundsException.class, () -> CsrGraph.of(new long[] {0, 2, 1}, new int[1], 1)));
        assertEquals(
                "indptr[1] = 2, but there are 1 indices",
                refusal(IndexOutOfBoundsException.class, () -> CsrGraph.of(new long[] {0, 2}, new int[1], 1)));
        assertEquals(
                "indices[1] = 4, but there are 4 source nodes",
                refusal(IndexOutOfBoundsException.class, () -> CsrGraph.of(new long[] {0, 2}, new int[] {3, 4}, 4)));
        assertEquals(
                "indices[0] = -1, but there are 4 source nodes",
                refusal(IndexOutOfBoundsException.class, () -> CsrGraph.of(new long[] {0, 1}, new int[] {-1}, 4)));
        assertThrows(IllegalArgumentException.class, () -> CsrGraph.of(new long[0], new int[0], 0));
        assertThrows(IllegalArgumentException.class, () -> CsrGraph.of(new long[1], new int[0], -1));
        assertThrows(
                IllegalArgumentException.class,
                () -> CsrGraph.of(Tensor.zeros(DType.I32, 1), Tensor.zeros(DType.I32, 0), 1));
        assertThrows(
                IllegalArgumentException.class,
                () -> CsrGraph.of(Tensor.zeros(DType.I64, 1), Tensor.zeros(DType.F32, 0), 1));
    }

    @Test
    void closesWhenNobodyUsesIt() {
        CsrGraph g = small();
        CsrGraph turned = g.transpose().graph();
        try (Use _ = g.use()) {
            assertThrows(IllegalStateException.class, g::close);
        }
        g.close();
        g.close();
        assertThrows(IllegalStateException.class, () -> g.degree(0));
        assertThrows(IllegalStateException.class, turned::use);
    }

    @Test
    void usesMappedArraysInPlace() {
        Tensor indptr = Tensor.wrap(Arena.ofAuto().allocate(24, 8), null, DType.I64, 3);
        Tensor indices = Tensor.wrap(Arena.ofAuto().allocate(8, 8), null, DType.I32, 2);
        indptr.setLong(1, 1);
        indptr.setLong(2, 2);
        indices.setLong(1, 1);
        CsrGraph g = CsrGraph.mapped(indptr, indices, 2);
        assertEquals(indices.address(), g.indicesAddress());
        g.close();
        assertTrue(indices.isAlive());
        indices.setLong(2, 0);
        assertThrows(IndexOutOfBoundsException.class, () -> CsrGraph.mapped(indptr, indices, 2));
        assertEquals(2, CsrGraph.trustMapped(indptr, indices, 2).nnz());
        assertThrows(
                IllegalArgumentException.class,
                () -> CsrGraph.trustMapped(indptr, Tensor.zeros(DType.I32, 2, 2).select(1, 0), 2));
    }

    @Test
    void knowsWhetherRowsAscend() {
        assertFalse(small().isAscending());
        assertTrue(
                CsrGraph.of(new long[] {0, 2, 2, 4}, new int[] {0, 3, 0, 1}, 4).isAscending());
        assertFalse(CsrGraph.of(new long[] {0, 2}, new int[] {3, 3}, 4).isAscending());
        assertTrue(CsrGraph.of(new long[1], new int[0], 0).isAscending());
    }

    // ------------------------------------------------------------------ from edges

    private record Edges(int[] src, int[] dst) {
        static Edges random(int n, int nSrc, int nDst, long seed) {
            Random r = new Random(seed);
            return new Edges(r.ints(n, 0, nSrc).toArray(), r.ints(n, 0, nDst).toArray());
        }

        CsrGraph.Derived sorted(long nSrc, long nDst) {
            return CsrGraph.fromCoo(Tensor.of(src), Tensor.of(dst), nSrc, nDst);
        }
    }

    /** Sorting with the library's stable sort gives the same. */
    private static void assertSorted(Edges e, CsrGraph.Derived made, int nDst) {
        int[] perm = IntStream.range(0, e.src.length)
                .boxed()
                .sorted(Comparator.comparingInt(i -> e.dst[i]))
                .mapToInt(i -> i)
                .toArray();
        assertArrayEquals(perm, made.perm().toIntArray());
        assertArrayEquals(
                Arrays.stream(perm).map(i -> e.src[i]).toArray(), made.graph().indices());
        assertArrayEquals(
                Arrays.stream(perm).map(i -> e.dst[i]).toArray(),
                made.graph().destinations().toIntArray());
        assertEquals(nDst, made.graph().nDst());
    }

    private static void assertTransposed(CsrGraph g) {
        CsrGraph.Transpose t = g.transpose();
        assertSame(t, g.transpose());
        Edges turned = new Edges(g.destinations().toIntArray(), g.indices());
        assertArrayEquals(
                turned.sorted(g.nDst(), g.nSrc()).perm().toIntArray(), t.perm().toIntArray());
        assertSorted(turned, new CsrGraph.Derived(t.graph(), t.perm()), (int) g.nSrc());
    }

    @Property(tries = 200)
    void sortsEdges(
            @ForAll @IntRange(max = 300) int edges,
            @ForAll @IntRange(min = 1, max = 3000) int nSrc,
            @ForAll @IntRange(min = 1, max = 3000) int nDst,
            @ForAll long seed) {
        Edges e = Edges.random(edges, nSrc, nDst, seed);
        CsrGraph.Derived made = e.sorted(nSrc, nDst);
        assertSorted(e, made, nDst);
        assertTransposed(made.graph());
    }

    /** Many blocks of edges, buckets of one key and of many, on any number of threads. */
    @ParameterizedTest
    @CsvSource({"300000, 50", "300000, 1024", "300000, 1025", "600000, 200000"})
    void sortsManyEdges(int edges, int nodes) {
        Edges e = Edges.random(edges, nodes, nodes, edges);
        CsrGraph.Derived made = e.sorted(nodes, nodes);
        assertSorted(e, made, nodes);
        for (int threads : new int[] {1, 3, 7}) {
            Team.with(threads, () -> {
                CsrGraph.Derived same = e.sorted(nodes, nodes);
                assertArrayEquals(made.perm().toIntArray(), same.perm().toIntArray());
                assertArrayEquals(made.graph().indices(), same.graph().indices());
                assertArrayEquals(made.graph().indptr(), same.graph().indptr());
            });
        }
        assertTransposed(made.graph());
    }

    @Test
    void sortsNothing() {
        CsrGraph g = new Edges(new int[0], new int[0]).sorted(0, 0).graph();
        assertEquals(0, g.nDst());
        assertEquals(0, g.nnz());
        assertEquals(0, g.transpose().graph().nnz());
        assertArrayEquals(
                new long[6],
                new Edges(new int[0], new int[0]).sorted(3, 5).graph().indptr());
    }

    @ParameterizedTest
    @ValueSource(ints = {10, 300_000})
    void refusesWrongEdges(int n) {
        int nodes = n / 2;
        Edges e = Edges.random(n, nodes, nodes, n);
        e.src[n - 1] = nodes;
        assertEquals(
                "src[" + (n - 1) + "] = " + nodes + ", must be in [0, " + nodes + ")",
                refusal(IndexOutOfBoundsException.class, () -> e.sorted(nodes, nodes)));
        e.dst[3] = -1;
        assertEquals(
                "dst[3] = -1, must be in [0, " + nodes + ")",
                refusal(IndexOutOfBoundsException.class, () -> e.sorted(nodes, nodes)));
        assertThrows(
                IllegalArgumentException.class,
                () -> CsrGraph.fromCoo(Tensor.zeros(DType.I32, 2), Tensor.zeros(DType.I32, 3), 1, 1));
        assertThrows(
                IllegalArgumentException.class,
                () -> CsrGraph.fromCoo(Tensor.zeros(DType.I64, 2), Tensor.zeros(DType.I32, 2), 1, 1));
    }

    /** Views are read as views. */
    @Test
    void readsEdgesOfATable() {
        Tensor table = Tensor.of(new int[] {0, 1, 2, 1, 1, 0}, 3, 2);
        CsrGraph g =
                CsrGraph.fromCoo(table.select(1, 0), table.select(1, 1), 3, 2).graph();
        assertArrayEquals(new int[] {1, 0, 2}, g.indices());
        assertArrayEquals(new long[] {0, 1, 3}, g.indptr());
    }
}
