package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.AarenAttention;
import dev.heddle.op.AttentionState;
import dev.heddle.op.CausalAttention;
import dev.heddle.op.CausalAttention.Terms;
import dev.heddle.op.GatedLinearAttention;
import dev.heddle.op.LinearAttention;
import dev.heddle.op.PrefixAttention;
import dev.heddle.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Attention. */
final class AttentionOps {
    private AttentionOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("prefix_attention", "attention", true, true, AttentionOps::prefix),
            new Operator("causal_attention", "attention", true, true, AttentionOps::causal),
            new Operator("linear_attention", "attention", true, true, AttentionOps::linear),
            new Operator("gated_linear_attention", "attention", true, true, AttentionOps::gated),
            new Operator("aaren_attention", "attention", true, true, AttentionOps::aaren));

    private static @Nullable AttentionState initial(GoldenCase c) {
        return c.has("m0") ? AttentionState.of(c.in("m0"), c.in("u0"), c.in("w0")) : null;
    }

    private static void put(PrefixAttention.Result r, Outputs out) {
        AttentionState last = r.last();
        out.put("y", r.y()).put("m", last.m()).put("u", last.u()).put("w", last.w());
    }

    private static void prefix(GoldenCase c, Outputs out) {
        PrefixAttention op =
                PrefixAttention.builder().reverse(c.flag("reverse", false)).build();
        AttentionState initial = initial(c);
        put(op.forward(c.in("s"), c.in("v"), initial, c.optional("cu_seqlens")), out);
        if (c.has("grad_y")) {
            PrefixAttention.Gradients g =
                    op.backward(c.in("s"), c.in("v"), initial, c.optional("cu_seqlens"), c.in("grad_y"));
            out.put("grad_s", g.s()).put("grad_v", g.v());
            out.put("grad_m0", g.m0()).put("grad_u0", g.u0()).put("grad_w0", g.w0());
        }
    }

    private static void aaren(GoldenCase c, Outputs out) {
        AarenAttention.Builder builder = AarenAttention.builder().reverse(c.flag("reverse", false));
        float scale = c.floatParam("scale", Double.NaN);
        AarenAttention op = (Float.isNaN(scale) ? builder : builder.scale(scale)).build();
        AttentionState initial = initial(c);
        put(op.forward(c.in("q"), c.in("k"), c.in("v"), initial, c.optional("cu_seqlens")), out);
        if (c.has("grad_y")) {
            AarenAttention.Gradients g =
                    op.backward(c.in("q"), c.in("k"), c.in("v"), initial, c.optional("cu_seqlens"), c.in("grad_y"));
            out.put("grad_q", g.q()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_m0", g.m0()).put("grad_u0", g.u0()).put("grad_w0", g.w0());
        }
    }

    private static void causal(GoldenCase c, Outputs out) {
        CausalAttention.Builder builder =
                CausalAttention.builder().causal(c.flag("causal", true)).window(c.intParam("window", 0));
        float scale = c.floatParam("scale", Double.NaN);
        CausalAttention op = (Float.isNaN(scale) ? builder : builder.scale(scale)).build();
        Terms terms = new Terms(c.optional("bias"), c.optional("key_mask"), c.optional("cu_seqlens"), null);
        out.put("y", op.forward(c.in("q"), c.in("k"), c.in("v"), terms));
        if (c.has("grad_y")) {
            CausalAttention.Gradients g = op.backward(c.in("q"), c.in("k"), c.in("v"), terms, c.in("grad_y"));
            out.put("grad_q", g.q()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_bias", g.bias());
        }
    }

    private static void linear(GoldenCase c, Outputs out) {
        LinearAttention op = LinearAttention.builder()
                .elu(
                        switch (c.param("feature_map")) {
                            case "elu1" -> true;
                            case "identity" -> false;
                            default -> throw new IllegalArgumentException("feature_map: " + c.param("feature_map"));
                        })
                .normalize(c.flag("normalize", true))
                .eps(c.floatParam("eps", 1e-6))
                .build();
        LinearAttention.State initial = c.has("s0") ? new LinearAttention.State(c.in("s0"), c.in("z0")) : null;
        Tensor cu = c.optional("cu_seqlens");
        LinearAttention.Result r = op.forward(c.in("q"), c.in("k"), c.in("v"), initial, cu);
        out.put("y", r.y()).put("s", r.last().s()).put("z", r.last().z());
        if (c.has("grad_y") || c.has("grad_s") || c.has("grad_z")) {
            LinearAttention.Gradients g = op.backward(
                    c.in("q"),
                    c.in("k"),
                    c.in("v"),
                    initial,
                    cu,
                    c.optional("grad_y"),
                    c.optional("grad_s"),
                    c.optional("grad_z"));
            out.put("grad_q", g.q()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_s0", g.s0()).put("grad_z0", g.z0());
        }
    }

    private static void gated(GoldenCase c, Outputs out) {
        GatedLinearAttention op =
                GatedLinearAttention.builder().scale(c.floatParam("scale", 1)).build();
        Tensor initial = c.optional("s0");
        Tensor cu = c.optional("cu_seqlens");
        GatedLinearAttention.Result r = op.forward(c.in("q"), c.in("k"), c.in("v"), c.in("decay"), initial, cu);
        out.put("y", r.y()).put("s", r.s());
        if (c.has("grad_y") || c.has("grad_s")) {
            GatedLinearAttention.Gradients g = op.backward(
                    c.in("q"),
                    c.in("k"),
                    c.in("v"),
                    c.in("decay"),
                    initial,
                    cu,
                    c.optional("grad_y"),
                    c.optional("grad_s"));
            out.put("grad_q", g.q()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_decay", g.decay()).put("grad_s0", g.s0());
        }
    }
}
