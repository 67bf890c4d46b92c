package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.SsdKernels;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/** Mamba-2's recurrence: the channels of a head share one dt a step and one A, so that decays are made once for each step and head. */
final class SsdRule extends ScanRule {
    static final Dispatch<SsdKernels> SSD = new Dispatch<>(SsdKernels.class, SsdProbe.VARIANTS, SsdProbe::run);

    /** Steps whose decays are made at once, and over which sums over time go first. */
    static final long STEPS = 256;

    final Ssd.Inputs in;
    final Ssd.Options options;
    private final Ssd.Form form;

    /** After bias, softplus and clamp, {@code [B, L, H]}; and the decays. */
    final Tensor dt;

    private final Tensor decays;

    /** A bias for each head, maybe 0. */
    final Tensor bias;

    /** The skip weights of a block, row by row. */
    final Tensor skips;

    private final Choice<SsdKernels> rows;
    private final ScanKernels zero = ScanBlocks.onRows(KERNELS, ScanProbe.ZERO);
    private final Use use;

    SsdRule(Sequences q, Ssd.Inputs in, Ssd.Options options, Ssd.Form form, Workspace scratch) {
        super(q, false, blocks(in), true, in.b().dim(3), in.b(), in.c(), in.z(), in.h0(), scratch);
        this.in = in;
        this.options = options;
        this.form = form;
        dt = scratch.empty(DType.F32, in.dt().shape().toArray());
        decays = scratch.empty(DType.F32, in.dt().shape().toArray());
        bias = in.dtBias() == null ? scratch.zeros(DType.F32, in.dt().dim(2)) : in.dtBias();
        skips = scratch.zeros(DType.F32, blocks.count(), BLOCK);
        rows = blocks.onTensors(SSD, SsdProbe.rows(in.d() != null));
        use = Use.of(in.x(), in.dt(), in.a(), in.d(), dt, decays, bias, skips);
        gatherSkips();
        makeSteps(scratch);
    }

    private static ScanBlocks blocks(Ssd.Inputs in) {
        long groups = in.b().dim(2);
        return ScanBlocks.ofHeads(groups, in.x().dim(2) / groups, in.x().dim(3));
    }

    private void gatherSkips() {
        Tensor d = in.d();
        if (d == null) {
            return;
        }
        ScanKernels k = ScanBlocks.onElements(KERNELS, ScanProbe.GATHER);
        long step = d.rank() == 1 ? 0 : 4 * d.stride(1);
        for (long block = 0; block < blocks.count(); block++) {
            long from = d.address() + 4 * blocks.head(block) * d.stride(0) + step * blocks.within(block);
            k.gather(from, step, 0, blocks.columns(block), 1, 1, skips.address() + block * ROW);
        }
    }

    private void makeSteps(Workspace scratch) {
        long heads = in.dt().dim(2);
        if (in.dt().size() == 0) {
            return;
        }
        Tensor a = scratch.empty(DType.F32, heads);
        for (long h = 0; h < heads; h++) {
            a.setFloat(SelectiveRule.LOG2_E * in.a().getFloat(h), h);
        }
        SsdKernels k = SSD.choose(SsdProbe.steps(options.dtSoftplus()), heads).kernels();
        long stretches = (dt.dim(1) + STEPS - 1) / STEPS;
        double nanos = 2.0 * dt.size();
        try (Use _ = Use.of(a)) {
            Team.run(Math.toIntExact(dt.dim(0) * stretches), nanos, chunk -> {
                long row = chunk / stretches;
                long t = chunk % stretches * STEPS;
                k.steps(
                        options.dtSoftplus(),
                        in.dt().address()
                                + 4 * (row * in.dt().stride(0) + t * in.dt().stride(1)),
                        4 * in.dt().stride(1),
                        bias.address(),
                        a.address(),
                        options.dtMin(),
                        options.dtMax(),
                        dt.address() + 4 * (row * dt.dim(1) + t) * heads,
                        4 * heads,
                        decays.address() + 4 * (row * dt.dim(1) + t) * heads,
                        4 * heads,
                        Math.min(STEPS, dt.dim(1) - t),
                        heads);
            });
        }
    }

    @Override
    public void close() {
        use.close();
        super.close();
    }

    /** Whether {@link SsdChunks} has a sequence. */
    boolean chunked(int s) {
        return switch (form) {
            case RECURRENT -> false;
            case CHUNKS -> SsdChunks.possible(in) && q.length(s) > 0;
            case FASTER -> SsdChunks.worthwhile(in, q.length(s));
        };
    }

    /** Whether it has any. */
    boolean chunked() {
        for (int s = 0; s < q.count(); s++) {
            if (chunked(s)) {
                return true;
            }
        }
        return false;
    }

    @Override
    boolean isElsewhere(int s) {
        return chunked(s);
    }

    @Override
    Decay decay() {
        return Decay.GIVEN;
    }

    @Override
    long a(long block) {
        return zeros;
    }

    @Override
    void discretise(int s, long block, long count, long t, long steps, long rows, long most, long apart) {
        for (long k = 0; k < count; k++) {
            discretise(s, block + k, t, steps, rows + k * apart, most);
        }
    }

    private void discretise(int s, long block, long t, long steps, long to, long most) {
        long columns = blocks.columns(block);
        Walk x = walk(in.x(), s, block);
        Walk step = dt(s, block);
        Walk decay = q.walk(decays, s, reverse).plus(4 * blocks.head(block));
        if (columns < BLOCK) {
            zero.zero(to, 3 * most); // for the channels that the block lacks
        }
        rows.on(
                columns,
                (k, o, n) -> k.rows(
                        in.d() != null,
                        x.at(t) + o,
                        x.step(),
                        step.at(t),
                        step.step(),
                        decay.at(t),
                        decay.step(),
                        skips(block) + o,
                        to + o,
                        to + most * ROW + o,
                        to + 2 * most * ROW + o,
                        steps,
                        n));
    }

    /** The time steps of a block's head. */
    Walk dt(int s, long block) {
        return q.walk(dt, s, reverse).plus(4 * blocks.head(block));
    }

    long skips(long block) {
        return skips.address() + block * ROW;
    }
}
