package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.AarenAttention;
import dev.heddle.op.AttentionState;
import dev.heddle.op.PrefixAttention;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Attention. */
final class AttentionOps {
    private AttentionOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("prefix_attention", "attention", true, true, AttentionOps::prefix),
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
}
