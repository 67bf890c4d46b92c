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
            return GraphAttention.create()
                    .forward(g, heads, heads, heads, null, false)
                    .y()
                    .reshape(x.dim(0), FEATURES);
        });
        return all;
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
