package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CommonNeighborsTest {
    /** Rows of very different lengths, so that some are walked and some searched. */
    private static List<Set<Integer>> randomRows(Random rnd, int n) {
        List<Set<Integer>> rows = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            TreeSet<Integer> row = new TreeSet<>();
            int tries = rnd.nextInt(3) == 0 ? rnd.nextInt(2 * n) : rnd.nextInt(4);
            for (int t = 0; t < tries; t++) {
                row.add(rnd.nextInt(n));
            }
            rows.add(row);
        }
        return rows;
    }

    private static CsrGraph graph(List<Set<Integer>> rows) {
        long[] indptr = new long[rows.size() + 1];
        List<Integer> indices = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            indices.addAll(rows.get(i));
            indptr[i + 1] = indices.size();
        }
        return CsrGraph.of(indptr, indices.stream().mapToInt(i -> i).toArray(), rows.size());
    }

    private static void assertRow(CsrGraph got, int p, Set<Integer> want) {
        long[] ptr = got.indptr();
        int[] idx = got.indices();
        List<Integer> row = new ArrayList<>();
        for (long e = ptr[p]; e < ptr[p + 1]; e++) {
            row.add(idx[(int) e]);
        }
        assertEquals(new ArrayList<>(want), row);
    }

    @Property(tries = 60)
    void agreesWithSets(@ForAll @IntRange(min = 1, max = 150) int n, @ForAll long seed) {
        Random rnd = new Random(seed);
        List<Set<Integer>> rows = randomRows(rnd, n);
        int pairs = 600;
        int[] u = rnd.ints(pairs, 0, n).toArray();
        int[] v = rnd.ints(pairs, 0, n).toArray();
        CsrGraph graph = graph(rows);
        for (int threads : new int[] {1, 3}) {
            Team.with(threads, () -> {
                CommonNeighbors c = CommonNeighbors.of(graph, Tensor.of(u), Tensor.of(v));
                int[] count = c.count().toIntArray();
                for (int p = 0; p < pairs; p++) {
                    TreeSet<Integer> both = new TreeSet<>(rows.get(u[p]));
                    both.retainAll(rows.get(v[p]));
                    TreeSet<Integer> onlyU = new TreeSet<>(rows.get(u[p]));
                    onlyU.removeAll(both);
                    TreeSet<Integer> onlyV = new TreeSet<>(rows.get(v[p]));
                    onlyV.removeAll(both);
                    assertEquals(both.size(), count[p]);
                    assertRow(c.both(), p, both);
                    assertRow(c.onlyU(), p, onlyU);
                    assertRow(c.onlyV(), p, onlyV);
                }
            });
        }
    }

    /** Long rows, which are marked in a bitmap: the same one for several pairs, then another. */
    @Test
    void longRowsAgreeWithSets() {
        Random rnd = new Random(2);
        int n = 1500;
        List<Set<Integer>> rows = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            TreeSet<Integer> row = new TreeSet<>();
            for (int t = 0; t < (i < 5 ? 900 : 40); t++) {
                row.add(rnd.nextInt(n));
            }
            rows.add(row);
        }
        int[] u = rnd.ints(300, 0, 5).toArray();
        int[] v = rnd.ints(300, 0, 12).toArray();
        java.util.Arrays.sort(u, 0, 100);
        CommonNeighbors c = CommonNeighbors.of(graph(rows), Tensor.of(u), Tensor.of(v));
        for (int p = 0; p < u.length; p++) {
            TreeSet<Integer> both = new TreeSet<>(rows.get(u[p]));
            both.retainAll(rows.get(v[p]));
            assertRow(c.both(), p, both);
        }
    }

    @Test
    void noPairsAtAll() {
        CommonNeighbors c = CommonNeighbors.of(
                CsrGraph.of(new long[1], new int[0], 0), Tensor.zeros(DType.I32, 0), Tensor.zeros(DType.I32, 0));
        assertEquals(0, c.both().nDst());
        assertArrayEquals(new int[0], c.count().toIntArray());
    }

    @Test
    void refusesBadArguments() {
        CsrGraph unsorted = CsrGraph.of(new long[] {0, 2, 2}, new int[] {1, 0}, 2);
        CsrGraph sorted = CsrGraph.of(new long[] {0, 2, 2}, new int[] {0, 1}, 2);
        CsrGraph wide = CsrGraph.of(new long[] {0, 2}, new int[] {0, 1}, 2);
        Tensor one = Tensor.of(new int[] {1});
        Tensor two = Tensor.of(new int[] {2});
        Tensor pair = Tensor.of(new int[] {1, 0});
        assertThrows(IllegalArgumentException.class, () -> CommonNeighbors.of(unsorted, one, one));
        assertThrows(IllegalArgumentException.class, () -> CommonNeighbors.of(wide, one, one));
        assertThrows(IllegalArgumentException.class, () -> CommonNeighbors.of(sorted, one, pair));
        assertThrows(IndexOutOfBoundsException.class, () -> CommonNeighbors.of(sorted, one, two));
    }
}
