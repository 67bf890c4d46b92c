package dev.heddle.op;

import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.op.PrefixScan.States;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Attention over the steps so far with scores that do not depend on the position that looks back, as a scan: {@code m_t =
 * max(m_{t-1}, s_t)}, {@code u_t = u_{t-1} e^(m_{t-1} - m_t) + e^(s_t - m_t)}, {@code w_t = w_{t-1} e^(m_{t-1} - m_t) + e^(s_t -
 * m_t) v_t}, {@code y_t = w_t / u_t}, which is {@code softmax(s_1 ... s_t)} applied to {@code v_1 ... v_t}.
 *
 * <ul>
 *   <li>{@code s} is float32 {@code [B, L, H]}, {@code v} is {@code [B, L, H, F]} with contiguous F; y is like v.
 *   <li>{@code initial}, optional, is the state before the first step; the result holds the state after the last. A result's
 *       state as the next call's initial one makes the calls one.
 *   <li>{@code cuSeqlens}, optional, is int32 {@code [S + 1]} with B = 1: sequence k is the steps from {@code cuSeqlens[k]} to
 *       {@code cuSeqlens[k + 1]}, and has what it has alone; states have S streams then, otherwise B.
 *   <li>{@code reverse} runs time from the last step to the first: y_t is over t to L, the final state is that after step 0.
 * </ul>
 *
 * <p>A score of -infinity skips its step: v_t is not read, there are no gradients. Before the first step that counts y is 0
 * and the state empty. A score of +infinity or NaN makes everything after it NaN.
 *
 * <p>Time runs in order, so that a sequence has the same bits in one call, in any cut into calls and step by step, alone, in a
 * batch and packed. One exception: a sequence of at least 32768 steps with {@code H F <= 256} is cut into pieces of 4096 steps,
 * whose states combine in order, so that more than one thread can work on it; {@link Builder#timeOrdered} forbids that.
 *
 * <p>Gradients: with p_kt the weight of step t in y_k, {@code grad_v_t = sum over k >= t of p_kt grad_y_k}, {@code grad_s_t = sum
 * over k >= t of p_kt <grad_y_k, v_t - y_k>}. The final u and w have cotangents, m has none: they are differentiated at a
 * fixed maximum. The initial state is like one more step of weight {@code u0 e^m0} and value {@code w0 / u0}; an empty one
 * has gradients of 0.
 *
 * <p>Scratch: forward about 6 KiB for each of at most 32 chunks, and three states per piece of a long sequence. Backward
 * also keeps three floats for each step and head, and the state before each block of 64 steps (fewer, for rows beyond 2 KiB), of
 * up to 32 sequences: the states are at most half of what v of the longest sequence takes, none if y is given.
 *
 * <p>After "Attention as an RNN", arXiv 2405.13956.
 */
public final class PrefixAttention {
    private static final long STEP_SCRATCH = 1 << 14;

    private final boolean reverse;
    private final boolean timeOrdered;

    private PrefixAttention(boolean reverse, boolean timeOrdered) {
        this.reverse = reverse;
        this.timeOrdered = timeOrdered;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: forward in time, long sequences in pieces. */
    public static final class Builder {
        private boolean reverse;
        private boolean timeOrdered;

        private Builder() {}

        /** Whether time runs from the last step to the first. */
        public Builder reverse(boolean reverse) {
            this.reverse = reverse;
            return this;
        }

        /** Whether every sequence, however long, is computed in the order of time and so has the bits of its stream. */
        public Builder timeOrdered(boolean timeOrdered) {
            this.timeOrdered = timeOrdered;
            return this;
        }

        public PrefixAttention build() {
            return new PrefixAttention(reverse, timeOrdered);
        }
    }

    /** The attention of every step, and the states after the last. */
    public record Result(Tensor y, AttentionState last) {}

    /** Those that were asked for; the last three belong to the initial state. */
    public record Gradients(
            @Nullable Tensor s,
            @Nullable Tensor v,
            @Nullable Tensor m0,
            @Nullable Tensor u0,
            @Nullable Tensor w0) {}

    /** Computes from the empty state. */
    public Result forward(Tensor s, Tensor v) {
        return forward(s, v, null, null);
    }

    /** Computes from an initial state, if there is one, and over packed sequences, if there are such. */
    public Result forward(Tensor s, Tensor v, @Nullable AttentionState initial, @Nullable Tensor cuSeqlens) {
        Sequences sequences = check(s, v, initial, cuSeqlens);
        AttentionState last = AttentionState.empty(sequences.count(), v.dim(2), v.dim(3));
        Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            run(sequences, s, v, initial, y, last, scratch);
        }
        return new Result(y, last);
    }

    /**
     * Computes into {@code y} and {@code last}; memory that it needs meanwhile comes from {@code scratch}.
     *
     * @param last may be {@code initial} itself, which it then replaces
     */
    public void forward(
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            AttentionState last,
            Workspace scratch) {
        Sequences sequences = checkForward(s, v, initial, cuSeqlens, y, last);
        run(sequences, s, v, initial, y, last, scratch);
    }

    /**
     * One step of one or many streams: {@code state} becomes the state after it.
     *
     * @param s float32 {@code [N, H]}
     * @param v float32 {@code [N, H, F]}
     * @return y, like v
     */
    public Tensor step(AttentionState state, Tensor s, Tensor v) {
        checkStep(state, s, v);
        Tensor y = Tensor.zeros(DType.F32, v.shape().toArray());
        try (Workspace scratch = new Workspace(STEP_SCRATCH)) {
            runStep(state, s, v, y, scratch);
        }
        return y;
    }

    /** The same into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void step(AttentionState state, Tensor s, Tensor v, Tensor y, Workspace scratch) {
        checkStep(state, s, v, y);
        runStep(state, s, v, y, scratch);
    }

    /** All gradients, as new tensors; those of the initial state only if there is one. */
    public Gradients backward(
            Tensor s, Tensor v, @Nullable AttentionState initial, @Nullable Tensor cuSeqlens, Tensor gradY) {
        return backward(s, v, initial, cuSeqlens, gradY, null, null);
    }

    /**
     * The same where the final states count too.
     *
     * @param gradY null for zeros
     * @param gradU of the final u {@code [N, H]}; null for zeros
     * @param gradW of the final w {@code [N, H, F]}; null for zeros
     */
    public Gradients backward(
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradU,
            @Nullable Tensor gradW) {
        Sequences sequences = check(s, v, initial, cuSeqlens);
        checkGradients(sequences, v, gradY, gradU, gradW);
        Gradients g = new Gradients(
                zerosLike(s),
                zerosLike(v),
                initial == null ? null : zerosLike(initial.m()),
                initial == null ? null : zerosLike(initial.u()),
                initial == null ? null : zerosLike(initial.w()));
        try (Workspace scratch = new Workspace()) {
            runBackward(sequences, s, v, initial, gradY, gradU, gradW, null, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     *
     * @param y the forward's result, if it is at hand: it need not be computed again then
     */
    public void backward(
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradU,
            @Nullable Tensor gradW,
            @Nullable Tensor y,
            Gradients gradients,
            Workspace scratch) {
        Sequences sequences = checkBackward(s, v, initial, cuSeqlens, gradY, gradU, gradW, y, gradients, new Apart());
        runBackward(sequences, s, v, initial, gradY, gradU, gradW, y, gradients, scratch);
    }

    // ------------------------------------------------------------------ running

    private void run(
            Sequences sequences,
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            Tensor y,
            AttentionState last,
            Workspace scratch) {
        Tensor m0 = initial == null ? null : initial.m();
        Tensor u0 = initial == null ? null : initial.u();
        Tensor w0 = initial == null ? null : initial.w();
        try (Use _ = Use.of(s, v, y, m0, u0, w0, last.m(), last.u(), last.w())) {
            new PrefixScan(sequences, v.dim(2), v.dim(3), reverse)
                    .forward(
                            Matrix.of(s),
                            Matrix.of(v),
                            initial == null ? null : States.of(initial),
                            Matrix.of(y),
                            States.of(last),
                            timeOrdered,
                            scratch);
        }
    }

    private void runStep(AttentionState state, Tensor s, Tensor v, Tensor y, Workspace scratch) {
        try (Use _ = Use.of(s, v, y, state.m(), state.u(), state.w())) {
            States states = States.of(state);
            new PrefixScan(Sequences.of(state.streams(), 1, null), state.heads(), state.features(), reverse)
                    .forward(Matrix.ofStep(s), Matrix.ofStep(v), states, Matrix.ofStep(y), states, true, scratch);
        }
    }

    private void runBackward(
            Sequences sequences,
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradU,
            @Nullable Tensor gradW,
            @Nullable Tensor y,
            Gradients g,
            Workspace scratch) {
        if (v.dim(3) == 0 && gradU != null) {
            // what comes through u comes without features too, but is carried like one
            Tensor one = scratch.zeros(DType.F32, v.dim(0), v.dim(1), v.dim(2), 1);
            AttentionState state = initial == null
                    ? null
                    : AttentionState.of(
                            initial.m(), initial.u(), scratch.zeros(DType.F32, sequences.count(), v.dim(2), 1));
            Gradients rest = new Gradients(g.s, null, g.m0, g.u0, null);
            runBackward(sequences, s, one, state, null, gradU, null, null, rest, scratch);
            return;
        }
        Tensor m0 = initial == null ? null : initial.m();
        Tensor u0 = initial == null ? null : initial.u();
        Tensor w0 = initial == null ? null : initial.w();
        try (Use _ = Use.of(s, v, m0, u0, w0, gradY, gradU, gradW, y, g.s, g.v, g.m0, g.u0, g.w0)) {
            PrefixScan.Gradients at = new PrefixScan.Gradients(
                    matrix(gradY),
                    address(gradU),
                    address(gradW),
                    matrix(g.s),
                    matrix(g.v),
                    address(g.m0),
                    address(g.u0),
                    address(g.w0));
            new PrefixScan(sequences, v.dim(2), v.dim(3), reverse)
                    .backward(
                            Matrix.of(s),
                            Matrix.of(v),
                            initial == null ? null : States.of(initial),
                            matrix(y),
                            at,
                            scratch);
        }
    }

    private static @Nullable Matrix matrix(@Nullable Tensor t) {
        return t == null ? null : Matrix.of(t);
    }

    private static long address(@Nullable Tensor t) {
        return t == null ? 0 : t.address();
    }

    private static Tensor zerosLike(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    // ------------------------------------------------------------------ checks

    static Sequences check(Tensor s, Tensor v, @Nullable AttentionState initial, @Nullable Tensor cuSeqlens) {
        Checks.type("v", v, DType.F32);
        Checks.rank("v", v, 4);
        Checks.contiguousRows("v", v);
        Checks.shape("s", s, DType.F32, v.dim(0), v.dim(1), v.dim(2));
        Sequences sequences = Sequences.of(v.dim(0), v.dim(1), cuSeqlens);
        if (initial != null) {
            checkState("initial", initial, sequences, v);
        }
        return sequences;
    }

    private static void checkState(String name, AttentionState state, Sequences sequences, Tensor v) {
        Checks.shape(name + ".w", state.w(), DType.F32, sequences.count(), v.dim(2), v.dim(3));
    }

    Sequences checkForward(
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            Tensor y,
            AttentionState last) {
        Sequences sequences = check(s, v, initial, cuSeqlens);
        checkOutput("y", y, v.shape());
        checkState("last", last, sequences, v);
        Checks.apart("y", y, "s", s);
        Checks.apart("y", y, "v", v);
        last.checkApart("y", y);
        last.checkApart("s", s);
        last.checkApart("v", v);
        if (initial != null) {
            initial.checkApart("y", y);
        }
        return sequences;
    }

    Sequences checkBackward(
            Tensor s,
            Tensor v,
            @Nullable AttentionState initial,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor gradY,
            @Nullable Tensor gradU,
            @Nullable Tensor gradW,
            @Nullable Tensor y,
            Gradients g,
            Apart apart) {
        Sequences sequences = check(s, v, initial, cuSeqlens);
        checkGradients(sequences, v, gradY, gradU, gradW);
        if (y != null) {
            checkOutput("y", y, v.shape());
        }
        apart.in("s", s)
                .in("v", v)
                .in("y", y)
                .in("gradY", gradY)
                .in("gradU", gradU)
                .in("gradW", gradW);
        if (initial != null) {
            apart.in("initial.m", initial.m()).in("initial.u", initial.u()).in("initial.w", initial.w());
            checkGradient("gradM0", g.m0, initial.m());
            checkGradient("gradU0", g.u0, initial.u());
            checkGradient("gradW0", g.w0, initial.w());
        } else if (g.m0 != null || g.u0 != null || g.w0 != null) {
            throw new IllegalArgumentException("gradients: of an initial state, but there is none");
        }
        if (g.s != null) {
            Checks.shape("gradS", g.s, DType.F32, s.shape().toArray());
        }
        if (g.v != null) {
            checkOutput("gradV", g.v, v.shape());
        }
        apart.out("gradS", g.s)
                .out("gradV", g.v)
                .out("gradM0", g.m0)
                .out("gradU0", g.u0)
                .out("gradW0", g.w0);
        return sequences;
    }

    private static void checkGradient(String name, @Nullable Tensor t, Tensor of) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, of.shape().toArray());
            Checks.contiguous(name, t);
        }
    }

    void checkStep(AttentionState state, Tensor s, Tensor v, Tensor y) {
        checkStep(state, s, v);
        checkOutput("y", y, v.shape());
        Checks.apart("y", y, "s", s);
        Checks.apart("y", y, "v", v);
        state.checkApart("y", y);
    }

    private static void checkStep(AttentionState state, Tensor s, Tensor v) {
        Checks.shape("s", s, DType.F32, state.streams(), state.heads());
        Checks.shape("v", v, DType.F32, state.streams(), state.heads(), state.features());
        Checks.contiguousRows("v", v);
        state.checkApart("s", s);
        state.checkApart("v", v);
    }

    private static void checkOutput(String name, Tensor t, Shape shape) {
        Checks.shape(name, t, DType.F32, shape.toArray());
        Checks.contiguousRows(name, t);
    }

    private static void checkGradients(
            Sequences sequences, Tensor v, @Nullable Tensor gradY, @Nullable Tensor gradU, @Nullable Tensor gradW) {
        if (gradY != null) {
            checkOutput("gradY", gradY, v.shape());
        }
        if (gradU != null) {
            Checks.shape("gradU", gradU, DType.F32, sequences.count(), v.dim(2));
            Checks.contiguous("gradU", gradU);
        }
        if (gradW != null) {
            Checks.shape("gradW", gradW, DType.F32, sequences.count(), v.dim(2), v.dim(3));
            Checks.contiguous("gradW", gradW);
        }
    }
}
