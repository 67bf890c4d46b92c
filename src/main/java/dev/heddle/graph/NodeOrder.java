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

    /**
     * The reverse Cuthill-McKee order: breadth first from a node at the rim of each component, neighbours by degree, and all of it
     * backwards, so that neighbours stand close together. Rows are taken for the neighbours of a node; make a directed graph
     * undirected first. Takes time about linear in the edges.
     *
     * @throws IllegalArgumentException if the graph is not square
     */
    public static NodeOrder reverseCuthillMcKee(CsrGraph graph) {
        requireSquare(graph);
        try (Use _ = graph.use()) {
            return new NodeOrder(new CuthillMcKee(graph, degrees(graph)).reversed());
        }
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

    private static final class CuthillMcKee {
        /** Rounds of looking for a node further out; more change little. */
        private static final int ROUNDS = 4;

        private final Adjacency rows;
        private final int[] deg;
        private final int[] order;
        /** The number of the search that saw a node last. */
        private final int[] seen;
        /** Whether the component of a node is in the order. */
        private final boolean[] done;

        private int placed;
        private int search;
        /** The levels of the last walk, and where in the order the last of them starts. */
        private int depth;

        private int lastLevel;

        CuthillMcKee(CsrGraph graph, int[] deg) {
            this.rows = Adjacency.of(graph);
            this.deg = deg;
            this.order = new int[deg.length];
            this.seen = new int[deg.length];
            this.done = new boolean[deg.length];
        }

        int[] reversed() {
            for (int start : sortedBy(identity(deg.length), deg)) {
                if (!done[start]) {
                    place(rim(start));
                }
                if (!done[start]) {
                    place(start); // edges are directed, and the rim does not lead back
                }
            }
            for (int i = 0, j = order.length - 1; i < j; i++, j--) {
                int swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
            return order;
        }

        private void place(int start) {
            int first = placed;
            placed = walk(start, first, true);
            for (int k = first; k < placed; k++) {
                done[order[k]] = true;
            }
        }

        /** A node at the rim of a component: of lowest degree among those farthest from one that was so, a few times over. */
        private int rim(int start) {
            int node = start;
            int reach = -1;
            for (int round = 0; round < ROUNDS; round++) {
                int end = walk(node, placed, false);
                if (depth <= reach) {
                    break;
                }
                reach = depth;
                for (int k = lastLevel; k < end; k++) {
                    node = k == lastLevel || deg[order[k]] < deg[node] ? order[k] : node;
                }
            }
            return node;
        }

        /** Breadth first from a node, into {@code order} from {@code first} on; where it ends there. */
        private int walk(int node, int first, boolean byDegree) {
            search++;
            seen[node] = search;
            order[first] = node;
            int end = first + 1;
            depth = 0;
            lastLevel = first;
            int levelEnd = end;
            for (int k = first; k < end; k++) {
                if (k == levelEnd) {
                    depth++;
                    lastLevel = k;
                    levelEnd = end;
                }
                int before = end;
                for (long e = rows.start(order[k]), last = rows.start(order[k] + 1L); e < last; e++) {
                    int j = rows.source(e);
                    // a directed graph may lead into what an earlier walk has placed
                    if (seen[j] != search && !done[j]) {
                        seen[j] = search;
                        order[end++] = j;
                    }
                }
                if (byDegree) {
                    sort(before, end);
                }
            }
            return end;
        }

        /** Sorts a short stretch of the order by (degree, node). */
        private void sort(int from, int end) {
            long[] keys = new long[end - from];
            for (int i = 0; i < keys.length; i++) {
                keys[i] = (long) deg[order[from + i]] << 32 | order[from + i];
            }
            Arrays.sort(keys);
            for (int i = 0; i < keys.length; i++) {
                order[from + i] = (int) keys[i];
            }
        }
    }

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
