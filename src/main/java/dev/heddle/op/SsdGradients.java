package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.SsdKernels;
import dev.heddle.memory.Raw;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.op.Ssd.Gradients;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/** The gradients of Mamba-2's recurrence. */
final class SsdGradients extends ScanGradients implements AutoCloseable {
    private final SsdRule rule;
    private final Gradients g;
    private final Choice<SsdKernels> finish;
    private final ScanKernels zero = ScanBlocks.onRows(ScanBlocks.KERNELS, ScanProbe.ZERO);
    private final ScanHalving halving = new ScanHalving();

    /** Of dt after bias, softplus and clamp, {@code [B, L, H]}. */
    private final Tensor steps;

    private final Use use;

    /** For what nobody wants. */
    private final long nowhere;

    SsdGradients(SsdRule rule, Gradients g, Workspace scratch) {
        super(g.b(), g.c(), g.z(), g.h0(), false);
        this.rule = rule;
        this.g = g;
        finish = rule.blocks.onTensors(SsdRule.SSD, SsdProbe.finish(rule.in.d() != null));
        steps = scratch.zeros(DType.F32, rule.dt.shape().toArray());
        Tensor row = scratch.empty(DType.F32, ROW / 4);
        use = Use.of(g.x(), g.dt(), g.a(), g.d(), g.dtBias(), steps, row);
        nowhere = row.address();
    }

    @Override
    public void close() {
        use.close();
    }

    /** One row of A, one of D, and one that halving may read beyond. */
    @Override
    long sumRows() {
        return 3;
    }

    /** The gradient of dt for each step of a head, and a row that halving may read beyond. */
    @Override
    long extra() {
        return (STRETCH + 1) * ROW;
    }

    @Override
    void finish(int s, Run run, long t, long count, long extra, Places places) {
        for (long k = 0; k < run.count(); k++) {
            Place p = places.at(k);
            if (rule.blocks.within(p.block()) == 0) {
                zero.zero(extra, count);
            }
            finish(s, t, count, extra, p);
            if (rule.blocks.endsHead(p.block())) {
                halving.run(extra, count);
                Walk to = rule.q.walk(steps, s, false).plus(4 * rule.blocks.head(p.block()));
                for (long i = 0; i < count; i++) {
                    Raw.ALL.set(Raw.I32, to.at(t + i), Raw.ALL.get(Raw.I32, extra + i * ROW));
                }
            }
        }
    }

    private void finish(int s, long t, long count, long extra, Place p) {
        Walk x = rule.walk(rule.in.x(), s, p.block());
        Walk dt = rule.dt(s, p.block());
        Walk gx = rule.walk(g.x(), s, p.block(), nowhere);
        float a = rule.in.a().getFloat(rule.blocks.head(p.block()));
        finish.on(
                rule.blocks.columns(p.block()),
                (kernels, o, columns) -> kernels.finish(
                        rule.in.d() != null,
                        x.at(t) + o,
                        x.step(),
                        dt.at(t),
                        dt.step(),
                        a,
                        rule.skips(p.block()) + o,
                        p.gy() + o,
                        p.s1() + o,
                        p.s2() + o,
                        gx.at(t) + (g.x() == null ? 0 : o),
                        gx.step(),
                        extra + o,
                        p.sums() + o,
                        p.sums() + ROW + o,
                        count,
                        columns));
    }

    @Override
    void write(long block, long sums) {
        long head = rule.blocks.head(block);
        Tensor gd = g.d();
        if (gd != null && gd.rank() == 2) {
            ScanSums.matrix(rule.blocks, sums + ROW, 1, block, gd.reshape(gd.size()));
        }
        halving.run(sums, 2);
        add(g.a(), head, sums);
        add(gd != null && gd.rank() == 1 ? gd : null, head, sums + ROW);
    }

    /** Blocks of a head come in order. */
    private static void add(@Nullable Tensor to, long head, long sum) {
        if (to != null) {
            to.setFloat(to.getFloat(head) + Raw.ALL.get(Raw.F32, sum), head);
        }
    }

    /** The gradients of dt and its bias, after all blocks have left their shares. */
    void finishSteps(Workspace scratch) {
        Tensor dt = rule.in.dt();
        long heads = dt.dim(2);
        if (dt.size() == 0 || (g.dt() == null && g.dtBias() == null)) {
            return;
        }
        Tensor to = g.dt() == null ? steps : g.dt();
        long stretches = (dt.dim(1) + SsdRule.STEPS - 1) / SsdRule.STEPS;
        long chunks = dt.dim(0) * stretches;
        Tensor sums = scratch.empty(DType.F32, chunks, heads);
        SsdKernels k = SsdRule.SSD
                .choose(SsdProbe.stepsBackward(rule.options.dtSoftplus()), heads)
                .kernels();
        try (Use _ = Use.of(sums)) {
            Team.run(Math.toIntExact(chunks), 4.0 * dt.size(), chunk -> {
                long row = chunk / stretches;
                long t = chunk % stretches * SsdRule.STEPS;
                k.stepsBackward(
                        rule.options.dtSoftplus(),
                        dt.address() + 4 * (row * dt.stride(0) + t * dt.stride(1)),
                        4 * dt.stride(1),
                        rule.bias.address(),
                        rule.options.dtMin(),
                        rule.options.dtMax(),
                        steps.address() + 4 * (row * dt.dim(1) + t) * heads,
                        4 * heads,
                        to.address() + 4 * (row * to.stride(0) + t * to.stride(1)),
                        4 * to.stride(1),
                        sums.address() + 4L * chunk * heads,
                        Math.min(SsdRule.STEPS, dt.dim(1) - t),
                        heads);
            });
            if (g.dtBias() != null) {
                ScanBlocks.KERNELS
                        .choose(ScanProbe.SUM, heads)
                        .kernels()
                        .sum(sums.address(), 4 * heads, chunks, g.dtBias().address(), 4 * heads, 1, heads);
            }
        }
    }
}
