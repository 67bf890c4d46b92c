package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.heddle.graph.CsrGraph;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Nodes have no order: other numbers for them give the same rows, bit for bit, as long as each keeps the order of its edges. */
class RelabellingTest {
    private static final int FEATURES = 5;
    private static final Pna PNA =
            Pna.builder().aggregators(Pna.Aggregator.values()).build();

    /** Row by row results of a graph and its features. */
    private static List<BiFunction<CsrGraph, Tensor, Tensor>> operators() {
        List<BiFunction<CsrGraph, Tensor, Tensor>> all = new ArrayList<>();
        for (Reduce reduce : Reduce.values()) {
            Spmm op = Spmm.builder().reduce(reduce).build();
            all.add((g, x) -> op.forward(g, x, null).y());
        }
        all.add(PNA::forward);
        all.add((g, x) -> {
            Tensor heads = x.reshape(x.dim(0), 1, FEATURES);
            return flat(GraphAttention.create()
                    .forward(g, heads, heads, heads, null, false)
                    .y());
        });
        all.add((g, x) -> {
            Tensor one = x.slice(1, 0, 1).copy();
            Tensor heads = x.reshape(x.dim(0), 1, FEATURES);
            return flat(Gat.create().forward(g, heads, one, one, null, false).y());
        });
        all.add((g, x) -> {
            Tensor heads = x.reshape(x.dim(0), 1, FEATURES);
            Tensor att = Tensor.of(new float[] {1, -2, 0.5f, 3, -1}, 1, FEATURES);
            return flat(
                    GatV2.create().forward(g, heads, heads, att, null, false).y());
        });
        all.add((g, x) -> {
            float[] v = x.toFloatArray();
            for (int i = 0; i < v.length; i++) {
                v[i] = 0.1f + v[i] * v[i];
            }
            Tensor beliefs = Tensor.of(v, x.dim(0), 1, FEATURES);
            Tensor types = Tensor.zeros(DType.I32, g.nnz());
            Tensor rel = Tensor.of(new float[] {1, -1, 0.5f, 2, 0}, 1, 1, FEATURES);
            Tensor a = Tensor.zeros(DType.F32, 1, FEATURES, FEATURES - 1, FEATURES - 1);
            return flat(EpignnLayer.of(true, false).forward(g, beliefs, rel, types, a));
        });
        return all;
    }

    private static Tensor flat(Tensor y) {
        return y.reshape(y.dim(0), FEATURES);
    }

    private static RandomGraph relabelled(RandomGraph g, List<Integer> to) {
        int n = g.nDst();
        long[] indptr = new long[n + 1];
        for (int i = 0; i < n; i++) {
            indptr[to.get(i) + 1] = g.indptr()[i + 1] - g.indptr()[i];
        }
        for (int i = 0; i < n; i++) {
            indptr[i + 1] += indptr[i];
        }
        int[] indices = new int[g.nnz()];
        g.forEach((i, j, e) -> indices[(int) (indptr[to.get(i)] + e - g.indptr()[i])] = to.get(j));
        return new RandomGraph(indptr, indices, n);
    }

    private static Tensor rows(Tensor t, List<Integer> to) {
        Tensor moved = Tensor.zeros(DType.F32, t.shape().toArray());
        for (int i = 0; i < to.size(); i++) {
            moved.select(0, to.get(i)).copyFrom(t.select(0, i));
        }
        return moved;
    }

    private static void check(RandomGraph g, Random rnd) {
        List<Integer> to = new ArrayList<>(IntStream.range(0, g.nDst()).boxed().toList());
        Collections.shuffle(to, rnd);
        float[] v = new float[g.nSrc() * FEATURES];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) rnd.nextGaussian();
        }
        Tensor x = Tensor.of(v, g.nSrc(), FEATURES);
        for (BiFunction<CsrGraph, Tensor, Tensor> op : operators()) {
            float[] want = rows(op.apply(g.csr(), x), to).toFloatArray();
            assertArrayEquals(
                    want, op.apply(relabelled(g, to).csr(), rows(x, to)).toFloatArray());
        }
    }

    @Property(tries = 30)
    void otherNumbersGiveTheSameRows(@ForAll long seed) {
        Random rnd = new Random(seed);
        int n = 1 + rnd.nextInt(9);
        check(RandomGraph.of(rnd, n, n, 6), rnd);
    }

    /** Only rounding depends on the order of a row's edges. */
    @Property(tries = 30)
    void anyOrderOfEdgesGivesTheSameRowsButForRounding(@ForAll long seed) {
        Random rnd = new Random(seed);
        int n = 1 + rnd.nextInt(9);
        RandomGraph g = RandomGraph.of(rnd, n, n, 12);
        int[] shuffled = g.indices().clone();
        for (int i = 0; i < n; i++) {
            for (int e = (int) g.indptr()[i + 1] - 1; e > g.indptr()[i]; e--) {
                int other = (int) g.indptr()[i] + rnd.nextInt(e - (int) g.indptr()[i] + 1);
                int kept = shuffled[e];
                shuffled[e] = shuffled[other];
                shuffled[other] = kept;
            }
        }
        CsrGraph moved = new RandomGraph(g.indptr(), shuffled, n).csr();
        Tensor x = Alike.gaussian(rnd, n, FEATURES);
        for (BiFunction<CsrGraph, Tensor, Tensor> op : operators()) {
            Alike.assertClose(Alike.doubles(op.apply(g.csr(), x)), op.apply(moved, x), 1e-5, 1e-4, "order of edges");
        }
    }

    @Test
    void alsoOfAStar() {
        Random rnd = new Random(1);
        int n = 9_000;
        long[] indptr = new long[n + 1];
        Arrays.fill(indptr, 2, n + 1, n);
        indptr[1] = n;
        check(new RandomGraph(indptr, IntStream.range(0, n).toArray(), n), rnd);
    }

    @Test
    void alsoWithoutEdgesAndOfOneNode() {
        Random rnd = new Random(2);
        check(new RandomGraph(new long[4], new int[0], 3), rnd);
        check(new RandomGraph(new long[] {0, 3}, new int[3], 1), rnd);
    }
}
