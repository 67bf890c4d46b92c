package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.List;

/**
 * Many small graphs as one: its matrix has theirs as blocks on the diagonal. Nodes and edges of graph g are consecutive; {@link
 * #nodes} tells where, so that a readout is a {@code SegmentReduce} over them.
 */
public final class GraphBatch {
    private final CsrGraph graph;
    private final Segments nodes;
    private final Segments sources;
    private final Segments edges;

    private GraphBatch(CsrGraph graph, Segments nodes, Segments sources, Segments edges) {
        this.graph = graph;
        this.nodes = nodes;
        this.sources = sources;
        this.edges = edges;
    }

    /**
     * The graphs side by side, in their order.
     *
     * @throws IllegalArgumentException if they have more than 2^31 nodes together
     */
    public static GraphBatch of(List<CsrGraph> graphs) {
        int n = graphs.size();
        long[] dst = new long[n + 1];
        long[] src = new long[n + 1];
        long[] nnz = new long[n + 1];
        for (int g = 0; g < n; g++) {
            dst[g + 1] = dst[g] + graphs.get(g).nDst();
            src[g + 1] = src[g] + graphs.get(g).nSrc();
            nnz[g + 1] = nnz[g] + graphs.get(g).nnz();
        }
        CsrGraph.requireNodes("nDst", dst[n]);
        CsrGraph.requireNodes("nSrc", src[n]);
        Tensor indptr = Tensor.zeros(DType.I64, dst[n] + 1);
        Tensor indices = Tensor.zeros(DType.I32, nnz[n]);
        try (Use _ = Use.of(indptr, indices)) {
            long ptr = indptr.address();
            long idx = indices.address();
            Team.run(n, 2.0 * (nnz[n] + dst[n]), g -> {
                CsrGraph one = graphs.get(g);
                try (Use _ = one.use()) {
                    long from = one.indptrAddress();
                    long to = ptr + 8 * dst[g];
                    for (long i = 1; i <= one.nDst(); i++) {
                        Raw.ALL.set(Raw.I64, to + 8 * i, nnz[g] + Raw.ALL.get(Raw.I64, from + 8 * i));
                    }
                    from = one.indicesAddress();
                    to = idx + 4 * nnz[g];
                    for (long e = 0; e < one.nnz(); e++) {
                        Raw.ALL.set(Raw.I32, to + 4 * e, (int) (src[g] + Raw.ALL.get(Raw.I32, from + 4 * e)));
                    }
                }
            });
        }
        CsrGraph all = CsrGraph.taking(indptr, indices, src[n]);
        return new GraphBatch(all, Segments.of(dst), Segments.of(src), Segments.of(nnz));
    }

    /** All of them as one graph. */
    public CsrGraph graph() {
        return graph;
    }

    /** How many graphs there are. */
    public long count() {
        return nodes.count();
    }

    /** The (destination) nodes of each graph. */
    public Segments nodes() {
        return nodes;
    }

    /** The source nodes of each graph; the same as {@link #nodes} unless graphs are bipartite. */
    public Segments sources() {
        return sources;
    }

    /** The edges of each graph. */
    public Segments edges() {
        return edges;
    }

    /** One of the graphs, as it was. */
    public CsrGraph get(long g) {
        if (g < 0 || g >= count()) {
            throw new IndexOutOfBoundsException("graph " + g + " of " + count());
        }
        long row = nodes.start(g);
        long n = nodes.length(g);
        long edge = edges.start(g);
        long m = edges.length(g);
        long source = sources.start(g);
        Tensor indptr = Tensor.zeros(DType.I64, n + 1);
        Tensor indices = Tensor.zeros(DType.I32, m);
        try (Use _ = Use.of(indptr, indices);
                Use _ = graph.use()) {
            long ptr = graph.indptrAddress() + 8 * row;
            long to = indptr.address();
            for (long i = 0; i <= n; i++) {
                Raw.ALL.set(Raw.I64, to + 8 * i, Raw.ALL.get(Raw.I64, ptr + 8 * i) - edge);
            }
            long idx = graph.indicesAddress() + 4 * edge;
            to = indices.address();
            for (long e = 0; e < m; e++) {
                Raw.ALL.set(Raw.I32, to + 4 * e, (int) (Raw.ALL.get(Raw.I32, idx + 4 * e) - source));
            }
        }
        return CsrGraph.taking(indptr, indices, sources.length(g));
    }
}
