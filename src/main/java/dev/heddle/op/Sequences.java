package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The sequences of a call on {@code [B, L, ...]}: the B rows, or the parts into which {@code cu_seqlens} cuts a single row.
 * The bounds are copied, so nobody can move them while kernels run.
 */
final class Sequences {
    private final int batch;
    private final long length;
    private final int @Nullable [] bounds;

    private Sequences(int batch, long length, int @Nullable [] bounds) {
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
            if (batch > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("a batch of " + batch + " sequences, must be less than 2^31");
            }
            return new Sequences((int) batch, length, null);
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

    /** The sequences of {@code x}, whose first two axes are batch and time. */
    static Sequences of(Tensor x, @Nullable Tensor cuSeqlens) {
        return of(x.dim(0), x.dim(1), cuSeqlens);
    }

    /** How many there are: B, or S where they are packed. */
    int count() {
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

    /** The first sequence of a row of the batch that does not end at or before {@code step}; may be the next row's. */
    int at(long row, long step) {
        if (bounds == null) {
            return (int) row;
        }
        int low = 0;
        int high = count();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (bounds[middle + 1] <= step) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Steps of the longest sequence. */
    long longest() {
        long longest = bounds == null && batch > 0 ? length : 0;
        for (int s = 0; bounds != null && s < count(); s++) {
            longest = Math.max(longest, length(s));
        }
        return longest;
    }

    /** The steps of all sequences. */
    long steps() {
        return batch * length;
    }

    /**
     * The rows of one sequence in the order of a scan: where the first lies, and the bytes to the next. A step of 0 has one
     * row stand for all.
     */
    record Walk(long first, long step) {
        long at(long t) {
            return first + t * step;
        }

        /** The rows from a column on, given in bytes. */
        Walk plus(long bytes) {
            return new Walk(first + bytes, step);
        }
    }

    /** The rows of a sequence in a tensor {@code [B, L, ...]}, its last step first if time is reversed. */
    Walk walk(Tensor t, long sequence, boolean reverse) {
        long step = 4 * t.stride(1);
        long from = start(sequence) + (reverse ? Math.max(length(sequence), 1) - 1 : 0);
        return new Walk(t.address() + 4 * row(sequence) * t.stride(0) + from * step, reverse ? -step : step);
    }
}
