package dev.heddle.op;

import dev.heddle.kernel.PrefixKernels;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;

/**
 * What prefix attention keeps of the steps so far, for each of N streams (sequences of a batch) and H heads: the running
 * maximum of the scores {@code m [N, H]}, and relative to it the sum of the weights {@code u [N, H]} and of the weighted values
 * {@code w [N, H, F]}. The result after those steps is {@code w / u}.
 *
 * <p>States of consecutive stretches of time combine: {@code (m, u, w) + (m', u', w') = (M, u e^(m-M) + u' e^(m'-M), w e^(m-M) +
 * w' e^(m'-M))} with {@code M = max(m, m')}. That is associative, exactly in m and up to rounding in u and w; the {@linkplain
 * #empty empty} state (-infinity, 0, 0) is neutral, exactly. Appending the state of a single step (s, 1, v) has the bits of
 * {@link PrefixAttention#step}.
 *
 * <p>A state with m = -infinity is empty whatever its u and w say. Sums count up to about 2<sup>24</sup> steps of equal weight
 * before float32 no longer notices one more.
 *
 * <p>Not thread-safe; {@link #copy} it to keep a point in time.
 */
public final class AttentionState {
    private final Tensor m;
    private final Tensor u;
    private final Tensor w;

    private AttentionState(Tensor m, Tensor u, Tensor w) {
        this.m = m;
        this.u = u;
        this.w = w;
    }

    /** The state before any step. */
    public static AttentionState empty(long streams, long heads, long features) {
        Tensor m = Tensor.zeros(DType.F32, streams, heads);
        m.fill(Float.NEGATIVE_INFINITY);
        return new AttentionState(
                m, Tensor.zeros(DType.F32, streams, heads), Tensor.zeros(DType.F32, streams, heads, features));
    }

    /**
     * A state of float32 tensors {@code m [N, H]}, {@code u [N, H]} and {@code w [N, H, F]}, which are copied.
     *
     * @throws IllegalArgumentException if their shapes do not belong together
     */
    public static AttentionState of(Tensor m, Tensor u, Tensor w) {
        Checks.type("m", m, DType.F32);
        Checks.rank("m", m, 2);
        Checks.like("u", u, DType.F32, "m", m);
        Checks.type("w", w, DType.F32);
        Checks.rank("w", w, 3);
        Checks.shape("w", w, DType.F32, m.dim(0), m.dim(1), w.dim(2));
        return new AttentionState(m.copy(), u.copy(), w.copy());
    }

    /** N. */
    public long streams() {
        return m.dim(0);
    }

    /** H. */
    public long heads() {
        return m.dim(1);
    }

    /** F. */
    public long features() {
        return w.dim(2);
    }

    /** The running maxima: this state's own memory. */
    public Tensor m() {
        return m;
    }

    /** The sums of the weights: this state's own memory. */
    public Tensor u() {
        return u;
    }

    /** The weighted sums of the values: this state's own memory. */
    public Tensor w() {
        return w;
    }

    /** A state of its own with the same content. */
    public AttentionState copy() {
        return new AttentionState(m.copy(), u.copy(), w.copy());
    }

    /** Takes the content of a state of the same shape. */
    public void copyFrom(AttentionState other) {
        requireLike("other", other);
        m.copyFrom(other.m);
        u.copyFrom(other.u);
        w.copyFrom(other.w);
    }

    /** Forgets everything. */
    public void clear() {
        m.fill(Float.NEGATIVE_INFINITY);
        u.fill(0);
        w.fill(0);
    }

    /** The state after this one's steps and then {@code later}'s. */
    public AttentionState combine(AttentionState later) {
        AttentionState sum = copy();
        sum.append(later);
        return sum;
    }

    /** {@link #combine} in place. */
    public void append(AttentionState later) {
        requireLike("later", later);
        if (later == this) {
            append(copy());
            return;
        }
        try (Use _ = Use.of(m, u, w, later.m, later.u, later.w);
                Workspace scratch = new Workspace()) {
            long n = streams() * heads();
            PrefixScan.clean(PrefixScan.States.of(this), n, features());
            long plane = PrefixScan.plane(n);
            long coef = scratch.empty(DType.F32, 3, plane / 4).address();
            long zeros = scratch.zeros(DType.F32, features()).address();
            PrefixKernels merge = PrefixScan.twin();
            merge.merge(m.address(), u.address(), later.m.address(), later.u.address(), n, coef, plane);
            List<Pass<PrefixKernels>> passes = PrefixScan.scans(features(), false);
            PrefixScan.append(passes, later.w.address(), w.address(), features(), coef, plane, n, zeros);
        }
    }

    /** A tensor that shares no memory with this state. */
    void checkApart(String name, Tensor t) {
        Checks.apart(name, t, "the state's m", m);
        Checks.apart(name, t, "the state's u", u);
        Checks.apart(name, t, "the state's w", w);
    }

    private void requireLike(String name, AttentionState other) {
        if (!w.shape().equals(other.w.shape())) {
            throw new IllegalArgumentException(
                    name + ": w of shape " + other.w.shape() + ", must be like this one's, " + w.shape());
        }
    }
}
