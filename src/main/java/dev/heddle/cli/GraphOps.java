package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.Index;
import dev.heddle.graph.NodeOrder;
import dev.heddle.graph.Segments;
import dev.heddle.op.EdgeSoftmax;
import dev.heddle.op.Gather;
import dev.heddle.op.GcnNorm;
import dev.heddle.op.Message;
import dev.heddle.op.Reduce;
import dev.heddle.op.ScatterReduce;
import dev.heddle.op.Sddmm;
import dev.heddle.op.SegmentReduce;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Graphs and message passing. */
final class GraphOps {
    private GraphOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("spmm", "graph", true, false, GraphOps::spmm),
            new Operator("csr_from_coo", "graph", false, false, GraphOps::csrFromCoo),
            new Operator("csr_transpose", "graph", false, false, GraphOps::csrTranspose),
            new Operator("degree_order", "graph", false, false, GraphOps::degreeOrder),
            new Operator("sddmm", "graph", true, false, GraphOps::sddmm),
            new Operator("edge_softmax", "graph", true, false, GraphOps::edgeSoftmax),
            new Operator("gat", "graph", true, false, GraphAttentionOps::gat),
            new Operator("gatv2", "graph", true, false, GraphAttentionOps::gatV2),
            new Operator("graph_attention", "graph", true, false, GraphAttentionOps::graphAttention),
            new Operator("pna", "graph", true, false, GraphLayerOps::pna),
            new Operator("common_neighbors", "graph", true, false, GraphLayerOps::commonNeighbors),
            new Operator("epignn_compose", "graph", true, false, GraphLayerOps::epignnCompose),
            new Operator("epignn_layer", "graph", true, false, GraphLayerOps::epignnLayer),
            new Operator("gnn_layer", "graph", true, false, GraphLayerOps::gnnLayer),
            new Operator("gcn_norm", "graph", true, false, GraphOps::gcnNorm),
            new Operator("gather", "graph", true, false, GraphOps::gather),
            new Operator("segment_reduce", "graph", true, false, GraphOps::segmentReduce),
            new Operator("scatter_reduce", "graph", true, false, GraphOps::scatterReduce));

    private static void degreeOrder(GoldenCase c, Outputs out) {
        out.put("perm", NodeOrder.byDegree(c.in("deg"), c.in("batch")).perm());
    }

    private static void gcnNorm(GoldenCase c, Outputs out) {
        GcnNorm op = GcnNorm.builder()
                .addSelfLoops(c.flag("add_self_loops", true))
                .improved(c.flag("improved", false))
                .build();
        CsrGraph graph = c.graph(c.in("indptr").size() - 1);
        Tensor w = c.optional("w");
        GcnNorm.Result r = op.forward(graph, w);
        out.put("norm", r.norm()).put("self_norm", r.selfNorm()).put("deg_inv_sqrt", r.degInvSqrt());
        if (w != null && c.wants("grad_w")) {
            out.put(
                    "grad_w",
                    op.backward(
                            graph,
                            w,
                            c.optional("grad_norm"),
                            c.optional("grad_self_norm"),
                            c.optional("grad_deg_inv_sqrt")));
        }
    }

    private static void gather(GoldenCase c, Outputs out) {
        Index index = Index.of(c.in("index"), c.in("x").dim(0));
        out.put("y", Gather.forward(index, c.in("x")));
        if (c.has("grad_y")) {
            out.put("grad_x", Gather.backward(index, c.in("grad_y")));
        }
    }

    private static void segmentReduce(GoldenCase c, Outputs out) {
        SegmentReduce op = SegmentReduce.of(reduce(c));
        Segments segments = Segments.of(c.in("indptr"));
        Tensor x = c.in("x");
        SegmentReduce.Result r = op.forward(segments, x);
        out.put("y", r.y()).put("arg", r.arg());
        if (c.has("grad_y")) {
            out.put("grad_x", op.backward(segments, x, c.in("grad_y"), r.arg()));
        }
    }

    private static void scatterReduce(GoldenCase c, Outputs out) {
        ScatterReduce op = c.param("reduce").equals("mul") ? ScatterReduce.product() : ScatterReduce.of(reduce(c));
        Index index = Index.of(c.in("index"), c.intParam("n", 0));
        Tensor src = c.in("src");
        ScatterReduce.Result r = op.forward(index, src);
        out.put("y", r.y()).put("arg", r.arg());
        if (c.has("grad_y")) {
            out.put("grad_src", op.backward(index, src, c.in("grad_y"), r.arg()));
        }
    }

    private static Reduce reduce(GoldenCase c) {
        return Reduce.valueOf(c.param("reduce").toUpperCase(Locale.ROOT));
    }

    private static void spmm(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        Tensor w = c.optional("w");
        CsrGraph graph = c.graph(x.dim(0));
        Spmm op = Spmm.builder()
                .message(Message.valueOf(c.param("msg").toUpperCase(Locale.ROOT)))
                .reduce(reduce(c))
                .build();
        Spmm.Result r = op.forward(graph, x, w);
        out.put("y", r.y()).put("arg", r.arg());
        if (c.has("grad_y")) {
            Spmm.Gradients g = op.backward(graph, x, w, c.in("grad_y"), r.arg(), c.wants("grad_x"), c.wants("grad_w"));
            out.put("grad_x", g.x()).put("grad_w", g.w());
        }
    }

    private static void sddmm(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        Tensor y = c.in("y");
        CsrGraph graph = c.graph(x.dim(0));
        Sddmm op = Sddmm.of(Sddmm.Op.valueOf(c.param("op").toUpperCase(Locale.ROOT)));
        out.put("z", op.forward(graph, x, y));
        if (c.has("grad_z")) {
            Sddmm.Gradients g = op.backward(graph, x, y, c.in("grad_z"), c.wants("grad_x"), c.wants("grad_y"));
            out.put("grad_x", g.x()).put("grad_y", g.y());
        }
    }

    private static void edgeSoftmax(GoldenCase c, Outputs out) {
        CsrGraph graph =
                c.graph(1L + Arrays.stream(c.in("indices").toIntArray()).max().orElse(-1));
        Tensor alpha = EdgeSoftmax.forward(graph, c.in("scores"));
        out.put("alpha", alpha);
        if (c.has("grad_alpha")) {
            out.put("grad_scores", EdgeSoftmax.backward(graph, alpha, c.in("grad_alpha")));
        }
    }

    private static void csrFromCoo(GoldenCase c, Outputs out) {
        Tensor src = c.in("src");
        long nSrc = 1L + Arrays.stream(src.toIntArray()).max().orElse(-1);
        CsrGraph.Derived r = CsrGraph.fromCoo(src, c.in("dst"), nSrc, c.intParam("ndst", 0));
        out.put("indptr", Tensor.of(r.graph().indptr()))
                .put("indices", Tensor.of(r.graph().indices()))
                .put("perm", r.perm());
    }

    private static void csrTranspose(GoldenCase c, Outputs out) {
        CsrGraph.Transpose t = c.graph(c.intParam("nsrc", 0)).transpose();
        out.put("t_indptr", Tensor.of(t.graph().indptr()))
                .put("t_indices", Tensor.of(t.graph().indices()))
                .put("t_perm", t.perm());
    }
}
