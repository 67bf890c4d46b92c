package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.CausalConv1d;
import dev.heddle.op.LinearScan;
import dev.heddle.op.MambaBlock;
import dev.heddle.op.SelectiveScan;
import dev.heddle.op.SelectiveScanBidir;
import dev.heddle.op.SelectiveStateUpdate;
import dev.heddle.op.Ssd;
import dev.heddle.tensor.Tensor;
import java.util.List;

/** State-space models. */
final class StateSpaceOps {
    private StateSpaceOps() {}

    static final List<Operator> OPERATORS = List.of(
            new Operator("linear_scan", "ssm", true, true, StateSpaceOps::linearScan),
            new Operator("selective_scan", "ssm", true, true, StateSpaceOps::selectiveScan),
            new Operator("selective_scan_bidir", "ssm", true, true, StateSpaceOps::selectiveScanBidir),
            new Operator("selective_state_update", "ssm", true, false, StateSpaceOps::selectiveStateUpdate),
            new Operator("ssd", "ssm", true, true, StateSpaceOps::ssd),
            new Operator("causal_conv1d", "ssm", true, true, StateSpaceOps::causalConv1d),
            new Operator("mamba_block", "ssm", true, true, StateSpaceOps::mambaBlock));

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

    private static void selectiveScanBidir(GoldenCase c, Outputs out) {
        SelectiveScanBidir op = SelectiveScanBidir.builder()
                .deltaSoftplus(c.flag("delta_softplus", false))
                .build();
        var in = new SelectiveScanBidir.Inputs(
                c.in("u"), direction(c, ""), direction(c, "_b"), c.optional("z"), c.optional("cu_seqlens"));
        out.put("y", op.forward(in));
        if (c.has("grad_y")) {
            SelectiveScanBidir.Gradients g = op.backward(in, c.in("grad_y"));
            out.put("grad_u", g.u()).put("grad_z", g.z());
            put(out, g.ahead(), "");
            put(out, g.back(), "_b");
        }
    }

    private static SelectiveScanBidir.Direction direction(GoldenCase c, String suffix) {
        return new SelectiveScanBidir.Direction(
                c.in("delta" + suffix),
                c.in("A" + suffix),
                c.in("B" + suffix),
                c.in("C" + suffix),
                c.optional("D" + suffix),
                c.optional("delta_bias" + suffix));
    }

    private static void put(Outputs out, SelectiveScanBidir.DirectionGradients g, String suffix) {
        out.put("grad_delta" + suffix, g.delta())
                .put("grad_A" + suffix, g.a())
                .put("grad_B" + suffix, g.b())
                .put("grad_C" + suffix, g.c())
                .put("grad_D" + suffix, g.d())
                .put("grad_delta_bias" + suffix, g.deltaBias());
    }

    private static void selectiveStateUpdate(GoldenCase c, Outputs out) {
        SelectiveStateUpdate op = SelectiveStateUpdate.builder()
                .dtSoftplus(c.flag("dt_softplus", false))
                .build();
        SelectiveStateUpdate.Result r = op.step(new SelectiveStateUpdate.Inputs(
                c.in("state"),
                c.in("x"),
                c.in("dt"),
                c.in("A"),
                c.in("B"),
                c.in("C"),
                c.optional("D"),
                c.optional("z"),
                c.optional("dt_bias"),
                null));
        out.put("y", r.y()).put("state", r.state());
    }

    private static void ssd(GoldenCase c, Outputs out) {
        Ssd op = Ssd.builder()
                .dtSoftplus(c.flag("dt_softplus", false))
                .dtLimit(c.floatParam("dt_min", 0), c.floatParam("dt_max", Double.POSITIVE_INFINITY))
                .build();
        Ssd.Inputs in = Ssd.Inputs.of(c.in("x"), c.in("dt"), c.in("A"), c.in("B"), c.in("C"))
                .withD(c.optional("D"))
                .withZ(c.optional("z"))
                .withDtBias(c.optional("dt_bias"))
                .withH0(c.optional("h0"))
                .withCuSeqlens(c.optional("cu_seqlens"));
        Ssd.Result r = op.forward(in);
        out.put("y", r.y()).put("last_state", r.lastState());
        if (c.has("grad_y") || c.has("grad_last_state")) {
            Ssd.Gradients g = op.backward(in, c.optional("grad_y"), c.optional("grad_last_state"));
            out.put("grad_x", g.x())
                    .put("grad_dt", g.dt())
                    .put("grad_A", g.a())
                    .put("grad_B", g.b())
                    .put("grad_C", g.c())
                    .put("grad_D", g.d())
                    .put("grad_z", g.z())
                    .put("grad_dt_bias", g.dtBias())
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

    private static void mambaBlock(GoldenCase c, Outputs out) {
        MambaBlock.Parameters p = new MambaBlock.Parameters(
                c.in("p.in_proj.weight"),
                c.in("p.conv1d.weight"),
                c.optional("p.conv1d.bias"),
                c.in("p.x_proj.weight"),
                c.in("p.dt_proj.weight"),
                c.in("p.dt_proj.bias"),
                c.in("p.A_log"),
                c.in("p.D"),
                c.in("p.out_proj.weight"));
        out.put("y", MambaBlock.forward(p, c.in("x")));
        if (c.has("grad_y")) {
            MambaBlock.Gradients g = MambaBlock.backward(p, c.in("x"), c.in("grad_y"));
            out.put("grad_x", g.x());
            g.parameters().asMap().forEach((name, t) -> out.put("grad_p." + name, t));
        }
    }
}
