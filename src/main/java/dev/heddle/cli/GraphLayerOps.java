package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.graph.CommonNeighbors;
import dev.heddle.graph.CsrGraph;
import dev.heddle.nn.GatConv;
import dev.heddle.nn.GatV2Conv;
import dev.heddle.nn.GcnConv;
import dev.heddle.nn.GinConv;
import dev.heddle.nn.GraphConv;
import dev.heddle.nn.SageConv;
import dev.heddle.op.EpignnCompose;
import dev.heddle.op.EpignnLayer;
import dev.heddle.op.Pna;
import dev.heddle.op.Reduce;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Aggregations of several kinds, and layers. */
final class GraphLayerOps {
    private GraphLayerOps() {}

    static void pna(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        CsrGraph graph = c.graph(x.dim(0));
        Pna op = Pna.builder()
                .aggregators(Arrays.stream(words(c, "aggregators"))
                        .map(Pna.Aggregator::valueOf)
                        .toArray(Pna.Aggregator[]::new))
                .scalers(Arrays.stream(words(c, "scalers"))
                        .map(Pna.Scaler::valueOf)
                        .toArray(Pna.Scaler[]::new))
                .averageDegrees(c.floatParam("avg_deg_log", 1), c.floatParam("avg_deg_lin", 1))
                .build();
        out.put("y", op.forward(graph, x));
        if (c.has("grad_y")) {
            out.put("grad_x", op.backward(graph, x, c.in("grad_y")));
        }
    }

    private static String[] words(GoldenCase c, String param) {
        return c.param(param).toUpperCase(Locale.ROOT).split(",", -1);
    }

    static void commonNeighbors(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        CommonNeighbors common = CommonNeighbors.of(c.graph(x.dim(0)), c.in("u"), c.in("v"));
        Spmm sum = Spmm.builder().build();
        out.put("y", sum.forward(common.both(), x, null).y()).put("count", common.count());
        list(out, "cn", common.both());
        list(out, "only_u", common.onlyU());
        list(out, "only_v", common.onlyV());
        if (c.has("grad_y")) {
            Spmm.Gradients g = sum.backward(common.both(), x, null, c.in("grad_y"), null, true, false);
            out.put("grad_x", g.x());
        }
    }

    private static void list(Outputs out, String name, CsrGraph lists) {
        out.put(name + "_indptr", lists.rows().indptr()).put(name + "_indices", lists.sources());
    }

    static void epignnCompose(GoldenCase c, Outputs out) {
        Tensor left = c.in("left");
        Tensor right = c.in("right");
        out.put("y", EpignnCompose.forward(left, right, c.in("A")));
        if (c.has("grad_y")) {
            EpignnCompose.Gradients g = EpignnCompose.backward(left, right, c.in("A"), c.in("grad_y"));
            out.put("grad_left", g.left()).put("grad_right", g.right()).put("grad_A", g.a());
        }
    }

    static void epignnLayer(GoldenCase c, Outputs out) {
        Tensor h = c.in("h");
        CsrGraph graph = c.graph(h.dim(0));
        EpignnLayer op = EpignnLayer.of(
                c.param("direction").equals("forward"), c.param("aggr").equals("min"));
        out.put("y", op.forward(graph, h, c.in("rel"), c.in("edge_type"), c.in("A_raw")));
        if (c.has("grad_y")) {
            EpignnLayer.Gradients g =
                    op.backward(graph, h, c.in("rel"), c.in("edge_type"), c.in("A_raw"), c.in("grad_y"));
            out.put("grad_h", g.h()).put("grad_rel", g.rel()).put("grad_A_raw", g.aRaw());
        }
    }

    static void gnnLayer(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        GraphConv layer = layer(c);
        out.put("y", layer.forward(c.graph(x.dim(0)), x));
        if (c.has("grad_y")) {
            GraphConv.Gradients g = layer.backward(c.in("grad_y"));
            out.put("grad_x", g.x());
            g.parameters().forEach((name, t) -> out.put("grad_p." + name, t));
        }
    }

    private static GraphConv layer(GoldenCase c) {
        boolean concat = c.flag("concat", true);
        float slope = c.floatParam("negative_slope", 0.2);
        return switch (c.param("layer")) {
            case "gcn" -> GcnConv.of(parameters(c, "lin.weight", "bias"));
            case "sage" ->
                SageConv.of(
                        parameters(c, "lin_l.weight", "lin_l.bias", "lin_r.weight"),
                        Reduce.valueOf(c.param("aggr").toUpperCase(Locale.ROOT)),
                        c.flag("normalize", false));
            case "gin" -> GinConv.of(parameters(c, "eps", "nn.0.weight", "nn.0.bias", "nn.2.weight", "nn.2.bias"));
            case "gat" -> GatConv.of(parameters(c, "lin_src.weight", "att_src", "att_dst", "bias"), concat, slope);
            case "gatv2" ->
                GatV2Conv.of(
                        parameters(c, "lin_l.weight", "lin_l.bias", "lin_r.weight", "lin_r.bias", "att", "bias"),
                        concat,
                        slope);
            default -> throw new IllegalArgumentException("layer: " + c.param("layer") + " is not known");
        };
    }

    private static Map<String, Tensor> parameters(GoldenCase c, String... names) {
        Map<String, Tensor> all = new HashMap<>();
        for (String name : names) {
            all.put(name, c.in("p." + name));
        }
        return all;
    }
}
