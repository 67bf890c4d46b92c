package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Gat;
import dev.heddle.op.GatV2;
import dev.heddle.op.GraphAttention;
import dev.heddle.tensor.Tensor;

/** Attention along the edges of graphs. */
final class GraphAttentionOps {
    private GraphAttentionOps() {}

    static void gat(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        CsrGraph graph = c.graph(x.dim(0));
        Gat op = Gat.of(c.floatParam("negative_slope", 0.2));
        Gat.Result r = op.forward(graph, x, c.in("el"), c.in("er"), c.optional("ee"), c.wants("alpha"));
        out.put("y", r.y()).put("alpha", r.alpha());
        if (c.has("grad_y")) {
            Gat.Gradients g = op.backward(graph, x, c.in("el"), c.in("er"), c.optional("ee"), r, c.in("grad_y"));
            out.put("grad_x", g.x())
                    .put("grad_el", g.el())
                    .put("grad_er", g.er())
                    .put("grad_ee", g.ee());
        }
    }

    static void gatV2(GoldenCase c, Outputs out) {
        Tensor xl = c.in("xl");
        CsrGraph graph = c.graph(xl.dim(0));
        GatV2 op = GatV2.of(c.floatParam("negative_slope", 0.2));
        GatV2.Result r = op.forward(graph, xl, c.in("xr"), c.in("att"), c.optional("ee"), c.wants("alpha"));
        out.put("y", r.y()).put("alpha", r.alpha());
        if (c.has("grad_y")) {
            GatV2.Gradients g = op.backward(graph, xl, c.in("xr"), c.in("att"), c.optional("ee"), r, c.in("grad_y"));
            out.put("grad_xl", g.xl())
                    .put("grad_xr", g.xr())
                    .put("grad_att", g.att())
                    .put("grad_ee", g.ee());
        }
    }

    static void graphAttention(GoldenCase c, Outputs out) {
        Tensor k = c.in("k");
        CsrGraph graph = c.graph(k.dim(0));
        double usual = 1 / Math.sqrt((double) k.dim(2));
        GraphAttention op = GraphAttention.of(c.floatParam("scale", usual));
        GraphAttention.Result r = op.forward(graph, c.in("q"), k, c.in("v"), c.optional("bias"), c.wants("alpha"));
        out.put("y", r.y()).put("alpha", r.alpha());
        if (c.has("grad_y")) {
            GraphAttention.Gradients g =
                    op.backward(graph, c.in("q"), k, c.in("v"), c.optional("bias"), r, c.in("grad_y"));
            out.put("grad_q", g.q()).put("grad_k", g.k()).put("grad_v", g.v()).put("grad_bias", g.bias());
        }
    }
}
