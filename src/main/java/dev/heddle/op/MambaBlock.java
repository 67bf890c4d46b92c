package dev.heddle.op;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The block of Mamba:
 *
 * <pre>
 * (xi, z)    = split(x in_proj^T)
 * u          = silu(causal_conv1d(xi))
 * (dt, B, C) = split(u x_proj^T)
 * y          = selective_scan(u, dt dt_proj^T, A = -exp(A_log), B, C, D, z, delta_bias = dt_proj.bias, softplus) out_proj^T
 * </pre>
 *
 * <p>{@code x} and {@code y} are float32 {@code [B, L, d_model]}, without gaps. Parameters keep the names and shapes of upstream's state_dict; all
 * sizes follow from them. Forward, backward, and {@linkplain #stream streams} that have the bits of the sequence.
 *
 * <p>The backward computes the forward again. Scratch is about {@code B L (2 + 1 + 1 + 1) d_inner}, and twice that in the backward.
 *
 * <p>After state-spaces/mamba {@code modules/mamba_simple.Mamba}.
 */
public final class MambaBlock {
    private static final CausalConv1d CONV = CausalConv1d.builder().silu(true).build();

    private MambaBlock() {}

    /** The parameters: {@code conv1d.weight} is {@code [d_inner, 1, K]}, {@code conv1d.bias} optional. */
    public record Parameters(
            Tensor inProj,
            Tensor convWeight,
            @Nullable Tensor convBias,
            Tensor xProj,
            Tensor dtProj,
            Tensor dtBias,
            Tensor aLog,
            Tensor d,
            Tensor outProj) {
        /** Those of a state_dict whose names start with {@code prefix}. */
        public static Parameters of(Map<String, Tensor> stateDict, String prefix) {
            return new Parameters(
                    named(stateDict, prefix + "in_proj.weight"),
                    named(stateDict, prefix + "conv1d.weight"),
                    stateDict.get(prefix + "conv1d.bias"),
                    named(stateDict, prefix + "x_proj.weight"),
                    named(stateDict, prefix + "dt_proj.weight"),
                    named(stateDict, prefix + "dt_proj.bias"),
                    named(stateDict, prefix + "A_log"),
                    named(stateDict, prefix + "D"),
                    named(stateDict, prefix + "out_proj.weight"));
        }

        /** By their names in a state_dict. */
        public Map<String, Tensor> asMap() {
            Map<String, Tensor> all = new LinkedHashMap<>();
            all.put("in_proj.weight", inProj);
            all.put("conv1d.weight", convWeight);
            if (convBias != null) {
                all.put("conv1d.bias", convBias);
            }
            all.put("x_proj.weight", xProj);
            all.put("dt_proj.weight", dtProj);
            all.put("dt_proj.bias", dtBias);
            all.put("A_log", aLog);
            all.put("D", d);
            all.put("out_proj.weight", outProj);
            return all;
        }

        Parameters withConvWeight(Tensor convWeight) {
            return new Parameters(inProj, convWeight, convBias, xProj, dtProj, dtBias, aLog, d, outProj);
        }

        long model() {
            return outProj.dim(0);
        }

        long inner() {
            return aLog.dim(0);
        }

        long states() {
            return aLog.dim(1);
        }

        long rank() {
            return dtProj.dim(1);
        }
    }

    /** Of x, and of the parameters. */
    public record Gradients(Tensor x, Parameters parameters) {}

    static Tensor named(Map<String, Tensor> tensors, String name) {
        Tensor t = tensors.get(name);
        if (t == null) {
            throw new IllegalArgumentException("there is no " + name + " among " + tensors.keySet());
        }
        return t;
    }

    /** Computes y as a new tensor. */
    public static Tensor forward(Parameters p, Tensor x) {
        check(p, x);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            new Pass(p, x, scratch).forward(y);
        }
        return y;
    }

    /** Computes y into a tensor given; memory that it needs meanwhile comes from {@code scratch}. */
    public static void forward(Parameters p, Tensor x, Tensor y, Workspace scratch) {
        check(p, x);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.contiguous("y", y);
        Apart apart = new Apart().in("x", x);
        p.asMap().forEach(apart::in);
        apart.out("y", y);
        new Pass(p, x, scratch).forward(y);
    }

    /** The gradients of x and of all parameters, as new tensors. */
    public static Gradients backward(Parameters p, Tensor x, Tensor gradY) {
        check(p, x);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.contiguous("gradY", gradY);
        try (Workspace scratch = new Workspace()) {
            return new Pass(p, x, scratch).backward(gradY);
        }
    }

    /** Streams through the block, all at their start. They keep copies of the projections and of the convolution's weights. */
    public static MambaStream stream(Parameters p, int slots) {
        check(p);
        Tensor a = negativeExp(p.aLog, Tensor.zeros(DType.F32, p.inner(), p.states()));
        Projections packed = Projections.of(p, Projection::packed);
        ScanBlocks blocks = ScanBlocks.of(1, p.inner());
        var decays = new SelectiveRule.Decays(
                blocks, a, Tensor.zeros(DType.F32, blocks.count(), p.states(), ScanKernels.BLOCK));
        Parameters turned = p.withConvWeight(byTaps(p.convWeight));
        return new MambaStream(
                (x, conv, ssm, numbers, y, scratch) ->
                        new Pass(turned, packed, x, a, decays, new States(conv, ssm, numbers), scratch).forward(y),
                p.model(),
                Tensor.zeros(DType.F32, slots, p.convWeight.dim(2) - 1, p.inner()),
                Tensor.zeros(DType.F32, slots, p.states(), p.inner()).transpose(1, 2));
    }

    /** A copy of a convolution's weights whose taps are rows, as kernels read them, so that no call has to turn them. */
    static Tensor byTaps(Tensor convWeight) {
        return convWeight.transpose(0, 2).copy().transpose(0, 2);
    }

    /** {@code -exp(x)}. */
    static Tensor negativeExp(Tensor x, Tensor y) {
        Activation.EXP.forward(x, y);
        Arithmetic.MUL.forward(y, Tensor.zeros(DType.F32, y.dim(-1)).fill(-1), y);
        return y;
    }

    /** Pools of states, and which of them each row of the batch takes. */
    static final class States {
        private final Tensor conv;
        final Tensor ssm;
        final int[] slots;

        States(Tensor conv, Tensor ssm, int[] slots) {
            this.conv = conv;
            this.ssm = ssm;
            this.slots = slots;
        }

        /** The convolution of each row by itself, so that it finds its own state. */
        void convolve(CausalConv1d op, Tensor x, Tensor w, @Nullable Tensor bias, Tensor y, Workspace scratch) {
            for (int row = 0; row < slots.length; row++) {
                Tensor state = conv.slice(0, slots[row], slots[row] + 1);
                op.forward(x.slice(0, row, row + 1), w, bias, state, null, y.slice(0, row, row + 1), state, scratch);
            }
        }
    }

    /** The products of a pass. */
    private record Projections(Projection in, Projection x, Projection dt, Projection out) {
        static Projections of(Parameters p, Function<Tensor, Projection> how) {
            return new Projections(how.apply(p.inProj), how.apply(p.xProj), how.apply(p.dtProj), how.apply(p.outProj));
        }
    }

    /** One pass over checked arguments: what the steps leave to each other. */
    private static final class Pass {
        private final Parameters p;
        private final Projections projections;
        private final Workspace scratch;
        private final @Nullable States pool;
        private final long rows;
        private final Tensor x;
        private final Tensor xz;
        private final Tensor u;

        /** dt before its projection, B and C. */
        private final Tensor mixed;

        private final Tensor a;
        private final SelectiveScan.Inputs in;
        private final Tensor scanned;

        Pass(Parameters p, Tensor x, Workspace scratch) {
            this(
                    p,
                    Projections.of(p, Projection::of),
                    x,
                    negativeExp(p.aLog, scratch.empty(DType.F32, p.inner(), p.states())),
                    null,
                    null,
                    scratch);
        }

        Pass(
                Parameters p,
                Projections projections,
                Tensor x,
                Tensor a,
                SelectiveRule.@Nullable Decays decays,
                @Nullable States pool,
                Workspace scratch) {
            this.p = p;
            this.projections = projections;
            this.a = a;
            this.scratch = scratch;
            this.pool = pool;
            long batch = x.dim(0);
            long steps = x.dim(1);
            rows = batch * steps;
            this.x = x.reshape(rows, p.model());
            xz = scratch.empty(DType.F32, batch, steps, 2 * p.inner());
            projections.in.apply(this.x, flat(xz), scratch);
            u = scratch.empty(DType.F32, batch, steps, p.inner());
            convolve();
            mixed = scratch.empty(DType.F32, batch, steps, p.rank() + 2 * p.states());
            projections.x.apply(flat(u), flat(mixed), scratch);
            Tensor delta = scratch.empty(DType.F32, batch, steps, p.inner());
            projections.dt.apply(flat(mixed).slice(1, 0, p.rank()), flat(delta), scratch);
            in = new SelectiveScan.Inputs(
                    u,
                    delta,
                    a,
                    part(mixed, 0),
                    part(mixed, 1),
                    p.d,
                    z(xz),
                    p.dtBias,
                    pool == null ? null : pool.ssm,
                    null);
            scanned = scratch.empty(DType.F32, batch, steps, p.inner());
            scan(decays);
        }

        private Tensor flat(Tensor t) {
            return t.reshape(rows, t.dim(2));
        }

        private Tensor inner(Tensor both) {
            return both.slice(2, 0, p.inner());
        }

        private Tensor z(Tensor both) {
            return both.slice(2, p.inner(), 2 * p.inner());
        }

        /** B or C. */
        private Tensor part(Tensor t, int number) {
            long from = p.rank() + number * p.states();
            return t.slice(2, from, from + p.states());
        }

        private Tensor taps(Tensor convWeight) {
            return convWeight.select(1, 0);
        }

        private void convolve() {
            if (pool == null) {
                CONV.forward(inner(xz), taps(p.convWeight), p.convBias, null, null, u, null, scratch);
            } else {
                pool.convolve(CONV, inner(xz), taps(p.convWeight), p.convBias, u, scratch);
            }
        }

        private void scan(SelectiveRule.@Nullable Decays decays) {
            if (p.inner() == 0) {
                return;
            }
            Sequences q = Sequences.of(u, null);
            SelectiveRule.Decays made =
                    decays == null ? new SelectiveRule.Decays(ScanBlocks.of(1, p.inner()), a, scratch) : decays;
            try (SelectiveRule rule = new SelectiveRule(q, in, true, false, made, scratch)) {
                ScanStates io = new ScanStates(rule.blocks, rule.states, pool == null ? null : pool.slots);
                new ScanForward(rule, io, scanned, pool == null ? null : pool.ssm, false).run(scratch);
            }
        }

        void forward(Tensor y) {
            projections.out.apply(flat(scanned), flat(y), scratch);
        }

        Gradients backward(Tensor gradY) {
            Parameters g = new Parameters(
                    zeros(p.inProj),
                    zeros(p.convWeight),
                    p.convBias == null ? null : zeros(p.convBias),
                    zeros(p.xProj),
                    zeros(p.dtProj),
                    zeros(p.dtBias),
                    zeros(p.aLog),
                    zeros(p.d),
                    zeros(p.outProj));
            Tensor gScanned = empty(scanned);
            Projection.MATMUL.backward(
                    flat(scanned), p.outProj, flat(gradY), flat(gScanned), g.outProj, null, false, scratch);
            Tensor gXz = empty(xz);
            Tensor gU = empty(u);
            Tensor gDelta = empty(u);
            Tensor gB = scratch.empty(DType.F32, in.b().shape().toArray());
            Tensor gC = scratch.empty(DType.F32, in.c().shape().toArray());
            var into = new SelectiveScan.Gradients(gU, gDelta, g.aLog, gB, gC, g.d, z(gXz), g.dtBias, null);
            SelectiveScan.builder().deltaSoftplus(true).build().backward(in, gScanned, null, into, scratch);
            Arithmetic.MUL.forward(g.aLog, a, g.aLog); // the derivative of -exp is itself
            Tensor gMixed = empty(mixed);
            part(gMixed, 0).copyFrom(gB);
            part(gMixed, 1).copyFrom(gC);
            Tensor dt = flat(mixed).slice(1, 0, p.rank());
            Tensor gDt = flat(gMixed).slice(1, 0, p.rank());
            Projection.MATMUL.backward(dt, p.dtProj, flat(gDelta), gDt, g.dtProj, null, false, scratch);
            Projection.MATMUL.backward(flat(u), p.xProj, flat(gMixed), flat(gU), g.xProj, null, true, scratch);
            CONV.backward(
                    inner(xz),
                    taps(p.convWeight),
                    p.convBias,
                    null,
                    null,
                    gU,
                    null,
                    new CausalConv1d.Gradients(inner(gXz), taps(g.convWeight), g.convBias, null),
                    scratch);
            Tensor gX = Tensor.zeros(DType.F32, gradY.shape().toArray());
            Projection.MATMUL.backward(x, p.inProj, flat(gXz), flat(gX), g.inProj, null, false, scratch);
            return new Gradients(gX, g);
        }

        private Tensor empty(Tensor like) {
            return scratch.empty(DType.F32, like.shape().toArray());
        }
    }

    static Tensor zeros(Tensor like) {
        return Tensor.zeros(DType.F32, like.shape().toArray());
    }

    // ------------------------------------------------------------------ checks

    private static void check(Parameters p, Tensor x) {
        check(p);
        Checks.rank("x", x, 3);
        Checks.shape("x", x, DType.F32, x.dim(0), x.dim(1), p.model());
        Checks.contiguous("x", x);
    }

    private static void check(Parameters p) {
        Checks.rank("A_log", p.aLog, 2);
        Checks.rank("out_proj.weight", p.outProj, 2);
        Checks.rank("dt_proj.weight", p.dtProj, 2);
        long inner = p.inner();
        Checks.shape("out_proj.weight", p.outProj, DType.F32, p.model(), inner);
        Checks.shape("in_proj.weight", p.inProj, DType.F32, 2 * inner, p.model());
        Checks.shape("dt_proj.weight", p.dtProj, DType.F32, inner, p.rank());
        Checks.shape("dt_proj.bias", p.dtBias, DType.F32, inner);
        Checks.shape("x_proj.weight", p.xProj, DType.F32, p.rank() + 2 * p.states(), inner);
        Checks.shape("D", p.d, DType.F32, inner);
        conv(p.convWeight, p.convBias, inner);
        p.asMap().forEach(Checks::contiguous);
    }

    static void conv(Tensor weight, @Nullable Tensor bias, long channels) {
        Checks.rank("conv1d.weight", weight, 3);
        Checks.shape("conv1d.weight", weight, DType.F32, channels, 1, Math.max(1, weight.dim(2)));
        if (bias != null) {
            Checks.shape("conv1d.bias", bias, DType.F32, channels);
        }
    }
}
