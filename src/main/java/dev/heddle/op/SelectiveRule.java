package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.memory.Raw;
import dev.heddle.op.ScanBlocks.Choice;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/** Mamba's recurrence: each channel and step has a dt, each state of a channel an A. */
final class SelectiveRule extends ScanRule {
    static final float LOG2_E = 0x1.715476p0f;

    final SelectiveScan.Inputs in;
    final boolean softplus;
    private final Decays decays;
    private final Choice<ScanKernels> discretise;
    private final ScanKernels zero = ScanBlocks.onRows(KERNELS, ScanProbe.ZERO);
    private final Use use;

    SelectiveRule(Sequences q, SelectiveScan.Inputs in, boolean softplus, boolean reverse, Workspace scratch) {
        this(q, in, softplus, reverse, new Decays(blocks(in), in.a(), scratch), scratch);
    }

    /** With decays that were made before, from {@code in.a()}. */
    SelectiveRule(
            Sequences q, SelectiveScan.Inputs in, boolean softplus, boolean reverse, Decays decays, Workspace scratch) {
        super(q, reverse, blocks(in), false, in.a().dim(1), in.b(), in.c(), in.z(), in.h0(), scratch);
        this.in = in;
        this.softplus = softplus;
        this.decays = decays;
        discretise = blocks.onTensors(KERNELS, ScanProbe.discretise(softplus, in.d() != null));
        use = Use.of(in.u(), in.delta(), in.a(), in.d(), in.deltaBias(), decays.rows);
    }

    private static ScanBlocks blocks(SelectiveScan.Inputs in) {
        long groups = Math.max(SelectiveScan.groups(in.b()), SelectiveScan.groups(in.c()));
        return ScanBlocks.of(groups, in.u().dim(2) / groups);
    }

    /** A as kernels read it: rows of a block, times log2(e); and whether any is positive. */
    static final class Decays {
        final Tensor rows;
        final boolean rises;

        Decays(ScanBlocks blocks, Tensor a, Workspace scratch) {
            this(blocks, a, scratch.empty(DType.F32, blocks.count(), a.dim(1), BLOCK));
        }

        Decays(ScanBlocks blocks, Tensor a, Tensor rows) {
            this.rows = rows;
            try (Workspace scratch = new Workspace(ROW + 128);
                    Use _ = Use.of(a, rows)) {
                gather(blocks, a, LOG2_E, rows.address());
                Tensor most = scratch.empty(DType.F32, BLOCK);
                long at = most.address();
                ScanBlocks.onRows(KERNELS, ScanProbe.LARGEST).largest(rows.address(), blocks.count() * a.dim(1), at);
                boolean any = false;
                for (long i = at; i != at + ROW; i += 4) {
                    any |= Raw.ALL.get(Raw.F32, i) > 0;
                }
                rises = any;
            }
        }
    }

    @Override
    public void close() {
        use.close();
        super.close();
    }

    @Override
    Decay decay() {
        return softplus && !decays.rises ? Decay.FALLING : Decay.ANY;
    }

    @Override
    long a(long block) {
        return decays.rows.address() + block * states * ROW;
    }

    @Override
    void discretise(int s, long block, long count, long t, long steps, long rows, long most, long apart) {
        long channel = 4 * blocks.channel(block);
        long columns = blocks.columns(block, count);
        Walk u = walk(in.u(), s, block);
        Walk delta = walk(in.delta(), s, block);
        if (columns % BLOCK != 0) {
            zero.zero(rows + (count - 1) * apart, 3 * most); // for the channels that the last block lacks
        }
        discretise.on(
                columns,
                (k, from, n) -> k.discretise(
                        softplus,
                        in.d() != null,
                        u.at(t),
                        u.step(),
                        delta.at(t),
                        delta.step(),
                        vector(in.deltaBias(), channel),
                        vector(in.d(), channel),
                        rows,
                        most * ROW,
                        apart,
                        steps,
                        from,
                        n));
    }

    /** A parameter of each channel, or zeros. */
    long vector(@Nullable Tensor t, long channel) {
        return t == null ? zeros : t.address() + channel;
    }
}
