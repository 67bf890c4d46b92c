package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * What {@link Wkv7} keeps of the steps so far, for each of B streams and H heads: a matrix of N values by N keys. In memory
 * keys come first, as the recurrence wants it; {@link #of} and {@link #toTensor} turn it round.
 *
 * <p>Not thread-safe; {@link #copy} it to keep a point in time.
 */
public final class Wkv7State {
    private final Tensor turned;

    private Wkv7State(Tensor turned) {
        this.turned = turned;
    }

    /** The state before any step: zeros. */
    public static Wkv7State empty(long streams, long heads, long n) {
        return new Wkv7State(Tensor.zeros(DType.F32, streams, heads, n, n));
    }

    /** A state of a float32 tensor {@code [B, H, N, N]}, value before key, which is copied. */
    public static Wkv7State of(Tensor s) {
        Checks.type("s", s, DType.F32);
        Checks.rank("s", s, 4);
        Checks.shape("s", s, DType.F32, s.dim(0), s.dim(1), s.dim(3), s.dim(3));
        return new Wkv7State(turn(s.contiguous()));
    }

    private static Tensor turn(Tensor s) {
        Tensor to = Tensor.zeros(DType.F32, s.shape().toArray());
        long n = s.dim(3);
        try (Use _ = Use.of(s, to)) {
            for (long i = 0; i < s.dim(0) * s.dim(1); i++) {
                WkvHead.transpose(s.address() + 4 * i * n * n, to.address() + 4 * i * n * n, n);
            }
        }
        return to;
    }

    /** A new tensor {@code [B, H, N, N]}, value before key. */
    public Tensor toTensor() {
        return turn(turned);
    }

    /** A state of its own with the same content. */
    public Wkv7State copy() {
        return new Wkv7State(turned.copy());
    }

    /** Takes the content of a state of the same shape. */
    public void copyFrom(Wkv7State other) {
        turned.copyFrom(other.turned);
    }

    /** Forgets everything. */
    public void clear() {
        turned.fill(0);
    }

    /** Key before value. */
    Tensor turned() {
        return turned;
    }
}
