package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.Wkv4;
import dev.heddle.op.Wkv4State;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** RWKV's recurrences, and spikes. */
final class SpikeOps {
    private SpikeOps() {}

    static final List<Operator> OPERATORS = List.of(new Operator("wkv4", "rwkv", true, true, SpikeOps::wkv4));

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
}
