package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;
import static dev.heddle.op.ScanGradients.STRETCH;

import dev.heddle.kernel.ScanGradKernels;
import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Output;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.op.ScanGradients.Place;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The gradients of a scan over checked arguments. A piece of work is a part of the sequences and a run of blocks of channels. It
 * runs each sequence forward once to keep the states every {@link ScanGradients#STRETCH} steps, then goes back stretch by stretch: the
 * states within are computed again, a group of states at a time, and swept from the last step to the first.
 */
final class ScanBackward {
    /** Parts that the sequences fall into, at most. Part of the order of sums over sequences. */
    private static final int PARTS = 16;

    /** Between rows that are swept at once: without it their addresses have the same last 12 bits, and the sweep takes a tenth longer. */
    private static final long GAP = 8 * ROW;

    private final ScanRule rule;
    private final ScanGradients gradients;
    private final @Nullable Tensor gradY;
    private final @Nullable Tensor gradLast;
    private final ScanStates io;
    private final int parts;
    private final boolean gated;

    /** What the recomputed states are wanted for beside the sweep: y before the gate, for the gradient of z. */
    private final Output recomputed;

    private final ScanKernels zero = ScanBlocks.onRows(KERNELS, ScanProbe.ZERO);
    private final ScanKernels copy = ScanBlocks.onRows(KERNELS, ScanProbe.COPY);
    private final Choice<ScanGradKernels> gateGradient;
    private final @Nullable Choice<ScanGradKernels> gateBackward;
    private final @Nullable Group fours;
    private final @Nullable Group ones;
    private final ScanHalving halving;

    ScanBackward(ScanRule rule, ScanGradients gradients, @Nullable Tensor gradY, @Nullable Tensor gradLast) {
        this.rule = rule;
        this.gradients = gradients;
        this.gradY = gradY;
        this.gradLast = gradLast;
        io = new ScanStates(rule.blocks, rule.states, null);
        parts = Math.max(1, Math.min(PARTS, rule.q.count()));
        gated = rule.z != null;
        recomputed = gradients.z != null ? rule.c.output() : Output.NONE;
        gateGradient = rule.blocks.onTensors(ScanGradients.KERNELS, ScanGradProbe.gateGradient(gated));
        gateBackward = gradients.z == null
                ? null
                : rule.blocks.onTensors(ScanGradients.KERNELS, ScanGradProbe.gateBackward(gradients.add));
        fours = rule.states < 4 ? null : new Group(4, 0);
        ones = rule.states % 4 == 0 ? null : new Group(1, rule.states / 4 * 4);
        halving = new ScanHalving();
    }

    /** The groups of {@code size} states from {@code first} on, and their kernels. */
    private final class Group {
        final int size;
        final long first;
        final long count;
        final Choice<ScanKernels> advance;
        final Choice<ScanGradKernels> record;
        final Choice<ScanGradKernels> sweep;
        final ScanGradKernels collect;

        Group(int size, long first) {
            this.size = size;
            this.first = first;
            count = (rule.states - first) / size;
            ScanBlocks blocks = rule.blocks;
            advance = blocks.onScratch(KERNELS, ScanProbe.states(size, rule.decay(), rule.b.kind, Output.NONE));
            record = blocks.onScratch(
                    ScanGradients.KERNELS, ScanGradProbe.record(size, rule.decay(), rule.b.kind, recomputed));
            sweep = blocks.onScratch(
                    ScanGradients.KERNELS, ScanGradProbe.sweep(size, given(), rule.b.kind, rule.c.kind));
            collect = ScanBlocks.onElements(ScanGradients.KERNELS, ScanGradProbe.collect(size));
        }
    }

    private boolean given() {
        return rule.decay() == Decay.GIVEN;
    }

    void run(Workspace scratch) {
        if (rule.blocks.count() == 0) {
            gradients.writeEmpty();
            return;
        }
        int chunks = Math.toIntExact(parts * rule.blocks.pieces());
        try (Use _ = Use.of(gradY, gradLast, gradients.b, gradients.c, gradients.z, gradients.h0);
                Slabs slabs = new Slabs(chunks, new Slab(0).end, scratch);
                ScanSums sums = new ScanSums(rule, gradients, parts, scratch)) {
            double nanos =
                    3 * ScanForward.NANOS * rule.q.steps() * rule.blocks.count() * BLOCK * Math.max(rule.states, 4);
            Team.run(chunks, nanos, chunk -> slabs.with(slab -> piece(chunk, new Slab(slab), sums)));
            sums.finish(nanos);
        }
    }

    private void piece(int chunk, Slab slab, ScanSums sums) {
        int part = (int) (chunk / rule.blocks.pieces());
        Run run = rule.blocks.run(chunk % rule.blocks.pieces());
        zero.zero(slab.stages, rule.blocks.run * Place.BYTES / ROW); // for the channels that a block may lack
        int from = (int) ((long) rule.q.count() * part / parts);
        int to = (int) ((long) rule.q.count() * (part + 1) / parts);
        for (int s = from; s < to; s++) {
            new Pass(slab, sums, part, s, run).run();
        }
    }

    /** Where the scratch of a piece lies. */
    private final class Slab {
        /** Rows of g and of h for each block and state. */
        final long carry;

        final long h;

        /** For each block, the stages of a {@link Place}; then what the gradients have. */
        final long stages;

        final long extra;

        /** For a group of states: before each step and after the last, decays, and sums over channels for B and C. */
        final long hs;

        final long es;
        final long gb;
        final long gc;

        /** The states at the start of each stretch. */
        final long kept;

        final long end;

        Slab(long slab) {
            long run = rule.blocks.run;
            long rows = run * rule.states * ROW;
            long group = 4 * STRETCH * ROW;
            carry = slab;
            h = carry + rows;
            stages = h + rows;
            extra = stages + run * Place.BYTES;
            hs = extra + gradients.extra();
            es = hs + group + 4 * ROW + GAP;
            gb = es + group + GAP;
            gc = gb + group + ROW + GAP; // halving reads one row beyond
            kept = gc + group + ROW;
            end = kept + (rule.q.longest() + STRETCH - 1) / STRETCH * rows;
        }
    }

    /** One sequence of a piece. */
    private final class Pass {
        private final Slab slab;
        private final ScanSums sums;
        private final int part;
        private final int s;
        private final long first;
        private final long count;
        private final Run run;
        private final @Nullable Walk gb;
        private final @Nullable Walk gc;

        Pass(Slab slab, ScanSums sums, int part, int s, Run run) {
            this.slab = slab;
            this.sums = sums;
            this.part = part;
            this.s = s;
            this.run = run;
            first = run.first();
            count = run.count();
            gb = sums.b.walk(s, run);
            gc = sums.c.walk(s, run);
        }

        void run() {
            for (long k = 0; k < count; k++) {
                io.load(rule.h0, s, first + k, h(k));
                io.load(gradLast, s, first + k, carry(k));
            }
            long length = rule.q.length(s);
            for (long t = 0; t < length; t += STRETCH) {
                copy.copy(slab.h, ROW, kept(t), ROW, count * rule.states);
                if (t + STRETCH < length) {
                    discretise(t, STRETCH);
                    for (long k = 0; k < count; k++) {
                        advance(fours, k, t);
                        advance(ones, k, t);
                    }
                }
            }
            for (long to = length, from; to > 0; to = from) {
                from = (to - 1) / STRETCH * STRETCH;
                back(from, to - from);
            }
            if (gradients.h0 != null) {
                for (long k = 0; k < count; k++) {
                    io.store(carry(k), gradients.h0, s, first + k);
                }
            }
        }

        private long h(long k) {
            return slab.h + k * rule.states * ROW;
        }

        private long carry(long k) {
            return slab.carry + k * rule.states * ROW;
        }

        private long kept(long t) {
            return slab.kept + t / STRETCH * rule.blocks.run * rule.states * ROW;
        }

        private Place place(long k) {
            return new Place(first + k, slab.stages + k * Place.BYTES, sums.rows(part, first + k));
        }

        private void discretise(long t, long steps) {
            rule.discretise(s, first, count, t, steps, slab.stages, STRETCH, Place.BYTES);
        }

        /** Takes a block's states through one whole stretch. */
        private void advance(@Nullable Group group, long k, long t) {
            if (group == null) {
                return;
            }
            Place p = place(k);
            Walk b = rule.b.walk(s, p.block(), group.first);
            group.advance.on(
                    rule.blocks.columns(p.block()),
                    (kernels, _, columns) -> kernels.states(
                            group.size,
                            rule.decay(),
                            rule.b.kind,
                            Output.NONE,
                            rule.a(p.block()) + group.first * ROW,
                            h(k) + group.first * ROW,
                            b.at(t),
                            b.step(),
                            0,
                            0,
                            p.dt(),
                            p.du(),
                            0,
                            group.count,
                            STRETCH,
                            columns));
        }

        /** Takes the gradients back through a stretch. */
        private void back(long t, long steps) {
            discretise(t, steps);
            long joined = rule.joined(count);
            for (long k = 0; k < count; k += joined) {
                gateGradient(place(k), joined, t, steps);
            }
            for (long k = 0; k < count; k++) {
                zero.zero(place(k).s1(), steps);
                zero.zero(place(k).s2(), steps);
            }
            groups(fours, t, steps);
            groups(ones, t, steps);
            gradients.finish(s, run, t, steps, slab.extra, this::place);
            if (gateBackward != null) {
                for (long k = 0; k < count; k += joined) {
                    gateBackward(gateBackward, place(k), joined, t, steps);
                }
            }
        }

        private void gateGradient(Place p, long blocks, long t, long steps) {
            Walk gy = rule.walk(gradY, s, p.block());
            Walk z = rule.walk(rule.z, s, p.block());
            gateGradient.on(
                    rule.blocks.columns(p.block(), blocks),
                    (kernels, from, columns) -> kernels.gateGradient(
                            gated, gy.at(t), gy.step(), z.at(t), z.step(), p.gy(), Place.BYTES, steps, from, columns));
        }

        private void gateBackward(Choice<ScanGradKernels> choice, Place p, long blocks, long t, long steps) {
            Walk gy = rule.walk(gradY, s, p.block());
            Walk z = rule.walk(rule.z, s, p.block());
            Walk gz = rule.walk(gradients.z, s, p.block());
            choice.on(
                    rule.blocks.columns(p.block(), blocks),
                    (kernels, from, columns) -> kernels.gateBackward(
                            gradients.add,
                            gy.at(t),
                            gy.step(),
                            p.y(),
                            Place.BYTES,
                            z.at(t),
                            z.step(),
                            gz.at(t),
                            gz.step(),
                            steps,
                            from,
                            columns));
        }

        private void groups(@Nullable Group group, long t, long steps) {
            for (long i = 0; group != null && i < group.count; i++) {
                long n = group.first + i * group.size;
                if (rule.b.isShared()) {
                    zero.zero(slab.gb, group.size * steps);
                }
                if (rule.c.isShared()) {
                    zero.zero(slab.gc, group.size * steps);
                }
                for (long k = 0; k < count; k++) {
                    block(group, n, t, steps, k);
                }
                collect(group, slab.gb, gb, n, t, steps);
                collect(group, slab.gc, gc, n, t, steps);
            }
        }

        private void block(Group group, long n, long t, long steps, long k) {
            Place p = place(k);
            Walk b = rule.b.walk(s, p.block(), n);
            Walk c = rule.c.walk(s, p.block(), n);
            long a = rule.a(p.block()) + n * ROW;
            long gb = rule.b.isShared() ? slab.gb : sums.b.own(p) + n * ROW;
            long gc = rule.c.isShared() ? slab.gc : sums.c.own(p) + n * ROW;
            copy.copy(kept(t) + (k * rule.states + n) * ROW, ROW, slab.hs, ROW, group.size);
            group.record.on(
                    rule.blocks.columns(p.block()),
                    (kernels, _, columns) -> kernels.record(
                            group.size,
                            rule.decay(),
                            rule.b.kind,
                            recomputed,
                            a,
                            b.at(t),
                            b.step(),
                            c.at(t),
                            c.step(),
                            p.dt(),
                            p.du(),
                            p.y(),
                            slab.hs,
                            slab.es,
                            steps,
                            columns));
            group.sweep.on(
                    rule.blocks.columns(p.block()),
                    (kernels, _, columns) -> kernels.sweep(
                            group.size,
                            given(),
                            rule.b.kind,
                            rule.c.kind,
                            a,
                            b.at(t),
                            b.step(),
                            c.at(t),
                            c.step(),
                            p.dt(),
                            p.du(),
                            p.gy(),
                            slab.hs,
                            slab.es,
                            carry(k) + n * ROW,
                            p.sums() + n * ROW,
                            gb,
                            gc,
                            p.s1(),
                            p.s2(),
                            steps,
                            columns));
        }

        /** Adds up the partial sums over channels, and puts the results where they belong. */
        private void collect(Group group, long rows, @Nullable Walk to, long n, long t, long steps) {
            if (to != null) {
                halving.run(rows, group.size * steps);
                group.collect.collect(rows, group.size, to.at(t) + 4 * n, to.step(), steps);
            }
        }
    }
}
