package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * One recurrence {@code h = e h + x B}, {@code y = h C} of the family, as {@link ScanForward} and {@link ScanBackward} run it: its
 * sizes, its factors, and what makes rows of scratch of its inputs.
 */
abstract class ScanRule implements AutoCloseable {
    final Sequences q;
    final boolean reverse;
    final ScanBlocks blocks;

    /** States of each channel. */
    final long states;

    /** Whether tensors have an axis of heads before that of channels. */
    final boolean heads;

    final Factors b;
    final Factors c;
    final @Nullable Tensor z;
    final @Nullable Tensor h0;

    /** A row of zeros for a whole run, for what is absent. */
    final long zeros;

    private final Use use;

    ScanRule(
            Sequences q,
            boolean reverse,
            ScanBlocks blocks,
            boolean heads,
            long states,
            Tensor b,
            Tensor c,
            @Nullable Tensor z,
            @Nullable Tensor h0,
            Workspace scratch) {
        this.q = q;
        this.reverse = reverse;
        this.blocks = blocks;
        this.states = states;
        this.heads = heads;
        this.b = new Factors(b, scratch);
        this.c = new Factors(c, scratch);
        this.z = z;
        this.h0 = h0;
        Tensor zero = scratch.zeros(DType.F32, blocks.run, BLOCK);
        use = Use.of(b, this.b.rows, c, this.c.rows, z, h0, zero);
        zeros = zero.address();
    }

    @Override
    public void close() {
        use.close();
    }

    // ------------------------------------------------------------------ what differs

    /** How decays are made; GIVEN if {@link #discretise} makes them. */
    abstract Decay decay();

    /** The rows of A of a block; whatever it is if decays are given. */
    abstract long a(long block);

    /**
     * Fills the rows of a stretch for some blocks side by side: dt or the decay, what multiplies B, and the start of y.
     *
     * @param rows of each of the three, side by side; those of the next block {@code apart}
     * @param most steps that they have room for
     */
    abstract void discretise(int s, long block, long count, long t, long steps, long rows, long most, long apart);

    /** Blocks of a run whose channels lie side by side in every tensor: all, unless there are heads. */
    long joined(long count) {
        return heads ? 1 : count;
    }

    /** Whether a sequence is left to somebody else. */
    boolean isElsewhere(int s) {
        return false;
    }

    // ------------------------------------------------------------------ what does not

    /** The rows of one sequence from a block's first channel on; one row of zeros for all if the tensor is absent. */
    Walk walk(@Nullable Tensor t, int s, long block) {
        return walk(t, s, block, zeros);
    }

    /** The same with another row for all. */
    Walk walk(@Nullable Tensor t, int s, long block, long otherwise) {
        if (t == null) {
            return new Walk(otherwise, 0);
        }
        return q.walk(t, s, reverse).plus(blocks.bytes(t, block, heads));
    }

    /** Rows of scratch from a matrix {@code [D, N]}, block by block. */
    static void gather(ScanBlocks blocks, Tensor from, float scale, long to) {
        ScanKernels k = ScanBlocks.onElements(KERNELS, ScanProbe.GATHER);
        long states = from.dim(1);
        for (long block = 0; block < blocks.count(); block++) {
            k.gather(
                    from.address() + 4 * blocks.channel(block) * from.stride(0),
                    4 * from.stride(0),
                    4 * from.stride(1),
                    blocks.columns(block),
                    states,
                    scale,
                    to + block * states * ROW);
        }
    }

    /** B or C. */
    final class Factors {
        private final Tensor tensor;

        /** Rows of scratch where each channel has factors of its own, which do not change with time. */
        private final @Nullable Tensor rows;

        final Factor kind;

        Factors(Tensor tensor, Workspace scratch) {
            this.tensor = tensor;
            kind = tensor.rank() == 2 ? Factor.OWN : Factor.SHARED;
            rows = kind == Factor.OWN ? scratch.empty(DType.F32, blocks.count(), states, BLOCK) : null;
            if (rows != null) {
                gather(blocks, tensor, 1, rows.address());
            }
        }

        boolean isShared() {
            return kind == Factor.SHARED;
        }

        Output output() {
            return isShared() ? Output.SHARED : Output.OWN;
        }

        /** The factors of a block from state {@code n} on, step by step. */
        Walk walk(int s, long block, long n) {
            if (rows != null) {
                return new Walk(rows.address() + (block * states + n) * ROW, 0);
            }
            return group(q.walk(tensor, s, reverse), tensor, blocks.group(block))
                    .plus(4 * n);
        }

        /** Of a tensor like this one. */
        Walk group(Walk w, Tensor like, long group) {
            return like.rank() == 4 ? w.plus(4 * like.stride(2) * group) : w;
        }
    }
}
