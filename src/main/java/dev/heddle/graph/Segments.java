package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * Rows in consecutive segments: segment s is rows {@code indptr[s]} to {@code indptr[s + 1]} and may be empty. The rows of a CSR
 * matrix are segments of its edges, the graphs of a batch segments of its nodes.
 *
 * <p>Pointers are checked once, when they are copied in, so operators trust them. How the segments are split into work is found
 * out at the first need and kept.
 */
public final class Segments {
    private final Tensor indptr;
    private final long rows;
    private volatile @Nullable RowSplit rowSplit;
    private volatile @Nullable Index index;

    private Segments(Tensor indptr, long rows) {
        this.indptr = indptr;
        this.rows = rows;
    }

    /**
     * Segments by their pointers, which are copied.
     *
     * @param indptr int64 {@code [S + 1]}, starts at 0, never decreases
     * @throws IllegalArgumentException if its type or shape is wrong
     * @throws IndexOutOfBoundsException if a pointer is, with its position and value
     */
    public static Segments of(Tensor indptr) {
        requirePointers(indptr);
        Segments s = taking(indptr.copy());
        s.validate();
        return s;
    }

    /** The same from a Java array. */
    public static Segments of(long... indptr) {
        return of(Tensor.of(indptr, indptr.length));
    }

    static void requirePointers(Tensor indptr) {
        require(
                indptr.dtype() == DType.I64 && indptr.rank() == 1 && indptr.size() > 0,
                "indptr",
                indptr,
                "I64 [rows + 1]");
    }

    static void require(boolean ok, String name, Tensor t, String wanted) {
        if (!ok) {
            throw new IllegalArgumentException(name + ": " + t.dtype() + " " + t.shape() + ", must be " + wanted);
        }
    }

    /** Takes the pointers over without a copy or a check. */
    static Segments taking(Tensor indptr) {
        try (Use _ = Use.of(indptr)) {
            return new Segments(indptr, Raw.ALL.get(Raw.I64, indptr.address() + 8 * (indptr.size() - 1)));
        }
    }

    void validate() {
        try (Use _ = use()) {
            long p = indptr.address();
            long before = 0;
            for (long i = 0; i <= count(); i++, p += 8) {
                long v = Raw.ALL.get(Raw.I64, p);
                if (i == 0 ? v != 0 : v < before) {
                    throw new IndexOutOfBoundsException(
                            "indptr[" + i + "] = " + v + (i == 0 ? ", must be 0" : " decreases from " + before));
                }
                before = v;
            }
        }
    }

    /** How many segments there are. */
    public long count() {
        return indptr.size() - 1;
    }

    /** How many rows they have together. */
    public long rows() {
        return rows;
    }

    /** The first row of segment {@code i}; for {@code i = count()} what follows the last row. */
    public long start(long i) {
        if (i < 0 || i > count()) {
            throw new IndexOutOfBoundsException("segment " + i + " of " + count());
        }
        try (Use _ = use()) {
            return Raw.ALL.get(Raw.I64, indptr.address() + 8 * i);
        }
    }

    /** The number of rows of segment {@code i}. */
    public long length(long i) {
        if (i == count()) {
            throw new IndexOutOfBoundsException("segment " + i + " of " + count());
        }
        return start(i + 1) - start(i);
    }

    /** A copy of the pointers, int64 {@code [S + 1]}. */
    public Tensor indptr() {
        return indptr.copy();
    }

    Tensor pointers() {
        return indptr;
    }

    /** Keeps the pointers where they are while their address is in use. */
    public Use use() {
        return Use.of(indptr);
    }

    /** Where the int64 pointers are. Reading them is fine while {@link #use} is open; writing breaks every promise. */
    public long indptrAddress() {
        return indptr.address();
    }

    /** The segment of every row, int32 {@code [rows]}, as a new tensor. */
    public Tensor owners() {
        Tensor owners = Tensor.zeros(DType.I32, rows);
        RowSplit split = rowSplit();
        try (Use _ = Use.of(indptr, owners)) {
            long ptr = indptr.address();
            long out = owners.address();
            Team.run(split.pieces(), (double) rows, p -> {
                long end = split.endRow(p);
                for (long i = split.firstRow(p); i < end; i++) {
                    long last = Raw.ALL.get(Raw.I64, ptr + 8 * (i + 1));
                    for (long r = Raw.ALL.get(Raw.I64, ptr + 8 * i); r < last; r++) {
                        Raw.ALL.set(Raw.I32, out + 4 * r, (int) i);
                    }
                }
            });
        }
        return owners;
    }

    /** The segment of every row as an index; made once and kept. */
    public Index index() {
        Index i = index;
        if (i == null) {
            synchronized (this) {
                i = index;
                if (i == null) {
                    index = i = Index.of(this);
                }
            }
        }
        return i;
    }

    /** The pieces of work that the segments fall into; made once and kept. */
    public RowSplit rowSplit() {
        RowSplit s = rowSplit;
        if (s == null) {
            try (Use _ = use()) {
                rowSplit = s = RowSplit.of(indptr.address(), count());
            }
        }
        return s;
    }
}
