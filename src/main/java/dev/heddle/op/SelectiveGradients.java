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
    private final Use use;

    /** For what nobody wants. */
    private final long nowhere;

    SelectiveGradients(SelectiveRule rule, Gradients g, boolean add, Workspace scratch) {
        super(g.b(), g.c(), g.z(), g.h0(), add);
        this.rule = rule;
        this.g = g;
        finish = rule.blocks.onTensors(KERNELS, ScanGradProbe.finish(rule.softplus, rule.in.d() != null, add));
        Tensor row = scratch.empty(DType.F32, ROW / 4);
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
        for (long k = 0; k < run.count(); k++) {
            finish(s, t, steps, places.at(k));
        }
    }

    private void finish(int s, long t, long steps, Place p) {
        SelectiveScan.Inputs in = rule.in;
        long channel = 4 * rule.blocks.channel(p.block());
        Walk u = rule.walk(in.u(), s, p.block());
        Walk delta = rule.walk(in.delta(), s, p.block());
        Walk gu = rule.walk(g.u(), s, p.block(), nowhere);
        Walk gdelta = rule.walk(g.delta(), s, p.block(), nowhere);
        long sum = p.sums() + rule.states * ROW;
        long bias = rule.vector(in.deltaBias(), channel);
        long d = rule.vector(in.d(), channel);
        finish.on(
                rule.blocks.columns(p.block()),
                (kernels, o, columns) -> kernels.finish(
                        rule.softplus,
                        in.d() != null,
                        add,
                        u.at(t) + o,
                        u.step(),
                        delta.at(t) + o,
                        delta.step(),
                        bias + ScanRule.offset(in.deltaBias(), o),
                        d + ScanRule.offset(in.d(), o),
                        p.dt() + o,
                        p.gy() + o,
                        p.s1() + o,
                        p.s2() + o,
                        gu.at(t) + ScanRule.offset(g.u(), o),
                        gu.step(),
                        gdelta.at(t) + ScanRule.offset(g.delta(), o),
                        gdelta.step(),
                        sum + ROW + o,
                        sum + o,
                        steps,
                        columns));
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
