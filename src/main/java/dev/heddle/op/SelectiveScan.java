package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The selective state-space scan of Mamba: with {@code dt_t = delta_t + delta_bias}, or the softplus of that,
 *
 * <pre>
 * h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t
 * y_t = (sum over n of h_t C_t + D u_t) silu(z_t)
 * </pre>
 *
 * <ul>
 *   <li>{@code u}, {@code delta}, {@code y} and, optional, {@code z} are float32 {@code [B, L, D]}: batch, time, channel;
 *   <li>{@code A} is {@code [D, N]}, real;
 *   <li>{@code B} and {@code C} are each {@code [D, N]}, constant in time; or {@code [B, L, N]}; or {@code [B, L, G, N]}, where channel d
 *       has those of group d / (D/G);
 *   <li>{@code D} and {@code delta_bias}, optional, are {@code [D]};
 *   <li>{@code h0}, optional, is {@code [B, D, N]}: the state before the first step, 0 without it; {@code last_state} is the state
 *       after the last;
 *   <li>{@code cu_seqlens}, optional and with B = 1, is int32 {@code [S + 1]}: sequence k is the time from {@code cu[k]} to
 *       {@code cu[k + 1]} and gives what it gives alone; h0 and last_state are then {@code [S, D, N]}.
 * </ul>
 *
 * <p>With {@code reverse} time runs from the last step to the first, and last_state is the state after step 0. An empty sequence
 * returns its initial state. dt = 0 keeps a state; a decay below 2<sup>-125.5</sup> is exactly 0 and forgets it.
 *
 * <p>Steps are taken in the order of time, and within a step y sums over n in ascending order. So any way of cutting a sequence into
 * calls that hand on last_state as h0 gives the same bits, and so does any batch, packing, width and number of threads.
 *
 * <p>Gradients exist for every float input, and come from y and from last_state. Sums of gradients over channels have 16 partial
 * sums for each run of an eighth of a group's channels, though of at least 64 and at most 256; sums over time go by 32 steps; sums
 * over sequences by at most 16 parts. Each is added up in a fixed order.
 *
 * <p>Tensors may be views whose last axis is contiguous; h0 and last_state may be any views, and are quickest where the channels of
 * a state lie side by side, as in a {@code [B, N, D]} that was transposed. An output may not overlap an input, but last_state
 * may be h0.
 *
 * <p>Scratch: A transposed, and for each thread a run of states and three stretches of 64 steps of it. The backward
 * keeps, for each thread, the states of a run every 32 steps; the partial sums of B and C, two times {@code L N} for
 * each run; and those of A, D and delta_bias, at most 16 times their size. All that is less than 1/16 of the {@code B L D N}
 * that materialised states would take.
 *
 * <p>After state-spaces/mamba {@code selective_scan_ref}; h0, reverse and packing are additions.
 */
public final class SelectiveScan {
    private final boolean deltaSoftplus;
    private final boolean reverse;

    private SelectiveScan(boolean deltaSoftplus, boolean reverse) {
        this.deltaSoftplus = deltaSoftplus;
        this.reverse = reverse;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no softplus, time runs forward. */
    public static final class Builder {
        private boolean deltaSoftplus;
        private boolean reverse;

        private Builder() {}

        /** Whether {@code dt} is the softplus of {@code delta + delta_bias}. */
        public Builder deltaSoftplus(boolean deltaSoftplus) {
            this.deltaSoftplus = deltaSoftplus;
            return this;
        }

        /** Whether time runs from the last step to the first. */
        public Builder reverse(boolean reverse) {
            this.reverse = reverse;
            return this;
        }

        public SelectiveScan build() {
            return new SelectiveScan(deltaSoftplus, reverse);
        }
    }

    /** The inputs that can have a gradient. */
    public enum Input {
        U,
        DELTA,
        A,
        B,
        C,
        D,
        Z,
        DELTA_BIAS,
        H0
    }

    /** The inputs; those that are optional are absent until they are added. */
    public record Inputs(
            Tensor u,
            Tensor delta,
            Tensor a,
            Tensor b,
            Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor z,
            @Nullable Tensor deltaBias,
            @Nullable Tensor h0,
            @Nullable Tensor cuSeqlens) {
        /** Without those that are optional. */
        public static Inputs of(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c) {
            return new Inputs(u, delta, a, b, c, null, null, null, null, null);
        }

        /** With a skip. */
        public Inputs withD(@Nullable Tensor d) {
            return new Inputs(u, delta, a, b, c, d, z, deltaBias, h0, cuSeqlens);
        }

        /** With a gate. */
        public Inputs withZ(@Nullable Tensor z) {
            return new Inputs(u, delta, a, b, c, d, z, deltaBias, h0, cuSeqlens);
        }

        /** With a bias of delta. */
        public Inputs withDeltaBias(@Nullable Tensor deltaBias) {
            return new Inputs(u, delta, a, b, c, d, z, deltaBias, h0, cuSeqlens);
        }

        /** With initial states. */
        public Inputs withH0(@Nullable Tensor h0) {
            return new Inputs(u, delta, a, b, c, d, z, deltaBias, h0, cuSeqlens);
        }

        /** With sequences packed. */
        public Inputs withCuSeqlens(@Nullable Tensor cuSeqlens) {
            return new Inputs(u, delta, a, b, c, d, z, deltaBias, h0, cuSeqlens);
        }
    }

    /** {@code y}, and the state after the last step of each sequence. */
    public record Result(Tensor y, Tensor lastState) {}

    /** Those that were asked for, each shaped like its input. */
    public record Gradients(
            @Nullable Tensor u,
            @Nullable Tensor delta,
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor z,
            @Nullable Tensor deltaBias,
            @Nullable Tensor h0) {
        /** Zeros for the inputs that are wanted, and there; a gradient of h0 needs no h0. */
        static Gradients zeros(Inputs in, Sequences q, Set<Input> wanted) {
            Tensor state =
                    wanted.contains(Input.H0) ? Tensor.zeros(DType.F32, q.count(), in.a.dim(0), in.a.dim(1)) : null;
            return new Gradients(
                    ScanGradients.zeros(in.u, wanted.contains(Input.U)),
                    ScanGradients.zeros(in.delta, wanted.contains(Input.DELTA)),
                    ScanGradients.zeros(in.a, wanted.contains(Input.A)),
                    ScanGradients.zeros(in.b, wanted.contains(Input.B)),
                    ScanGradients.zeros(in.c, wanted.contains(Input.C)),
                    ScanGradients.zeros(in.d, wanted.contains(Input.D)),
                    ScanGradients.zeros(in.z, wanted.contains(Input.Z)),
                    ScanGradients.zeros(in.deltaBias, wanted.contains(Input.DELTA_BIAS)),
                    state);
        }
    }

    /** Computes y and the last states as new tensors. */
    public Result forward(Inputs in) {
        Sequences q = check(in);
        Tensor y = Tensor.zeros(DType.F32, in.u.shape().toArray());
        Tensor last = Tensor.zeros(DType.F32, q.count(), in.a.dim(0), in.a.dim(1));
        try (Workspace scratch = new Workspace()) {
            run(q, in, y, last, scratch);
        }
        return new Result(y, last);
    }

    /**
     * Computes y and, if they are wanted, the last states into tensors given; memory that it needs meanwhile comes from
     * {@code scratch}.
     */
    public void forward(Inputs in, Tensor y, @Nullable Tensor lastState, Workspace scratch) {
        Sequences q = check(in);
        sequence("y", y, in);
        state("lastState", lastState, q, in);
        Apart.carried(() -> inputs(in.withH0(null)), y, "h0", in.h0, "lastState", lastState);
        run(q, in, y, lastState, scratch);
    }

    private void run(Sequences q, Inputs in, Tensor y, @Nullable Tensor last, Workspace scratch) {
        if (in.u.dim(2) == 0) {
            return;
        }
        try (SelectiveRule rule = new SelectiveRule(q, in, deltaSoftplus, reverse, scratch)) {
            ScanStates io = new ScanStates(rule.blocks, rule.states, null);
            new ScanForward(rule, io, y, last, false).run(scratch);
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

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(Inputs in, @Nullable Tensor gradY, @Nullable Tensor gradLastState, Set<Input> wanted) {
        Sequences q = check(in);
        checkGradients(q, in, gradY, gradLastState);
        Gradients g = Gradients.zeros(in, q, wanted);
        try (Workspace scratch = new Workspace()) {
            runBackward(q, in, gradY, gradLastState, g, scratch);
        }
        return g;
    }

    /** The gradients into the tensors given; an absent one is not computed. Scratch memory comes from {@code scratch}. */
    public void backward(
            Inputs in, @Nullable Tensor gradY, @Nullable Tensor gradLastState, Gradients into, Workspace scratch) {
        Sequences q = check(in);
        checkGradients(q, in, gradY, gradLastState);
        sequence("gradU", into.u, in);
        sequence("gradDelta", into.delta, in);
        sequence("gradZ", into.z, in);
        state("gradH0", into.h0, q, in);
        like("gradA", into.a, "A", in.a);
        like("gradB", into.b, "B", in.b);
        like("gradC", into.c, "C", in.c);
        like("gradD", into.d, "D", in.d);
        like("gradZ", into.z, "z", in.z);
        like("gradDeltaBias", into.deltaBias, "deltaBias", in.deltaBias);
        inputs(in)
                .in("gradY", gradY)
                .in("gradLastState", gradLastState)
                .out("gradU", into.u)
                .out("gradDelta", into.delta)
                .out("gradA", into.a)
                .out("gradB", into.b)
                .out("gradC", into.c)
                .out("gradD", into.d)
                .out("gradZ", into.z)
                .out("gradDeltaBias", into.deltaBias)
                .out("gradH0", into.h0);
        runBackward(q, in, gradY, gradLastState, into, scratch);
    }

    private void runBackward(
            Sequences q,
            Inputs in,
            @Nullable Tensor gradY,
            @Nullable Tensor gradLastState,
            Gradients g,
            Workspace scratch) {
        try (SelectiveRule rule = new SelectiveRule(q, in, deltaSoftplus, reverse, scratch);
                SelectiveGradients gradients = new SelectiveGradients(rule, g, false, scratch)) {
            new ScanBackward(rule, gradients, gradY, gradLastState).run(scratch);
        }
    }

    // ------------------------------------------------------------------ checks

    private static Apart inputs(Inputs in) {
        return new Apart()
                .in("u", in.u)
                .in("delta", in.delta)
                .in("A", in.a)
                .in("B", in.b)
                .in("C", in.c)
                .in("D", in.d)
                .in("z", in.z)
                .in("deltaBias", in.deltaBias)
                .in("h0", in.h0)
                .in("cuSeqlens", in.cuSeqlens);
    }

    private static Sequences check(Inputs in) {
        return check(in, "");
    }

    /**
     * Checks all inputs.
     *
     * @param suffix of the names of those that each direction of a bidirectional scan has
     */
    static Sequences check(Inputs in, String suffix) {
        Checks.type("u", in.u, DType.F32);
        Checks.rank("u", in.u, 3);
        Checks.contiguousRows("u", in.u);
        sequence("delta" + suffix, in.delta, in);
        Checks.type("A" + suffix, in.a, DType.F32);
        if (in.a.rank() != 2 || in.a.dim(0) != in.u.dim(2)) {
            throw new IllegalArgumentException(
                    "A" + suffix + ": shape " + in.a.shape() + ", must be [D, N] with u of shape " + in.u.shape());
        }
        Checks.contiguousRows("A" + suffix, in.a);
        factor("B" + suffix, in.b, in);
        factor("C" + suffix, in.c, in);
        long gb = groups(in.b);
        long gc = groups(in.c);
        if (in.b.rank() != 2 && in.c.rank() != 2 && gb != gc) {
            throw new IllegalArgumentException("C" + suffix + ": shape " + in.c.shape() + " has " + gc
                    + " groups, but B of shape " + in.b.shape() + " has " + gb);
        }
        vector("D" + suffix, in.d, in);
        vector("deltaBias" + suffix, in.deltaBias, in);
        sequence("z", in.z, in);
        Sequences q = Sequences.of(in.u, in.cuSeqlens);
        state("h0", in.h0, q, in);
        return q;
    }

    /** The groups that share a factor; 1 where each channel has its own. */
    static long groups(Tensor factor) {
        return factor.rank() == 4 ? factor.dim(2) : 1;
    }

    private static void checkGradients(Sequences q, Inputs in, @Nullable Tensor gradY, @Nullable Tensor gradLastState) {
        sequence("gradY", gradY, in);
        state("gradLastState", gradLastState, q, in);
    }

    private static void factor(String name, Tensor t, Inputs in) {
        Checks.type(name, t, DType.F32);
        Shape u = in.u.shape();
        long n = in.a.dim(1);
        boolean fits = switch (t.rank()) {
            case 2 -> t.dim(0) == u.dim(2) && t.dim(1) == n;
            case 3 -> t.dim(0) == u.dim(0) && t.dim(1) == u.dim(1) && t.dim(2) == n;
            case 4 ->
                t.dim(0) == u.dim(0)
                        && t.dim(1) == u.dim(1)
                        && t.dim(2) > 0
                        && u.dim(2) % t.dim(2) == 0
                        && t.dim(3) == n;
            default -> false;
        };
        if (!fits) {
            throw new IllegalArgumentException(name + ": shape " + t.shape()
                    + ", must be [D, N], [B, L, N] or [B, L, G, N], G dividing D, with u of shape " + u
                    + " and A of shape "
                    + in.a.shape());
        }
        Checks.contiguousRows(name, t);
    }

    private static void sequence(String name, @Nullable Tensor t, Inputs in) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "u", in.u);
            Checks.contiguousRows(name, t);
        }
    }

    private static void state(String name, @Nullable Tensor t, Sequences q, Inputs in) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, q.count(), in.a.dim(0), in.a.dim(1));
        }
    }

    private static void vector(String name, @Nullable Tensor t, Inputs in) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, in.u.dim(2));
            Checks.contiguousRows(name, t);
        }
    }

    private static void like(String name, @Nullable Tensor gradient, String inputName, @Nullable Tensor input) {
        if (gradient == null) {
            return;
        }
        if (input == null) {
            throw new IllegalArgumentException(name + ": there is no " + inputName);
        }
        Checks.like(name, gradient, DType.F32, inputName, input);
        Checks.contiguousRows(name, gradient);
    }
}
