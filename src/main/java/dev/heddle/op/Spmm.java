package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.kernel.SpmmKernels.Extremum;
import dev.heddle.kernel.SpmmKernels.FullMessage;
import dev.heddle.kernel.SpmmKernels.Scale;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Message passing: {@code y_i = reduce over the edges e of row i of m_e}, where {@code m_e} is the source row {@code x_j},
 * {@code w_e * x_j} or {@code x_j + w_e}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [nSrc, F]} or {@code [nSrc, H, F]}; {@code y} is {@code [nDst, F]} or {@code [nDst, H, F]}.
 *   <li>{@code w}, for MUL and ADD only, is float32 {@code [nnz]}: a scalar per edge; {@code [nnz, H]}: one per head, with an x of
 *       rank 3; or {@code [nnz, F]}: one per feature, with an x of rank 2.
 *   <li>{@code arg}, for MAX and MIN, is int32 and shaped like y: the CSR position of the first edge that has the extremum, -1 in
 *       an empty row; where a NaN came in, it is the position of the last NaN.
 * </ul>
 *
 * <p>An empty row gives 0. Edges are taken in CSR order, one after another; rows of more than {@link RowSplit#HUB_EDGES} edges are
 * cut into parts of equal size, a function of the degree alone, and the parts combined in order. So the bits do not depend on
 * the vector width or on the number of threads. Memory beyond the outputs: at most 64 rows.
 *
 * <p>All matrices may be views whose last axis (last two, with heads) is contiguous. An output may not overlap an input.
 *
 * <p>Gradients: {@code grad_x_j} sums {@code w_e grad_y_i} over the edges out of j, on the transposed graph, which the graph keeps;
 * {@code grad_w_e} is {@code <grad_y_i, x_j>} over the axes along which w was broadcast ({@code grad_y_i} summed, for ADD). The mean divides by the
 * degree; the extrema send everything to {@code arg}.
 *
 * <p>After PyG {@code utils.scatter} and, for ties, DGL {@code SpMMCmpCsr}.
 */
public final class Spmm {
    static final Dispatch<SpmmKernels> KERNELS = new Dispatch<>(SpmmKernels.class, SpmmProbe.VARIANTS, SpmmProbe::run);

    private static final int MAX_TILE = 8;
    private static final int MAX_ARG_TILE = 4;
    private static final int MAX_FULL_ARG_TILE = 2;

    /** Floats of scratch that a kernel of the weight's gradient needs. */
    private static final int GRAD_W_SCRATCH = 64;

    /** Nanoseconds for one feature of one edge, to tell small work from large. */
    private static final double NANOS = 0.4;

    private final Message message;
    private final Reduce reduce;

    private Spmm(Message message, Reduce reduce) {
        this.message = message;
        this.reduce = reduce;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: COPY, SUM. */
    public static final class Builder {
        private Message message = Message.COPY;
        private Reduce reduce = Reduce.SUM;

        private Builder() {}

        /** What an edge sends. */
        public Builder message(Message message) {
            this.message = message;
            return this;
        }

        /** How a destination combines what it receives. */
        public Builder reduce(Reduce reduce) {
            this.reduce = reduce;
            return this;
        }

        public Spmm build() {
            return new Spmm(message, reduce);
        }
    }

    /** {@code arg} is there for MAX and MIN only. */
    public record Result(Tensor y, @Nullable Tensor arg) {}

    /** Those that were asked for. */
    public record Gradients(@Nullable Tensor x, @Nullable Tensor w) {}

    /** Computes y, and arg for MAX and MIN. */
    public Result forward(CsrGraph graph, Tensor x, @Nullable Tensor w) {
        Layout l = layout(graph, x, w);
        Tensor y = Tensor.zeros(DType.F32, l.rows(graph.nDst()));
        Tensor arg = reduce.isExtremum() ? Tensor.zeros(DType.I32, l.rows(graph.nDst())) : null;
        run(graph, l, x, w, y, arg);
        return new Result(y, arg);
    }

    /** Computes into {@code y} and, if it is wanted, {@code arg}; allocates nothing but a split row's parts. */
    public void forward(CsrGraph graph, Tensor x, @Nullable Tensor w, Tensor y, @Nullable Tensor arg) {
        Layout l = layout(graph, x, w);
        Checks.shape("y", y, DType.F32, l.rows(graph.nDst()));
        Checks.wholeRows("y", y);
        if (arg != null) {
            if (!reduce.isExtremum()) {
                throw new IllegalArgumentException("arg: " + reduce + " has none");
            }
            Checks.shape("arg", arg, DType.I32, l.rows(graph.nDst()));
            Checks.wholeRows("arg", arg);
            requireStrides(arg, "y", y);
            Checks.apart("arg", arg, "x", x);
            Checks.apart("arg", arg, "w", w);
            Checks.apart("arg", arg, "y", y);
        }
        Checks.apart("y", y, "x", x);
        Checks.apart("y", y, "w", w);
        run(graph, l, x, w, y, arg);
    }

    /**
     * The gradients that are wanted, as new tensors.
     *
     * @param arg the forward's, for MAX and MIN; computed again if it is null
     */
    public Gradients backward(
            CsrGraph graph,
            Tensor x,
            @Nullable Tensor w,
            Tensor gradY,
            @Nullable Tensor arg,
            boolean wantX,
            boolean wantW) {
        Layout l = layout(graph, x, w);
        Tensor gx = wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null;
        Tensor gw = wantW && w != null ? Tensor.zeros(DType.F32, w.shape().toArray()) : null;
        checkGradient(graph, l, gradY, arg);
        runBackward(graph, l, x, w, gradY, arg, gx, gw);
        return new Gradients(gx, gw);
    }

    /** The same into the tensors given; a null one is not computed. */
    public void backward(
            CsrGraph graph,
            Tensor x,
            @Nullable Tensor w,
            Tensor gradY,
            @Nullable Tensor arg,
            @Nullable Tensor gradX,
            @Nullable Tensor gradW) {
        Layout l = layout(graph, x, w);
        checkGradient(graph, l, gradY, arg);
        if (gradX != null) {
            Checks.shape("gradX", gradX, DType.F32, x.shape().toArray());
            Checks.wholeRows("gradX", gradX);
            Checks.apart("gradX", gradX, "x", x);
            Checks.apart("gradX", gradX, "w", w);
            Checks.apart("gradX", gradX, "gradY", gradY);
            Checks.apart("gradX", gradX, "arg", arg);
        }
        if (gradW != null) {
            if (w == null) {
                throw new IllegalArgumentException("gradW: there is no w");
            }
            Checks.shape("gradW", gradW, DType.F32, w.shape().toArray());
            Checks.wholeRows("gradW", gradW);
            Checks.apart("gradW", gradW, "x", x);
            Checks.apart("gradW", gradW, "w", w);
            Checks.apart("gradW", gradW, "gradY", gradY);
            Checks.apart("gradW", gradW, "arg", arg);
            Checks.apart("gradW", gradW, "gradX", gradX);
        }
        runBackward(graph, l, x, w, gradY, arg, gradX, gradW);
    }

    // ------------------------------------------------------------------ checks

    private enum Weight {
        NONE,
        SCALAR,
        HEAD,
        FULL
    }

    /**
     * How the columns fall into groups that a kernel takes as one: all of them where one weight (or none) serves a whole row,
     * else a head each.
     */
    private record Layout(Weight weight, long heads, long columns, boolean ranked) {
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

    private Layout layout(CsrGraph graph, Tensor x, @Nullable Tensor w) {
        Checks.type("x", x, DType.F32);
        if (x.rank() != 2 && x.rank() != 3) {
            throw new IllegalArgumentException("x: shape " + x.shape() + ", must be [nSrc, F] or [nSrc, H, F]");
        }
        if (x.dim(0) != graph.nSrc()) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", but the graph has " + graph.nSrc() + " source nodes");
        }
        Checks.wholeRows("x", x);
        boolean ranked = x.rank() == 3;
        long heads = ranked ? x.dim(1) : 1;
        return new Layout(weight(graph, x, w), heads, x.dim(-1), ranked);
    }

    private Weight weight(CsrGraph graph, Tensor x, @Nullable Tensor w) {
        if (message == Message.COPY) {
            if (w != null) {
                throw new IllegalArgumentException("w: COPY takes none");
            }
            return Weight.NONE;
        }
        if (w == null) {
            throw new IllegalArgumentException("w: " + message + " needs it");
        }
        Checks.type("w", w, DType.F32);
        Checks.wholeRows("w", w);
        if (w.rank() >= 1 && w.dim(0) == graph.nnz()) {
            if (w.rank() == 1) {
                return Weight.SCALAR;
            }
            if (w.rank() == 2 && x.rank() == 3 && w.dim(1) == x.dim(1)) {
                return Weight.HEAD;
            }
            if (w.rank() == 2 && x.rank() == 2 && w.dim(1) == x.dim(1)) {
                return Weight.FULL;
            }
        }
        throw new IllegalArgumentException("w: shape " + w.shape() + ", must be [nnz], [nnz, H] or [nnz, F] with nnz = "
                + graph.nnz() + " and x of shape " + x.shape());
    }

    private void checkGradient(CsrGraph graph, Layout l, Tensor gradY, @Nullable Tensor arg) {
        Checks.shape("gradY", gradY, DType.F32, l.rows(graph.nDst()));
        Checks.wholeRows("gradY", gradY);
        if (arg != null) {
            Checks.shape("arg", arg, DType.I32, l.rows(graph.nDst()));
            Checks.wholeRows("arg", arg);
            requireStrides(arg, "gradY", gradY);
        }
    }

    /** Kernels walk arg beside its matrix, with one stride for both. */
    private static void requireStrides(Tensor arg, String name, Tensor other) {
        if (arg.size() > 0 && arg.stride(0) != other.stride(0)) {
            throw new IllegalArgumentException(
                    "arg: rows " + arg.stride(0) + " elements apart, but those of " + name + " are " + other.stride(0));
        }
    }

    // ------------------------------------------------------------------ passes

    /**
     * One pass over the edges: a tile of {@code tile} vectors of one head, starting {@code from} bytes into it; the last vector
     * starts {@code last} bytes further, overlapping the one before where the columns do not fill it.
     */
    private record Pass(SpmmKernels kernels, long head, int tile, long from, long last) {}

    private interface Variant {
        int of(int tile);
    }

    /** Cuts the columns of every head into tiles of at most {@code max} vectors, as equal as may be. */
    private static List<Pass> passes(Layout l, int max, Variant variant) {
        List<Pass> passes = new ArrayList<>();
        for (long head = 0; head < l.groups(); head++) {
            int lanes = KERNELS.lanes(l.width());
            tile(passes, head, 0, l.width(), lanes, max, variant);
        }
        return passes;
    }

    private static void tile(
            List<Pass> passes, long head, long start, long columns, int lanes, int max, Variant variant) {
        long vectors = (columns + lanes - 1) / lanes;
        for (long done = 0; done < vectors; ) {
            long left = vectors - done;
            long rounds = (left + max - 1) / max;
            int tile = (int) ((left + rounds - 1) / rounds);
            if (max < MAX_TILE) {
                tile = Integer.highestOneBit(tile); // these kernels are woven for powers of two
            }
            long from = done * lanes;
            done += tile;
            long last = done == vectors ? columns - lanes - from : (long) (tile - 1) * lanes;
            Dispatch.Chosen<SpmmKernels> chosen = KERNELS.choose(variant.of(tile), lanes);
            if (chosen.lanes() == lanes) {
                passes.add(new Pass(chosen.kernels(), head, tile, 4 * (start + from), 4 * last));
            } else {
                tile(passes, head, start + from, last + lanes, 1, Math.min(max, MAX_ARG_TILE), variant);
            }
        }
    }

    /** Runs one pass over some rows of a matrix; {@code out} and {@code arg} are the tile's first column in row 0. */
    private interface RowKernel {
        void run(Pass p, long indptr, long out, long arg, long stride, long row, long rowEnd);
    }

    /** Combines the parts of a split row. */
    private interface Fold {
        void run(long part, long partArg, long stride, RowSplit.Hub hub, long out, long arg);
    }

    /** An output matrix: its addresses, and its strides from row to row and from head to head. */
    private record Target(long y, long arg, long stride, long headStride) {
        static Target of(Layout l, Tensor y, @Nullable Tensor arg) {
            long head = l.ranked ? 4 * y.stride(1) : 0;
            return new Target(y.address(), arg == null ? 0 : arg.address(), 4 * y.stride(0), head);
        }

        long at(Pass p) {
            return y + headStride * p.head + p.from;
        }

        long argAt(Pass p) {
            return arg + headStride * p.head + p.from;
        }
    }

    /** All rows of a matrix: the ordinary ones in chunks, then those with very many edges, each in parts that are folded. */
    private static void sweep(
            CsrGraph graph, Layout l, Target t, List<Pass> passes, RowKernel rows, RowKernel parts, Fold fold) {
        RowSplit split = graph.rowSplit();
        double nanosPerEdge = NANOS * l.heads * l.columns;
        Team.run(split.chunks(), nanosPerEdge * graph.nnz(), c -> {
            for (Pass p : passes) {
                long at = t.headStride * p.head + p.from;
                long arg = t.arg == 0 ? 0 : t.arg + at;
                rows.run(p, graph.indptrAddress(), t.y + at, arg, t.stride, split.start(c), split.end(c));
            }
        });
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
                    for (Pass p : passes) {
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

    // ------------------------------------------------------------------ forward

    private void run(CsrGraph graph, Layout l, Tensor x, @Nullable Tensor w, Tensor y, @Nullable Tensor arg) {
        if (y.size() == 0) {
            return;
        }
        try (Use _ = Use.of(x, w, y, arg);
                Use _ = graph.use()) {
            Edges e = new Edges(l, graph.indicesAddress(), x, w);
            boolean full = l.weight == Weight.FULL;
            int max = arg == null ? full ? MAX_ARG_TILE : MAX_TILE : full ? MAX_FULL_ARG_TILE : MAX_ARG_TILE;
            List<Pass> passes = passes(l, max, tile -> variant(full, arg != null, tile));
            RowKernel rows = forwardRows(e, full, arg != null, kernelReduce());
            RowKernel parts = reduce == Reduce.MEAN ? forwardRows(e, full, arg != null, SpmmKernels.Reduce.SUM) : rows;
            sweep(graph, l, Target.of(l, y, arg), passes, rows, parts, arg == null ? fold(l) : argFold(l));
        }
    }

    /** Where the edges of one call find what they send. */
    private record Edges(Weight weight, long indices, long x, long xs, long xHead, long w, long ws) {
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

        long x(Pass p) {
            return x + xHead * p.head + p.from;
        }

        long w(Pass p) {
            return w + (weight == Weight.FULL ? p.from : 4 * p.head);
        }
    }

    private int variant(boolean full, boolean arg, int tile) {
        if (full) {
            return arg
                    ? SpmmProbe.fullArgRows(fullMessage(), extremum(), tile)
                    : SpmmProbe.fullRows(fullMessage(), kernelReduce(), tile);
        }
        return arg
                ? SpmmProbe.argRows(kernelMessage(), extremum(), tile)
                : SpmmProbe.rows(kernelMessage(), kernelReduce(), tile);
    }

    private RowKernel forwardRows(Edges e, boolean full, boolean arg, SpmmKernels.Reduce r) {
        if (full && arg) {
            return (p, ptr, y, a, ys, row, end) -> p.kernels.fullArgRows(
                    fullMessage(),
                    extremum(),
                    p.tile,
                    ptr,
                    e.indices,
                    e.w(p),
                    e.ws,
                    e.x(p),
                    e.xs,
                    y,
                    a,
                    ys,
                    p.last,
                    row,
                    end);
        }
        if (full) {
            return (p, ptr, y, _, ys, row, end) -> p.kernels.fullRows(
                    fullMessage(), r, p.tile, ptr, e.indices, e.w(p), e.ws, e.x(p), e.xs, y, ys, p.last, row, end);
        }
        if (arg) {
            return (p, ptr, y, a, ys, row, end) -> p.kernels.argRows(
                    kernelMessage(),
                    extremum(),
                    p.tile,
                    ptr,
                    e.indices,
                    e.w(p),
                    e.ws,
                    e.x(p),
                    e.xs,
                    y,
                    a,
                    ys,
                    p.last,
                    row,
                    end);
        }
        return (p, ptr, y, _, ys, row, end) -> p.kernels.rows(
                kernelMessage(), r, p.tile, ptr, e.indices, e.w(p), e.ws, e.x(p), e.xs, y, ys, p.last, row, end);
    }

    private Fold fold(Layout l) {
        return fold(l, kernelReduce());
    }

    private static Fold fold(Layout l, SpmmKernels.Reduce r) {
        return (part, _, stride, hub, y, _) -> KERNELS.choose(SpmmProbe.fold(r), l.columns)
                .kernels()
                .fold(r, part, stride, hub.parts(), hub.edges(), y, l.columns);
    }

    private Fold argFold(Layout l) {
        return (part, partArg, stride, hub, y, arg) -> KERNELS.choose(SpmmProbe.argFold(extremum()), l.columns)
                .kernels()
                .argFold(extremum(), part, partArg, stride, hub.parts(), y, arg, l.columns);
    }

    // ------------------------------------------------------------------ backward

    private void runBackward(
            CsrGraph graph,
            Layout l,
            Tensor x,
            @Nullable Tensor w,
            Tensor gradY,
            @Nullable Tensor arg,
            @Nullable Tensor gradX,
            @Nullable Tensor gradW) {
        if (reduce.isExtremum() && arg == null && (gradX != null || gradW != null)) {
            runBackward(graph, l, x, w, gradY.contiguous(), forward(graph, x, w).arg(), gradX, gradW);
            return;
        }
        try (Use _ = Use.of(x, w, gradY, arg, gradX, gradW)) {
            if (gradX != null && gradX.size() > 0) {
                gradX(graph.transpose(), graph, l, x, w, Target.of(l, gradY, arg), gradX);
            }
            if (gradW != null && gradW.size() > 0) {
                gradW(graph, l, x, w, Target.of(l, gradY, arg), gradW);
            }
        }
    }

    private void gradX(
            CsrGraph.Transpose transpose,
            CsrGraph graph,
            Layout l,
            Tensor x,
            @Nullable Tensor w,
            Target g,
            Tensor gradX) {
        boolean arg = reduce.isExtremum();
        boolean mean = reduce == Reduce.MEAN;
        boolean weighted = message == Message.MUL;
        boolean full = weighted && l.weight == Weight.FULL;
        // a weight that only adds does not touch the gradient of x, so its heads need no passes of their own
        Layout columns = weighted ? l : new Layout(Weight.NONE, l.heads, l.columns, l.ranked);
        try (Use _ = graph.use();
                Use _ = transpose.graph().use()) {
            Edges e = new Edges(columns, transpose.graph().indicesAddress(), x, w);
            long ptr = graph.indptrAddress();
            long perm = transpose.perm().address();
            Scale scale = scale(weighted, mean);
            RowKernel rows;
            List<Pass> passes;
            if (full && arg) {
                passes = passes(columns, MAX_FULL_ARG_TILE, SpmmProbe::fullArgGradX);
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels.fullArgGradX(
                        p.tile,
                        tptr,
                        e.indices,
                        perm,
                        e.w(p),
                        e.ws,
                        g.at(p),
                        g.argAt(p),
                        g.stride,
                        gx,
                        gxs,
                        p.last,
                        row,
                        end);
            } else if (full) {
                passes = passes(columns, MAX_ARG_TILE, tile -> SpmmProbe.fullGradX(mean, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels.fullGradX(
                        mean, p.tile, ptr, tptr, e.indices, perm, e.w(p), e.ws, g.at(p), g.stride, gx, gxs, p.last, row,
                        end);
            } else if (arg) {
                passes = passes(columns, MAX_ARG_TILE, tile -> SpmmProbe.argGradX(weighted, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels.argGradX(
                        weighted,
                        p.tile,
                        tptr,
                        e.indices,
                        perm,
                        e.w(p),
                        e.ws,
                        g.at(p),
                        g.argAt(p),
                        g.stride,
                        gx,
                        gxs,
                        p.last,
                        row,
                        end);
            } else {
                passes = passes(columns, MAX_TILE, tile -> SpmmProbe.gradX(scale, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels.gradX(
                        scale, p.tile, ptr, tptr, e.indices, perm, e.w(p), e.ws, g.at(p), g.stride, gx, gxs, p.last,
                        row, end);
            }
            Target out = Target.of(columns, gradX, null);
            sweep(transpose.graph(), columns, out, passes, rows, rows, fold(columns, SpmmKernels.Reduce.SUM));
        }
    }

    private void gradW(CsrGraph graph, Layout l, Tensor x, @Nullable Tensor w, Target g, Tensor gradW) {
        boolean arg = reduce.isExtremum();
        boolean mean = reduce == Reduce.MEAN;
        boolean multiplied = message == Message.MUL;
        boolean full = l.weight == Weight.FULL;
        long columns = l.width();
        int variant = full
                ? arg ? SpmmProbe.fullArgGradW(multiplied) : SpmmProbe.fullGradW(multiplied, mean)
                : arg ? SpmmProbe.argGradW(multiplied) : SpmmProbe.gradW(multiplied, mean);
        // sums along features hold a whole block of partial sums, so they run at any number of columns
        SpmmKernels k = KERNELS.choose(variant, full ? columns : Long.MAX_VALUE).kernels();
        RowSplit split = graph.rowSplit();
        int pieces = split.chunks() + split.hubs();
        try (Use _ = graph.use();
                Workspace scratch = new Workspace()) {
            Edges e = new Edges(l, graph.indicesAddress(), x, w);
            long ptr = graph.indptrAddress();
            long gw = gradW.address();
            long gws = 4 * gradW.stride(0);
            long pads = scratch.zeros(DType.F32, pieces, GRAD_W_SCRATCH).address();
            Team.run(pieces, 2 * NANOS * graph.nnz() * l.heads * l.columns, c -> {
                boolean chunk = c < split.chunks();
                long row =
                        chunk ? split.start(c) : split.hub(c - split.chunks()).row();
                long end = chunk ? split.end(c) : row + 1;
                long pad = pads + 4L * GRAD_W_SCRATCH * c;
                for (long h = 0; h < l.groups(); h++) {
                    long xh = e.x + e.xHead * h;
                    long gh = g.y + g.headStride * h;
                    long ah = g.arg + g.headStride * h;
                    long out = gw + 4 * h;
                    if (full && arg) {
                        k.fullArgGradW(
                                multiplied, ptr, e.indices, xh, e.xs, gh, ah, g.stride, out, gws, columns, row, end);
                    } else if (full) {
                        k.fullGradW(
                                multiplied, mean, ptr, e.indices, xh, e.xs, gh, g.stride, out, gws, columns, row, end);
                    } else if (arg) {
                        k.argGradW(
                                multiplied,
                                ptr,
                                e.indices,
                                xh,
                                e.xs,
                                gh,
                                ah,
                                g.stride,
                                out,
                                gws,
                                columns,
                                pad,
                                row,
                                end);
                    } else {
                        k.gradW(
                                multiplied,
                                mean,
                                ptr,
                                e.indices,
                                xh,
                                e.xs,
                                gh,
                                g.stride,
                                out,
                                gws,
                                columns,
                                pad,
                                row,
                                end);
                    }
                }
            });
        }
    }

    // ------------------------------------------------------------------ words of the kernels

    private SpmmKernels.Message kernelMessage() {
        return switch (message) {
            case COPY -> SpmmKernels.Message.COPY;
            case MUL -> SpmmKernels.Message.MUL;
            case ADD -> SpmmKernels.Message.ADD;
        };
    }

    private FullMessage fullMessage() {
        return message == Message.MUL ? FullMessage.MUL : FullMessage.ADD;
    }

    private SpmmKernels.Reduce kernelReduce() {
        return switch (reduce) {
            case SUM -> SpmmKernels.Reduce.SUM;
            case MEAN -> SpmmKernels.Reduce.MEAN;
            case MAX -> SpmmKernels.Reduce.MAX;
            case MIN -> SpmmKernels.Reduce.MIN;
        };
    }

    private Extremum extremum() {
        return reduce == Reduce.MAX ? Extremum.MAX : Extremum.MIN;
    }

    private static Scale scale(boolean weighted, boolean mean) {
        if (weighted) {
            return mean ? Scale.WEIGHT_MEAN : Scale.WEIGHT;
        }
        return mean ? Scale.MEAN : Scale.ONE;
    }
}
