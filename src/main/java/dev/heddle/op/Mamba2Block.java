package dev.heddle.op;

import dev.heddle.op.MambaBlock.States;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The block of Mamba-2:
 *
 * <pre>
 * (z, xBC, dt) = split(x in_proj^T)
 * (u, B, C)    = split(silu(causal_conv1d(xBC)))
 * s            = ssd(u, dt, A = -exp(A_log), B, C, D, dt_bias, softplus)
 * y            = rms_norm(s silu(z)) out_proj^T
 * </pre>
 *
 * <p>{@code x} and {@code y} are float32 {@code [B, L, d_model]}, without gaps. Parameters keep the names and shapes of upstream's state_dict; all
 * sizes but the number of groups follow from them. Without {@code norm.weight} the gate is that of the ssd. The norm is taken over
 * each group by itself. Forward, backward, and {@linkplain #stream streams} that have the bits of the sequence.
 *
 * <p>The backward computes the forward again. Scratch is about {@code 6 B L d_inner}, and twice that in the backward.
 *
 * <p>After state-spaces/mamba {@code modules/mamba2.Mamba2}.
 */
public final class Mamba2Block {
    private static final CausalConv1d CONV = CausalConv1d.builder().silu(true).build();

    private final long groups;
    private final float eps;
    private final boolean normBeforeGate;
    private final Ssd ssd;

    private Mamba2Block(Builder b) {
        groups = b.groups;
        eps = b.eps;
        normBeforeGate = b.normBeforeGate;
        ssd = Ssd.builder()
                .dtSoftplus(true)
                .dtLimit(b.dtMin, b.dtMax)
                .recurrent(true)
                .build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: one group, eps 1e-5, the gate before the norm, dt without limits. */
    public static final class Builder {
        private long groups = 1;
        private float eps = 1e-5f;
        private boolean normBeforeGate;
        private float dtMin;
        private float dtMax = Float.POSITIVE_INFINITY;

        private Builder() {}

        /** How many groups share B and C. */
        public Builder groups(long groups) {
            if (groups < 1) {
                throw new IllegalArgumentException("groups: " + groups + ", must be positive");
            }
            this.groups = groups;
            return this;
        }

        /** What the norm adds to the mean square. */
        public Builder eps(float eps) {
            this.eps = eps;
            return this;
        }

        /** Whether the gate comes after the norm. */
        public Builder normBeforeGate(boolean normBeforeGate) {
            this.normBeforeGate = normBeforeGate;
            return this;
        }

        /** The limits of dt after bias and softplus. */
        public Builder dtLimit(float min, float max) {
            dtMin = min;
            dtMax = max;
            return this;
        }

        public Mamba2Block build() {
            return new Mamba2Block(this);
        }
    }

    /**
     * The parameters: {@code in_proj.weight} is {@code [2 d_inner + 2 G N + H, d_model]}, {@code conv1d.weight} {@code [d_inner + 2 G N, 1, K]}, {@code D}
     * {@code [H]} or {@code [d_inner]}; {@code conv1d.bias} and {@code norm.weight} are optional.
     */
    public record Parameters(
            Tensor inProj,
            Tensor convWeight,
            @Nullable Tensor convBias,
            Tensor dtBias,
            Tensor aLog,
            Tensor d,
            @Nullable Tensor norm,
            Tensor outProj) {
        /** Those of a state_dict whose names start with {@code prefix}. */
        public static Parameters of(Map<String, Tensor> stateDict, String prefix) {
            return new Parameters(
                    MambaBlock.named(stateDict, prefix + "in_proj.weight"),
                    MambaBlock.named(stateDict, prefix + "conv1d.weight"),
                    stateDict.get(prefix + "conv1d.bias"),
                    MambaBlock.named(stateDict, prefix + "dt_bias"),
                    MambaBlock.named(stateDict, prefix + "A_log"),
                    MambaBlock.named(stateDict, prefix + "D"),
                    stateDict.get(prefix + "norm.weight"),
                    MambaBlock.named(stateDict, prefix + "out_proj.weight"));
        }

        /** By their names in a state_dict. */
        public Map<String, Tensor> asMap() {
            Map<String, Tensor> all = new LinkedHashMap<>();
            all.put("in_proj.weight", inProj);
            all.put("conv1d.weight", convWeight);
            if (convBias != null) {
                all.put("conv1d.bias", convBias);
            }
            all.put("dt_bias", dtBias);
            all.put("A_log", aLog);
            all.put("D", d);
            if (norm != null) {
                all.put("norm.weight", norm);
            }
            all.put("out_proj.weight", outProj);
            return all;
        }

        Parameters withConvWeight(Tensor convWeight) {
            return new Parameters(inProj, convWeight, convBias, dtBias, aLog, d, norm, outProj);
        }

        long model() {
            return outProj.dim(0);
        }

        long inner() {
            return outProj.dim(1);
        }

        long heads() {
            return aLog.dim(0);
        }

        /** Channels of the convolution: those of x, B and C. */
        long mixed() {
            return convWeight.dim(0);
        }
    }

    /** Of x, and of the parameters. */
    public record Gradients(Tensor x, Parameters parameters) {}

    /** Computes y as a new tensor. */
    public Tensor forward(Parameters p, Tensor x) {
        check(p, x);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            new Pass(p, x, scratch).forward(y);
        }
        return y;
    }

    /** Computes y into a tensor given; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Parameters p, Tensor x, Tensor y, Workspace scratch) {
        check(p, x);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.contiguous("y", y);
        Apart apart = new Apart().in("x", x);
        p.asMap().forEach(apart::in);
        apart.out("y", y);
        new Pass(p, x, scratch).forward(y);
    }

    /** The gradients of x and of all parameters, as new tensors. */
    public Gradients backward(Parameters p, Tensor x, Tensor gradY) {
        check(p, x);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.contiguous("gradY", gradY);
        try (Workspace scratch = new Workspace()) {
            return new Pass(p, x, scratch).backward(gradY);
        }
    }

    /** Streams through the block, all at their start. They keep copies of the projections and of the convolution's weights. */
    public MambaStream stream(Parameters p, int slots) {
        check(p);
        Projection in = Projection.packed(p.inProj);
        Projection out = Projection.packed(p.outProj);
        long channels = p.inner() / p.heads();
        Parameters turned = p.withConvWeight(MambaBlock.byTaps(p.convWeight));
        return new MambaStream(
                (x, conv, ssm, numbers, y, scratch) ->
                        new Pass(turned, in, out, x, new States(conv, ssm, numbers), scratch).forward(y),
                p.model(),
                Tensor.zeros(DType.F32, slots, p.convWeight.dim(2) - 1, p.mixed()),
                Tensor.zeros(DType.F32, slots, p.heads(), states(p), channels).transpose(2, 3));
    }

    private long states(Parameters p) {
        return (p.mixed() - p.inner()) / (2 * groups);
    }

    /** One pass over checked arguments: what the steps leave to each other. */
    private final class Pass {
        private final Parameters p;
        private final Projection outProj;
        private final Workspace scratch;
        private final @Nullable States pool;
        private final long rows;
        private final Tensor x;

        /** z, what the convolution takes, and dt. */
        private final Tensor projected;

        private final Tensor mixed;
        private final Tensor a;
        private final Ssd.Inputs in;
        private final Tensor scanned;
        private final RmsNorm norm;

        Pass(Parameters p, Tensor x, Workspace scratch) {
            this(p, Projection.of(p.inProj), Projection.of(p.outProj), x, null, scratch);
        }

        Pass(Parameters p, Projection inProj, Projection outProj, Tensor x, @Nullable States pool, Workspace scratch) {
            this.p = p;
            this.outProj = outProj;
            this.scratch = scratch;
            this.pool = pool;
            long batch = x.dim(0);
            long steps = x.dim(1);
            rows = batch * steps;
            this.x = x.reshape(rows, p.model());
            projected = scratch.empty(DType.F32, batch, steps, p.inProj.dim(0));
            inProj.apply(this.x, flat(projected), scratch);
            mixed = scratch.empty(DType.F32, batch, steps, p.mixed());
            convolve();
            a = MambaBlock.negativeExp(p.aLog, scratch.empty(DType.F32, p.heads()));
            in = new Ssd.Inputs(
                    heads(mixed.slice(2, 0, p.inner())),
                    dt(projected),
                    a,
                    group(mixed, 0),
                    group(mixed, 1),
                    p.d.dim(0) == p.heads() ? p.d : p.d.reshape(p.heads(), p.inner() / p.heads()),
                    p.norm == null ? heads(z(projected)) : null,
                    p.dtBias,
                    pool == null ? null : pool.ssm,
                    null);
            scanned = scratch.empty(DType.F32, batch, steps, p.inner());
            ssd.run(in, heads(scanned), pool == null ? null : pool.slots, scratch);
            norm = RmsNorm.builder()
                    .eps(eps)
                    .groupSize(p.inner() / groups)
                    .normBeforeGate(normBeforeGate)
                    .build();
        }

        private Tensor flat(Tensor t) {
            return t.reshape(rows, t.dim(2));
        }

        private Tensor heads(Tensor t) {
            return t.unflatten(2, p.heads(), p.inner() / p.heads());
        }

        private Tensor z(Tensor all) {
            return all.slice(2, 0, p.inner());
        }

        private Tensor convolved(Tensor all) {
            return all.slice(2, p.inner(), p.inner() + p.mixed());
        }

        private Tensor dt(Tensor all) {
            return all.slice(2, p.inner() + p.mixed(), all.dim(2));
        }

        /** B or C. */
        private Tensor group(Tensor t, int number) {
            long size = groups * states(p);
            long from = p.inner() + number * size;
            return t.slice(2, from, from + size).unflatten(2, groups, states(p));
        }

        private Tensor taps(Tensor convWeight) {
            return convWeight.select(1, 0);
        }

        private void convolve() {
            Tensor from = convolved(projected);
            if (pool == null) {
                CONV.forward(from, taps(p.convWeight), p.convBias, null, null, mixed, null, scratch);
            } else {
                pool.convolve(CONV, from, taps(p.convWeight), p.convBias, mixed, scratch);
            }
        }

        void forward(Tensor y) {
            outProj.apply(flat(normed()), flat(y), scratch);
        }

        private Tensor normed() {
            if (p.norm == null) {
                return scanned;
            }
            Tensor normed = empty(scanned);
            norm.forward(scanned, p.norm, null, z(projected), normed, scratch);
            return normed;
        }

        Gradients backward(Tensor gradY) {
            Tensor gOut = MambaBlock.zeros(p.outProj);
            Tensor gNormed = empty(scanned);
            Projection.MATMUL.backward(
                    flat(normed()), p.outProj, flat(gradY), flat(gNormed), gOut, null, false, scratch);
            Tensor gProjected = empty(projected);
            Tensor gScanned = gNormed;
            Tensor gNorm = null;
            if (p.norm != null) {
                gScanned = empty(scanned);
                gNorm = MambaBlock.zeros(p.norm);
                var into = new RmsNorm.Gradients(gScanned, gNorm, null, z(gProjected));
                norm.backward(scanned, p.norm, null, z(projected), gNormed, into, false, scratch);
            }
            Ssd.Gradients g = ssd.backward(in, heads(gScanned), null);
            if (g.z() != null) {
                heads(z(gProjected)).copyFrom(g.z());
            }
            copy(g.dt(), dt(gProjected));
            Tensor gMixed = empty(mixed);
            copy(g.x(), heads(gMixed.slice(2, 0, p.inner())));
            copy(g.b(), group(gMixed, 0));
            copy(g.c(), group(gMixed, 1));
            Tensor gConv = MambaBlock.zeros(p.convWeight);
            Tensor gBias = p.convBias == null ? null : MambaBlock.zeros(p.convBias);
            CONV.backward(
                    convolved(projected),
                    taps(p.convWeight),
                    p.convBias,
                    null,
                    null,
                    gMixed,
                    null,
                    new CausalConv1d.Gradients(convolved(gProjected), taps(gConv), gBias, null),
                    scratch);
            Tensor gX = Tensor.zeros(DType.F32, gradY.shape().toArray());
            Tensor gIn = MambaBlock.zeros(p.inProj);
            Projection.MATMUL.backward(x, p.inProj, flat(gProjected), flat(gX), gIn, null, false, scratch);
            Tensor gA = MambaBlock.zeros(p.aLog);
            Tensor gD = MambaBlock.zeros(p.d);
            Tensor gDtBias = MambaBlock.zeros(p.dtBias);
            copy(g.a(), gA);
            Arithmetic.MUL.forward(gA, a, gA); // the derivative of -exp is itself
            copy(g.d(), gD.dim(0) == p.heads() ? gD : gD.reshape(p.heads(), p.inner() / p.heads()));
            copy(g.dtBias(), gDtBias);
            return new Gradients(gX, new Parameters(gIn, gConv, gBias, gDtBias, gA, gD, gNorm, gOut));
        }

        private static void copy(@Nullable Tensor from, Tensor to) {
            if (from != null) {
                to.copyFrom(from);
            }
        }

        private Tensor empty(Tensor like) {
            return scratch.empty(DType.F32, like.shape().toArray());
        }
    }

    // ------------------------------------------------------------------ checks

    private void check(Parameters p, Tensor x) {
        check(p);
        Checks.rank("x", x, 3);
        Checks.shape("x", x, DType.F32, x.dim(0), x.dim(1), p.model());
        Checks.contiguous("x", x);
    }

    private void check(Parameters p) {
        Checks.rank("out_proj.weight", p.outProj, 2);
        Checks.rank("A_log", p.aLog, 1);
        Checks.rank("conv1d.weight", p.convWeight, 3);
        long heads = p.heads();
        if (heads == 0 || p.inner() % heads != 0 || heads % groups != 0) {
            throw new IllegalArgumentException("A_log: shape " + p.aLog.shape()
                    + ", its heads must divide the channels of " + "out_proj.weight of shape " + p.outProj.shape()
                    + ", and the " + groups + " groups its heads");
        }
        if (p.mixed() < p.inner() || (p.mixed() - p.inner()) % (2 * groups) != 0) {
            throw new IllegalArgumentException("conv1d.weight: shape " + p.convWeight.shape()
                    + ", must have d_inner + 2 G N channels with d_inner = " + p.inner() + " and G = " + groups);
        }
        Checks.shape("in_proj.weight", p.inProj, DType.F32, p.inner() + p.mixed() + heads, p.model());
        Checks.shape("dt_bias", p.dtBias, DType.F32, heads);
        Checks.shape("D", p.d, DType.F32, p.d.size() == heads ? heads : p.inner());
        if (p.norm != null) {
            Checks.shape("norm.weight", p.norm, DType.F32, p.inner());
        }
        MambaBlock.conv(p.convWeight, p.convBias, p.mixed());
        p.asMap().forEach(Checks::contiguous);
    }
}
