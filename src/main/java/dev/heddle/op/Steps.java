package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Where a part of a sequence lies: the address of its first step, and the bytes from step to step. */
record Steps(long first, long step) {
    /**
     * Some channels of a sequence of {@code [B, L, C]}, or of a single step {@code [B, C]}.
     *
     * @param otherwise the row that stands for all steps of an absent tensor
     */
    static Steps of(@Nullable Tensor t, long otherwise, long sequence, long channel) {
        if (t == null) {
            return new Steps(otherwise, 0);
        }
        long step = t.rank() == 2 ? Math.max(1, t.dim(1)) : t.stride(1); // of a single step it only must not be 0
        return new Steps(t.address() + 4 * (sequence * t.stride(0) + channel), 4 * step);
    }

    /** A head of a sequence of {@code [B, L, H, N]}. */
    static Steps ofHead(Tensor t, long sequence, long head) {
        return new Steps(t.address() + 4 * (sequence * t.stride(0) + head * t.stride(2)), 4 * t.stride(1));
    }

    long at(long t) {
        return first + t * step;
    }
}
