package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.EdgeKernels;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * Softmax over the edges into each node: {@code alpha_e = exp(s_e - m_i) / sum over row i of exp(s - m_i)}, {@code m_i} the largest
 * score of the row, for every head by itself.
 *
 * <p>{@code scores} and {@code alpha} are float32 {@code [nnz]} or {@code [nnz, H]}, in CSR order. A score of -infinity has weight 0; a
 * row of nothing else gives zeros. A NaN or +infinity makes its row NaN. Views must be contiguous in all axes but the first.
 * alpha may be scores itself, else they may not overlap. Sums go in CSR order; rows with more than 8192 edges
 * are cut into parts, each with its own maximum, which are combined in order.
 *
 * <p>Gradient: {@code alpha_e (g_e - sum over row i of alpha g)}.
 *
 * <p>After PyG {@code utils.softmax} and DGL {@code Edge_softmax_csr_forward}.
 */
public final class EdgeSoftmax {
    private EdgeSoftmax() {}

    /** Nanoseconds for a score, to tell small work from large. */
    private static final double NANOS = 2;

    /** Blocks of edges are padded, so the kernel runs at any width. */
    private static final int ANY = Integer.MAX_VALUE;

    /** Computes alpha. */
    public static Tensor forward(CsrGraph graph, Tensor scores) {
        requireEdges(graph, "scores", scores);
        Tensor alpha = Tensor.zeros(DType.F32, scores.shape().toArray());
        run(graph, scores, alpha);
        return alpha;
    }

    /** Computes into {@code alpha}, which may be {@code scores}. */
    public static void forward(CsrGraph graph, Tensor scores, Tensor alpha) {
        requireEdges(graph, "scores", scores);
        Checks.like("alpha", alpha, DType.F32, "scores", scores);
        Checks.wholeRows("alpha", alpha);
        Checks.sameOrApart("alpha", alpha, "scores", scores);
        run(graph, scores, alpha);
    }

    /** The gradient of the scores. */
    public static Tensor backward(CsrGraph graph, Tensor alpha, Tensor gradAlpha) {
        requireGradient(graph, alpha, gradAlpha);
        Tensor gradScores = Tensor.zeros(DType.F32, alpha.shape().toArray());
        runBackward(graph, alpha, gradAlpha, gradScores);
        return gradScores;
    }

    /** The gradient into {@code gradScores}, which may be {@code gradAlpha}. */
    public static void backward(CsrGraph graph, Tensor alpha, Tensor gradAlpha, Tensor gradScores) {
        requireGradient(graph, alpha, gradAlpha);
        Checks.like("gradScores", gradScores, DType.F32, "alpha", alpha);
        Checks.wholeRows("gradScores", gradScores);
        Checks.apart("gradScores", gradScores, "alpha", alpha);
        Checks.sameOrApart("gradScores", gradScores, "gradAlpha", gradAlpha);
        runBackward(graph, alpha, gradAlpha, gradScores);
    }

    private static void requireEdges(CsrGraph graph, String name, Tensor t) {
        Checks.type(name, t, DType.F32);
        if ((t.rank() != 1 && t.rank() != 2) || t.dim(0) != graph.nnz()) {
            throw new IllegalArgumentException(
                    name + ": shape " + t.shape() + ", must be [nnz] or [nnz, H] with nnz = " + graph.nnz());
        }
        Checks.wholeRows(name, t);
    }

    private static void requireGradient(CsrGraph graph, Tensor alpha, Tensor gradAlpha) {
        requireEdges(graph, "alpha", alpha);
        Checks.like("gradAlpha", gradAlpha, DType.F32, "alpha", alpha);
        Checks.wholeRows("gradAlpha", gradAlpha);
    }

    private static long heads(Tensor t) {
        return t.rank() == 2 ? t.dim(1) : 1;
    }

    private static long stride(Tensor t) {
        return 4 * t.stride(0);
    }

    private static void run(CsrGraph graph, Tensor scores, Tensor alpha) {
        if (scores.size() == 0) {
            return;
        }
        RowSplit split = graph.rowSplit();
        EdgeKernels k = EdgeProbe.KERNELS.choose(EdgeProbe.SOFTMAX, ANY).kernels();
        try (Use _ = Use.of(scores, alpha);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            long ptr = graph.indptrAddress();
            long s = scores.address();
            long a = alpha.address();
            RowGroups.runOrdinary(
                    split,
                    NANOS * scores.size(),
                    EdgeKernels.SCRATCH,
                    workspace,
                    (row, end, scratch) -> k.softmax(
                            false, ptr, s, stride(scores), a, stride(alpha), 0, heads(scores), scratch, row, end));
            for (int h = 0; h < split.hubs(); h++) {
                runHub(split.hub(h), scores, alpha, workspace);
            }
        }
    }

    /** A row in parts, each with a maximum and a sum of its own: its exponentials are put right when all are known. */
    private static void runHub(RowSplit.Hub hub, Tensor scores, Tensor alpha, Workspace workspace) {
        long heads = heads(scores);
        double nanos = NANOS * hub.edges() * heads;
        long s = scores.address();
        long a = alpha.address();
        long stats = workspace.empty(DType.F32, hub.parts(), 2, heads).address();
        long scratch =
                workspace.empty(DType.U8, hub.parts(), EdgeKernels.SCRATCH).address();
        EdgeKernels k = EdgeProbe.KERNELS.choose(EdgeProbe.SOFTMAX_PARTS, ANY).kernels();
        Team.run(
                hub.parts(),
                nanos,
                p -> k.softmax(
                        true,
                        hub.bounds(),
                        s,
                        stride(scores),
                        a,
                        stride(alpha),
                        stats + 8 * heads * p,
                        heads,
                        scratch + (long) EdgeKernels.SCRATCH * p,
                        p,
                        p + 1L));
        EdgeProbe.KERNELS.choose(EdgeProbe.COMBINE, ANY).kernels().combine(stats, hub.parts(), heads, scratch);
        EdgeKernels scale = EdgeProbe.KERNELS.choose(EdgeProbe.SCALE, 1).kernels();
        Team.run(
                hub.parts(),
                nanos,
                p -> scale.scale(hub.bounds(), a, stride(alpha), stats, 8 * heads, heads, p, p + 1L));
    }

    private static void runBackward(CsrGraph graph, Tensor alpha, Tensor gradAlpha, Tensor gradScores) {
        if (alpha.size() == 0) {
            return;
        }
        RowSplit split = graph.rowSplit();
        EdgeKernels k = EdgeProbe.KERNELS.choose(EdgeProbe.SOFTMAX_GRAD, 1).kernels();
        try (Use _ = Use.of(alpha, gradAlpha, gradScores);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            long ptr = graph.indptrAddress();
            long a = alpha.address();
            long g = gradAlpha.address();
            long out = gradScores.address();
            Team.run(
                    split.chunks(),
                    NANOS * alpha.size(),
                    c -> k.softmaxGrad(
                            ptr,
                            a,
                            stride(alpha),
                            g,
                            stride(gradAlpha),
                            out,
                            stride(gradScores),
                            heads(alpha),
                            split.start(c),
                            split.end(c)));
            for (int h = 0; h < split.hubs(); h++) {
                hubBackward(split.hub(h), alpha, gradAlpha, gradScores, workspace);
            }
        }
    }

    private static void hubBackward(
            RowSplit.Hub hub, Tensor alpha, Tensor gradAlpha, Tensor gradScores, Workspace workspace) {
        long heads = heads(alpha);
        double nanos = NANOS * hub.edges() * heads;
        long a = alpha.address();
        long g = gradAlpha.address();
        long out = gradScores.address();
        long parts = workspace.empty(DType.F32, hub.parts(), heads).address();
        long mean = workspace.empty(DType.F32, heads).address();
        EdgeKernels k = EdgeProbe.KERNELS.choose(EdgeProbe.SOFTMAX_MEANS, 1).kernels();
        Team.run(
                hub.parts(),
                nanos,
                p -> k.softmaxMeans(hub.bounds(), a, stride(alpha), g, stride(gradAlpha), parts, heads, p, p + 1L));
        SpmmForward.fold(SpmmKernels.Reduce.SUM, parts, 4 * heads, hub, mean, heads);
        EdgeKernels apply =
                EdgeProbe.KERNELS.choose(EdgeProbe.SOFTMAX_PART_GRAD, 1).kernels();
        Team.run(
                hub.parts(),
                nanos,
                p -> apply.softmaxPartGrad(
                        hub.bounds(),
                        a,
                        stride(alpha),
                        g,
                        stride(gradAlpha),
                        out,
                        stride(gradScores),
                        mean,
                        heads,
                        p,
                        p + 1L));
    }
}
