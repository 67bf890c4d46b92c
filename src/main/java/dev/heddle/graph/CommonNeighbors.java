package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * What the neighbours of pairs of nodes have in common: for each pair (u, v) the nodes in both rows, those of u's alone and those
 * of v's alone, each in ascending order, as graphs with a row for each pair.
 */
public final class CommonNeighbors {
    /** Beyond this ratio of lengths, the longer row is searched rather than walked. */
    private static final long GALLOP = 16;

    /** From this length on, a row is marked in a bitmap, where the other row's nodes are looked up; marks are kept for the next pair. */
    private static final long MARK = 256;

    private static final int CHUNK_PAIRS = 256;
    private static final double NANOS_A_PAIR = 300;

    private final CsrGraph both;
    private final CsrGraph onlyU;
    private final CsrGraph onlyV;

    private CommonNeighbors(CsrGraph both, CsrGraph onlyU, CsrGraph onlyV) {
        this.both = both;
        this.onlyU = onlyU;
        this.onlyV = onlyV;
    }

    /**
     * Finds them.
     *
     * @param graph square, rows strictly ascending
     * @param u int32 {@code [P]}
     * @param v int32 {@code [P]}
     * @throws IllegalArgumentException if a type or shape is wrong, or a row does not ascend
     * @throws IndexOutOfBoundsException if u or v holds no node
     */
    public static CommonNeighbors of(CsrGraph graph, Tensor u, Tensor v) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        if (!graph.isAscending()) {
            throw new IllegalArgumentException("graph: rows must ascend strictly; see EdgeList.coalesced");
        }
        Index us = Index.of("u", u, graph.nDst());
        Index vs = Index.of("v", v, graph.nDst());
        if (us.size() != vs.size()) {
            throw new IllegalArgumentException("v: shape " + v.shape() + ", must be that of u, " + u.shape());
        }
        try (Use _ = graph.use();
                Use _ = us.use();
                Use _ = vs.use()) {
            return new Finder(graph.indptrAddress(), graph.indicesAddress(), us, vs).find(graph.nSrc());
        }
    }

    /** The nodes that are in both rows. */
    public CsrGraph both() {
        return both;
    }

    /** The nodes in u's row that are not in v's. */
    public CsrGraph onlyU() {
        return onlyU;
    }

    /** The nodes in v's row that are not in u's. */
    public CsrGraph onlyV() {
        return onlyV;
    }

    /** How many nodes are in both rows, int32 {@code [P]}, as a new tensor. */
    public Tensor count() {
        long pairs = both.nDst();
        Tensor count = Tensor.zeros(DType.I32, pairs);
        try (Use _ = Use.of(count);
                Use _ = both.use()) {
            long ptr = both.indptrAddress();
            long out = count.address();
            for (long p = 0; p < pairs; p++) {
                long n = Raw.ALL.get(Raw.I64, ptr + 8 * p + 8) - Raw.ALL.get(Raw.I64, ptr + 8 * p);
                Raw.ALL.set(Raw.I32, out + 4 * p, (int) n);
            }
        }
        return count;
    }

    /** A row by the addresses of its first node and of what follows its last. */
    private record Row(long start, long end) {
        long length() {
            return (end - start) / 4;
        }
    }

    /** The nodes of one row in a bitmap: pairs of one node with many others stand together. */
    private static final class Marks {
        private long[] bits = {};
        private Row marked = new Row(0, 0);

        /** How many nodes of v are marked, once u is. */
        long count(Row u, Row v, long nodes) {
            if (bits.length == 0) {
                bits = new long[Math.toIntExact((nodes + 63) / 64)];
            }
            if (!u.equals(marked)) {
                for (long a = marked.start; a != marked.end; a += 4) {
                    bits[node(a) >>> 6] = 0;
                }
                for (long a = u.start; a != u.end; a += 4) {
                    bits[node(a) >>> 6] |= 1L << node(a);
                }
                marked = u;
            }
            long common = 0;
            for (long a = v.start; a != v.end; a += 4) {
                common += bits[node(a) >>> 6] >>> node(a) & 1;
            }
            return common;
        }
    }

    private record Finder(long indptr, long indices, Index us, Index vs) {
        CommonNeighbors find(long nodes) {
            long pairs = us.size();
            Tensor bothPtr = Tensor.zeros(DType.I64, pairs + 1);
            Tensor uPtr = Tensor.zeros(DType.I64, pairs + 1);
            Tensor vPtr = Tensor.zeros(DType.I64, pairs + 1);
            try (Use _ = Use.of(bothPtr, uPtr, vPtr)) {
                long b = bothPtr.address();
                long ou = uPtr.address();
                long ov = vPtr.address();
                overPairs((p, marks) -> {
                    Row ur = row(us, p);
                    Row vr = row(vs, p);
                    long common = ur.length() >= MARK && vr.length() * GALLOP >= ur.length()
                            ? marks.count(ur, vr, nodes)
                            : count(ur, vr);
                    Raw.ALL.set(Raw.I64, b + 8 * p + 8, common);
                    Raw.ALL.set(Raw.I64, ou + 8 * p + 8, ur.length() - common);
                    Raw.ALL.set(Raw.I64, ov + 8 * p + 8, vr.length() - common);
                });
                Tensor bothIdx = Tensor.zeros(DType.I32, total(b, pairs));
                Tensor uIdx = Tensor.zeros(DType.I32, total(ou, pairs));
                Tensor vIdx = Tensor.zeros(DType.I32, total(ov, pairs));
                try (Use _ = Use.of(bothIdx, uIdx, vIdx)) {
                    long toBoth = bothIdx.address();
                    long toU = uIdx.address();
                    long toV = vIdx.address();
                    overPairs((p, _) -> list(
                            row(us, p),
                            row(vs, p),
                            toBoth + 4 * Raw.ALL.get(Raw.I64, b + 8 * p),
                            toU + 4 * Raw.ALL.get(Raw.I64, ou + 8 * p),
                            toV + 4 * Raw.ALL.get(Raw.I64, ov + 8 * p)));
                }
                return new CommonNeighbors(
                        CsrGraph.taking(bothPtr, bothIdx, nodes),
                        CsrGraph.taking(uPtr, uIdx, nodes),
                        CsrGraph.taking(vPtr, vIdx, nodes));
            }
        }

        private interface Pair {
            void run(long p, Marks marks);
        }

        private void overPairs(Pair work) {
            long pairs = us.size();
            int chunks = Math.toIntExact((pairs + CHUNK_PAIRS - 1) / CHUNK_PAIRS);
            Team.run(chunks, NANOS_A_PAIR * pairs, c -> {
                long end = Math.min(pairs, (c + 1L) * CHUNK_PAIRS);
                Marks marks = new Marks();
                for (long p = (long) c * CHUNK_PAIRS; p < end; p++) {
                    work.run(p, marks);
                }
            });
        }

        private Row row(Index nodes, long p) {
            long at = indptr + 8L * Raw.ALL.get(Raw.I32, nodes.address() + 4 * p);
            return new Row(indices + 4 * Raw.ALL.get(Raw.I64, at), indices + 4 * Raw.ALL.get(Raw.I64, at + 8));
        }

        /** Turns lengths into pointers. */
        private static long total(long pointers, long pairs) {
            long sum = 0;
            for (long p = 0; p < pairs; p++) {
                sum += Raw.ALL.get(Raw.I64, pointers + 8 * p + 8);
                Raw.ALL.set(Raw.I64, pointers + 8 * p + 8, sum);
            }
            return sum;
        }
    }

    private static int node(long a) {
        return Raw.ALL.get(Raw.I32, a);
    }

    /** How many nodes two rows share. */
    private static long count(Row a, Row b) {
        if (a.length() > b.length()) {
            return count(b, a);
        }
        long common = 0;
        if (a.length() * GALLOP < b.length()) {
            long from = b.start;
            for (long i = a.start; i != a.end && from != b.end; i += 4) {
                from = search(node(i), from, b.end);
                common += from != b.end && node(from) == node(i) ? 1 : 0;
            }
            return common;
        }
        long i = a.start;
        long j = b.start;
        while (i != a.end && j != b.end) { // no branch on the outcome of a comparison, which nobody can predict
            int x = node(i);
            int y = node(j);
            common += x == y ? 1 : 0;
            i += x <= y ? 4 : 0;
            j += y <= x ? 4 : 0;
        }
        return common;
    }

    /** The first place from {@code from} on whose node is not below x: doubling steps, then halving. */
    private static long search(int x, long from, long end) {
        long step = 4;
        long low = from;
        while (low + step < end && node(low + step) < x) {
            low += step;
            step *= 2;
        }
        long high = Math.min(low + step, end);
        while (low < high) {
            long middle = low + (high - low) / 8 * 4;
            if (node(middle) < x) {
                low = middle + 4;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Lists what two rows share and what only one of them has. */
    private static void list(Row u, Row v, long both, long onlyU, long onlyV) {
        long i = u.start;
        long j = v.start;
        while (i != u.end && j != v.end) {
            int x = node(i);
            int y = node(j);
            if (x == y) {
                Raw.ALL.set(Raw.I32, both, x);
                both += 4;
            } else if (x < y) {
                Raw.ALL.set(Raw.I32, onlyU, x);
                onlyU += 4;
            } else {
                Raw.ALL.set(Raw.I32, onlyV, y);
                onlyV += 4;
            }
            i += x <= y ? 4 : 0;
            j += y <= x ? 4 : 0;
        }
        copy(i, u.end, onlyU);
        copy(j, v.end, onlyV);
    }

    private static void copy(long from, long end, long to) {
        for (; from != end; from += 4, to += 4) {
            Raw.ALL.set(Raw.I32, to, node(from));
        }
    }
}
