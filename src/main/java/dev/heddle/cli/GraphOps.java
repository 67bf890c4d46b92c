package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Message;
import dev.heddle.op.Reduce;
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
            new Operator("csr_transpose", "graph", false, false, GraphOps::csrTranspose));

    private static void spmm(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        Tensor w = c.optional("w");
        CsrGraph graph = c.graph(x.dim(0));
        Spmm op = Spmm.builder()
                .message(Message.valueOf(c.param("msg").toUpperCase(Locale.ROOT)))
                .reduce(Reduce.valueOf(c.param("reduce").toUpperCase(Locale.ROOT)))
                .build();
        Spmm.Result r = op.forward(graph, x, w);
        out.put("y", r.y()).put("arg", r.arg());
        if (c.has("grad_y")) {
            Spmm.Gradients g = op.backward(graph, x, w, c.in("grad_y"), r.arg(), c.wants("grad_x"), c.wants("grad_w"));
            out.put("grad_x", g.x()).put("grad_w", g.w());
        }
    }

    private static void csrFromCoo(GoldenCase c, Outputs out) {
        Tensor src = c.in("src");
        long nSrc = 1L + Arrays.stream(src.toIntArray()).max().orElse(-1);
        CsrGraph.FromCoo r = CsrGraph.fromCoo(src, c.in("dst"), nSrc, c.intParam("ndst", 0));
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
