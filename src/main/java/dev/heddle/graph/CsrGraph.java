package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * A graph in compressed sparse row form, grouped by destination: the edges into node i are {@code indptr[i]} to {@code indptr[i +
 * 1]}, and {@code indices} holds their sources. Rows may be unsorted, may hold an edge several times, self loops, or nothing.
 * Sources and destinations may be different sets of nodes.
 *
 * <p>A graph is checked once, when it is made, and owns its arrays, so operators trust it. Its transpose and the way its rows
 * are split into work are made at the first need and kept. Memory is freed by {@link #close} or by the garbage collector.
 *
 * <p>Nodes are numbered by int32; edges may be more than 2^31, and the positions of so many are int64.
 */
public final class CsrGraph implements AutoCloseable {
    private final Segments rows;
    private final Tensor indices;
    private final long nSrc;
    private final boolean owned;
    private volatile @Nullable Transpose transpose;
    private volatile @Nullable CsrGraph withSelfLoops;
    private volatile @Nullable Boolean ascending;

    private CsrGraph(Segments rows, Tensor indices, long nSrc, boolean owned) {
        this.rows = rows;
        this.indices = indices;
        this.nSrc = nSrc;
        this.owned = owned;
    }

    // ------------------------------------------------------------------ making

    /**
     * A graph of copied arrays.
     *
     * @param indptr int64 {@code [nDst + 1]}, starts at 0, never decreases, ends at nnz
     * @param indices int32 {@code [nnz]}, in {@code [0, nSrc)}
     * @throws IllegalArgumentException if a type or shape is wrong
     * @throws IndexOutOfBoundsException if a pointer or an index is, with its position and value
     */
    public static CsrGraph of(Tensor indptr, Tensor indices, long nSrc) {
        requireShapes(indptr, indices, nSrc);
        CsrGraph g = taking(indptr.copy(), indices.copy(), nSrc);
        g.validate();
        return g;
    }

    /** The same from Java arrays. */
    public static CsrGraph of(long[] indptr, int[] indices, long nSrc) {
        return of(Tensor.of(indptr, indptr.length), Tensor.of(indices, indices.length), nSrc);
    }

    /**
     * A graph whose arrays are used where they are, for instance in a mapped file that is larger than memory. They are checked
     * once, by one pass over them. Whoever changes them later, or truncates the file, breaks the promise that no call can crash
     * the process. They must outlive the graph, and closing it leaves them open.
     */
    public static CsrGraph mapped(Tensor indptr, Tensor indices, long nSrc) {
        CsrGraph g = trustMapped(indptr, indices, nSrc);
        g.validate();
        return g;
    }

    /**
     * The same without the check: opening takes no time, and the caller vouches for every pointer and index. A wrong one
     * crashes the process.
     */
    public static CsrGraph trustMapped(Tensor indptr, Tensor indices, long nSrc) {
        requireShapes(indptr, indices, nSrc);
        if (!indptr.isContiguous() || !indices.isContiguous()) {
            throw new IllegalArgumentException("indptr, indices: a graph of mapped memory needs them contiguous");
        }
        return new CsrGraph(Segments.taking(indptr), indices, nSrc, false);
    }

    /** Takes over arrays of our own that are right. */
    static CsrGraph taking(Tensor indptr, Tensor indices, long nSrc) {
        return taking(Segments.taking(indptr), indices, nSrc);
    }

    static CsrGraph taking(Segments rows, Tensor indices, long nSrc) {
        return new CsrGraph(rows, indices, nSrc, true);
    }

    /**
     * A graph, and where its edges come from.
     *
     * @param perm edge e of the graph is edge {@code perm[e]} of what it was made of; int32 {@code [nnz]}, int64 if that has more
     *     than 2^31 - 1 edges
     */
    public record Derived(CsrGraph graph, Tensor perm) {}

    /**
     * A graph of edges in any order: {@code indices = src[perm]}, {@code perm} the stable order by {@code dst}, so those of a row
     * keep their order. Takes time linear in edges and nodes.
     *
     * @param src int32 {@code [E]}, in {@code [0, nSrc)}
     * @param dst int32 {@code [E]}, in {@code [0, nDst)}
     * @throws IllegalArgumentException if a type or shape is wrong
     * @throws IndexOutOfBoundsException if a node is, with its position and value
     */
    public static Derived fromCoo(Tensor src, Tensor dst, long nSrc, long nDst) {
        Segments.require(src.dtype() == DType.I32 && src.rank() == 1, "src", src, "I32 [E]");
        Segments.require(
                dst.dtype() == DType.I32 && dst.rank() == 1 && dst.size() == src.size(),
                "dst",
                dst,
                "I32 [" + src.size() + "]");
        requireNodes("nSrc", nSrc);
        requireNodes("nDst", nDst);
        Tensor indptr = Tensor.zeros(DType.I64, nDst + 1);
        Tensor indices = Tensor.zeros(DType.I32, src.size());
        Tensor perm = Tensor.zeros(Positions.type(src.size()), src.size());
        CountingSort.sort(
                new CountingSort.Input("dst", dst.contiguous(), nDst, "src", src.contiguous(), nSrc),
                new CountingSort.Output(indptr, indices, perm));
        return new Derived(taking(indptr, indices, nSrc), perm);
    }

    private static void requireShapes(Tensor indptr, Tensor indices, long nSrc) {
        Segments.requirePointers(indptr);
        Segments.require(indices.dtype() == DType.I32 && indices.rank() == 1, "indices", indices, "I32 [nnz]");
        requireNodes("nSrc", nSrc);
        requireNodes("nDst", indptr.size() - 1);
    }

    static void requireNodes(String name, long n) {
        if (n < 0 || n > 1L << 31) {
            throw new IllegalArgumentException(name + ": " + n + ", must be between 0 and 2^31");
        }
    }

    private void validate() {
        rows.validate();
        if (rows.rows() != nnz()) {
            throw new IndexOutOfBoundsException(
                    "indptr[" + nDst() + "] = " + rows.rows() + ", but there are " + nnz() + " indices");
        }
        try (Use _ = use()) {
            long a = indices.address();
            for (long e = 0; e < nnz(); e++) {
                int j = Raw.ALL.get(Raw.I32, a + 4 * e);
                if (j < 0 || j >= nSrc) {
                    throw new IndexOutOfBoundsException(
                            "indices[" + e + "] = " + j + ", but there are " + nSrc + " source nodes");
                }
            }
        }
    }

    // ------------------------------------------------------------------ asking

    /** The number of destination nodes, or rows. */
    public long nDst() {
        return rows.count();
    }

    /** The number of source nodes. */
    public long nSrc() {
        return nSrc;
    }

    /** The number of edges. */
    public long nnz() {
        return indices.size();
    }

    /** The number of edges into node {@code i}. */
    public long degree(long i) {
        return rows.length(i);
    }

    /** Whether sources ascend strictly within each row, so that no edge is there twice; found out once. */
    public boolean isAscending() {
        Boolean known = ascending;
        if (known == null) {
            ascending = known = findAscending();
        }
        return known;
    }

    private boolean findAscending() {
        try (Use _ = use()) {
            Adjacency all = Adjacency.of(this);
            for (long i = 0; i < nDst(); i++) {
                long end = all.start(i + 1);
                for (long e = all.start(i) + 1; e < end; e++) {
                    if (all.source(e) <= all.source(e - 1)) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    /** The rows as segments of the edges. */
    public Segments rows() {
        return rows;
    }

    /** A copy of the row pointers. */
    public long[] indptr() {
        return rows.pointers().toLongArray();
    }

    /** A copy of the sources. */
    public int[] indices() {
        return indices.toIntArray();
    }

    /** The destination of every edge, int32 {@code [nnz]}, as a new tensor. */
    public Tensor destinations() {
        return rows.owners();
    }

    /** The sources of every edge, int32 {@code [nnz]}, as a new tensor. */
    public Tensor sources() {
        return indices.copy();
    }

    // ------------------------------------------------------------------ for operators

    /** Keeps the arrays where they are while their addresses are in use. */
    public Use use() {
        return Use.of(rows.pointers(), indices);
    }

    /** Where the int64 row pointers are. Reading them is fine while {@link #use} is open; writing breaks every promise. */
    public long indptrAddress() {
        return rows.indptrAddress();
    }

    /** Where the int32 sources are. */
    public long indicesAddress() {
        return indices.address();
    }

    /** The pieces of work that the rows fall into; made once and kept. */
    public RowSplit rowSplit() {
        return rows.rowSplit();
    }

    // ------------------------------------------------------------------ self loops

    /**
     * This square graph with one self loop at every node: those that are there are left out, and one comes after the other edges of
     * each row. Made once and kept.
     */
    public CsrGraph withSelfLoops() {
        CsrGraph g = withSelfLoops;
        if (g == null) {
            synchronized (this) {
                g = withSelfLoops;
                if (g == null) {
                    withSelfLoops = g = makeSelfLoops();
                }
            }
        }
        return g;
    }

    private CsrGraph makeSelfLoops() {
        if (nSrc != nDst()) {
            throw new IllegalArgumentException("graph: " + this + ", must be square to have self loops");
        }
        Tensor indptr = Tensor.zeros(DType.I64, nDst() + 1);
        try (Use _ = use();
                Use _ = Use.of(indptr)) {
            Adjacency all = Adjacency.of(this);
            long p = indptr.address();
            long n = 0;
            for (long i = 0; i < nDst(); i++) {
                for (long e = all.start(i); e < all.start(i + 1); e++) {
                    n += all.source(e) == i ? 0 : 1;
                }
                Raw.ALL.set(Raw.I64, p + 8 * i + 8, ++n);
            }
            Tensor sources = Tensor.zeros(DType.I32, n);
            try (Use _ = Use.of(sources)) {
                long to = sources.address();
                for (long i = 0; i < nDst(); i++) {
                    for (long e = all.start(i); e < all.start(i + 1); e++) {
                        if (all.source(e) != i) {
                            Raw.ALL.set(Raw.I32, to, all.source(e));
                            to += 4;
                        }
                    }
                    Raw.ALL.set(Raw.I32, to, (int) i);
                    to += 4;
                }
            }
            return taking(indptr, sources, nSrc);
        }
    }

    // ------------------------------------------------------------------ the transpose

    /** The transposed graph, and the position that each of its edges has in the graph that it came from. */
    public static final class Transpose {
        private final CsrGraph graph;
        private final Tensor perm;

        private Transpose(CsrGraph graph, Tensor perm) {
            this.graph = graph;
            this.perm = perm;
        }

        /** Grouped by what was the source; destinations ascend in each row. */
        public CsrGraph graph() {
            return graph;
        }

        /** A copy of the positions: int32 {@code [nnz]}, int64 beyond 2^31 - 1 edges. */
        public Tensor perm() {
            return perm.copy();
        }

        /** Whether the positions are int64. */
        public boolean isWide() {
            return perm.dtype() == DType.I64;
        }

        /** Keeps the transposed graph's arrays and the positions where they are. */
        public Use use() {
            return Use.of(graph.rows.pointers(), graph.indices, perm);
        }

        /** Where the positions are; only reading them is fine, while {@link #use} is open. */
        public long permAddress() {
            return perm.address();
        }
    }

    /** This graph with its edges turned round; made once and kept. */
    public Transpose transpose() {
        Transpose t = transpose;
        if (t == null) {
            synchronized (this) {
                t = transpose;
                if (t == null) {
                    transpose = t = makeTranspose();
                }
            }
        }
        return t;
    }

    private Transpose makeTranspose() {
        Tensor indptr = Tensor.zeros(DType.I64, nSrc + 1);
        Tensor dst = Tensor.zeros(DType.I32, nnz());
        Tensor perm = Tensor.zeros(Positions.type(nnz()), nnz());
        try (Tensor all = destinations()) {
            CountingSort.sort(
                    new CountingSort.Input("indices", indices, nSrc, "destinations", all, nDst()),
                    new CountingSort.Output(indptr, dst, perm));
        }
        return new Transpose(taking(indptr, dst, nDst()), perm);
    }

    /**
     * Frees the arrays, those of the transpose and of the graph with self loops; those of a {@link #mapped} graph are left to their owner.
     *
     * @throws IllegalStateException if an operation is using them
     */
    @Override
    public void close() {
        Transpose t = transpose;
        if (t != null) {
            t.graph.close();
            t.perm.close();
        }
        CsrGraph loops = withSelfLoops;
        if (loops != null) {
            loops.close();
        }
        if (owned) {
            rows.pointers().close();
            indices.close();
        }
    }

    /** The numbers of nodes and edges. */
    @Override
    public String toString() {
        return "graph of " + nnz() + " edges from " + nSrc + " to " + nDst() + " nodes";
    }
}
