package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;

/**
 * What {@link Wkv4} keeps of the steps so far, for each of N streams (sequences of a batch) and C channels: the sums {@code aa} of
 * the weighted values and {@code bb} of the weights, relative to the exponent {@code pp}, which is the running maximum. All are
 * float32 {@code [N, C]}. A state whose pp is at most -1e30 is empty, whatever its sums say.
 *
 * <p>Not thread-safe; {@link #copy} it to keep a point in time.
 */
public final class Wkv4State {
    private static final float NOTHING = -1e38f;

    private final Tensor planes;

    private Wkv4State(Tensor planes) {
        this.planes = planes;
    }

    /** The state before any step: 0, 0 and -1e38. */
    public static Wkv4State empty(long streams, long channels) {
        Wkv4State state = new Wkv4State(Tensor.zeros(DType.F32, 3, streams, channels));
        state.clear();
        return state;
    }

    /**
     * A state of three float32 tensors {@code [N, C]}, which are copied.
     *
     * @throws IllegalArgumentException if their shapes do not belong together
     */
    public static Wkv4State of(Tensor aa, Tensor bb, Tensor pp) {
        Checks.type("aa", aa, DType.F32);
        Checks.rank("aa", aa, 2);
        Checks.like("bb", bb, DType.F32, "aa", aa);
        Checks.like("pp", pp, DType.F32, "aa", aa);
        Tensor planes = Tensor.zeros(DType.F32, 3, aa.dim(0), aa.dim(1));
        planes.select(0, 0).copyFrom(aa);
        planes.select(0, 1).copyFrom(bb);
        planes.select(0, 2).copyFrom(pp);
        return new Wkv4State(planes);
    }

    /** N. */
    public long streams() {
        return planes.dim(1);
    }

    /** C. */
    public long channels() {
        return planes.dim(2);
    }

    /** The weighted sums of the values: this state's own memory. */
    public Tensor aa() {
        return planes.select(0, 0);
    }

    /** The sums of the weights: this state's own memory. */
    public Tensor bb() {
        return planes.select(0, 1);
    }

    /** The running maxima of the exponents: this state's own memory. */
    public Tensor pp() {
        return planes.select(0, 2);
    }

    /** A state of its own with the same content. */
    public Wkv4State copy() {
        return new Wkv4State(planes.copy());
    }

    /** Takes the content of a state of the same shape. */
    public void copyFrom(Wkv4State other) {
        planes.copyFrom(other.planes);
    }

    /** Forgets everything. */
    public void clear() {
        planes.fill(0);
        pp().fill(NOTHING);
    }

    /** aa, bb and pp, one after the other. */
    Tensor planes() {
        return planes;
    }
}
