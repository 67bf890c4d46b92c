package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.CausalConv1d;
import dev.heddle.op.LinearScan;
import dev.heddle.op.SelectiveScan;
import dev.heddle.tensor.Tensor;
import java.util.List;

/** State-space models. */
final class StateSpaceOps {
    private StateSpaceOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("linear_scan", "ssm", true, true, StateSpaceOps::linearScan),
            new Operator("selective_scan", "ssm", true, true, StateSpaceOps::selectiveScan),
            new Operator("causal_conv1d", "ssm", true, true, StateSpaceOps::causalConv1d));

    private static void linearScan(GoldenCase c, Outputs out) {
        Tensor a = c.in("a");
        Tensor b = c.in("b");
        Tensor h0 = c.optional("h0");
        Tensor cu = c.optional("cu_seqlens");
        LinearScan op = LinearScan.builder().reverse(c.flag("reverse", false)).build();
        LinearScan.Result r = op.forward(a, b, h0, cu);
        out.put("h", r.h()).put("last", r.last());
        if (c.has("grad_h") || c.has("grad_last")) {
            LinearScan.Gradients g = op.backward(
                    a,
                    b,
                    h0,
                    cu,
                    null,
                    c.optional("grad_h"),
                    c.optional("grad_last"),
                    c.wants("grad_a"),
                    c.wants("grad_b"),
                    c.wants("grad_h0"));
            out.put("grad_a", g.a()).put("grad_b", g.b()).put("grad_h0", g.h0());
        }
    }

    private static void selectiveScan(GoldenCase c, Outputs out) {
        SelectiveScan op = SelectiveScan.builder()
                .deltaSoftplus(c.flag("delta_softplus", false))
                .reverse(c.flag("reverse", false))
                .build();
        SelectiveScan.Inputs in = SelectiveScan.Inputs.of(c.in("u"), c.in("delta"), c.in("A"), c.in("B"), c.in("C"))
                .withD(c.optional("D"))
                .withZ(c.optional("z"))
                .withDeltaBias(c.optional("delta_bias"))
                .withH0(c.optional("h0"))
                .withCuSeqlens(c.optional("cu_seqlens"));
        SelectiveScan.Result r = op.forward(in);
        out.put("y", r.y()).put("last_state", r.lastState());
        if (c.has("grad_y") || c.has("grad_last_state")) {
            SelectiveScan.Gradients g = op.backward(in, c.optional("grad_y"), c.optional("grad_last_state"));
            out.put("grad_u", g.u())
                    .put("grad_delta", g.delta())
                    .put("grad_A", g.a())
                    .put("grad_B", g.b())
                    .put("grad_C", g.c())
                    .put("grad_D", g.d())
                    .put("grad_z", g.z())
                    .put("grad_delta_bias", g.deltaBias())
                    .put("grad_h0", g.h0());
        }
    }

    private static void causalConv1d(GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        Tensor w = c.in("w");
        Tensor bias = c.optional("bias");
        Tensor state = c.optional("state");
        Tensor cu = c.optional("cu_seqlens");
        CausalConv1d op = CausalConv1d.builder()
                .silu(c.param("activation", "none").equals("silu"))
                .build();
        CausalConv1d.Result r = op.forward(x, w, bias, state, cu);
        out.put("y", r.y()).put("state", r.state());
        if (c.has("grad_y")) {
            CausalConv1d.Gradients g = op.backward(
                    x,
                    w,
                    bias,
                    state,
                    cu,
                    c.in("grad_y"),
                    null,
                    c.wants("grad_x"),
                    c.wants("grad_w"),
                    c.wants("grad_bias"),
                    c.wants("grad_state"));
            out.put("grad_x", g.x())
                    .put("grad_w", g.w())
                    .put("grad_bias", g.bias())
                    .put("grad_state", g.state());
        }
    }
}
