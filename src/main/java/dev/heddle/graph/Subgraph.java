package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * A part of a graph, its nodes numbered anew.
 *
 * @param graph square; node k of it is node {@code nodes[k]} of the whole
 * @param nodes int32 {@code [n]}
 * @param edges where each edge is in the whole, int32 {@code [nnz]}, int64 if that has more than 2^31 - 1 edges
 */
public record Subgraph(CsrGraph graph, Tensor nodes, Tensor edges) {
    /**
     * The nodes given and every edge between two of them, rows in the order of the nodes, edges of a row in their old order.
     *
     * @param nodes int32 {@code [n]}, each once
     * @throws IllegalArgumentException if the graph is not square, or a node is there twice
     * @throws IndexOutOfBoundsException if there is no such node
     */
    public static Subgraph induced(CsrGraph graph, Tensor nodes) {
        int[] wanted = Index.of("nodes", nodes, requireSquare(graph)).values().toIntArray();
        NodeMap local = new NodeMap(wanted.length);
        for (int k = 0; k < wanted.length; k++) {
            if (local.add(wanted[k]) != k) {
                throw new IllegalArgumentException("nodes[" + k + "] = " + wanted[k] + " is there already");
            }
        }
        return induced(graph, local);
    }

    private static long requireSquare(CsrGraph graph) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        return graph.nDst();
    }

    private static Subgraph induced(CsrGraph graph, NodeMap local) {
        int[] nodes = local.nodes();
        Tensor indptr = Tensor.zeros(DType.I64, nodes.length + 1L);
        try (Use _ = Use.of(indptr);
                Use _ = graph.use()) {
            Adjacency all = Adjacency.of(graph);
            long ptr = indptr.address();
            long kept = 0;
            for (int k = 0; k < nodes.length; k++) {
                for (long e = all.start(nodes[k]), end = all.start(nodes[k] + 1L); e < end; e++) {
                    kept += local.get(all.source(e)) >= 0 ? 1 : 0;
                }
                Raw.ALL.set(Raw.I64, ptr + 8L * (k + 1), kept);
            }
            Tensor indices = Tensor.zeros(DType.I32, kept);
            Tensor edges = Tensor.zeros(Positions.type(graph.nnz()), kept);
            try (Use _ = Use.of(indices, edges)) {
                long idx = indices.address();
                Positions at = Positions.of(edges);
                long to = 0;
                for (int node : nodes) {
                    for (long e = all.start(node), end = all.start(node + 1L); e < end; e++) {
                        int j = local.get(all.source(e));
                        if (j >= 0) {
                            Raw.ALL.set(Raw.I32, idx + 4 * to, j);
                            at.set(to++, e);
                        }
                    }
                }
            }
            CsrGraph part = CsrGraph.taking(indptr, indices, nodes.length);
            return new Subgraph(part, Tensor.of(nodes, nodes.length), edges);
        }
    }

    /**
     * The surroundings of some nodes.
     *
     * @param subgraph induced by the nodes reached, in the order in which they were
     * @param seeds where each seed is among them, int32 {@code [S]}
     * @param hopEnds {@code hopEnds[h]}: how many nodes are reached in at most h hops
     */
    @SuppressWarnings("ArrayRecordComponent") // surroundings are not compared
    public record Ego(Subgraph subgraph, Tensor seeds, long[] hopEnds) {}

    /**
     * The nodes from which one of the seeds can be reached over at most {@code hops} edges, and every edge between two of them: all
     * that a network of so many layers sees of the graph.
     *
     * @param seeds int32 {@code [S]}; the same node may be there more than once
     * @throws IllegalArgumentException if the graph is not square, or {@code hops} is negative
     * @throws IndexOutOfBoundsException if there is no such node
     */
    public static Ego ego(CsrGraph graph, Tensor seeds, int hops) {
        if (hops < 0) {
            throw new IllegalArgumentException("hops: " + hops + " is negative");
        }
        int[] wanted = Index.of("seeds", seeds, requireSquare(graph)).values().toIntArray();
        NodeMap local = new NodeMap(wanted.length);
        int[] at = new int[wanted.length];
        for (int i = 0; i < wanted.length; i++) {
            at[i] = local.add(wanted[i]);
        }
        long[] hopEnds = new long[hops + 1];
        hopEnds[0] = local.size();
        try (Use _ = graph.use()) {
            Adjacency all = Adjacency.of(graph);
            int from = 0;
            for (int h = 1; h <= hops; h++) {
                int end = local.size();
                for (int k = from; k < end; k++) {
                    long node = local.key(k);
                    for (long e = all.start(node), last = all.start(node + 1); e < last; e++) {
                        local.add(all.source(e));
                    }
                }
                from = end;
                hopEnds[h] = local.size();
            }
        }
        return new Ego(induced(graph, local), Tensor.of(at, at.length), hopEnds);
    }
}
