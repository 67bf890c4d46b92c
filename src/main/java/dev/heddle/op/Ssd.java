package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The state-space dual of Mamba-2: a selective scan whose channels come in heads that share one dt a step and one A. With
 * {@code dt' = clamp(dt + dt_bias, dt_min, dt_max)}, or the same of the softplus,
 *
 * <pre>
 * h_t = exp(dt'_t A) h_{t-1} + dt'_t x_t B_t^T
 * y_t = (h_t C_t + D x_t) silu(z_t)
 * </pre>
 *
 * <ul>
 *   <li>{@code x}, {@code y} and, optional, {@code z} are float32 {@code [B, L, H, P]}: batch, time, head, channel; {@code dt} is
 *       {@code [B, L, H]} and {@code A} is {@code [H]};
 *   <li>{@code B} and {@code C} are {@code [B, L, G, N]}; head h uses group h/(H/G);
 *   <li>{@code D}, optional, is {@code [H]} or {@code [H, P]}; {@code dt_bias}, optional, is {@code [H]};
 *   <li>{@code h0}, optional, is {@code [B, H, P, N]}, the state before the first step, 0 without it; {@code last_state} is the state after the
 *       last;
 *   <li>{@code cu_seqlens}, optional and with B = 1, packs S sequences as in {@link SelectiveScan}; h0 and last_state are then
 *       {@code [S, H, P, N]}.
 * </ul>
 *
 * <p>In recurrent form steps are taken in the order of time, and within a step y sums over n in ascending order. The decay
 * between two steps is the product of those of the steps between. Any way of cutting a
 * sequence into calls that hand on last_state as h0 gives the same bits, and so does any batch, packing, width and number of
 * threads. A decay below 2<sup>-125.5</sup> is exactly 0 and forgets the state.
 *
 * <p>In chunk form sequences go by chunks of 32 steps, each of a few matrix products; a decay is 2 to the sum of dt A over exactly the
 * steps between. It is faster, and taken, for sequences of at least 64 steps with at least 64 states, 4 heads for each group and P a
 * multiple of 64, unless {@linkplain Builder#recurrent the recurrent form} is asked for. A sequence's bits then depend on how it is cut into
 * calls, but still not on batch, packing, width or threads.
 *
 * <p>Gradients exist for every float input, and come from y and from last_state; that of dt is 0 where the clamp holds. Sums over
 * channels have 16 partial sums for each run of whole heads, of about 64 to 256 channels; those over time go by 32 steps (of dt_bias: 256), over sequences by at most
 * 16 parts.
 *
 * <p>Tensors may be views whose last axis is contiguous; h0 and last_state may be any views, and are quickest where the channels
 * of a state lie side by side. An output may not overlap an input, but last_state may be h0.
 *
 * <p>Scratch: dt' and the decays, {@code 2 B L H}, and for each thread a run of heads' states and their rows for 64 steps; in chunk
 * form also {@code 32 B L G}. The backward, which is recurrent,
 * keeps, for each thread, the states of a run every 32 steps, and the partial sums of B and C, {@code 2 L N} for each run.
 *
 * <p>After state-spaces/mamba {@code ssd_chunk_scan_combined_ref}.
 */
public final class Ssd {
    /** Which form a sequence is computed in. */
    enum Form {
        RECURRENT,
        /** Wherever it is possible: for tests. */
        CHUNKS,
        /** By the sequence's sizes. */
        FASTER
    }

    /** How dt is made, and in which form the sequences are computed. */
    record Options(boolean dtSoftplus, float dtMin, float dtMax, Form form) {}

    private final Options options;

    private Ssd(Options options) {
        this.options = options;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no softplus, dt at least 0 and without an upper limit, in the form that is faster. */
    public static final class Builder {
        private boolean dtSoftplus;
        private float dtMin;
        private float dtMax = Float.POSITIVE_INFINITY;
        private Form form = Form.FASTER;

        private Builder() {}

        /** Whether {@code dt'} is made of the softplus of {@code dt + dt_bias}. */
        public Builder dtSoftplus(boolean dtSoftplus) {
            this.dtSoftplus = dtSoftplus;
            return this;
        }

        /**
         * The limits of {@code dt'}.
         *
         * @throws IllegalArgumentException unless {@code min <= max}
         */
        public Builder dtLimit(float min, float max) {
            if (!(min <= max)) {
                throw new IllegalArgumentException("dtLimit: " + min + " to " + max + " is no range");
            }
            dtMin = min;
            dtMax = max;
            return this;
        }

        /** Whether all sequences are computed in recurrent form, and so with the bits of a stream. */
        public Builder recurrent(boolean recurrent) {
            return form(recurrent ? Form.RECURRENT : Form.FASTER);
        }

        Builder form(Form form) {
            this.form = form;
            return this;
        }

        public Ssd build() {
            return new Ssd(new Options(dtSoftplus, dtMin, dtMax, form));
        }
    }

    /** The inputs that can have a gradient. */
    public enum Input {
        X,
        DT,
        A,
        B,
        C,
        D,
        Z,
        DT_BIAS,
        H0
    }

    /** The inputs; those that are optional are absent until they are added. */
    public record Inputs(
            Tensor x,
            Tensor dt,
            Tensor a,
            Tensor b,
            Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor z,
            @Nullable Tensor dtBias,
            @Nullable Tensor h0,
            @Nullable Tensor cuSeqlens) {
        /** Without those that are optional. */
        public static Inputs of(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c) {
            return new Inputs(x, dt, a, b, c, null, null, null, null, null);
        }

        /** With a skip. */
        public Inputs withD(@Nullable Tensor d) {
            return new Inputs(x, dt, a, b, c, d, z, dtBias, h0, cuSeqlens);
        }

        /** With a gate. */
        public Inputs withZ(@Nullable Tensor z) {
            return new Inputs(x, dt, a, b, c, d, z, dtBias, h0, cuSeqlens);
        }

        /** With a bias of dt. */
        public Inputs withDtBias(@Nullable Tensor dtBias) {
            return new Inputs(x, dt, a, b, c, d, z, dtBias, h0, cuSeqlens);
        }

        /** With initial states. */
        public Inputs withH0(@Nullable Tensor h0) {
            return new Inputs(x, dt, a, b, c, d, z, dtBias, h0, cuSeqlens);
        }

        /** With sequences packed. */
        public Inputs withCuSeqlens(@Nullable Tensor cuSeqlens) {
            return new Inputs(x, dt, a, b, c, d, z, dtBias, h0, cuSeqlens);
        }
    }

    /** {@code y}, and the state after the last step of each sequence. */
    public record Result(Tensor y, Tensor lastState) {}

    /** Those that were asked for, each shaped like its input. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor dt,
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor z,
            @Nullable Tensor dtBias,
            @Nullable Tensor h0) {}

    /** Computes y and the last states as new tensors. */
    public Result forward(Inputs in) {
        Sequences q = check(in);
        Tensor y = Tensor.zeros(DType.F32, in.x.shape().toArray());
        Tensor last = Tensor.zeros(DType.F32, q.count(), in.x.dim(2), in.x.dim(3), in.b.dim(3));
        try (Workspace scratch = new Workspace()) {
            run(q, in, y, last, null, scratch);
        }
        return new Result(y, last);
    }

    /**
     * Computes y and, if they are wanted, the last states into tensors given; memory that it needs meanwhile comes from
     * {@code scratch}.
     */
    public void forward(Inputs in, Tensor y, @Nullable Tensor lastState, Workspace scratch) {
        Sequences q = check(in);
        like("y", y, in);
        state("lastState", lastState, q.count(), in);
        Apart.carried(() -> inputs(in), y, "h0", in.h0, "lastState", lastState);
        run(q, in, y, lastState, null, scratch);
    }

    /**
     * One step of each of B streams: L is 1, and h0 a pool {@code [S, H, P, N]} of which row b of the batch takes number {@code slots[b]}, each
     * at most once. The new states go to the same numbers of {@code lastState}, which may be h0.
     *
     * @param slots int32 {@code [B]}
     */
    public void step(Inputs in, Tensor slots, Tensor y, Tensor lastState, Workspace scratch) {
        if (in.h0 == null || in.h0.rank() != 4 || in.x.rank() != 4 || in.x.dim(1) != 1 || in.cuSeqlens != null) {
            throw new IllegalArgumentException("x: shape " + in.x.shape()
                    + ", a step needs x of shape [B, 1, H, P], h0 of shape [S, H, P, N] and" + " no cuSeqlens");
        }
        Sequences q = check(in.withH0(null));
        state("h0", in.h0, in.h0.dim(0), in);
        int[] numbers = Slots.check("slots", slots, in.x.dim(0), in.h0.dim(0));
        like("y", y, in);
        state("lastState", lastState, in.h0.dim(0), in);
        Apart.carried(() -> inputs(in), y, "h0", in.h0, "lastState", lastState);
        run(q, in, y, lastState, numbers, scratch);
    }

    /** A block's pass, with arguments that it has checked: states in {@code h0} are read and written, by number if there are slots. */
    void run(Inputs in, Tensor y, int @Nullable [] slots, Workspace scratch) {
        run(Sequences.of(in.x, null), in, y, in.h0, slots, scratch);
    }

    private void run(
            Sequences q, Inputs in, Tensor y, @Nullable Tensor last, int @Nullable [] slots, Workspace scratch) {
        if (in.x.dim(2) == 0 || in.x.dim(3) == 0) {
            return;
        }
        Form form = slots == null ? options.form : Form.RECURRENT;
        try (SsdRule rule = new SsdRule(q, in, options, form, scratch)) {
            new ScanForward(rule, new ScanStates(rule.blocks, rule.states, slots), y, last, false).run(scratch);
            if (rule.chunked()) {
                new SsdChunks(rule, y, last).run(scratch);
            }
        }
    }

    /**
     * The gradients of all inputs that are there, as new tensors.
     *
     * @param gradY of y; 0 if it is null
     * @param gradLastState of the last states; 0 if it is null
     */
    public Gradients backward(Inputs in, @Nullable Tensor gradY, @Nullable Tensor gradLastState) {
        Set<Input> wanted = EnumSet.allOf(Input.class);
        if (in.h0 == null) {
            wanted.remove(Input.H0);
        }
        return backward(in, gradY, gradLastState, wanted);
    }

    /** The gradients that are wanted, as new tensors; a gradient of h0 needs no h0. */
    public Gradients backward(Inputs in, @Nullable Tensor gradY, @Nullable Tensor gradLastState, Set<Input> wanted) {
        Sequences q = check(in);
        like("gradY", gradY, in);
        state("gradLastState", gradLastState, q.count(), in);
        Gradients g = new Gradients(
                ScanGradients.zeros(in.x, wanted.contains(Input.X)),
                ScanGradients.zeros(in.dt, wanted.contains(Input.DT)),
                ScanGradients.zeros(in.a, wanted.contains(Input.A)),
                ScanGradients.zeros(in.b, wanted.contains(Input.B)),
                ScanGradients.zeros(in.c, wanted.contains(Input.C)),
                ScanGradients.zeros(in.d, wanted.contains(Input.D)),
                ScanGradients.zeros(in.z, wanted.contains(Input.Z)),
                ScanGradients.zeros(in.dtBias, wanted.contains(Input.DT_BIAS)),
                wanted.contains(Input.H0)
                        ? Tensor.zeros(DType.F32, q.count(), in.x.dim(2), in.x.dim(3), in.b.dim(3))
                        : null);
        try (Workspace scratch = new Workspace();
                SsdRule rule = new SsdRule(q, in, options, Form.RECURRENT, scratch);
                SsdGradients gradients = new SsdGradients(rule, g, scratch)) {
            new ScanBackward(rule, gradients, gradY, gradLastState).run(scratch);
            gradients.finishSteps(scratch);
        }
        return g;
    }

    // ------------------------------------------------------------------ checks

    private static Apart inputs(Inputs in) {
        return new Apart()
                .in("x", in.x)
                .in("dt", in.dt)
                .in("A", in.a)
                .in("B", in.b)
                .in("C", in.c)
                .in("D", in.d)
                .in("z", in.z)
                .in("dtBias", in.dtBias)
                .in("cuSeqlens", in.cuSeqlens);
    }

    private static Sequences check(Inputs in) {
        Checks.type("x", in.x, DType.F32);
        Checks.rank("x", in.x, 4);
        Checks.contiguousRows("x", in.x);
        long heads = in.x.dim(2);
        Checks.shape("dt", in.dt, DType.F32, in.x.dim(0), in.x.dim(1), heads);
        Checks.contiguousRows("dt", in.dt);
        Checks.shape("A", in.a, DType.F32, heads);
        Checks.type("B", in.b, DType.F32);
        boolean fits = in.b.rank() == 4
                && in.b.dim(0) == in.x.dim(0)
                && in.b.dim(1) == in.x.dim(1)
                && in.b.dim(2) > 0
                && heads % in.b.dim(2) == 0;
        if (!fits) {
            throw new IllegalArgumentException("B: shape " + in.b.shape()
                    + ", must be [B, L, G, N], G dividing H, with x of shape " + in.x.shape());
        }
        Checks.contiguousRows("B", in.b);
        Checks.like("C", in.c, DType.F32, "B", in.b);
        Checks.contiguousRows("C", in.c);
        if (in.d != null && in.d.rank() == 2) {
            Checks.shape("D", in.d, DType.F32, heads, in.x.dim(3));
        } else if (in.d != null) {
            Checks.shape("D", in.d, DType.F32, heads);
        }
        like("z", in.z, in);
        if (in.dtBias != null) {
            Checks.shape("dtBias", in.dtBias, DType.F32, heads);
            Checks.contiguous("dtBias", in.dtBias);
        }
        Sequences q = Sequences.of(in.x, in.cuSeqlens);
        state("h0", in.h0, q.count(), in);
        return q;
    }

    private static void like(String name, @Nullable Tensor t, Inputs in) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "x", in.x);
            Checks.contiguousRows(name, t);
        }
    }

    private static void state(String name, @Nullable Tensor t, long count, Inputs in) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, count, in.x.dim(2), in.x.dim(3), in.b.dim(3));
        }
    }
}
