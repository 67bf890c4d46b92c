package dev.heddle.op;

import static dev.heddle.op.SpmmForward.isFinite;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Message passing: {@code y_i = reduce over the edges e of row i of m_e}, where {@code m_e} is the source row {@code x_j},
 * {@code w_e * x_j} or {@code x_j + w_e}.
 *
 * <ul>
 *   <li>{@code x} (the features) is float32 {@code [nSrc, F]} or {@code [nSrc, H, F]}, or of a half type; {@code y} is float32 {@code [nDst, F]} or {@code [nDst, H, F]}.
 *   <li>{@code w}, for MUL and ADD only, is float32 {@code [nnz]}: a scalar per edge; {@code [nnz, H]}: one per head, with an x of
 *       rank 3; or {@code [nnz, F]}: one per feature, with an x of rank 2.
 *   <li>{@code arg}, for MAX and MIN, is int32 and shaped like y: the CSR position of the first edge that has the extremum, -1 in
 *       an empty row; where a NaN came in, it is the position of the last NaN.
 * </ul>
 *
 * <p>An empty row gives 0. Edges are taken in CSR order, one after another; rows of more than {@link RowSplit#HUB_EDGES} edges are
 * cut into parts of equal size, a function of the degree alone, and the parts combined in order. So the bits do not depend on
 * the vector width or on the number of threads. Memory beyond the outputs: at most 64 rows. An extremum without positions looks through all
 * inputs first; where they turn out to be finite it is a maximum of integers, and of zeros of both signs it may give either.
 *
 * <p>Sums are made in float32 whatever the features are. Features of a half type are read as they are by sums and means with at most
 * one weight an edge, of an even number of columns; for all else they are widened first, all of them.
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
    private final Message message;
    private final Reduce reduce;

    private Spmm(Message message, Reduce reduce) {
        this.message = message;
        this.reduce = reduce;
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * A first call, over a few edges, when the first operator of this kind is made: it loads some forty classes and has the
     * JDK's own memory access compiled, which takes longer than the work of a small call; whoever builds operators at
     * start-up has it behind them.
     */
    private static final class FirstCall {
        private static final int EDGES = 40;
        private static boolean made;

        static synchronized void make() {
            if (!made) {
                made = true;
                CsrGraph few = CsrGraph.of(new long[] {0, EDGES}, new int[EDGES], 1);
                new Spmm(Message.MUL, Reduce.SUM)
                        .forward(few, Tensor.zeros(DType.F32, 1, 64), Tensor.zeros(DType.F32, EDGES));
            }
        }
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
            FirstCall.make();
            return new Spmm(message, reduce);
        }
    }

    /** {@code arg} is there for MAX and MIN only. */
    public record Result(Tensor y, @Nullable Tensor arg) {}

    /** Those that were asked for. */
    public record Gradients(@Nullable Tensor x, @Nullable Tensor w) {}

    /** Computes y, and arg for MAX and MIN. */
    public Result forward(CsrGraph graph, Tensor features, @Nullable Tensor w) {
        Tensor x = HalfSums.take(message, reduce, features, w) ? features : widened(features);
        Layout l = layout(graph, x, w);
        Tensor y = Tensor.zeros(DType.F32, l.rows(graph.nDst()));
        Tensor arg = reduce.isExtremum() ? Tensor.zeros(DType.I32, l.rows(graph.nDst())) : null;
        run(graph, l, x, w, y, arg);
        return new Result(y, arg);
    }

    /** Computes into {@code y} and, if it is wanted, {@code arg}; allocates nothing but a split row's parts. */
    public void forward(CsrGraph graph, Tensor features, @Nullable Tensor w, Tensor y, @Nullable Tensor arg) {
        Tensor x = HalfSums.take(message, reduce, features, w) ? features : widened(features);
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
            Tensor features,
            @Nullable Tensor w,
            Tensor gradY,
            @Nullable Tensor arg,
            boolean wantX,
            boolean wantW) {
        Tensor x = widened(features);
        Layout l = layout(graph, x, w);
        Tensor gx = wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null;
        Tensor gw = wantW && w != null ? Tensor.zeros(DType.F32, w.shape().toArray()) : null;
        checkGradient(graph, l, gradY, arg);
        runBackward(graph, l, x, w, gradY, arg, gx, gw);
        return new Gradients(gx, gw);
    }

    /**
     * The same into the tensors given; a null one is not computed.
     *
     * @param accumulate whether the gradients are added to what these hold; then {@code scratch} takes as much again
     */
    public void backward(
            CsrGraph graph,
            Tensor features,
            @Nullable Tensor w,
            Tensor gradY,
            @Nullable Tensor arg,
            @Nullable Tensor gradX,
            @Nullable Tensor gradW,
            boolean accumulate,
            Workspace scratch) {
        Tensor x = widened(features);
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
        if (!accumulate) {
            runBackward(graph, l, x, w, gradY, arg, gradX, gradW);
        } else if (gradX != null) {
            Accumulate.into(gradX, true, scratch, gx -> runBackward(graph, l, x, w, gradY, arg, gx, null));
        }
        if (accumulate && gradW != null) {
            Accumulate.into(gradW, true, scratch, gw -> runBackward(graph, l, x, w, gradY, arg, null, gw));
        }
    }

    /** Half types are for storage only. Where no kernel widens them as it reads them, all are widened before. */
    private static Tensor widened(Tensor x) {
        return HalfSums.isHalf(x) ? x.to(DType.F32) : x;
    }

    // ------------------------------------------------------------------ checks

    private Layout layout(CsrGraph graph, Tensor x, @Nullable Tensor w) {
        if (!HalfSums.take(message, reduce, x, w)) {
            Checks.type("x", x, DType.F32);
        }
        if (x.rank() != 2 && x.rank() != 3) {
            throw new IllegalArgumentException("x: shape " + x.shape() + ", must be [nSrc, F] or [nSrc, H, F]");
        }
        if (x.dim(0) != graph.nSrc()) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", but the graph has " + graph.nSrc() + " source nodes");
        }
        Checks.wholeRows("x", x);
        if (reduce.isExtremum()) {
            requireNarrow(graph, reduce.toString());
        }
        boolean ranked = x.rank() == 3;
        long heads = ranked ? x.dim(1) : 1;
        return new Layout(weight(graph, x, w), heads, x.dim(-1), ranked);
    }

    /** These kernels keep edge positions in int32 lanes. */
    static void requireNarrow(CsrGraph graph, String what) {
        if (graph.nnz() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "graph: " + graph.nnz() + " edges, but " + what + " is for at most 2^31 - 1");
        }
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

    // ------------------------------------------------------------------ forward

    private void run(CsrGraph graph, Layout l, Tensor x, @Nullable Tensor w, Tensor y, @Nullable Tensor arg) {
        if (y.size() == 0) {
            return;
        }
        try (Use _ = Use.of(x, w, y, arg);
                Use _ = graph.use()) {
            if (HalfSums.isHalf(x)) {
                HalfSums.of(graph, x, w, reduce, y).run();
                return;
            }
            Edges edges = new Edges(l, graph.indicesAddress(), x, w);
            boolean finite = arg == null && worthALook(graph, l, x, w) && isFinite(x) && (w == null || isFinite(w));
            new SpmmForward(message, reduce, arg != null, finite, l, edges).run(graph, Target.of(l, y, arg));
        }
    }

    /**
     * Whether an extremum that need not mind NaN saves more than it takes to read all features and weights once. Then each
     * source has several edges, and a weight serves more than one feature.
     */
    private boolean worthALook(CsrGraph graph, Layout l, Tensor x, @Nullable Tensor w) {
        return reduce.isExtremum()
                && l.weight() != Weight.FULL
                && graph.nnz() / 4 >= graph.nSrc()
                && x.isContiguous()
                && (w == null || w.isContiguous());
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
        SpmmBackward gradients = new SpmmBackward(message, reduce);
        try (Use _ = Use.of(x, w, gradY, arg, gradX, gradW)) {
            if (gradX != null && gradX.size() > 0) {
                gradients.gradX(graph.transpose(), graph, l, x, w, Target.of(l, gradY, arg), gradX);
            }
            if (gradW != null && gradW.size() > 0) {
                gradients.gradW(graph, l, x, w, Target.of(l, gradY, arg), gradW);
            }
        }
    }
}
