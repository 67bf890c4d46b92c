package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.op.ScanBlocks.KERNELS;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Carries the states of a block between a tensor {@code [S, D, N]} or {@code [S, H, P, N]} and rows of scratch. With slots, sequence
 * s has the state of number {@code slots[s]}.
 */
final class ScanStates {
    private final ScanBlocks blocks;
    private final long states;
    private final int @Nullable [] slots;
    private final ScanKernels rows = ScanBlocks.onRows(KERNELS, ScanProbe.COPY);
    private final ScanKernels zero = ScanBlocks.onRows(KERNELS, ScanProbe.ZERO);
    private final ScanKernels elements = ScanBlocks.onElements(KERNELS, ScanProbe.GATHER);

    ScanStates(ScanBlocks blocks, long states, int @Nullable [] slots) {
        this.blocks = blocks;
        this.states = states;
        this.slots = slots;
    }

    /** Reads the states of a sequence; zeros where there are none. */
    void load(@Nullable Tensor from, int sequence, long block, long to) {
        if (from == null) {
            zero.zero(to, states);
            return;
        }
        long at = at(from, sequence, block);
        if (whole(from, block)) {
            rows.copy(at, 4 * from.stride(-1), to, ROW, states);
        } else {
            elements.gather(at, 4 * from.stride(-2), 4 * from.stride(-1), blocks.columns(block), states, 1, to);
        }
    }

    /** Writes them. */
    void store(long from, Tensor to, int sequence, long block) {
        long at = at(to, sequence, block);
        if (whole(to, block)) {
            rows.copy(from, ROW, at, 4 * to.stride(-1), states);
        } else {
            elements.scatter(from, blocks.columns(block), states, at, 4 * to.stride(-2), 4 * to.stride(-1));
        }
    }

    private boolean whole(Tensor t, long block) {
        return blocks.columns(block) == BLOCK && t.stride(-2) == 1;
    }

    private long at(Tensor t, int sequence, long block) {
        long number = slots == null ? sequence : slots[sequence];
        long channel = t.rank() == 4
                ? blocks.head(block) * t.stride(1) + blocks.within(block) * t.stride(2)
                : blocks.channel(block) * t.stride(1);
        return t.address() + 4 * (number * t.stride(0) + channel);
    }
}
