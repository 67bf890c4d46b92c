package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.op.ScanGradients.Place;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Sums to which several pieces of work contribute. Each has a place of its own, and they are added up in order at the end: over
 * runs of channels for B and C, over parts of the sequences for what has no time.
 */
final class ScanSums implements AutoCloseable {
    /** Steps whose shares are added up at once. */
    private static final long STEPS = 512;

    private final ScanRule rule;
    private final ScanGradients gradients;
    private final int parts;

    /** For each part and block: the rows of the gradients' own, then those of B and C if each channel has its own. */
    private final Tensor rows;

    private final long rowsPerBlock;
    final Shares b;
    final Shares c;
    private final Use use;

    ScanSums(ScanRule rule, ScanGradients gradients, int parts, Workspace scratch) {
        this.rule = rule;
        this.gradients = gradients;
        this.parts = parts;
        long bRow = gradients.sumRows();
        long cRow = bRow + (rule.b.isShared() ? 0 : rule.states);
        rowsPerBlock = cRow + (rule.c.isShared() ? 0 : rule.states);
        rows = scratch.zeros(DType.F32, parts, rule.blocks.count(), rowsPerBlock, BLOCK);
        b = new Shares(rule.b, gradients.b, bRow, scratch);
        c = new Shares(rule.c, gradients.c, cRow, scratch);
        use = Use.of(rows, b.partial, c.partial);
    }

    @Override
    public void close() {
        use.close();
    }

    long rows(int part, long block) {
        return rows.address() + (part * rule.blocks.count() + block) * rowsPerBlock * ROW;
    }

    /** Adds up what all pieces left. */
    void finish(double nanos) {
        ScanKernels add = ScanBlocks.onRows(KERNELS, ScanProbe.ADD);
        for (int p = 1; p < parts; p++) {
            add.add(rows(p, 0), rows(0, 0), rule.blocks.count() * rowsPerBlock);
        }
        for (long block = 0; block < rule.blocks.count(); block++) {
            gradients.write(block, rows(0, block));
            b.writeOwn(block);
            c.writeOwn(block);
        }
        b.addUp(nanos);
        c.addUp(nanos);
    }

    /** The gradient of B or C. */
    final class Shares {
        private final ScanRule.Factors factors;
        private final @Nullable Tensor gradient;
        private final long row;

        /** For each run of blocks, all groups, rows of the batch, steps and states; none where there is one run only. */
        private final @Nullable Tensor partial;

        Shares(ScanRule.Factors factors, @Nullable Tensor gradient, long row, Workspace scratch) {
            this.factors = factors;
            this.gradient = gradient;
            this.row = row;
            ScanBlocks blocks = rule.blocks;
            partial = gradient != null && factors.isShared() && blocks.runs > 1
                    ? scratch.empty(
                            DType.F32, blocks.runs, blocks.groups, gradient.dim(0), gradient.dim(1), rule.states)
                    : null;
        }

        /** Where a run of blocks puts its share, step by step; null where nobody wants it, or channels have their own. */
        @Nullable
        Walk walk(int s, Run run) {
            if (gradient == null || !factors.isShared()) {
                return null;
            }
            if (partial != null) {
                return rule.q.walk(partial.select(0, run.number()).select(0, run.group()), s, rule.reverse);
            }
            return factors.group(rule.q.walk(gradient, s, rule.reverse), gradient, run.group());
        }

        /** The rows of a block, if channels have their own. */
        long own(Place p) {
            return p.sums() + row * ROW;
        }

        private void writeOwn(long block) {
            if (gradient != null && !factors.isShared()) {
                matrix(rule.blocks, rows(0, block) + row * ROW, rule.states, block, gradient);
            }
        }

        private void addUp(double nanos) {
            if (partial == null || gradient == null || partial.size() == 0) {
                return;
            }
            ScanKernels sum = KERNELS.choose(ScanProbe.SUM, rule.states).kernels();
            long batch = gradient.dim(0);
            long steps = gradient.dim(1);
            long stretches = (steps + STEPS - 1) / STEPS;
            int chunks = Math.toIntExact(rule.blocks.groups * batch * stretches);
            Team.run(chunks, nanos / 16, chunk -> {
                long t = chunk % stretches * STEPS;
                long row = chunk / stretches % batch;
                long group = chunk / stretches / batch;
                Walk to = new Walk(
                        gradient.address() + 4 * (row * gradient.stride(0) + t * gradient.stride(1)),
                        4 * gradient.stride(1));
                sum.sum(
                        partial.address()
                                + 4 * (group * partial.stride(1) + row * partial.stride(2) + t * partial.stride(3)),
                        4 * partial.stride(0),
                        rule.blocks.runs,
                        factors.group(to, gradient, group).first(),
                        to.step(),
                        Math.min(STEPS, steps - t),
                        rule.states);
            });
        }
    }

    /** Rows of a block to their places in a matrix {@code [D, N]}. */
    static void matrix(ScanBlocks blocks, long from, long states, long block, Tensor to) {
        ScanBlocks.onElements(KERNELS, ScanProbe.SCATTER)
                .scatter(
                        from,
                        blocks.columns(block),
                        states,
                        to.address() + 4 * blocks.channel(block) * to.stride(0),
                        4 * to.stride(0),
                        to.rank() == 1 ? 0 : 4 * to.stride(1));
    }
}
