package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.ScanGradKernels;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.op.SelectiveScan.Gradients;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/** The gradients of Mamba's recurrence. */
final class SelectiveGradients extends ScanGradients implements AutoCloseable {
    private final SelectiveRule rule;
    private final Gradients g;
    private final Choice<ScanGradKernels> finish;
    private final Choice<ScanGradKernels> finishSums;
    private final Use use;

    /** For what nobody wants. */
    private final long nowhere;

    SelectiveGradients(SelectiveRule rule, Gradients g, boolean add, Workspace scratch) {
        super(g.b(), g.c(), g.z(), g.h0(), add);
        this.rule = rule;
        this.g = g;
        finish = rule.blocks.onTensors(KERNELS, ScanGradProbe.finish(rule.softplus, rule.in.d() != null, add));
        finishSums = rule.blocks.onTensors(KERNELS, ScanGradProbe.FINISH_SUMS);
        Tensor row = scratch.zeros(DType.F32, rule.blocks.run, ROW / 4);
        use = Use.of(g.u(), g.delta(), g.a(), g.d(), g.deltaBias(), row);
        nowhere = row.address();
    }

    @Override
    public void close() {
        use.close();
    }

    /** The rows of A, one of D and one of the bias. */
    @Override
    long sumRows() {
        return rule.states + 2;
    }

    @Override
    long extra() {
        return 0;
    }

    @Override
    void finish(int s, Run run, long t, long steps, long extra, Places places) {
        SelectiveScan.Inputs in = rule.in;
        Place first = places.at(0);
        long channel = 4 * rule.blocks.channel(first.block());
        Walk u = rule.walk(in.u(), s, first.block());
        Walk delta = rule.walk(in.delta(), s, first.block());
        Walk gu = rule.walk(g.u(), s, first.block(), nowhere);
        Walk gdelta = rule.walk(g.delta(), s, first.block(), nowhere);
        finish.on(
                rule.blocks.columns(first.block(), run.count()),
                (kernels, from, columns) -> kernels.finish(
                        rule.softplus,
                        in.d() != null,
                        add,
                        u.at(t),
                        u.step(),
                        delta.at(t),
                        delta.step(),
                        rule.vector(in.deltaBias(), channel),
                        rule.vector(in.d(), channel),
                        first.dt(),
                        first.gy(),
                        first.s1(),
                        first.s2(),
                        Place.BYTES,
                        gu.at(t),
                        gu.step(),
                        gdelta.at(t),
                        gdelta.step(),
                        steps,
                        from,
                        columns));
        if (g.d() != null || g.deltaBias() != null) {
            for (long k = 0; k < run.count(); k++) {
                sums(s, t, steps, places.at(k));
            }
        }
    }

    private void sums(int s, long t, long steps, Place p) {
        Walk u = rule.walk(rule.in.u(), s, p.block());
        long sum = p.sums() + rule.states * ROW;
        finishSums.on(
                rule.blocks.columns(p.block()),
                (kernels, o, columns) -> kernels.finishSums(
                        u.at(t) + o, u.step(), p.gy() + o, p.s2() + o, sum + ROW + o, sum + o, steps, columns));
    }

    @Override
    void write(long block, long sums) {
        write(g.a(), rule.states, block, sums);
        write(g.d(), 1, block, sums + rule.states * ROW);
        write(g.deltaBias(), 1, block, sums + (rule.states + 1) * ROW);
    }

    private void write(@Nullable Tensor to, long rows, long block, long from) {
        if (to != null) {
            ScanSums.matrix(rule.blocks, from, rows, block, to);
        }
    }
}
