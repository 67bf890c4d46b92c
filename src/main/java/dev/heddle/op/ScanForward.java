package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * A scan over checked arguments. A piece of work is one sequence and a run of blocks of channels: it goes through time by
 * stretches, and in each through its blocks, whose states wait in scratch meanwhile.
 */
final class ScanForward {
    /** Steps of a stretch: its rows of dt, du and y fill 12 KiB, so that they stay in the first-level cache. */
    private static final long STRETCH = 64;

    /** Nanoseconds of a step of one state of one channel, to tell small work from large. */
    static final double NANOS = 0.15;

    private final ScanRule rule;
    private final Tensor y;
    private final @Nullable Tensor last;

    /** Whether the result is added to what y holds, before the gate. */
    private final boolean add;

    private final ScanStates io;
    private final @Nullable Choice<ScanKernels> fours;
    private final @Nullable Choice<ScanKernels> ones;
    private final Choice<ScanKernels> gate;

    ScanForward(ScanRule rule, ScanStates io, Tensor y, @Nullable Tensor last, boolean add) {
        this.rule = rule;
        this.y = y;
        this.last = last;
        this.add = add;
        this.io = io;
        fours = rule.states < 4 ? null : groups(4);
        ones = rule.states % 4 == 0 ? null : groups(1);
        gate = rule.blocks.onTensors(KERNELS, ScanProbe.gate(rule.z != null, add));
    }

    private Choice<ScanKernels> groups(int size) {
        return rule.blocks.onScratch(KERNELS, ScanProbe.states(size, rule.decay(), rule.b.kind, rule.c.output()));
    }

    /** Where the scratch of a piece lies: states, the rows of a stretch, and what the rule has beside them. */
    private static final class Slab {
        final long h;
        final long rows;
        final long extra;
        final long end;

        Slab(long slab, ScanRule rule) {
            h = slab;
            rows = h + rule.blocks.run * rule.states * ROW;
            extra = rows + 3 * STRETCH * ROW;
            end = extra + rule.extra(STRETCH);
        }
    }

    void run(Workspace scratch) {
        int chunks = Math.toIntExact(rule.q.count() * rule.blocks.pieces());
        if (chunks == 0) {
            return;
        }
        try (Use _ = Use.of(y, last);
                Slabs slabs = new Slabs(chunks, new Slab(0, rule).end, scratch)) {
            double nanos = NANOS * rule.q.steps() * rule.blocks.count() * ScanKernels.BLOCK * Math.max(rule.states, 4);
            Team.run(chunks, nanos, chunk -> slabs.with(slab -> piece(chunk, new Slab(slab, rule))));
        }
    }

    private void piece(int chunk, Slab slab) {
        int s = (int) (chunk / rule.blocks.pieces());
        Run run = rule.blocks.run(chunk % rule.blocks.pieces());
        for (long k = 0; k < run.count(); k++) {
            io.load(rule.h0, s, run.first() + k, h(slab, k));
        }
        long length = rule.q.length(s);
        for (long t = 0; t < length; t += STRETCH) {
            for (long k = 0; k < run.count(); k++) {
                stretch(s, run.first() + k, t, Math.min(STRETCH, length - t), slab, h(slab, k));
            }
        }
        if (last != null) {
            for (long k = 0; k < run.count(); k++) {
                io.store(h(slab, k), last, s, run.first() + k);
            }
        }
    }

    private long h(Slab slab, long k) {
        return slab.h + k * rule.states * ROW;
    }

    private void stretch(int s, long block, long t, long steps, Slab slab, long h) {
        rule.discretise(s, block, t, steps, slab.rows, STRETCH, slab.extra);
        if (fours != null) {
            states(fours, 4, 0, s, block, t, steps, slab, h);
        }
        if (ones != null) {
            states(ones, 1, rule.states / 4 * 4, s, block, t, steps, slab, h);
        }
        Walk z = rule.walk(rule.z, s, block);
        Walk out = rule.walk(y, s, block);
        gate.on(
                rule.blocks.columns(block),
                (k, o, n) -> k.gate(
                        rule.z != null,
                        add,
                        slab.rows + 2 * STRETCH * ROW + o,
                        z.at(t) + o,
                        z.step(),
                        out.at(t) + o,
                        out.step(),
                        steps,
                        n));
    }

    private void states(
            Choice<ScanKernels> choice,
            int group,
            long from,
            int s,
            long block,
            long t,
            long steps,
            Slab slab,
            long h) {
        Walk b = rule.b.walk(s, block, from);
        Walk c = rule.c.walk(s, block, from);
        choice.on(
                rule.blocks.columns(block),
                (k, _, n) -> k.states(
                        group,
                        rule.decay(),
                        rule.b.kind,
                        rule.c.output(),
                        rule.a(block) + ROW * from,
                        h + ROW * from,
                        b.at(t),
                        b.step(),
                        c.at(t),
                        c.step(),
                        slab.rows,
                        slab.rows + STRETCH * ROW,
                        slab.rows + 2 * STRETCH * ROW,
                        (rule.states - from) / group,
                        steps,
                        n));
    }
}
