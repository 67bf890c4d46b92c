package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.EdgeAttentionKernels;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Attention over the edges into a node, whatever makes the scores: {@code y_i = sum over row i of softmax(s)_e v_j}. Arguments are
 * checked. Nothing here is as large as edges times features, and nothing but what a caller asks for grows with the edges.
 *
 * @param own the score's part of the destination, [nDst, H(, F)]
 * @param other that of the source, [nSrc, H(, F)]
 * @param att for LEAKY_DOT: [H, F]
 * @param edge per edge: [nnz, H], for LEAKY_DOT [nnz, H, F]; null is 0
 * @param v the values, [nSrc, H, Fv]; for LEAKY_DOT the same as {@code other}
 * @param factor the slope, or the scale
 */
record EdgeAttention(
        Score score,
        CsrGraph graph,
        Tensor own,
        Tensor other,
        @Nullable Tensor att,
        @Nullable Tensor edge,
        Tensor v,
        float factor) {
    static final int MAX_TILE = 4;

    /** Nanoseconds for one feature of one edge, to tell small work from large. */
    private static final double NANOS = 0.8;

    /** Scores are made in whole blocks of features, so what has no rows to write runs at any width. */
    private static final int ANY = Integer.MAX_VALUE;

    private long heads() {
        return v.dim(1);
    }

    /** Floats of a head that the score looks at. */
    private long columns() {
        return score == Score.ADDED ? 1 : own.dim(2);
    }

    private long width() {
        return v.dim(2);
    }

    private double nanos() {
        return NANOS * graph.nnz() * heads() * (columns() + width());
    }

    private static long stride(Tensor t) {
        return 4 * t.stride(0);
    }

    private static long address(@Nullable Tensor t) {
        return t == null ? 0 : t.address();
    }

    /** Kernels, and the tile that they run with. */
    private record Tiled(EdgeAttentionKernels kernels, int tile, int lanes) {}

    private interface Variant {
        int of(int tile);
    }

    /** The widest tile that rows of both widths are made of. */
    private static Tiled choose(Variant variant, long columns, long width) {
        Dispatch<EdgeAttentionKernels> all = EdgeAttentionProbe.KERNELS;
        long narrow = Math.max(1, columns == 0 ? width : width == 0 ? columns : Math.min(columns, width));
        int tile = tile(all.lanes(narrow), columns, width);
        Dispatch.Chosen<EdgeAttentionKernels> chosen = all.choose(variant.of(tile), narrow);
        return new Tiled(chosen.kernels(), tile(chosen.lanes(), columns, width), chosen.lanes());
    }

    private static int tile(int lanes, long columns, long width) {
        for (int tile = MAX_TILE; tile > 1; tile /= lanes == 1 ? MAX_TILE : 2) {
            if (vectors(columns, lanes) % tile == 0 && vectors(width, lanes) % tile == 0) {
                return tile;
            }
        }
        return 1;
    }

    private static long vectors(long columns, int lanes) {
        return (columns + lanes - 1) / lanes;
    }

    /** Bytes of one thread's scratch. */
    private long scratchBytes() {
        long accumulators = 4 * (columns() + width()) + 2 * 64;
        return (EdgeAttentionKernels.ACCUMULATORS + accumulators + 63) / 64 * 64;
    }

    /** Where an edge's own term is, and how far to the next: zeros that all edges share if there is none. */
    private record Terms(long address, long stride) {}

    private Terms terms(Workspace workspace) {
        if (edge != null) {
            return new Terms(edge.address(), stride(edge));
        }
        long n = score == Score.LEAKY_DOT ? heads() * columns() : heads();
        return new Terms(workspace.zeros(DType.F32, n).address(), 0);
    }

    private Use use() {
        return Use.of(own, other, att, edge, v);
    }

    // ------------------------------------------------------------------ checks

    static void require(String name, Tensor t, long... shape) {
        Checks.shape(name, t, DType.F32, shape);
        Checks.wholeRows(name, t);
    }

    static void requireValues(String name, Tensor t, long rows) {
        Checks.type(name, t, DType.F32);
        if (t.rank() != 3 || t.dim(0) != rows) {
            throw new IllegalArgumentException(
                    name + ": shape " + t.shape() + ", must be [nSrc, H, F] with nSrc = " + rows);
        }
        Checks.wholeRows(name, t);
    }

    private long[] resultShape() {
        return new long[] {graph.nDst(), heads(), width()};
    }

    /** What is kept of a row: largest scores and sums of exponentials. */
    private long[] statsShape() {
        return new long[] {graph.nDst(), 2, heads()};
    }

    private long[] alphaShape() {
        return new long[] {graph.nnz(), heads()};
    }

    void requireResult(Tensor y, Tensor stats, @Nullable Tensor alpha) {
        require("y", y, resultShape());
        Checks.shape("stats", stats, DType.F32, statsShape());
        Checks.contiguous("stats", stats);
        if (alpha != null) {
            require("alpha", alpha, alphaShape());
        }
    }

    void requireGradY(Tensor gradY) {
        require("gradY", gradY, resultShape());
    }

    static Tensor like(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    Tensor newResult() {
        return Tensor.zeros(DType.F32, resultShape());
    }

    Tensor newStats() {
        return Tensor.zeros(DType.F32, statsShape());
    }

    Tensor newAlpha() {
        return Tensor.zeros(DType.F32, alphaShape());
    }

    /** A gradient is shaped like its input, if it is wanted at all. */
    static void requireGradient(String name, @Nullable Tensor input, @Nullable Tensor gradient) {
        if (gradient == null) {
            return;
        }
        if (input == null) {
            throw new IllegalArgumentException("grad " + name + ": there is no " + name);
        }
        Checks.like("grad " + name, gradient, DType.F32, name, input);
        Checks.wholeRows("grad " + name, gradient);
    }

    // ------------------------------------------------------------------ forward

    /** All that a forward pass leaves; alpha if it is wanted. */
    void run(Tensor y, Tensor stats, @Nullable Tensor alpha) {
        forward(y, stats);
        if (alpha != null) {
            weights(stats, alpha);
        }
    }

    private void forward(Tensor y, Tensor stats) {
        if (stats.size() == 0) {
            return;
        }
        RowSplit split = graph.rowSplit();
        try (Use _ = use();
                Use _ = Use.of(y, stats);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            Terms terms = terms(workspace);
            long ya = y.address();
            long sa = stats.address();
            long ss = 8 * heads();
            RowGroups.runOrdinary(
                    split,
                    nanos(),
                    scratchBytes(),
                    workspace,
                    (row, end, scratch) -> rows(
                            graph.indptrAddress(),
                            own.address(),
                            stride(own),
                            terms,
                            ya,
                            stride(y),
                            sa,
                            ss,
                            scratch,
                            row,
                            end));
            if (split.hubs() > 0) {
                hubs(split, terms, y, stats, workspace);
            }
        }
    }

    private void rows(
            long indptr,
            long ownRow,
            long ownStride,
            Terms terms,
            long y,
            long ys,
            long stats,
            long ss,
            long scratch,
            long row,
            long end) {
        Tiled k = choose(tile -> EdgeAttentionProbe.forward(score, tile), width(), width());
        k.kernels.forward(
                score,
                k.tile,
                indptr,
                graph.indicesAddress(),
                ownRow,
                ownStride,
                other.address(),
                stride(other),
                address(att),
                terms.address,
                terms.stride,
                v.address(),
                stride(v),
                y,
                ys,
                stats,
                ss,
                factor,
                heads(),
                columns(),
                width(),
                scratch,
                row,
                end);
    }

    /** Rows with very many edges, in parts that are combined. */
    private void hubs(RowSplit split, Terms terms, Tensor y, Tensor stats, Workspace workspace) {
        long rowBytes = 4 * heads() * width();
        long ss = 8 * heads();
        long bytes = scratchBytes();
        long parts = workspace.empty(DType.U8, RowSplit.MAX_PARTS, rowBytes).address();
        long partStats = workspace.empty(DType.U8, RowSplit.MAX_PARTS, ss).address();
        long memory = workspace.empty(DType.U8, RowSplit.MAX_PARTS, bytes).address();
        for (int h = 0; h < split.hubs(); h++) {
            RowSplit.Hub hub = split.hub(h);
            long ownRow = own.address() + stride(own) * hub.row();
            Team.run(
                    hub.parts(),
                    nanos() * hub.edges() / graph.nnz(),
                    i -> rows(
                            hub.bounds(),
                            ownRow,
                            0,
                            terms,
                            parts,
                            rowBytes,
                            partStats,
                            ss,
                            memory + bytes * i,
                            i,
                            i + 1L));
            EdgeAttentionProbe.KERNELS
                    .choose(EdgeAttentionProbe.COMBINE, Math.max(1, width()))
                    .kernels()
                    .combine(
                            parts,
                            rowBytes,
                            partStats,
                            ss,
                            hub.parts(),
                            y.address() + stride(y) * hub.row(),
                            stats.address() + ss * hub.row(),
                            heads(),
                            width(),
                            memory);
        }
    }

    /** alpha [nnz, H], once the stats are known. */
    private void weights(Tensor stats, Tensor alpha) {
        if (alpha.size() == 0) {
            return;
        }
        try (Use _ = use();
                Use _ = Use.of(alpha, stats);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            Terms terms = terms(workspace);
            long aa = alpha.address();
            long sa = stats.address();
            EdgeAttentionKernels k = EdgeAttentionProbe.KERNELS
                    .choose(EdgeAttentionProbe.weights(score), ANY)
                    .kernels();
            RowGroups.run(
                    graph.rowSplit(),
                    nanos(),
                    scratchBytes(),
                    workspace,
                    (row, end, scratch) -> k.weights(
                            score,
                            graph.indptrAddress(),
                            graph.indicesAddress(),
                            own.address(),
                            stride(own),
                            other.address(),
                            stride(other),
                            address(att),
                            terms.address,
                            terms.stride,
                            sa,
                            8 * heads(),
                            aa,
                            stride(alpha),
                            factor,
                            heads(),
                            columns(),
                            scratch,
                            row,
                            end));
        }
    }

    // ------------------------------------------------------------------ backward

    /** Gradients that are wanted; the others are null. LEAKY_DOT has {@code other} and the values in one. */
    record Wanted(
            @Nullable Tensor own,
            @Nullable Tensor other,
            @Nullable Tensor v,
            @Nullable Tensor edge,
            @Nullable Tensor att) {}

    /** One sweep over rows, the graph's or the transposed graph's: addresses that do not change from row to row. */
    private record Sweep(
            boolean transposed,
            long indices,
            long perm,
            long a,
            long as,
            long b,
            long bs,
            long c,
            long cs,
            long d,
            long ds,
            Terms terms,
            long stats,
            long means,
            Terms edges) {}

    /** Where a sweep writes. */
    private record Out(long out, long os, long values, long vs) {}

    /** @param y the result, {@code stats} what it left; both null, and they are computed again */
    void runBackward(Tensor gradY, @Nullable Tensor y, @Nullable Tensor stats, Wanted wanted) {
        if (y == null || stats == null) {
            Tensor again = newResult();
            Tensor left = newStats();
            forward(again, left);
            backward(gradY, again, left, wanted);
        } else {
            requireResult(y, stats, null);
            backward(gradY, y, stats, wanted);
        }
    }

    private void backward(Tensor gradY, Tensor y, Tensor stats, Wanted wanted) {
        Spmm.requireNarrow(graph, "the gradient of attention");
        if (wanted.att != null) {
            wanted.att.fill(0); // what it is where no node has a row
        }
        if (graph.nDst() == 0 && graph.nSrc() == 0) {
            return;
        }
        try (Use _ = use();
                Use _ = Use.of(gradY, y, stats, wanted.own, wanted.other, wanted.v, wanted.edge, wanted.att);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            Terms terms = terms(workspace);
            long heads = heads();
            Tensor means = workspace.zeros(DType.F32, graph.nDst(), heads);
            means(gradY, y, means, workspace);
            long sa = stats.address();
            long ma = means.address();
            if (wanted.own != null || wanted.edge != null || wanted.att != null) {
                long n = score == Score.LEAKY_DOT ? heads * columns() : heads;
                Terms edges = wanted.edge != null
                        ? new Terms(wanted.edge.address(), stride(wanted.edge))
                        : new Terms(
                                workspace
                                        .empty(DType.F32, RowGroups.MAX + RowSplit.MAX_PARTS, n)
                                        .address(),
                                0);
                Tensor out = wanted.own != null
                        ? wanted.own
                        : workspace.empty(DType.F32, own.shape().toArray());
                Sweep sweep = new Sweep(
                        false,
                        graph.indicesAddress(),
                        0,
                        own.address(),
                        stride(own),
                        other.address(),
                        stride(other),
                        gradY.address(),
                        stride(gradY),
                        v.address(),
                        stride(v),
                        terms,
                        sa,
                        ma,
                        edges);
                sweep(graph, sweep, out, null, wanted.att, workspace);
            }
            if (wanted.other != null || wanted.v != null) {
                CsrGraph.Transpose transpose = graph.transpose();
                try (Use _ = transpose.use()) {
                    Tensor out = wanted.other != null
                            ? wanted.other
                            : workspace.empty(DType.F32, other.shape().toArray());
                    Tensor values = wanted.v != null || score == Score.LEAKY_DOT
                            ? wanted.v
                            : workspace.empty(DType.F32, v.shape().toArray());
                    Sweep sweep = new Sweep(
                            true,
                            transpose.graph().indicesAddress(),
                            transpose.permAddress(),
                            other.address(),
                            stride(other),
                            own.address(),
                            stride(own),
                            v.address(),
                            stride(v),
                            gradY.address(),
                            stride(gradY),
                            terms,
                            sa,
                            ma,
                            new Terms(0, 0));
                    sweep(transpose.graph(), sweep, out, values, null, workspace);
                }
            }
        }
    }

    private void means(Tensor gradY, Tensor y, Tensor means, Workspace workspace) {
        if (means.size() == 0) {
            return;
        }
        long g = gradY.address();
        long ya = y.address();
        long to = means.address();
        EdgeAttentionKernels k =
                EdgeAttentionProbe.KERNELS.choose(EdgeAttentionProbe.MEANS, ANY).kernels();
        RowGroups.run(
                graph.rowSplit(),
                NANOS * gradY.size(),
                EdgeAttentionKernels.ACCUMULATORS,
                workspace,
                (row, end, scratch) ->
                        k.means(g, stride(gradY), ya, stride(y), to, 4 * heads(), heads(), width(), scratch, row, end));
    }

    private void sweep(
            CsrGraph rows,
            Sweep sweep,
            Tensor out,
            @Nullable Tensor values,
            @Nullable Tensor attGrad,
            Workspace workspace) {
        if (rows.nDst() == 0) {
            return;
        }
        RowSplit split = rows.rowSplit();
        Tiled k = choose(
                tile -> EdgeAttentionProbe.grad(score, sweep.transposed, tile),
                score == Score.ADDED ? width() : columns(),
                width());
        // each group and each part of a hub adds up the gradient of att by itself
        long groups = RowGroups.count(split.chunks());
        long slots = heads() * vectors(columns(), k.lanes) * k.lanes;
        boolean adds = score == Score.LEAKY_DOT && !sweep.transposed;
        Tensor sums = workspace.zeros(DType.F32, adds ? groups + RowSplit.MAX_PARTS : 1, slots);
        long sumBytes = adds ? 4 * slots : 0;
        long bytes = scratchBytes();
        Tensor memory =
                workspace.empty(DType.U8, split.hubs() > 0 ? Math.max(groups, RowSplit.MAX_PARTS) : groups, bytes);
        Out to = new Out(
                out.address(), stride(out), values == null ? 0 : values.address(), values == null ? 0 : stride(values));
        long at = memory.address();
        long sa = sums.address();
        double nanos = 2 * nanos();
        RowGroups.runOrdinary(
                split,
                nanos,
                (group, row, end) -> grad(
                        k,
                        sweep,
                        rows.indptrAddress(),
                        0,
                        false,
                        to,
                        sa + sumBytes * group,
                        group,
                        at + bytes * group,
                        row,
                        end));
        if (split.hubs() > 0) {
            long outRow = out.size() / out.dim(0);
            long valueRow = heads() * width();
            Tensor partOut = workspace.empty(DType.F32, RowSplit.MAX_PARTS, outRow);
            Tensor partValues = workspace.empty(DType.F32, RowSplit.MAX_PARTS, valueRow);
            Out parts = new Out(partOut.address(), 4 * outRow, partValues.address(), 4 * valueRow);
            for (int h = 0; h < split.hubs(); h++) {
                RowSplit.Hub hub = split.hub(h);
                Team.run(
                        hub.parts(),
                        nanos * hub.edges() / graph.nnz(),
                        i -> grad(
                                k,
                                sweep,
                                hub.bounds(),
                                hub.row(),
                                true,
                                parts,
                                sa + sumBytes * (groups + i),
                                RowGroups.MAX + i,
                                at + bytes * i,
                                i,
                                i + 1L));
                fold(partOut, hub, out);
                if (values != null) {
                    fold(partValues, hub, values);
                }
            }
        }
        if (attGrad != null) {
            sumAtt(sums, k.lanes, attGrad);
        }
    }

    private static void fold(Tensor part, RowSplit.Hub hub, Tensor out) {
        long columns = part.dim(1);
        if (columns > 0) {
            SpmmForward.fold(
                    SpmmKernels.Reduce.SUM,
                    part.address(),
                    4 * columns,
                    hub,
                    out.address() + stride(out) * hub.row(),
                    columns);
        }
    }

    /** Rows of a matrix; or parts of the one row {@code hub}, whose own inputs are then the same for all of them. */
    private void grad(
            Tiled k,
            Sweep s,
            long indptr,
            long hub,
            boolean part,
            Out to,
            long attGrad,
            long dummy,
            long scratch,
            long row,
            long end) {
        long heads = heads();
        boolean none = s.edges.stride == 0;
        long edges = none
                ? s.edges.address + 4 * dummy * (score == Score.LEAKY_DOT ? heads * columns() : heads)
                : s.edges.address;
        long byRow = s.transposed ? 0 : part ? hub : 0;
        k.kernels.grad(
                score,
                s.transposed,
                k.tile,
                indptr,
                s.indices,
                s.perm,
                s.a + s.as * hub,
                part ? 0 : s.as,
                s.b,
                s.bs,
                address(att),
                s.terms.address,
                s.terms.stride,
                s.c + s.cs * hub,
                part ? 0 : s.cs,
                s.d,
                s.ds,
                s.stats + 8 * heads * byRow,
                part && !s.transposed ? 0 : 8 * heads,
                s.means + 4 * heads * byRow,
                part && !s.transposed ? 0 : 4 * heads,
                to.out,
                to.os,
                to.values,
                to.vs,
                s.transposed ? 0 : edges,
                s.edges.stride,
                attGrad,
                factor,
                heads,
                columns(),
                width(),
                scratch,
                row,
                end);
    }

    /** Adds up the sums of all groups, which are in whole vectors: the last one of a head overlaps the one before. */
    private void sumAtt(Tensor sums, int lanes, Tensor attGrad) {
        long vectors = vectors(columns(), lanes);
        long slots = vectors * lanes;
        for (long h = 0; h < heads(); h++) {
            for (long f = 0; f < columns(); f++) {
                long slot = f < (vectors - 1) * lanes ? f : slots - columns() + f;
                float sum = 0;
                for (long g = 0; g < sums.dim(0); g++) {
                    sum += sums.getFloat(g, h * slots + slot);
                }
                attGrad.setFloat(sum, h, f);
            }
        }
    }
}
