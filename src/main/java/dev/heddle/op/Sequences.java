package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The sequences of a call on {@code [B, L, ...]}: the B rows, or the parts into which {@code cu_seqlens} cuts a single row.
 * The bounds are copied, so nobody can move them while kernels run.
 */
final class Sequences {
    private final long batch;
    private final long length;
    private final int @Nullable [] bounds;

    private Sequences(long batch, long length, int @Nullable [] bounds) {
        this.batch = batch;
        this.length = length;
        this.bounds = bounds;
    }

    /**
     * Checks {@code cuSeqlens}, where there are such: int32 {@code [S + 1]}, starting at 0, never falling, ending at L, and
     * B = 1.
     */
    static Sequences of(long batch, long length, @Nullable Tensor cuSeqlens) {
        if (cuSeqlens == null) {
            return new Sequences(batch, length, null);
        }
        Checks.type("cuSeqlens", cuSeqlens, DType.I32);
        Checks.rank("cuSeqlens", cuSeqlens, 1);
        if (batch != 1) {
            throw new IllegalArgumentException("cuSeqlens: packed sequences make one row, but there are " + batch);
        }
        int[] bounds = cuSeqlens.toIntArray();
        if (bounds.length == 0 || bounds[0] != 0) {
            throw new IllegalArgumentException(
                    "cuSeqlens: " + (bounds.length == 0 ? "empty" : "starts at " + bounds[0]) + ", must start at 0");
        }
        for (int i = 1; i < bounds.length; i++) {
            if (bounds[i] < bounds[i - 1]) {
                throw new IllegalArgumentException(
                        "cuSeqlens: element " + i + " is " + bounds[i] + ", after " + bounds[i - 1]);
            }
        }
        if (bounds[bounds.length - 1] != length) {
            throw new IllegalArgumentException(
                    "cuSeqlens: ends at " + bounds[bounds.length - 1] + ", but there are " + length + " steps");
        }
        return new Sequences(1, length, bounds);
    }

    /** How many there are: B, or S where they are packed. */
    long count() {
        return bounds == null ? batch : bounds.length - 1;
    }

    /** The row that holds a sequence. */
    long row(long sequence) {
        return bounds == null ? sequence : 0;
    }

    /** The first step of a sequence, within its row. */
    long start(long sequence) {
        return bounds == null ? 0 : bounds[(int) sequence];
    }

    long length(long sequence) {
        return bounds == null ? length : bounds[(int) sequence + 1] - bounds[(int) sequence];
    }

    /** The steps of all sequences. */
    long steps() {
        return batch * length;
    }
}
