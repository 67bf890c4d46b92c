package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * Edges from sources to destinations, in any order (COO), perhaps with a weight each. Lists are immutable; what changes one gives a
 * new one that remembers which edge of the {@linkplain #of first} each of its edges came from, so that features of edges can follow.
 *
 * <pre>{@code
 * EdgeList.Rows rows = EdgeList.of(src, dst, n, n).undirected().coalesced(EdgeList.Merge.SUM).withSelfLoops(1).toRows();
 * }</pre>
 */
public final class EdgeList {
    /** What becomes of the weights of edges that are merged. */
    public enum Merge {
        /** Their sum. */
        SUM,
        /** Their mean. */
        MEAN,
        /** The largest. */
        MAX,
        /** The smallest. */
        MIN,
        /** The weight of the edge that came first. */
        FIRST
    }

    private final Tensor src;
    private final Tensor dst;
    private final @Nullable Tensor weights;
    private final Tensor origin;
    private final long nSrc;
    private final long nDst;

    private EdgeList(Tensor src, Tensor dst, @Nullable Tensor weights, Tensor origin, long nSrc, long nDst) {
        this.src = src;
        this.dst = dst;
        this.weights = weights;
        this.origin = origin;
        this.nSrc = nSrc;
        this.nDst = nDst;
    }

    /**
     * Edges between two sets of nodes.
     *
     * @param src int32 {@code [E]}, in {@code [0, nSrc)}
     * @param dst int32 {@code [E]}, in {@code [0, nDst)}
     * @param weights float32 {@code [E]}, or null
     * @throws IllegalArgumentException if a type or shape is wrong
     * @throws IndexOutOfBoundsException if a node is out of range, with its position
     */
    public static EdgeList of(Tensor src, Tensor dst, @Nullable Tensor weights, long nSrc, long nDst) {
        Tensor s = Index.of("src", src, nSrc).values();
        Tensor d = Index.of("dst", dst, nDst).values();
        if (s.size() != d.size()) {
            throw new IllegalArgumentException("dst: shape " + dst.shape() + ", must be that of src, " + src.shape());
        }
        if (weights != null) {
            Segments.require(
                    weights.dtype() == DType.F32 && weights.rank() == 1 && weights.size() == s.size(),
                    "weights",
                    weights,
                    "F32 [" + s.size() + "]");
        }
        Tensor origin = Tensor.zeros(Positions.type(s.size()), s.size());
        try (Use _ = Use.of(origin)) {
            Positions o = Positions.of(origin);
            for (long e = 0; e < s.size(); e++) {
                o.set(e, e);
            }
        }
        return new EdgeList(s, d, weights == null ? null : weights.copy(), origin, nSrc, nDst);
    }

    /** Edges among n nodes, without weights. */
    public static EdgeList of(Tensor src, Tensor dst, long n) {
        return of(src, dst, null, n, n);
    }

    /** The same from Java arrays. */
    public static EdgeList of(int[] src, int[] dst, long n) {
        return of(Tensor.of(src, src.length), Tensor.of(dst, dst.length), n);
    }

    /** The edges of a graph, in its order. */
    public static EdgeList of(CsrGraph graph, @Nullable Tensor weights) {
        return of(graph.sources(), graph.destinations(), weights, graph.nSrc(), graph.nDst());
    }

    /** The number of edges. */
    public long size() {
        return src.size();
    }

    /** The number of source nodes. */
    public long nSrc() {
        return nSrc;
    }

    /** The number of destination nodes. */
    public long nDst() {
        return nDst;
    }

    /** A copy of the sources, int32 {@code [E]}. */
    public Tensor src() {
        return src.copy();
    }

    /** A copy of the destinations, int32 {@code [E]}. */
    public Tensor dst() {
        return dst.copy();
    }

    /** A copy of the weights, float32 {@code [E]}, or null. */
    public @Nullable Tensor weights() {
        return weights == null ? null : weights.copy();
    }

    /**
     * Which edge of the first list each edge was, int32 {@code [E]} (int64 beyond 2^31 - 1 edges); the first of those merged; -1 for
     * one that was added.
     */
    public Tensor origin() {
        return origin.copy();
    }

    // ------------------------------------------------------------------ changing

    /** A list being written. */
    private static final class Writer {
        private final Tensor src;
        private final Tensor dst;
        private final @Nullable Tensor weights;
        private final Tensor origin;
        private final long s;
        private final long d;
        private final long w;
        private final Positions o;
        private long n;

        /** Room for {@code size} edges like those of a list. */
        Writer(EdgeList like, long size) {
            src = Tensor.zeros(DType.I32, size);
            dst = Tensor.zeros(DType.I32, size);
            weights = like.weights == null ? null : Tensor.zeros(DType.F32, size);
            origin = Tensor.zeros(like.origin.dtype(), size);
            s = src.address();
            d = dst.address();
            w = weights == null ? 0 : weights.address();
            o = Positions.of(origin);
        }

        void add(int from, int to, float weight, long first) {
            Raw.ALL.set(Raw.I32, s + 4 * n, from);
            Raw.ALL.set(Raw.I32, d + 4 * n, to);
            if (w != 0) {
                Raw.ALL.set(Raw.F32, w + 4 * n, weight);
            }
            o.set(n, first);
            n++;
        }
    }

    /** A list being read. */
    private record Reader(long s, long d, long w, Positions o) {
        int src(long e) {
            return Raw.ALL.get(Raw.I32, s + 4 * e);
        }

        int dst(long e) {
            return Raw.ALL.get(Raw.I32, d + 4 * e);
        }

        float weight(long e) {
            return w == 0 ? 1 : Raw.ALL.get(Raw.F32, w + 4 * e);
        }

        long origin(long e) {
            return o.at(e);
        }

        boolean same(long a, long b) {
            return src(a) == src(b) && dst(a) == dst(b);
        }
    }

    private interface Change {
        void write(Reader from, Writer to);
    }

    private EdgeList changed(long size, Change change) {
        Writer to = new Writer(this, size);
        try (Use _ = Use.of(src, dst, weights, origin);
                Use _ = Use.of(to.src, to.dst, to.weights, to.origin)) {
            change.write(reader(), to);
        }
        return new EdgeList(to.src, to.dst, to.weights, to.origin, nSrc, nDst);
    }

    private Reader reader() {
        return new Reader(src.address(), dst.address(), weights == null ? 0 : weights.address(), Positions.of(origin));
    }

    private long loops() {
        long loops = 0;
        try (Use _ = Use.of(src, dst, weights, origin)) {
            Reader r = reader();
            for (long e = 0; e < size(); e++) {
                loops += r.src(e) == r.dst(e) ? 1 : 0;
            }
        }
        return loops;
    }

    private void requireSquare() {
        if (nSrc != nDst) {
            throw new IllegalArgumentException(
                    "edges from " + nSrc + " to " + nDst + " nodes, but source and destination must be one set");
        }
    }

    /** The same edges turned round. */
    public EdgeList reversed() {
        return new EdgeList(dst, src, weights, origin, nDst, nSrc);
    }

    /** After the edges the same turned round, self loops excepted; {@link #coalesced} drops those that were there already. */
    public EdgeList undirected() {
        requireSquare();
        return changed(2 * size() - loops(), (from, to) -> {
            for (long e = 0; e < size(); e++) {
                to.add(from.src(e), from.dst(e), from.weight(e), from.origin(e));
            }
            for (long e = 0; e < size(); e++) {
                if (from.src(e) != from.dst(e)) {
                    to.add(from.dst(e), from.src(e), from.weight(e), from.origin(e));
                }
            }
        });
    }

    /** The edges that are no self loops. */
    public EdgeList withoutSelfLoops() {
        requireSquare();
        return changed(size() - loops(), (from, to) -> {
            for (long e = 0; e < size(); e++) {
                if (from.src(e) != from.dst(e)) {
                    to.add(from.src(e), from.dst(e), from.weight(e), from.origin(e));
                }
            }
        });
    }

    /** After the edges a self loop for each node that has none. */
    public EdgeList withSelfLoops(float weight) {
        requireSquare();
        boolean[] looped = new boolean[Math.toIntExact(nSrc)];
        try (Use _ = Use.of(src, dst, weights, origin)) {
            Reader r = reader();
            for (long e = 0; e < size(); e++) {
                looped[r.src(e)] |= r.src(e) == r.dst(e);
            }
        }
        long missing = nSrc;
        for (boolean l : looped) {
            missing -= l ? 1 : 0;
        }
        return changed(size() + missing, (from, to) -> {
            for (long e = 0; e < size(); e++) {
                to.add(from.src(e), from.dst(e), from.weight(e), from.origin(e));
            }
            for (int i = 0; i < looped.length; i++) {
                if (!looped[i]) {
                    to.add(i, i, weight, -1);
                }
            }
        });
    }

    /**
     * The edges in the order of (destination, source), each once. Weights are merged in the order in which they were, sums and means
     * in float64; NaN wins.
     */
    public EdgeList coalesced(Merge merge) {
        long n = size();
        // sorted by source, then stably by destination
        Tensor starts = Tensor.zeros(DType.I64, nSrc + 1);
        Tensor dst1 = Tensor.zeros(DType.I32, n);
        Tensor perm1 = Tensor.zeros(Positions.type(n), n);
        CountingSort.sort(
                new CountingSort.Input("src", src, nSrc, "dst", dst, nDst),
                new CountingSort.Output(starts, dst1, perm1));
        Tensor starts2 = Tensor.zeros(DType.I64, nDst + 1);
        Tensor perm2 = Tensor.zeros(Positions.type(n), n);
        CountingSort.sort(
                new CountingSort.Input("dst", dst1, nDst, "", null, 0), new CountingSort.Output(starts2, null, perm2));
        try (Use _ = Use.of(src, dst, weights, origin);
                Use _ = Use.of(perm1, perm2)) {
            Positions bySource = Positions.of(perm1);
            Positions byBoth = Positions.of(perm2);
            Reader from = reader();
            long size = 0;
            for (long k = 0; k < n; k++) {
                long e = bySource.at(byBoth.at(k));
                size += k == 0 || !from.same(bySource.at(byBoth.at(k - 1)), e) ? 1 : 0;
            }
            return changed(size, (_, to) -> {
                for (long k = 0; k < n; ) {
                    long first = bySource.at(byBoth.at(k));
                    Merger m = new Merger(merge, from.weight(first));
                    for (k++; k < n && from.same(first, bySource.at(byBoth.at(k))); k++) {
                        m.add(from.weight(bySource.at(byBoth.at(k))));
                    }
                    to.add(from.src(first), from.dst(first), m.result(), from.origin(first));
                }
            });
        }
    }

    /** The weight of one edge, of many. */
    private static final class Merger {
        private final Merge merge;
        private double value;
        private long n = 1;

        Merger(Merge merge, float first) {
            this.merge = merge;
            this.value = first;
        }

        void add(float w) {
            n++;
            value = switch (merge) {
                case SUM, MEAN -> value + w;
                case MAX -> Math.max(value, w);
                case MIN -> Math.min(value, w);
                case FIRST -> value;
            };
        }

        float result() {
            return (float) (merge == Merge.MEAN ? value / n : value);
        }
    }

    // ------------------------------------------------------------------ grouping

    /**
     * A graph, and what belongs to its edges in its own order.
     *
     * @param weights float32 {@code [nnz]}, or null
     * @param origin as {@link EdgeList#origin}
     */
    public record Rows(CsrGraph graph, @Nullable Tensor weights, Tensor origin) {}

    /** The graph of these edges; those of a row stay in their order. */
    public Rows toRows() {
        CsrGraph.Derived d = CsrGraph.fromCoo(src, dst, nSrc, nDst);
        try (Use _ = Use.of(d.perm())) {
            Positions perm = Positions.of(d.perm());
            EdgeList sorted = changed(size(), (from, to) -> {
                for (long k = 0; k < size(); k++) {
                    long e = perm.at(k);
                    to.add(from.src(e), from.dst(e), from.weight(e), from.origin(e));
                }
            });
            return new Rows(d.graph(), sorted.weights, sorted.origin);
        }
    }

    /** The graph of these edges, for when nothing belongs to them. */
    public CsrGraph toGraph() {
        return CsrGraph.fromCoo(src, dst, nSrc, nDst).graph();
    }
}
