package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.models.SpikeGpt;
import dev.heddle.models.SpikeGptBlock;
import dev.heddle.op.Lif;
import dev.heddle.op.PackedWeight;
import dev.heddle.op.SpikeMatmul;
import dev.heddle.op.Surrogate;
import dev.heddle.op.TokenShift;
import dev.heddle.op.Wkv4;
import dev.heddle.op.Wkv4State;
import dev.heddle.op.Wkv6;
import dev.heddle.op.Wkv7;
import dev.heddle.op.Wkv7State;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** RWKV's recurrences, and spikes. */
final class SpikeOps {
    private SpikeOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("wkv4", "rwkv", true, true, SpikeOps::wkv4),
            new Operator("wkv5", "rwkv", true, true, SpikeOps::wkv6),
            new Operator("wkv6", "rwkv", true, true, SpikeOps::wkv6),
            new Operator("wkv7", "rwkv", true, true, SpikeOps::wkv7),
            new Operator("token_shift", "rwkv", true, true, SpikeOps::tokenShift),
            new Operator("lif", "spiking", true, true, SpikeOps::lif),
            new Operator("surrogate", "spiking", true, false, SpikeOps::surrogate),
            new Operator("spike_matmul", "spiking", true, false, SpikeOps::spikeMatmul),
            new Operator("spikegpt_block", "spiking", true, false, SpikeOps::spikeGptBlock),
            new Operator("spikegpt_model", "spiking", false, true, SpikeOps::spikeGpt));

    private static void wkv4(GoldenCase c, Outputs out) {
        Wkv4 op = Wkv4.builder().build();
        Wkv4State initial = initial(c);
        Wkv4.Result r = op.forward(c.in("k"), c.in("v"), c.in("w"), c.in("u"), initial);
        Wkv4State last = r.last();
        out.put("y", r.y()).put("aa", last.aa()).put("bb", last.bb()).put("pp", last.pp());
        if (c.has("grad_y") || c.has("grad_aa") || c.has("grad_bb")) {
            Wkv4.Gradients g = op.backward(
                    c.in("k"),
                    c.in("v"),
                    c.in("w"),
                    c.in("u"),
                    initial,
                    c.optional("grad_y"),
                    c.optional("grad_aa"),
                    c.optional("grad_bb"));
            out.put("grad_k", g.k()).put("grad_v", g.v()).put("grad_w", g.w()).put("grad_u", g.u());
            out.put("grad_aa", g.aa()).put("grad_bb", g.bb()).put("grad_pp", g.pp());
        }
    }

    private static @Nullable Wkv4State initial(GoldenCase c) {
        return c.has("aa") ? Wkv4State.of(c.in("aa"), c.in("bb"), c.in("pp")) : null;
    }

    private static void wkv6(GoldenCase c, Outputs out) {
        Wkv6 op = Wkv6.builder().build();
        Tensor s0 = c.optional("s0");
        Wkv6.Result r = op.forward(c.in("r"), c.in("k"), c.in("v"), c.in("w"), c.in("u"), s0);
        out.put("y", r.y()).put("s", r.s());
        if (c.has("grad_y") || c.has("grad_s")) {
            Wkv6.Gradients g = op.backward(
                    c.in("r"),
                    c.in("k"),
                    c.in("v"),
                    c.in("w"),
                    c.in("u"),
                    s0,
                    c.optional("grad_y"),
                    c.optional("grad_s"));
            out.put("grad_r", g.r()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_w", g.w()).put("grad_u", g.u()).put("grad_s0", g.s0());
        }
    }

    private static void wkv7(GoldenCase c, Outputs out) {
        Wkv7 op = Wkv7.builder().build();
        Wkv7State s0 = c.has("s0") ? Wkv7State.of(c.in("s0")) : null;
        Wkv7.Result r = op.forward(c.in("r"), c.in("w"), c.in("k"), c.in("v"), c.in("a"), c.in("b"), s0);
        out.put("y", r.y()).put("s", r.last().toTensor());
        if (c.has("grad_y") || c.has("grad_s")) {
            Wkv7.Gradients g = op.backward(
                    c.in("r"),
                    c.in("w"),
                    c.in("k"),
                    c.in("v"),
                    c.in("a"),
                    c.in("b"),
                    s0,
                    c.optional("grad_y"),
                    c.optional("grad_s"));
            out.put("grad_r", g.r()).put("grad_w", g.w()).put("grad_k", g.k()).put("grad_v", g.v());
            out.put("grad_a", g.a()).put("grad_b", g.b()).put("grad_s0", g.s0());
        }
    }

    private static void tokenShift(GoldenCase c, Outputs out) {
        TokenShift.Form form = c.param("form").equals("lerp") ? TokenShift.Form.LERP : TokenShift.Form.MIX;
        TokenShift op = TokenShift.builder().form(form).build();
        TokenShift.Result r = op.forward(c.in("x"), c.in("mix"), c.optional("state"));
        out.put("y", r.y()).put("state", r.state());
        if (c.has("grad_y")) {
            TokenShift.Gradients g =
                    op.backward(c.in("x"), c.in("mix"), c.optional("state"), c.in("grad_y"), c.optional("grad_state"));
            out.put("grad_x", g.x()).put("grad_mix", g.mix()).put("grad_state", g.state());
        }
    }

    private static Surrogate surrogate(String kind, float alpha) {
        return kind.equals("sigmoid") ? Surrogate.sigmoid(alpha) : Surrogate.atan(alpha);
    }

    private static void surrogate(GoldenCase c, Outputs out) {
        Surrogate op = surrogate(c.param("kind"), c.floatParam("alpha", Double.NaN));
        out.put("y", op.forward(c.in("x")));
        if (c.has("grad_y")) {
            out.put("grad_x", op.backward(c.in("x"), c.in("grad_y")));
        }
    }

    private static void spikeMatmul(GoldenCase c, Outputs out) {
        SpikeMatmul op =
                SpikeMatmul.builder().transposeB(c.flag("transpose_b", false)).build();
        out.put("y", op.forward(c.in("s"), c.in("w"), c.optional("bias")));
        if (c.has("grad_y")) {
            SpikeMatmul.Gradients g = op.backward(
                    c.in("s"), c.in("w"), c.in("grad_y"), c.wants("grad_s"), c.wants("grad_w"), c.wants("grad_bias"));
            out.put("grad_s", g.s()).put("grad_w", g.w()).put("grad_bias", g.bias());
        }
    }

    private static void lif(GoldenCase c, Outputs out) {
        String kind = c.param("surrogate", "atan");
        float alpha = c.floatParam("alpha", kind.equals("atan") ? 2 : 4);
        Lif.Builder b = Lif.builder()
                .tau(c.floatParam("tau", 2))
                .threshold(c.floatParam("v_threshold", 1))
                .decayInput(c.flag("decay_input", true))
                .detachReset(c.flag("detach_reset", false))
                .surrogate(surrogate(kind, alpha));
        Lif op = c.param("v_reset", "0").equals("none")
                ? b.softReset().build()
                : b.reset(c.floatParam("v_reset", 0)).build();
        Tensor x = c.in("x");
        Tensor v0 = c.optional("v0");
        Lif.Result r = op.forward(x, v0);
        out.put("spike", r.spike()).put("v", r.v()).put("v_last", r.vLast());
        if (c.has("grad_spike") || c.has("grad_v") || c.has("grad_v_last")) {
            Lif.Gradients g = new Lif.Gradients(
                    Tensor.zeros(DType.F32, x.shape().toArray()), Tensor.zeros(DType.F32, x.dim(0), x.dim(2)));
            try (Workspace scratch = new Workspace()) {
                op.backward(
                        x,
                        v0,
                        null,
                        c.optional("grad_spike"),
                        c.optional("grad_v"),
                        c.optional("grad_v_last"),
                        g,
                        scratch);
            }
            out.put("grad_x", g.x()).put("grad_v0", g.v0());
        }
    }

    private static void spikeGptBlock(GoldenCase c, Outputs out) {
        SpikeGptBlock block = SpikeGptBlock.of(c.parameters(), c.intParam("layer_id", 0));
        out.put("y", block.forward(c.in("x")));
        if (c.has("grad_y")) {
            SpikeGptBlock.Gradients g = block.backward(c.in("x"), c.in("grad_y"));
            out.put("grad_x", g.x());
            g.parameters().forEach((name, t) -> out.put("grad_p." + name, t));
        }
    }

    private static void spikeGpt(GoldenCase c, Outputs out) {
        SpikeGpt model = SpikeGpt.of(c.parameters(), PackedWeight.Storage.F32);
        Tensor idx = c.in("idx");
        int[][] tokens = new int[(int) idx.dim(0)][];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = idx.select(0, i).toIntArray();
        }
        out.put("logits", model.forward(tokens, model.state(tokens.length)));
    }
}
