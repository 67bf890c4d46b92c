package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Sequences for a test: {@code bounds[k]} to {@code bounds[k + 1]} are the steps of sequence k, the rows of a batch counted one
 * after another. Packed ones are of random lengths, some of them empty.
 */
record Sample(int[] bounds, boolean packed) {
    /** {@code sequences} of {@code steps} each, or packed of at most twice as many. */
    static Sample random(Random r, int sequences, int steps, boolean packed) {
        int[] bounds = new int[sequences + 1];
        for (int k = 0; k < sequences; k++) {
            bounds[k + 1] = bounds[k] + (packed ? r.nextInt(4) == 0 ? 0 : r.nextInt(2 * steps + 1) : steps);
        }
        return new Sample(bounds, packed);
    }

    int count() {
        return bounds.length - 1;
    }

    int batch() {
        return packed ? 1 : count();
    }

    int steps() {
        return packed ? bounds[count()] : bounds[1];
    }

    /** {@code cu_seqlens}, where there are any. */
    @Nullable
    Tensor pointers() {
        return packed ? Tensor.of(bounds) : null;
    }

    /** Sequence k of {@code [B, L, ...]} as {@code [1, length, ...]}. */
    Tensor cut(Tensor t, int k) {
        return packed ? t.slice(1, bounds[k], bounds[k + 1]) : t.slice(0, k, k + 1);
    }
}
