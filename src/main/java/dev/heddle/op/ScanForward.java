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
    /**
     * Steps of a stretch: few enough for its rows of dt, du and y, and of B and C, which are long where there are many states, to fit
     * into the first-level cache.
     */
    private static final long LONG = 64;

    private static final long SHORT = 16;

    private static final long MANY_STATES = 64;

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
    private final long stretch;

    /** Bytes from a block's rows to the next's, which do not fall on the same lines of the cache. */
    private final long apart;

    ScanForward(ScanRule rule, ScanStates io, Tensor y, @Nullable Tensor last, boolean add) {
        this.rule = rule;
        this.y = y;
        this.last = last;
        this.add = add;
        this.io = io;
        fours = rule.states < 4 ? null : groups(4);
        ones = rule.states % 4 == 0 ? null : groups(1);
        stretch = rule.states < MANY_STATES ? LONG : SHORT;
        apart = (3 * stretch + 1) * ROW;
        gate = rule.blocks.onTensors(KERNELS, ScanProbe.gate(rule.z != null, add));
    }

    private Choice<ScanKernels> groups(int size) {
        return rule.blocks.onScratch(KERNELS, ScanProbe.states(size, rule.decay(), rule.b.kind, rule.c.output()));
    }

    /** Where the scratch of a piece lies: states, and the rows of a stretch. */
    private final class Slab {
        final long h;
        final long rows;
        final long end;

        Slab(long slab) {
            h = slab;
            rows = h + rule.blocks.run * rule.states * ROW;
            end = rows + rule.blocks.run * apart;
        }

        long rows(long k) {
            return rows + k * apart;
        }
    }

    void run(Workspace scratch) {
        int chunks = Math.toIntExact(rule.q.count() * rule.blocks.pieces());
        if (chunks == 0) {
            return;
        }
        try (Use _ = Use.of(y, last);
                Slabs slabs = new Slabs(chunks, new Slab(0).end, scratch)) {
            double nanos = NANOS * rule.q.steps() * rule.blocks.count() * ScanKernels.BLOCK * Math.max(rule.states, 4);
            Team.run(chunks, nanos, chunk -> slabs.with(slab -> piece(chunk, new Slab(slab))));
        }
    }

    private void piece(int chunk, Slab slab) {
        int s = (int) (chunk / rule.blocks.pieces());
        if (rule.isElsewhere(s)) {
            return;
        }
        Run run = rule.blocks.run(chunk % rule.blocks.pieces());
        for (long k = 0; k < run.count(); k++) {
            io.load(rule.h0, s, run.first() + k, h(slab, k));
        }
        long length = rule.q.length(s);
        for (long t = 0; t < length; t += stretch) {
            stretch(s, run, t, Math.min(stretch, length - t), slab);
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

    private void stretch(int s, Run run, long t, long steps, Slab slab) {
        rule.discretise(s, run.first(), run.count(), t, steps, slab.rows, stretch, apart);
        for (long k = 0; k < run.count(); k++) {
            if (fours != null) {
                states(fours, 4, 0, s, run.first() + k, t, steps, slab.rows(k), h(slab, k));
            }
            if (ones != null) {
                states(ones, 1, rule.states / 4 * 4, s, run.first() + k, t, steps, slab.rows(k), h(slab, k));
            }
        }
        long joined = rule.joined(run.count());
        for (long k = 0; k < run.count(); k += joined) {
            gate(s, run.first() + k, joined, t, steps, slab.rows(k));
        }
    }

    private void gate(int s, long block, long count, long t, long steps, long rows) {
        Walk z = rule.walk(rule.z, s, block);
        Walk out = rule.walk(y, s, block);
        gate.on(
                rule.blocks.columns(block, count),
                (k, from, n) -> k.gate(
                        rule.z != null,
                        add,
                        rows + 2 * stretch * ROW,
                        apart,
                        z.at(t),
                        z.step(),
                        out.at(t),
                        out.step(),
                        steps,
                        from,
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
            long rows,
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
                        rows,
                        rows + stretch * ROW,
                        rows + 2 * stretch * ROW,
                        (rule.states - from) / group,
                        steps,
                        n));
    }
}
