package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.GcnNormKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The symmetric normalisation of a graph convolution: {@code norm_e = s_j w_e s_i} for the edge e from j to i, where {@code s_i =
 * d_i^-1/2} and {@code d_i} is the sum of w over row i plus {@code fill_i}. {@code fill_i} is the weight of a self loop that is
 * thought to be added where node i has none: 1, or 2 with {@code improved}, or 0 without {@code addSelfLoops}.
 *
 * <ul>
 *   <li>The graph is square. {@code w} is float32 {@code [nnz]} or absent, which is all ones.
 *   <li>{@code norm [nnz]} is for the edges that are there, {@code selfNorm_i = s_i^2 fill_i [n]} for those that are thought added.
 *   <li>{@code degInvSqrt [n]} is s: 0 where the degree is 0, NaN where it is negative.
 * </ul>
 *
 * <p>Degrees are summed in float64, in CSR order. An output may not overlap an input.
 *
 * <p>Gradient: {@code grad_w_e = grad_norm_e s_j s_i - s_i^3/2 grad_s_i}, where {@code grad_s_i} collects {@code grad_norm_e w_e}
 * times the s at the other end over the edges into and out of i, and {@code 2 s_i fill_i grad_selfNorm_i}.
 *
 * <p>After PyG {@code gcn_norm}, called with explicit unit weights where there are none.
 */
public final class GcnNorm {
    /** All of it runs on one lane, so no variant ever needs warming. */
    private static final Dispatch<GcnNormKernels> KERNELS =
            new Dispatch<>(GcnNormKernels.class, 1, (kernels, lanes, variant, scratch) -> 1);

    /** Nanoseconds an edge, to tell small work from large. */
    private static final double NANOS = 3;

    private final float fill;

    private GcnNorm(float fill) {
        this.fill = fill;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: self loops are added, with weight 1. */
    public static final class Builder {
        private boolean addSelfLoops = true;
        private boolean improved;

        private Builder() {}

        /** Whether nodes without a self loop are given one. */
        public Builder addSelfLoops(boolean addSelfLoops) {
            this.addSelfLoops = addSelfLoops;
            return this;
        }

        /** Whether an added self loop weighs 2. */
        public Builder improved(boolean improved) {
            this.improved = improved;
            return this;
        }

        public GcnNorm build() {
            return new GcnNorm(addSelfLoops ? improved ? 2 : 1 : 0);
        }
    }

    /** One number for each edge, and two for each node. */
    public record Result(Tensor norm, Tensor selfNorm, Tensor degInvSqrt) {}

    /** Computes all three. */
    public Result forward(CsrGraph graph, @Nullable Tensor w) {
        requireInputs(graph, w);
        long n = graph.nDst();
        Result r = new Result(
                Tensor.zeros(DType.F32, graph.nnz()), Tensor.zeros(DType.F32, n), Tensor.zeros(DType.F32, n));
        run(graph, w, r);
        return r;
    }

    /** Computes into the tensors given. */
    public void forward(CsrGraph graph, @Nullable Tensor w, Tensor norm, Tensor selfNorm, Tensor degInvSqrt) {
        requireInputs(graph, w);
        requireNumbers("norm", norm, graph.nnz());
        requireNumbers("selfNorm", selfNorm, graph.nDst());
        requireNumbers("degInvSqrt", degInvSqrt, graph.nDst());
        new Apart().in("w", w).out("norm", norm).out("selfNorm", selfNorm).out("degInvSqrt", degInvSqrt);
        run(graph, w, new Result(norm, selfNorm, degInvSqrt));
    }

    private static void requireInputs(CsrGraph graph, @Nullable Tensor w) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        if (w != null) {
            requireNumbers("w", w, graph.nnz());
        }
    }

    private static void requireNumbers(String name, Tensor t, long n) {
        Checks.shape(name, t, DType.F32, n);
        Checks.contiguous(name, t);
    }

    private static GcnNormKernels kernels() {
        return KERNELS.choose(0, 1).kernels();
    }

    private static long address(@Nullable Tensor t) {
        return t == null ? 0 : t.address();
    }

    /** Work on some rows. */
    private interface Rows {
        void run(long row, long rowEnd);
    }

    private static void overRows(CsrGraph graph, Rows work) {
        RowSplit split = graph.rowSplit();
        Team.run(
                split.pieces(),
                NANOS * (graph.nnz() + graph.nDst()),
                p -> work.run(split.firstRow(p), split.endRow(p)));
    }

    private void run(CsrGraph graph, @Nullable Tensor w, Result r) {
        try (Use _ = Use.of(w, r.norm, r.selfNorm, r.degInvSqrt);
                Use _ = graph.use()) {
            GcnNormKernels k = kernels();
            long ptr = graph.indptrAddress();
            long idx = graph.indicesAddress();
            boolean weighted = w != null;
            long weights = address(w);
            long scale = r.degInvSqrt.address();
            long self = r.selfNorm.address();
            long norm = r.norm.address();
            overRows(graph, (row, end) -> k.degrees(weighted, ptr, idx, weights, fill, scale, self, row, end));
            overRows(graph, (row, end) -> k.norm(weighted, ptr, idx, weights, scale, norm, row, end));
        }
    }

    /**
     * The gradient of w, for the cotangents that are there.
     *
     * @param gradNorm {@code [nnz]}, or null
     * @param gradSelfNorm {@code [n]}, or null
     * @param gradDegInvSqrt {@code [n]}, or null
     */
    public Tensor backward(
            CsrGraph graph,
            Tensor w,
            @Nullable Tensor gradNorm,
            @Nullable Tensor gradSelfNorm,
            @Nullable Tensor gradDegInvSqrt) {
        requireGradients(graph, w, gradNorm, gradSelfNorm, gradDegInvSqrt);
        Tensor gradW = Tensor.zeros(DType.F32, graph.nnz());
        runBackward(graph, w, gradNorm, gradSelfNorm, gradDegInvSqrt, gradW);
        return gradW;
    }

    /** The same into {@code gradW}. */
    public void backward(
            CsrGraph graph,
            Tensor w,
            @Nullable Tensor gradNorm,
            @Nullable Tensor gradSelfNorm,
            @Nullable Tensor gradDegInvSqrt,
            Tensor gradW) {
        requireGradients(graph, w, gradNorm, gradSelfNorm, gradDegInvSqrt);
        requireNumbers("gradW", gradW, graph.nnz());
        new Apart()
                .in("w", w)
                .in("gradNorm", gradNorm)
                .in("gradSelfNorm", gradSelfNorm)
                .in("gradDegInvSqrt", gradDegInvSqrt)
                .out("gradW", gradW);
        runBackward(graph, w, gradNorm, gradSelfNorm, gradDegInvSqrt, gradW);
    }

    private static void requireGradients(
            CsrGraph graph,
            Tensor w,
            @Nullable Tensor gradNorm,
            @Nullable Tensor gradSelfNorm,
            @Nullable Tensor gradDegInvSqrt) {
        requireInputs(graph, w);
        if (gradNorm != null) {
            requireNumbers("gradNorm", gradNorm, graph.nnz());
        }
        if (gradSelfNorm != null) {
            requireNumbers("gradSelfNorm", gradSelfNorm, graph.nDst());
        }
        if (gradDegInvSqrt != null) {
            requireNumbers("gradDegInvSqrt", gradDegInvSqrt, graph.nDst());
        }
    }

    private void runBackward(
            CsrGraph graph,
            Tensor w,
            @Nullable Tensor gradNorm,
            @Nullable Tensor gradSelfNorm,
            @Nullable Tensor gradDegInvSqrt,
            Tensor gradW) {
        long n = graph.nDst();
        CsrGraph.Transpose turned = graph.transpose();
        try (Workspace scratch = new Workspace(16 * n + 512);
                Use _ = Use.of(w, gradNorm, gradSelfNorm, gradDegInvSqrt, gradW);
                Use _ = graph.use();
                Use _ = turned.use()) {
            GcnNormKernels k = kernels();
            long ptr = graph.indptrAddress();
            long idx = graph.indicesAddress();
            long tptr = turned.graph().indptrAddress();
            long tidx = turned.graph().indicesAddress();
            long perm = turned.permAddress();
            long weights = w.address();
            long scale = scratch.empty(DType.F32, n).address();
            long self = scratch.empty(DType.F32, n).address();
            long sums = scratch.empty(DType.I64, n).address(); // room for float64
            long g = address(gradNorm);
            long gSelf = address(gradSelfNorm);
            long gScale = address(gradDegInvSqrt);
            long gw = gradW.address();
            overRows(graph, (row, end) -> k.degrees(true, ptr, idx, weights, fill, scale, self, row, end));
            overRows(graph, (row, end) -> k.gradRows(ptr, idx, weights, fill, scale, g, gSelf, gScale, sums, row, end));
            overRows(
                    turned.graph(),
                    (row, end) -> k.gradDegrees(turned.isWide(), tptr, tidx, perm, weights, scale, g, sums, row, end));
            overRows(graph, (row, end) -> k.gradW(ptr, idx, scale, g, sums, gw, row, end));
        }
    }
}
