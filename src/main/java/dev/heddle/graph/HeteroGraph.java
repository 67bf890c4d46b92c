package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Nodes of several types and edges of several types between them: one graph for each type of edge. Types keep their order. */
public final class HeteroGraph {
    /** From which type of nodes, as what, to which type. */
    public record EdgeType(String source, String relation, String destination) {
        /** The three in this order. */
        @Override
        public String toString() {
            return source + " " + relation + " " + destination;
        }
    }

    private final Map<String, Long> nodes;
    private final Map<EdgeType, CsrGraph> edges;

    private HeteroGraph(Map<String, Long> nodes, Map<EdgeType, CsrGraph> edges) {
        this.nodes = nodes;
        this.edges = edges;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Types of nodes first, then the edges between them. */
    public static final class Builder {
        private final Map<String, Long> nodes = new LinkedHashMap<>();
        private final Map<EdgeType, CsrGraph> edges = new LinkedHashMap<>();

        private Builder() {}

        /** A type of nodes, and how many there are. */
        public Builder nodes(String type, long count) {
            if (nodes.containsKey(type)) {
                throw new IllegalArgumentException("type: nodes of type " + type + " are there already");
            }
            CsrGraph.requireNodes("count", count);
            nodes.put(type, count);
            return this;
        }

        /** A type of edges. */
        public Builder edges(EdgeType type, CsrGraph graph) {
            if (edges.containsKey(type)) {
                throw new IllegalArgumentException("type: edges of type " + type + " are there already");
            }
            long src = count(nodes, type.source);
            long dst = count(nodes, type.destination);
            if (graph.nSrc() != src || graph.nDst() != dst) {
                throw new IllegalArgumentException(
                        "graph: " + graph + ", but " + type + " goes from " + src + " to " + dst);
            }
            edges.put(type, graph);
            return this;
        }

        /** A type of edges, in any order. */
        public Builder edges(EdgeType type, Tensor src, Tensor dst) {
            long nSrc = count(nodes, type.source);
            long nDst = count(nodes, type.destination);
            return edges(type, CsrGraph.fromCoo(src, dst, nSrc, nDst).graph());
        }

        public HeteroGraph build() {
            return new HeteroGraph(new LinkedHashMap<>(nodes), new LinkedHashMap<>(edges));
        }
    }

    private static long count(Map<String, Long> nodes, String type) {
        Long n = nodes.get(type);
        if (n == null) {
            throw new IllegalArgumentException("type: no nodes of type " + type + ", there are " + nodes.keySet());
        }
        return n;
    }

    /** The types of nodes, in their order. */
    public List<String> nodeTypes() {
        return List.copyOf(nodes.keySet());
    }

    /** The types of edges, in their order. */
    public List<EdgeType> edgeTypes() {
        return List.copyOf(edges.keySet());
    }

    /** How many nodes of a type there are. */
    public long count(String type) {
        return count(nodes, type);
    }

    /** The edges of a type. */
    public CsrGraph graph(EdgeType type) {
        CsrGraph g = edges.get(type);
        if (g == null) {
            throw new IllegalArgumentException("type: no edges of type " + type + ", there are " + edges.keySet());
        }
        return g;
    }

    /**
     * With the edges of each type turned round as well, under the same relation with {@code prefix} before it, so that messages
     * run both ways.
     */
    public HeteroGraph withReverse(String prefix) {
        Builder b = new Builder();
        nodes.forEach(b::nodes);
        edges.forEach(b::edges);
        edges.forEach((type, g) -> b.edges(
                new EdgeType(type.destination, prefix + type.relation, type.source),
                g.transpose().graph()));
        return b.build();
    }

    /**
     * All types in one graph.
     *
     * @param graph square, its rows in order of the types of their edges, and in each in the order they had
     * @param nodes the nodes of each type, in the order of {@link #nodeTypes}
     * @param edgeTypes the type of each edge, int32 {@code [nnz]}: its place in {@link #edgeTypes}
     * @param edges the place of each edge among those of its type, int32 {@code [nnz]}, int64 beyond 2^31 - 1 edges
     */
    public record Homogeneous(CsrGraph graph, Segments nodes, Tensor edgeTypes, Tensor edges) {}

    /** All nodes and edges in one graph, for layers that know relations as numbers. */
    public Homogeneous homogeneous() {
        long[] starts = new long[nodes.size() + 1];
        Map<String, Long> offsets = new LinkedHashMap<>();
        int t = 0;
        for (Map.Entry<String, Long> e : nodes.entrySet()) {
            offsets.put(e.getKey(), starts[t]);
            starts[t + 1] = starts[t] + e.getValue();
            t++;
        }
        long n = starts[t];
        CsrGraph.requireNodes("nodes of all types", n);
        long m = edges.values().stream().mapToLong(CsrGraph::nnz).sum();
        Tensor src = Tensor.zeros(DType.I32, m);
        Tensor dst = Tensor.zeros(DType.I32, m);
        List<Long> typeStarts = new ArrayList<>();
        long at = 0;
        for (Map.Entry<EdgeType, CsrGraph> e : edges.entrySet()) {
            typeStarts.add(at);
            CsrGraph g = e.getValue();
            shifted(g.sources(), count(offsets, e.getKey().source), src, at);
            shifted(g.destinations(), count(offsets, e.getKey().destination), dst, at);
            at += g.nnz();
        }
        typeStarts.add(at);
        CsrGraph.Derived d = CsrGraph.fromCoo(src, dst, n, n);
        Tensor types = Tensor.zeros(DType.I32, m);
        Tensor own = Tensor.zeros(d.perm().dtype(), m);
        Index typeOf =
                Segments.of(typeStarts.stream().mapToLong(i -> i).toArray()).index();
        try (Use _ = Use.of(types, own, d.perm());
                Use _ = typeOf.use()) {
            Positions perm = Positions.of(d.perm());
            Positions to = Positions.of(own);
            long out = types.address();
            for (long e = 0; e < m; e++) {
                long from = perm.at(e);
                int type = Raw.ALL.get(Raw.I32, typeOf.address() + 4 * from);
                Raw.ALL.set(Raw.I32, out + 4 * e, type);
                to.set(e, from - typeStarts.get(type));
            }
        }
        return new Homogeneous(d.graph(), Segments.of(starts), types, own);
    }

    /** Copies node numbers, moved by those of the types before. */
    private static void shifted(Tensor from, long by, Tensor to, long at) {
        try (Use _ = Use.of(from, to)) {
            long a = from.address();
            long b = to.address() + 4 * at;
            for (long e = 0; e < from.size(); e++) {
                Raw.ALL.set(Raw.I32, b + 4 * e, (int) (by + Raw.ALL.get(Raw.I32, a + 4 * e)));
            }
        }
    }
}
