package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.Arrays;

/**
 * An order of nodes: at position k stands node {@code perm[k]}. A graph relabelled by an order has node {@code perm[k]} as its node k;
 * its features are gathered with {@link #index}, and what comes out is put back in place with that of the {@link #inverse}.
 */
public final class NodeOrder {
    private final int[] perm;

    private NodeOrder(int[] perm) {
        this.perm = perm;
    }

    /**
     * An order given by somebody else.
     *
     * @param perm int32 {@code [n]}, each of 0 to n - 1 once
     * @throws IllegalArgumentException if a node is missing, naming the first that is there twice
     */
    public static NodeOrder of(Tensor perm) {
        Index checked = Index.of("perm", perm, perm.size());
        int[] nodes = checked.values().toIntArray();
        boolean[] seen = new boolean[nodes.length];
        for (int k = 0; k < nodes.length; k++) {
            if (seen[nodes[k]]) {
                throw new IllegalArgumentException("perm[" + k + "] = " + nodes[k] + " is there already");
            }
            seen[nodes[k]] = true;
        }
        return new NodeOrder(nodes);
    }

    /**
     * The stable order by (batch, degree), ascending.
     *
     * @param deg int32 {@code [n]}
     * @param batch int32 {@code [n]}, the graph of each node
     */
    public static NodeOrder byDegree(Tensor deg, Tensor batch) {
        Segments.require(deg.dtype() == DType.I32 && deg.rank() == 1, "deg", deg, "I32 [n]");
        Segments.require(
                batch.dtype() == DType.I32 && batch.rank() == 1 && batch.size() == deg.size(),
                "batch",
                batch,
                "I32 [" + deg.size() + "]");
        int[] perm = sortedBy(identity(Math.toIntExact(deg.size())), deg.toIntArray());
        return new NodeOrder(sortedBy(perm, batch.toIntArray()));
    }

    /** The stable order by the number of edges into a node, ascending. */
    public static NodeOrder byDegree(CsrGraph graph) {
        return new NodeOrder(sortedBy(identity(Math.toIntExact(graph.nDst())), degrees(graph)));
    }

    private static void requireSquare(CsrGraph graph) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
    }

    private static int[] identity(int n) {
        int[] perm = new int[n];
        for (int i = 0; i < n; i++) {
            perm[i] = i;
        }
        return perm;
    }

    /** Degrees, those beyond int32 as the largest. */
    private static int[] degrees(CsrGraph graph) {
        int[] deg = new int[Math.toIntExact(graph.nDst())];
        try (Use _ = graph.use()) {
            Adjacency rows = Adjacency.of(graph);
            for (int i = 0; i < deg.length; i++) {
                deg[i] = (int) Math.min(Integer.MAX_VALUE, rows.start(i + 1L) - rows.start(i));
            }
        }
        return deg;
    }

    // ------------------------------------------------------------------ sorting

    private static final int DIGIT = 8;

    /** An order sorted, stably, by a key of each node: byte by byte, those skipped that all keys share. */
    private static int[] sortedBy(int[] perm, int[] keys) {
        int[] from = perm;
        int[] to = new int[perm.length];
        for (int shift = 0; shift < Integer.SIZE; shift += DIGIT) {
            int[] starts = new int[(1 << DIGIT) + 1];
            for (int key : keys) {
                starts[digit(key, shift) + 1]++;
            }
            if (Arrays.stream(starts).anyMatch(count -> count == keys.length)) {
                continue;
            }
            for (int d = 0; d < 1 << DIGIT; d++) {
                starts[d + 1] += starts[d];
            }
            for (int node : from) {
                to[starts[digit(keys[node], shift)]++] = node;
            }
            int[] swap = from;
            from = to;
            to = swap;
        }
        return from;
    }

    private static int digit(int key, int shift) {
        return (key ^ Integer.MIN_VALUE) >>> shift & (1 << DIGIT) - 1;
    }

    // ------------------------------------------------------------------ reverse Cuthill-McKee

    // ------------------------------------------------------------------ using it

    /** The number of nodes. */
    public long size() {
        return perm.length;
    }

    /** The node at each position, int32 {@code [n]}, as a new tensor. */
    public Tensor perm() {
        return Tensor.of(perm, perm.length);
    }

    /** The node at each position, to gather features with. */
    public Index index() {
        return Index.of(perm(), perm.length);
    }

    /** The order that undoes this one: at position i it has where node i stands here. */
    public NodeOrder inverse() {
        int[] at = new int[perm.length];
        for (int k = 0; k < perm.length; k++) {
            at[perm[k]] = k;
        }
        return new NodeOrder(at);
    }

    /**
     * The graph with its nodes relabelled: row k is row {@code perm[k]}, its sources by their new numbers, in the old order of
     * edges.
     *
     * @throws IllegalArgumentException if the graph is not square, or has another number of nodes
     */
    public CsrGraph.Derived relabel(CsrGraph graph) {
        requireSquare(graph);
        if (graph.nDst() != perm.length) {
            throw new IllegalArgumentException("graph: " + graph + ", but the order has " + perm.length);
        }
        int[] at = inverse().perm;
        Tensor indptr = Tensor.zeros(DType.I64, perm.length + 1L);
        Tensor indices = Tensor.zeros(DType.I32, graph.nnz());
        Tensor edges = Tensor.zeros(Positions.type(graph.nnz()), graph.nnz());
        try (Use _ = Use.of(indptr, indices, edges);
                Use _ = graph.use()) {
            Adjacency old = Adjacency.of(graph);
            long newPtr = indptr.address();
            long newIdx = indices.address();
            Positions from = Positions.of(edges);
            long sum = 0;
            for (int k = 0; k < perm.length; k++) {
                sum += old.start(perm[k] + 1L) - old.start(perm[k]);
                Raw.ALL.set(Raw.I64, newPtr + 8L * (k + 1), sum);
            }
            CsrGraph made = CsrGraph.taking(indptr, indices, graph.nSrc());
            RowSplit split = made.rowSplit();
            Team.run(split.pieces(), 4.0 * graph.nnz(), piece -> {
                long end = split.endRow(piece);
                for (long k = split.firstRow(piece); k < end; k++) {
                    long row = perm[(int) k];
                    long to = Raw.ALL.get(Raw.I64, newPtr + 8 * k);
                    for (long e = old.start(row), last = old.start(row + 1); e < last; e++, to++) {
                        Raw.ALL.set(Raw.I32, newIdx + 4 * to, at[old.source(e)]);
                        from.set(to, e);
                    }
                }
            });
            return new CsrGraph.Derived(made, edges);
        }
    }
}
