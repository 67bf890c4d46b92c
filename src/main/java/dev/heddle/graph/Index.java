package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * A list of numbers in {@code [0, range)}: which row each position reads from, or which group it belongs to. Checked once, when it
 * is copied in, so operators trust it. Its groups, the positions that hold each number, are found at the first need and kept.
 */
public final class Index {
    private final Tensor values;
    private final long range;
    private final boolean ascending;
    private volatile @Nullable CsrGraph groups;

    private Index(Tensor values, long range, boolean ascending, @Nullable CsrGraph groups) {
        this.values = values;
        this.range = range;
        this.ascending = ascending;
        this.groups = groups;
    }

    /**
     * A copied list.
     *
     * @param values int32 {@code [N]}
     * @throws IllegalArgumentException if its type or shape is wrong
     * @throws IndexOutOfBoundsException if a value is out of range, with its position
     */
    public static Index of(Tensor values, long range) {
        return of("index", values, range);
    }

    /** The same, with a name for messages. */
    public static Index of(String name, Tensor values, long range) {
        Segments.require(values.dtype() == DType.I32 && values.rank() == 1, name, values, "I32 [N]");
        if (range < 0) {
            throw new IllegalArgumentException("range: " + range + " is negative");
        }
        Tensor own = values.copy();
        return new Index(own, range, check(name, own, range), null);
    }

    /** The same from a Java array. */
    public static Index of(int[] values, long range) {
        return of(Tensor.of(values, values.length), range);
    }

    /** The segment that each row is in. */
    static Index of(Segments segments) {
        requireGroupable(segments.rows());
        Tensor own = segments.owners();
        Tensor positions = Tensor.zeros(DType.I32, segments.rows());
        try (Use _ = Use.of(positions)) {
            long a = positions.address();
            for (long i = 0; i < segments.rows(); i++) {
                Raw.ALL.set(Raw.I32, a + 4 * i, (int) i);
            }
        }
        CsrGraph groups = CsrGraph.taking(segments, positions, segments.rows());
        return new Index(own, segments.count(), true, groups);
    }

    /** Whether the values never descend. */
    private static boolean check(String name, Tensor values, long range) {
        boolean ascends = true;
        try (Use _ = Use.of(values)) {
            long a = values.address();
            int before = 0;
            for (long i = 0; i < values.size(); i++) {
                int v = Raw.ALL.get(Raw.I32, a + 4 * i);
                if (v < 0 || v >= range) {
                    throw new IndexOutOfBoundsException(
                            name + "[" + i + "] = " + v + ", must be in [0, " + range + ")");
                }
                ascends &= v >= before;
                before = v;
            }
        }
        return ascends;
    }

    /** How many values there are. */
    public long size() {
        return values.size();
    }

    /** Values are below this. */
    public long range() {
        return range;
    }

    /** Whether the values never descend, so that each group is one segment. */
    public boolean isAscending() {
        return ascending;
    }

    /** A copy of the values, int32 {@code [N]}. */
    public Tensor values() {
        return values.copy();
    }

    /**
     * The positions of each value: row i of the graph lists, in ascending order, where value i stands. Made once and kept.
     *
     * @throws IllegalArgumentException beyond 2^31 values, as nodes of a graph are numbered by int32
     */
    public CsrGraph groups() {
        CsrGraph g = groups;
        if (g == null) {
            synchronized (this) {
                g = groups;
                if (g == null) {
                    groups = g = makeGroups();
                }
            }
        }
        return g;
    }

    private CsrGraph makeGroups() {
        requireGroupable(size());
        Tensor indptr = Tensor.zeros(DType.I64, range + 1);
        Tensor positions = Tensor.zeros(DType.I32, size());
        CountingSort.sort(
                new CountingSort.Input("index", values, range, "", null, 0),
                new CountingSort.Output(indptr, null, positions));
        return CsrGraph.taking(indptr, positions, size());
    }

    private static void requireGroupable(long n) {
        if (n > 1L << 31) {
            throw new IllegalArgumentException("groups of " + n + " rows, at most 2^31 can be grouped");
        }
    }

    /** Keeps the values where they are while their address is in use. */
    public Use use() {
        return Use.of(values);
    }

    /** Where the int32 values are. Reading them is fine while {@link #use} is open; writing breaks every promise. */
    public long address() {
        return values.address();
    }
}
