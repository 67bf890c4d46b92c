package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.op.Reduce;
import dev.heddle.op.SegmentReduce;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class GraphBatchTest {
    private static List<CsrGraph> graphs(Random rnd) {
        List<CsrGraph> graphs = new ArrayList<>();
        for (int g = 0; g < 12; g++) {
            int dst = g == 3 ? 0 : rnd.nextInt(9);
            int src = dst + rnd.nextInt(4);
            int edges = dst == 0 ? 0 : rnd.nextInt(20);
            graphs.add(CsrGraph.fromCoo(
                            Tensor.of(rnd.ints(edges, 0, Math.max(1, src)).toArray()),
                            Tensor.of(rnd.ints(edges, 0, Math.max(1, dst)).toArray()),
                            src,
                            dst)
                    .graph());
        }
        return graphs;
    }

    /** A layer and a readout over the batch give what they give on each graph alone, bit for bit. */
    @Test
    void aBatchIsItsGraphsAlone() {
        Random rnd = new Random(4);
        List<CsrGraph> graphs = graphs(rnd);
        GraphBatch batch = GraphBatch.of(graphs);
        assertEquals(graphs.size(), batch.count());
        float[] values = new float[(int) batch.graph().nSrc() * 5];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) rnd.nextGaussian();
        }
        Tensor x = Tensor.of(values, batch.graph().nSrc(), 5);
        Spmm sum = Spmm.builder().build();
        SegmentReduce mean = SegmentReduce.of(Reduce.MEAN);
        Tensor y = sum.forward(batch.graph(), x, null).y();
        Tensor read = mean.forward(batch.nodes(), y).y();
        for (int g = 0; g < graphs.size(); g++) {
            CsrGraph one = graphs.get(g);
            CsrGraph again = batch.get(g);
            assertArrayEquals(one.indptr(), again.indptr());
            assertArrayEquals(one.indices(), again.indices());
            assertEquals(one.nSrc(), again.nSrc());
            assertEquals(one.nnz(), batch.edges().length(g));
            long from = batch.sources().start(g);
            Tensor alone = sum.forward(one, x.slice(0, from, from + one.nSrc()).copy(), null)
                    .y();
            long row = batch.nodes().start(g);
            assertArrayEquals(
                    alone.toFloatArray(), y.slice(0, row, row + one.nDst()).toFloatArray());
            assertArrayEquals(
                    mean.forward(Segments.of(0, one.nDst()), alone).y().toFloatArray(),
                    read.slice(0, g, g + 1).toFloatArray());
        }
    }

    @Test
    void noGraphsAtAll() {
        GraphBatch none = GraphBatch.of(List.of());
        assertEquals(0, none.count());
        assertEquals(0, none.graph().nDst());
        assertThrows(IndexOutOfBoundsException.class, () -> none.get(0));
        assertEquals(
                0,
                SegmentReduce.of(Reduce.SUM)
                        .forward(none.nodes(), Tensor.zeros(DType.F32, 0, 3))
                        .y()
                        .size());
    }

    @Test
    void typesOfNodesAndEdgesBecomeOneGraph() {
        HeteroGraph.EdgeType writes = new HeteroGraph.EdgeType("author", "writes", "paper");
        HeteroGraph.EdgeType cites = new HeteroGraph.EdgeType("paper", "cites", "paper");
        HeteroGraph g = HeteroGraph.builder()
                .nodes("author", 2)
                .nodes("paper", 3)
                .edges(writes, Tensor.of(new int[] {0, 1, 1}), Tensor.of(new int[] {2, 0, 2}))
                .edges(cites, CsrGraph.of(new long[] {0, 0, 1, 2}, new int[] {0, 1}, 3))
                .build();
        assertEquals(List.of("author", "paper"), g.nodeTypes());
        assertEquals(List.of(writes, cites), g.edgeTypes());
        assertEquals(3, g.count("paper"));
        assertEquals(3, g.graph(writes).nnz());
        HeteroGraph.Homogeneous all = g.homogeneous();
        assertArrayEquals(new long[] {0, 2, 5}, all.nodes().indptr().toLongArray());
        assertArrayEquals(new long[] {0, 0, 0, 1, 2, 5}, all.graph().indptr());
        assertArrayEquals(new int[] {1, 2, 0, 1, 3}, all.graph().indices());
        assertArrayEquals(new int[] {0, 1, 0, 0, 1}, all.edgeTypes().toIntArray());
        assertArrayEquals(new int[] {0, 0, 1, 2, 1}, all.edges().toIntArray());
        HeteroGraph both = g.withReverse("rev_");
        assertEquals(4, both.edgeTypes().size());
        CsrGraph back = both.graph(new HeteroGraph.EdgeType("paper", "rev_writes", "author"));
        assertArrayEquals(new long[] {0, 1, 3}, back.indptr());
        assertArrayEquals(new int[] {2, 0, 2}, back.indices());
    }

    @Test
    void refusesWhatDoesNotFit() {
        HeteroGraph.Builder b = HeteroGraph.builder().nodes("a", 2);
        HeteroGraph.EdgeType loop = new HeteroGraph.EdgeType("a", "to", "a");
        HeteroGraph.EdgeType unknown = new HeteroGraph.EdgeType("a", "to", "b");
        CsrGraph two = CsrGraph.of(new long[3], new int[0], 2);
        CsrGraph three = CsrGraph.of(new long[4], new int[0], 3);
        assertThrows(IllegalArgumentException.class, () -> b.nodes("a", 3));
        assertThrows(IllegalArgumentException.class, () -> b.edges(unknown, two));
        assertThrows(IllegalArgumentException.class, () -> b.edges(loop, three));
        HeteroGraph g = b.edges(loop, two).build();
        assertThrows(IllegalArgumentException.class, () -> b.edges(loop, two));
        assertThrows(IllegalArgumentException.class, () -> g.graph(unknown));
        assertThrows(IllegalArgumentException.class, () -> g.count("b"));
    }
}
