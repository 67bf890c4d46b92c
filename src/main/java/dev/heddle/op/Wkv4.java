package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Wkv4Kernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The recurrence of RWKV-4 (and SpikeGPT), channel by channel: {@code y_t = (e^pp aa + e^(u + k_t) v_t) / (e^pp bb + e^(u + k_t))}, and
 * then {@code (aa, bb) = (e^(w + pp) aa + e^k_t v_t, e^(w + pp) bb + e^k_t)}, stored relative to the new {@code pp = max(w + pp, k_t)}.
 *
 * <ul>
 *   <li>{@code k}, {@code v} and {@code y} are float32 {@code [B, L, C]} with contiguous C;
 *   <li>{@code w} and {@code u} are {@code [C]}: the log of the decay, negative ({@code -e^time_decay} of a checkpoint), and the bonus of
 *       the current step ({@code time_first});
 *   <li>{@code initial}, optional, is the state before the first step; the result holds the state after the last. A result's state
 *       as the next call's initial one makes the calls one.
 * </ul>
 *
 * <p>Every exponential is relative to the larger exponent: finite for |k| up to 1000 and any w &lt; 0. Steps run in the order of
 * time, so a sequence has the same bits in one call, in any cut into calls and step by step, alone and in a batch.
 *
 * <p>Gradients: w is differentiated as given; final aa and bb have cotangents, pp has none: they are differentiated at a fixed
 * maximum. The backward keeps the state before each stretch of 32 steps and computes those between again.
 *
 * <p>Tensors may be views whose last axis is contiguous. An output may not overlap an input.
 *
 * <p>After BlinkDL/ChatRWKV {@code rwkv/model.py}.
 */
public final class Wkv4 {
    private static final int FORWARD = 0;
    private static final int ADVANCE = 1;
    private static final int BACKWARD = 2;

    static final int VARIANTS = 3;
    static final Dispatch<Wkv4Kernels> KERNELS = new Dispatch<>(Wkv4Kernels.class, VARIANTS, Wkv4::probe);

    /** Channels of one chunk. */
    private static final long WIDTH = 64;

    /** Steps between two states that the backward keeps. */
    private static final long STRETCH = 32;

    private static final long STRETCH_SCRATCH = STRETCH * Wkv4Kernels.ROWS * Wkv4Kernels.ROW;

    /** What comes back through time beside the gradients of k and v: of aa, bb, pp, w, u. */
    private static final int CARRIED = 5;

    private static final double NANOS = 1;

    private Wkv4() {}

    public static Builder builder() {
        return new Builder();
    }

    /** There is nothing to choose. */
    public static final class Builder {
        private Builder() {}

        public Wkv4 build() {
            return new Wkv4();
        }
    }

    /** The results of every step, and the states after the last. */
    public record Result(Tensor y, Wkv4State last) {}

    /** Those that were asked for; the last three belong to the initial state. */
    public record Gradients(
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor w,
            @Nullable Tensor u,
            @Nullable Tensor aa,
            @Nullable Tensor bb,
            @Nullable Tensor pp) {}

    /** Computes y and the last state as new tensors. */
    public Result forward(Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Wkv4State initial) {
        check(3, k, v, w, u, initial);
        Wkv4State last = initial == null ? Wkv4State.empty(k.dim(0), k.dim(2)) : initial.copy();
        Tensor y = Tensor.zeros(DType.F32, k.shape().toArray());
        run(k, v, w, u, y, last);
        return new Result(y, last);
    }

    /**
     * Computes into {@code y} and {@code last}; allocates nothing.
     *
     * @param last may be {@code initial} itself, which it then replaces
     */
    public void forward(Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Wkv4State initial, Tensor y, Wkv4State last) {
        check(3, k, v, w, u, initial);
        sequence("y", y, k);
        state("last", last, k);
        Apart apart = new Apart().in("k", k).in("v", v).in("w", w).in("u", u);
        apart.out("y", y).out("last", last.planes());
        if (initial == null) {
            last.clear();
        } else if (initial != last) {
            Checks.apart("y", y, "initial", initial.planes());
            last.copyFrom(initial);
        }
        run(k, v, w, u, y, last);
    }

    /**
     * One step of one or many streams: {@code state} becomes the state after it.
     *
     * @param k float32 {@code [N, C]}, and {@code v} like it
     * @return y, like k
     */
    public Tensor step(Wkv4State state, Tensor k, Tensor v, Tensor w, Tensor u) {
        Tensor y = Tensor.zeros(DType.F32, k.shape().toArray());
        step(state, k, v, w, u, y);
        return y;
    }

    /** The same into {@code y}. */
    public void step(Wkv4State state, Tensor k, Tensor v, Tensor w, Tensor u, Tensor y) {
        check(2, k, v, w, u, state);
        sequence("y", y, k);
        new Apart().in("k", k).in("v", v).in("w", w).in("u", u).out("y", y).out("state", state.planes());
        run(k, v, w, u, y, state);
    }

    /** All gradients, as new tensors; those of the initial state only if there is one. */
    public Gradients backward(Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Wkv4State initial, Tensor gradY) {
        return backward(k, v, w, u, initial, gradY, null, null);
    }

    /**
     * The same where the final state counts too.
     *
     * @param gradY null for zeros
     * @param gradAa of the final aa {@code [B, C]}, and {@code gradBb} of the final bb; null for zeros
     */
    public Gradients backward(
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Wkv4State initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradAa,
            @Nullable Tensor gradBb) {
        check(3, k, v, w, u, initial);
        long[] state = {k.dim(0), k.dim(2)};
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, k.shape().toArray()),
                Tensor.zeros(DType.F32, k.shape().toArray()),
                Tensor.zeros(DType.F32, k.dim(2)),
                Tensor.zeros(DType.F32, k.dim(2)),
                initial == null ? null : Tensor.zeros(DType.F32, state),
                initial == null ? null : Tensor.zeros(DType.F32, state),
                initial == null ? null : Tensor.zeros(DType.F32, state));
        try (Workspace scratch = new Workspace()) {
            backward(k, v, w, u, initial, gradY, gradAa, gradBb, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     */
    public void backward(
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Wkv4State initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradAa,
            @Nullable Tensor gradBb,
            Gradients gradients,
            Workspace scratch) {
        check(3, k, v, w, u, initial);
        sequence("gradY", gradY, k);
        stateLike("gradAa", gradAa, k);
        stateLike("gradBb", gradBb, k);
        sequence("gradK", gradients.k, k);
        sequence("gradV", gradients.v, k);
        parameter("gradW", gradients.w, k);
        parameter("gradU", gradients.u, k);
        stateLike("gradAa0", gradients.aa, k);
        stateLike("gradBb0", gradients.bb, k);
        stateLike("gradPp0", gradients.pp, k);
        new Apart()
                .in("k", k)
                .in("v", v)
                .in("w", w)
                .in("u", u)
                .in("initial", initial == null ? null : initial.planes())
                .in("gradY", gradY)
                .in("gradAa", gradAa)
                .in("gradBb", gradBb)
                .out("gradK", gradients.k)
                .out("gradV", gradients.v)
                .out("gradW", gradients.w)
                .out("gradU", gradients.u)
                .out("gradAa0", gradients.aa)
                .out("gradBb0", gradients.bb)
                .out("gradPp0", gradients.pp);
        runBackward(k, v, w, u, initial, gradY, gradAa, gradBb, gradients, scratch);
    }

    // ------------------------------------------------------------------ checks

    private static void check(int rank, Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Wkv4State initial) {
        Checks.type("k", k, DType.F32);
        Checks.rank("k", k, rank);
        sequence("k", k, k);
        sequence("v", v, k);
        parameter("w", w, k);
        parameter("u", u, k);
        if (initial != null) {
            state("initial", initial, k);
        }
    }

    private static void sequence(String name, @Nullable Tensor t, Tensor k) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "k", k);
            Checks.contiguousRow(name, t);
        }
    }

    private static void parameter(String name, @Nullable Tensor t, Tensor k) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, k.dim(-1));
            Checks.contiguous(name, t);
        }
    }

    private static void stateLike(String name, @Nullable Tensor t, Tensor k) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, k.dim(0), k.dim(-1));
        }
    }

    private static void state(String name, Wkv4State state, Tensor k) {
        Checks.shape(name, state.planes(), DType.F32, 3, k.dim(0), k.dim(-1));
    }

    // ------------------------------------------------------------------ work

    private static void run(Tensor k, Tensor v, Tensor w, Tensor u, Tensor y, Wkv4State state) {
        long steps = k.rank() == 2 ? 1 : k.dim(1);
        if (steps == 0) {
            return;
        }
        Channels channels = new Channels(k.dim(0), k.dim(-1), WIDTH);
        Tensor planes = state.planes();
        try (Use _ = Use.of(k, v, w, u, y, planes)) {
            long plane = 4 * planes.stride(0);
            long at = planes.address();
            Channels.Kernels<Wkv4Kernels> kernels = channels.kernels(KERNELS, FORWARD);
            channels.run(NANOS * k.size(), (_, b, c, count) -> {
                Steps ks = Steps.of(k, 0, b, c);
                Steps vs = Steps.of(v, 0, b, c);
                Steps ys = Steps.of(y, 0, b, c);
                long s = at + 4 * (b * planes.dim(2) + c);
                kernels.run(
                        count,
                        (f, o, n) -> f.forward(
                                ks.first() + o,
                                ks.step(),
                                vs.first() + o,
                                vs.step(),
                                ys.first() + o,
                                ys.step(),
                                w.address() + 4 * c + o,
                                u.address() + 4 * c + o,
                                s + o,
                                plane,
                                steps,
                                n));
            });
        }
    }

    private static void runBackward(
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Wkv4State initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradAa,
            @Nullable Tensor gradBb,
            Gradients g,
            Workspace scratch) {
        long batch = k.dim(0);
        long steps = k.dim(1);
        long columns = k.dim(2);
        long stretches = Math.max(1, (steps + STRETCH - 1) / STRETCH);
        Channels channels = new Channels(batch, columns, WIDTH);
        Tensor kept = scratch.empty(DType.F32, stretches, 3, batch, columns);
        if (initial == null) {
            kept.select(0, 0).fill(0);
            kept.select(0, 0).select(0, 2).fill(Float.NEGATIVE_INFINITY);
        } else {
            kept.select(0, 0).copyFrom(initial.planes());
        }
        Tensor carry = scratch.zeros(DType.F32, CARRIED, batch, columns);
        if (gradAa != null) {
            carry.select(0, 0).copyFrom(gradAa);
        }
        if (gradBb != null) {
            carry.select(0, 1).copyFrom(gradBb);
        }
        Tensor zeros = scratch.zeros(DType.F32, columns);
        Tensor unwanted = scratch.empty(DType.F32, 2, batch, columns);
        Tensor rows = scratch.empty(DType.U8, channels.chunks(), STRETCH_SCRATCH);
        try (Use _ = Use.of(k, v, w, u, gradY, g.k, g.v, kept, carry, zeros, unwanted, rows)) {
            long plane = 4 * kept.stride(1);
            long stretchBytes = 4 * kept.stride(0);
            long zero = zeros.address();
            long waste = unwanted.address();
            Channels.Kernels<Wkv4Kernels> advance = channels.kernels(KERNELS, ADVANCE);
            Channels.Kernels<Wkv4Kernels> backward = channels.kernels(KERNELS, BACKWARD);
            channels.run(4 * NANOS * k.size(), (chunk, b, c, count) -> {
                long own = 4 * (b * columns + c);
                Steps ks = Steps.of(k, 0, b, c);
                Steps vs = Steps.of(v, 0, b, c);
                Steps gys = Steps.of(gradY, zero + 4 * c, b, c);
                Steps gks = Steps.of(g.k, waste + own, b, c);
                Steps gvs = Steps.of(g.v, waste + plane + own, b, c);
                long state = kept.address() + own;
                for (long i = 0; i + 1 < stretches; i++) {
                    long t = i * STRETCH;
                    long from = state + i * stretchBytes;
                    advance.run(
                            count,
                            (f, o, n) -> f.advance(
                                    ks.at(t) + o,
                                    ks.step(),
                                    vs.at(t) + o,
                                    vs.step(),
                                    w.address() + 4 * c + o,
                                    from + o,
                                    plane,
                                    from + stretchBytes + o,
                                    plane,
                                    STRETCH,
                                    n));
                }
                long end = state + (stretches - 1) * stretchBytes;
                for (long i = stretches - 1; i >= 0; i--) {
                    long t = i * STRETCH;
                    long from = state + i * stretchBytes;
                    backward.run(
                            count,
                            (f, o, n) -> f.backward(
                                    ks.at(t) + o,
                                    ks.step(),
                                    vs.at(t) + o,
                                    vs.step(),
                                    gys.at(t) + o,
                                    gys.step(),
                                    gks.at(t) + o,
                                    gks.step(),
                                    gvs.at(t) + o,
                                    gvs.step(),
                                    w.address() + 4 * c + o,
                                    u.address() + 4 * c + o,
                                    from == end ? 1 : 0,
                                    from + o,
                                    plane,
                                    carry.address() + own + o,
                                    plane,
                                    rows.address() + chunk * STRETCH_SCRATCH,
                                    Math.min(STRETCH, steps - t),
                                    n));
                }
            });
        }
        copy(carry.select(0, 0), g.aa);
        copy(carry.select(0, 1), g.bb);
        copy(carry.select(0, 2), g.pp);
        sumBatch(carry.select(0, 3), g.w, scratch);
        sumBatch(carry.select(0, 4), g.u, scratch);
    }

    private static void copy(Tensor from, @Nullable Tensor to) {
        if (to != null) {
            to.copyFrom(from);
        }
    }

    private static void sumBatch(Tensor rows, @Nullable Tensor sum, Workspace scratch) {
        if (sum != null) {
            try (Use _ = Use.of(rows, sum)) {
                Gemm.Matrix m = new Gemm.Matrix(rows.address(), 4 * rows.stride(0), 4);
                ColumnSum.run(rows.dim(0), rows.dim(1), m, sum.address(), false, scratch);
            }
        }
    }

    static long probe(Wkv4Kernels f, int lanes, int variant, long scratch) {
        long steps = STRETCH;
        long columns = 4L * lanes;
        long row = 4 * columns;
        long matrix = row * steps;
        long k = scratch;
        long v = k + matrix;
        long w = v + matrix;
        long u = w + row;
        long state = u + row;
        long carry = state + 3 * row;
        long out = carry + CARRIED * row;
        switch (variant) {
            case FORWARD -> f.forward(k, row, v, row, out, row, w, u, state, row, steps, columns);
            case ADVANCE -> f.advance(k, row, v, row, w, state, row, out, row, steps, columns);
            default ->
                f.backward(
                        k,
                        row,
                        v,
                        row,
                        v,
                        row,
                        out,
                        row,
                        out + matrix,
                        row,
                        w,
                        u,
                        1,
                        state,
                        row,
                        carry,
                        row,
                        out + 2 * matrix,
                        steps,
                        columns);
        }
        return steps * columns;
    }
}
