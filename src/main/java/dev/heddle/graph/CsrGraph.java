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
 * are split into work are made at the first need and kept.
 */
public final class CsrGraph {
    private final Tensor indptr;
    private final Tensor indices;
    private final long nSrc;
    private volatile @Nullable Transpose transpose;
    private volatile @Nullable RowSplit rowSplit;

    private CsrGraph(Tensor indptr, Tensor indices, long nSrc) {
        this.indptr = indptr;
        this.indices = indices;
        this.nSrc = nSrc;
    }

    /** The transposed graph, and for each of its edges the position that the edge has in this one (int32). */
    public record Transpose(CsrGraph graph, Tensor perm) {}

    /**
     * A graph of copied arrays.
     *
     * @param indptr int64 {@code [nDst + 1]}, starts at 0, never decreases, ends at nnz
     * @param indices int32 {@code [nnz]}, in {@code [0, nSrc)}
     * @throws IllegalArgumentException if a type or shape is wrong
     * @throws IndexOutOfBoundsException if a pointer or an index is, with its position and value
     */
    public static CsrGraph of(Tensor indptr, Tensor indices, long nSrc) {
        require(
                indptr.dtype() == DType.I64 && indptr.rank() == 1 && indptr.size() > 0,
                "indptr",
                indptr,
                "I64 [nDst + 1]");
        require(indices.dtype() == DType.I32 && indices.rank() == 1, "indices", indices, "I32 [nnz]");
        if (nSrc < 0) {
            throw new IllegalArgumentException("nSrc: " + nSrc + " is negative");
        }
        CsrGraph g = new CsrGraph(indptr.copy(), indices.copy(), nSrc);
        g.validate();
        return g;
    }

    /** The same from Java arrays. */
    public static CsrGraph of(long[] indptr, int[] indices, long nSrc) {
        return of(Tensor.of(indptr, indptr.length), Tensor.of(indices, indices.length), nSrc);
    }

    private static void require(boolean ok, String name, Tensor t, String wanted) {
        if (!ok) {
            throw new IllegalArgumentException(name + ": " + t.dtype() + " " + t.shape() + ", must be " + wanted);
        }
    }

    private void validate() {
        long before = 0;
        for (long i = 0; i <= nDst(); i++) {
            long p = pointer(i);
            if (i == 0 ? p != 0 : p < before) {
                throw new IndexOutOfBoundsException(
                        "indptr[" + i + "] = " + p + (i == 0 ? ", must be 0" : " decreases from " + before));
            }
            before = p;
        }
        if (before != nnz()) {
            throw new IndexOutOfBoundsException(
                    "indptr[" + nDst() + "] = " + before + ", but there are " + nnz() + " indices");
        }
        for (long e = 0; e < nnz(); e++) {
            int j = Raw.ALL.get(Raw.I32, indices.address() + 4 * e);
            if (j < 0 || j >= nSrc) {
                throw new IndexOutOfBoundsException(
                        "indices[" + e + "] = " + j + ", but there are " + nSrc + " source nodes");
            }
        }
    }

    /** The number of destination nodes: rows. */
    public long nDst() {
        return indptr.size() - 1;
    }

    /** The number of source nodes: columns. */
    public long nSrc() {
        return nSrc;
    }

    /** The number of edges. */
    public long nnz() {
        return indices.size();
    }

    /** The number of edges into node {@code i}. */
    public long degree(long i) {
        if (i < 0 || i >= nDst()) {
            throw new IndexOutOfBoundsException("node " + i + " of " + nDst());
        }
        return pointer(i + 1) - pointer(i);
    }

    long pointer(long i) {
        return Raw.ALL.get(Raw.I64, indptr.address() + 8 * i);
    }

    /** A copy of the row pointers. */
    public long[] indptr() {
        return indptr.toLongArray();
    }

    /** A copy of the sources. */
    public int[] indices() {
        return indices.toIntArray();
    }

    /** Keeps the arrays reachable while their addresses are in use. */
    public Use use() {
        return Use.of(indptr, indices);
    }

    /** Where the int64 row pointers are. Reading them is fine while {@link #use} is open; writing breaks every promise. */
    public long indptrAddress() {
        return indptr.address();
    }

    /** Where the int32 sources are. */
    public long indicesAddress() {
        return indices.address();
    }

    /** This graph with its edges turned round, each row in ascending order of destination; made once and kept. */
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
        Tensor ptr = Tensor.zeros(DType.I64, nSrc + 1);
        Tensor dst = Tensor.zeros(DType.I32, nnz());
        Tensor perm = Tensor.zeros(DType.I32, nnz());
        long next = ptr.address();
        for (long e = 0; e < nnz(); e++) {
            long at = next + 8 * (source(e) + 1);
            Raw.ALL.set(Raw.I64, at, Raw.ALL.get(Raw.I64, at) + 1);
        }
        for (long j = 0; j < nSrc; j++) {
            long sum = Raw.ALL.get(Raw.I64, next + 8 * j) + Raw.ALL.get(Raw.I64, next + 8 * (j + 1));
            Raw.ALL.set(Raw.I64, next + 8 * (j + 1), sum);
        }
        Tensor cursors = ptr.copy();
        long cursor = cursors.address();
        for (long i = 0; i < nDst(); i++) {
            for (long e = pointer(i), end = pointer(i + 1); e < end; e++) {
                long at = cursor + 8 * source(e);
                long to = Raw.ALL.get(Raw.I64, at);
                Raw.ALL.set(Raw.I64, at, to + 1);
                Raw.ALL.set(Raw.I32, dst.address() + 4 * to, (int) i);
                Raw.ALL.set(Raw.I32, perm.address() + 4 * to, (int) e);
            }
        }
        cursors.close();
        return new Transpose(new CsrGraph(ptr, dst, nDst()), perm);
    }

    private long source(long e) {
        return Raw.ALL.get(Raw.I32, indices.address() + 4 * e);
    }

    /** The pieces of work that the rows fall into; made once and kept. */
    public RowSplit rowSplit() {
        RowSplit s = rowSplit;
        if (s == null) {
            rowSplit = s = RowSplit.of(this, nDst());
        }
        return s;
    }
}
