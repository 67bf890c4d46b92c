package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All rows of a CSR matrix by way of tiles of columns: what gather-reduce and its gradient have in common. Columns are cut into
 * tiles that a kernel keeps in registers; rows into chunks of edges, and rows with very many edges into parts that are folded.
 */
final class RowSweep {
    private RowSweep() {}

    /** The widest tile, in vectors, that kernels are woven for: with one weight an edge; where it has more, or positions are kept. */
    static final int MAX_TILE = 8;

    static final int MAX_ARG_TILE = 4;
    static final int MAX_FULL_ARG_TILE = 2;

    /** Nanoseconds for one feature of one edge, to tell small work from large. */
    static final double NANOS = 0.4;

    /** How many weights an edge has. */
    enum Weight {
        NONE,
        SCALAR,
        HEAD,
        FULL
    }

    /**
     * How the columns fall into groups that a kernel takes as one: all of them where one weight (or none) serves a whole row,
     * else a head each.
     */
    record Layout(Weight weight, long heads, long columns, boolean ranked) {
        /** How many groups of columns are worked on by themselves, and how wide each is. */
        long groups() {
            return weight == Weight.HEAD ? heads : 1;
        }

        long width() {
            return weight == Weight.HEAD ? columns : heads * columns;
        }

        long[] rows(long n) {
            return ranked ? new long[] {n, heads, columns} : new long[] {n, columns};
        }
    }

    /** Where the edges of one call find what they send. */
    record Edges(Weight weight, long indices, long x, long xs, long xHead, long w, long ws) {
        Edges(Layout l, long indices, Tensor x, @Nullable Tensor w) {
            this(
                    l.weight,
                    indices,
                    x.address(),
                    4 * x.stride(0),
                    l.ranked ? 4 * x.stride(1) : 0,
                    w == null ? 0 : w.address(),
                    w == null ? 0 : 4 * w.stride(0));
        }

        long x(Pass<?> p) {
            return x + xHead * p.head + p.from;
        }

        long w(Pass<?> p) {
            return w + (weight == Weight.FULL ? p.from : 4 * p.head);
        }
    }

    /**
     * One pass over the edges: a tile of {@code tile} vectors of one head, starting {@code from} bytes into it; the last of several
     * vectors starts {@code last} bytes further, overlapping the one before where the columns do not fill it.
     */
    record Pass<K>(K kernels, long head, int tile, long from, long last) {}

    /** The number of the variant of a kernel that has tiles of this width. */
    interface Variant {
        int of(int tile);
    }

    /** Cuts the columns of every head into tiles of at most {@code max} vectors, as equal as may be. */
    static <K> List<Pass<K>> passes(Dispatch<K> kernels, Layout l, int max, Variant variant) {
        List<Pass<K>> passes = new ArrayList<>();
        for (long head = 0; head < l.groups(); head++) {
            int lanes = kernels.lanes(l.width());
            tile(kernels, passes, head, 0, l.width(), lanes, max, variant);
        }
        return passes;
    }

    /** Twins are woven for one column and for as many as the widest vector tile has vectors, if those are more than two. */
    static int twinTile(int max) {
        return max < 4 ? 1 : max;
    }

    private static <K> void tile(
            Dispatch<K> kernels,
            List<Pass<K>> passes,
            long head,
            long start,
            long columns,
            int lanes,
            int max,
            Variant variant) {
        long vectors = (columns + lanes - 1) / lanes;
        for (long done = 0; done < vectors; ) {
            long left = vectors - done;
            long rounds = (left + max - 1) / max;
            int tile = (int) ((left + rounds - 1) / rounds);
            if (lanes == 1) {
                tile = left < max ? 1 : twinTile(max);
            } else if (max < MAX_TILE) {
                tile = Integer.highestOneBit(tile); // these kernels are woven for powers of two
            }
            long from = done * lanes;
            done += tile;
            long last = done == vectors ? columns - lanes - from : (long) (tile - 1) * lanes;
            Dispatch.Chosen<K> chosen = kernels.choose(variant.of(tile), lanes);
            if (chosen.lanes() == lanes) {
                long first = start + from + (tile == 1 ? last : 0);
                passes.add(new Pass<>(chosen.kernels(), head, tile, 4 * first, tile == 1 ? 0 : 4 * last));
            } else {
                tile(kernels, passes, head, start + from, last + lanes, 1, max, variant);
            }
        }
    }

    /** Runs one pass over some rows of a matrix; {@code out} and {@code arg} are the tile's first column in row 0. */
    interface RowKernel<K> {
        void run(Pass<K> p, long indptr, long out, long arg, long stride, long row, long rowEnd);
    }

    /** Combines the parts of a split row. */
    interface Fold {
        void run(long part, long partArg, long stride, RowSplit.Hub hub, long out, long arg);
    }

    /** An output matrix: its addresses, and its strides from row to row and from head to head. */
    record Target(long y, long arg, long stride, long headStride) {
        static Target of(Layout l, Tensor y, @Nullable Tensor arg) {
            long head = l.ranked ? 4 * y.stride(1) : 0;
            return new Target(y.address(), arg == null ? 0 : arg.address(), 4 * y.stride(0), head);
        }

        long at(Pass<?> p) {
            return y + headStride * p.head + p.from;
        }

        long argAt(Pass<?> p) {
            return arg + headStride * p.head + p.from;
        }
    }

    /** A chunk of ordinary rows. (A lambda's first use costs a millisecond, and this is on the way of every first call.) */
    private record Rows<K>(CsrGraph graph, RowSplit split, Target t, List<Pass<K>> passes, RowKernel<K> kernel)
            implements Team.Chunk {
        @Override
        public void run(int c) {
            for (Pass<K> p : passes) {
                long at = t.headStride * p.head + p.from;
                long arg = t.arg == 0 ? 0 : t.arg + at;
                kernel.run(p, graph.indptrAddress(), t.y + at, arg, t.stride, split.start(c), split.end(c));
            }
        }
    }

    /** All rows of a matrix: the ordinary ones in chunks, then those with very many edges, each in parts that are folded. */
    static <K> void run(
            CsrGraph graph,
            Layout l,
            Target t,
            List<Pass<K>> passes,
            RowKernel<K> rows,
            RowKernel<K> parts,
            Fold fold) {
        RowSplit split = graph.rowSplit();
        double nanosPerEdge = NANOS * l.heads * l.columns;
        Team.run(split.chunks(), nanosPerEdge * graph.nnz(), new Rows<>(graph, split, t, passes, rows));
        if (split.hubs() == 0) {
            return;
        }
        long columns = l.heads * l.columns;
        try (Workspace scratch = new Workspace(2 * 4 * RowSplit.MAX_PARTS * columns)) {
            long part = scratch.empty(DType.F32, RowSplit.MAX_PARTS, columns).address();
            long partArg = scratch.empty(DType.I32, RowSplit.MAX_PARTS, columns).address();
            long head = 4 * l.columns;
            for (int h = 0; h < split.hubs(); h++) {
                RowSplit.Hub hub = split.hub(h);
                Team.run(hub.parts(), nanosPerEdge * hub.edges(), i -> {
                    for (Pass<K> p : passes) {
                        long at = head * p.head + p.from;
                        long arg = t.arg == 0 ? 0 : partArg + at;
                        parts.run(p, hub.bounds(), part + at, arg, 4 * columns, i, i + 1L);
                    }
                });
                for (long k = 0; k < l.heads; k++) {
                    long at = t.stride * hub.row() + t.headStride * k;
                    fold.run(part + head * k, partArg + head * k, 4 * columns, hub, t.y + at, t.arg + at);
                }
            }
        }
    }
}
