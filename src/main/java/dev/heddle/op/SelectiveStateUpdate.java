package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * One step of the selective scan for a batch of independent streams: with {@code dt' = dt + dt_bias}, or the softplus of that,
 *
 * <pre>
 * state' = exp(dt' A) state + dt' B x
 * y      = (sum over n of state' C + D x) silu(z)
 * </pre>
 *
 * <ul>
 *   <li>{@code x}, {@code dt}, {@code y} and, optional, {@code z} are float32 {@code [B, D]}; {@code A} is {@code [D, N]}, {@code B} and
 *       {@code C} are {@code [B, N]}, {@code D} and {@code dt_bias}, optional, are {@code [D]};
 *   <li>or, with heads, {@code [B, H, P]}, {@code [H, P, N]}, {@code [B, G, N]} and {@code [H, P]}, without gaps; head h uses group h/(H/G);
 *   <li>{@code state} is {@code [B, D, N]} or {@code [B, H, P, N]}. With {@code slots}, int32 {@code [B]}, it is a pool of any number of states
 *       of which row b of the batch takes number {@code slots[b]}, each at most once; the others stay as they are.
 * </ul>
 *
 * <p>The bits are those of {@link SelectiveScan} at that step of each stream's sequence. The new state may be the old one; other
 * outputs may not overlap an input. Of a pool only the states that are taken are written. Forward only.
 *
 * <p>After {@code selective_state_update_ref} of state-spaces/mamba; slots are an addition.
 */
public final class SelectiveStateUpdate {
    private final boolean dtSoftplus;

    private SelectiveStateUpdate(boolean dtSoftplus) {
        this.dtSoftplus = dtSoftplus;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no softplus. */
    public static final class Builder {
        private boolean dtSoftplus;

        private Builder() {}

        /** Whether {@code dt'} is the softplus of {@code dt + dt_bias}. */
        public Builder dtSoftplus(boolean dtSoftplus) {
            this.dtSoftplus = dtSoftplus;
            return this;
        }

        public SelectiveStateUpdate build() {
            return new SelectiveStateUpdate(dtSoftplus);
        }
    }

    /** The inputs. */
    public record Inputs(
            Tensor state,
            Tensor x,
            Tensor dt,
            Tensor a,
            Tensor b,
            Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor z,
            @Nullable Tensor dtBias,
            @Nullable Tensor slots) {}

    /** {@code y}, and the new state or pool of states. */
    public record Result(Tensor y, Tensor state) {}

    /** Computes y and the new state as new tensors; with slots, a copy of the whole pool. */
    public Result step(Inputs in) {
        SelectiveScan.Inputs one = check(in);
        int[] slots = slots(in);
        Tensor y = Tensor.zeros(DType.F32, in.x.shape().toArray());
        Tensor state = in.state.copy();
        try (Workspace scratch = new Workspace()) {
            run(one, slots, y, states(state), scratch);
        }
        return new Result(y, state);
    }

    /** Computes y and the new state into tensors given; memory that it needs meanwhile comes from {@code scratch}. */
    public void step(Inputs in, Tensor y, Tensor newState, Workspace scratch) {
        SelectiveScan.Inputs one = check(in);
        int[] slots = slots(in);
        row("y", y, in);
        Checks.like("newState", newState, DType.F32, "state", in.state);
        if (newState.rank() == 4) {
            Checks.contiguous("newState", newState);
        }
        inputs(in).in("state", in.state).out("y", y);
        inputs(in).in("y", y).out("newState", newState);
        Checks.sameOrApart("newState", newState, "state", in.state);
        run(one, slots, y, states(newState), scratch);
    }

    private void run(SelectiveScan.Inputs in, int @Nullable [] slots, Tensor y, Tensor newState, Workspace scratch) {
        if (in.u().dim(2) == 0) {
            return;
        }
        Sequences q = Sequences.of(in.u(), null);
        try (SelectiveRule rule = new SelectiveRule(q, in, dtSoftplus, false, scratch)) {
            ScanStates io = new ScanStates(rule.blocks, rule.states, slots);
            new ScanForward(rule, io, step(y), newState, false).run(scratch);
        }
    }

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
                .in("slots", in.slots);
    }

    // ------------------------------------------------------------------ checks

    /** The same as sequences of one step. */
    private static SelectiveScan.Inputs check(Inputs in) {
        boolean heads = in.x.rank() == 3;
        Checks.type("x", in.x, DType.F32);
        if (!heads) {
            Checks.rank("x", in.x, 2);
        }
        Checks.rank("A", in.a, heads ? 3 : 2);
        long states = in.a.dim(-1);
        if (heads) {
            Checks.shape("A", in.a, DType.F32, in.x.dim(1), in.x.dim(2), states);
            Checks.contiguous("A", in.a);
            groups("B", in.b, in, states);
            Checks.like("C", in.c, DType.F32, "B", in.b);
        } else {
            Checks.shape("A", in.a, DType.F32, in.x.dim(1), states);
            Checks.contiguousRows("A", in.a);
            Checks.shape("B", in.b, DType.F32, in.x.dim(0), states);
            Checks.shape("C", in.c, DType.F32, in.x.dim(0), states);
        }
        Checks.contiguousRows("B", in.b);
        Checks.contiguousRows("C", in.c);
        row("x", in.x, in);
        row("dt", in.dt, in);
        row("z", in.z, in);
        parameter("D", in.d, in);
        parameter("dtBias", in.dtBias, in);
        return new SelectiveScan.Inputs(
                step(in.x),
                step(in.dt),
                heads ? in.a.reshape(in.x.dim(1) * in.x.dim(2), states) : in.a,
                in.b.unflatten(1, 1, in.b.dim(1)),
                in.c.unflatten(1, 1, in.c.dim(1)),
                in.d == null ? null : in.d.reshape(in.d.size()),
                in.z == null ? null : step(in.z),
                in.dtBias == null ? null : in.dtBias.reshape(in.dtBias.size()),
                states(checkedState(in)),
                null);
    }

    /** {@code [B, D]} or {@code [B, H, P]} as a sequence of one step. */
    private static Tensor step(Tensor t) {
        return t.rank() == 2 ? t.unflatten(1, 1, t.dim(1)) : t.reshape(t.dim(0), 1, t.dim(1) * t.dim(2));
    }

    private static Tensor states(Tensor t) {
        return t.rank() == 3 ? t : t.reshape(t.dim(0), t.dim(1) * t.dim(2), t.dim(3));
    }

    /** Of the shape of x; with heads there may be no gaps. */
    private static void row(String name, @Nullable Tensor t, Inputs in) {
        if (t == null) {
            return;
        }
        Checks.like(name, t, DType.F32, "x", in.x);
        if (t.rank() == 3) {
            Checks.contiguous(name, t);
        }
        Checks.contiguousRows(name, t);
    }

    private static void parameter(String name, @Nullable Tensor t, Inputs in) {
        if (t == null) {
            return;
        }
        if (in.x.rank() == 3) {
            Checks.shape(name, t, DType.F32, in.x.dim(1), in.x.dim(2));
        } else {
            Checks.shape(name, t, DType.F32, in.x.dim(1));
        }
        Checks.contiguous(name, t);
    }

    private static void groups(String name, Tensor t, Inputs in, long states) {
        Checks.type(name, t, DType.F32);
        boolean fits = t.rank() == 3
                && t.dim(0) == in.x.dim(0)
                && t.dim(1) > 0
                && in.x.dim(1) % t.dim(1) == 0
                && t.dim(2) == states;
        if (!fits) {
            throw new IllegalArgumentException(name + ": shape " + t.shape()
                    + ", must be [B, G, N], G dividing H, with x of shape " + in.x.shape() + " and A of shape "
                    + in.a.shape());
        }
    }

    private static Tensor checkedState(Inputs in) {
        long pool = in.slots == null ? in.x.dim(0) : in.state.dim(0);
        if (in.x.rank() == 3) {
            Checks.shape("state", in.state, DType.F32, pool, in.x.dim(1), in.x.dim(2), in.a.dim(2));
            Checks.contiguous("state", in.state);
        } else {
            Checks.shape("state", in.state, DType.F32, pool, in.x.dim(1), in.a.dim(1));
        }
        return in.state;
    }

    private static int @Nullable [] slots(Inputs in) {
        return in.slots == null ? null : Slots.check("slots", in.slots, in.x.dim(0), in.state.dim(0));
    }
}
