package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.EnumSet;
import org.jspecify.annotations.Nullable;

/**
 * Two selective scans over the same sequence, one in each direction of time, gated together:
 *
 * <pre>
 * y = (scan(u; delta, A, B, C, D, delta_bias) + reverse scan(u; delta_b, A_b, B_b, C_b, D_b, delta_bias_b)) silu(z)
 * </pre>
 *
 * <p>Shapes, options and the order of sums are those of {@link SelectiveScan}; states start at 0. The scan back adds its sum to
 * that of the scan ahead, and gradients of u and z likewise.
 *
 * <p>Gradients exist for every float input. An output may not overlap an input. Scratch is that of one scan.
 */
public final class SelectiveScanBidir {
    private final boolean deltaSoftplus;

    private SelectiveScanBidir(boolean deltaSoftplus) {
        this.deltaSoftplus = deltaSoftplus;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: no softplus. */
    public static final class Builder {
        private boolean deltaSoftplus;

        private Builder() {}

        /** Whether {@code dt} is the softplus of {@code delta + delta_bias}, in both directions. */
        public Builder deltaSoftplus(boolean deltaSoftplus) {
            this.deltaSoftplus = deltaSoftplus;
            return this;
        }

        public SelectiveScanBidir build() {
            return new SelectiveScanBidir(deltaSoftplus);
        }
    }

    /** What each direction has of its own. */
    public record Direction(
            Tensor delta,
            Tensor a,
            Tensor b,
            Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor deltaBias) {}

    /** The inputs; z is the gate, and {@code cuSeqlens} packs sequences, as in {@link SelectiveScan}. */
    public record Inputs(
            Tensor u,
            Direction ahead,
            Direction back,
            @Nullable Tensor z,
            @Nullable Tensor cuSeqlens) {
        private SelectiveScan.Inputs scan(Direction d, @Nullable Tensor gate) {
            return new SelectiveScan.Inputs(u, d.delta, d.a, d.b, d.c, d.d, gate, d.deltaBias, null, cuSeqlens);
        }
    }

    /** Gradients of what each direction has; those of absent inputs are absent. */
    public record DirectionGradients(
            @Nullable Tensor delta,
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor c,
            @Nullable Tensor d,
            @Nullable Tensor deltaBias) {
        private static DirectionGradients of(SelectiveScan.Gradients g) {
            return new DirectionGradients(g.delta(), g.a(), g.b(), g.c(), g.d(), g.deltaBias());
        }
    }

    /** Gradients of all inputs that are there. */
    public record Gradients(
            @Nullable Tensor u,
            DirectionGradients ahead,
            DirectionGradients back,
            @Nullable Tensor z) {}

    /** Computes y as a new tensor. */
    public Tensor forward(Inputs in) {
        Sequences q = check(in);
        Tensor y = Tensor.zeros(DType.F32, in.u.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            run(q, in, y, scratch);
        }
        return y;
    }

    /** Computes y into a tensor given; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Inputs in, Tensor y, Workspace scratch) {
        Sequences q = check(in);
        Checks.like("y", y, DType.F32, "u", in.u);
        Checks.contiguousRows("y", y);
        apart(in).out("y", y);
        run(q, in, y, scratch);
    }

    private void run(Sequences q, Inputs in, Tensor y, Workspace scratch) {
        if (in.u.dim(2) == 0) {
            return;
        }
        scan(q, in.scan(in.ahead, null), false, y, scratch);
        scan(q, in.scan(in.back, in.z), true, y, scratch);
    }

    private void scan(Sequences q, SelectiveScan.Inputs in, boolean back, Tensor y, Workspace scratch) {
        try (SelectiveRule rule = new SelectiveRule(q, in, deltaSoftplus, back, scratch)) {
            new ScanForward(rule, new ScanStates(rule.blocks, rule.states, null), y, null, back).run(scratch);
        }
    }

    /** The gradients of all inputs that are there, as new tensors. */
    public Gradients backward(Inputs in, Tensor gradY) {
        Sequences q = check(in);
        Checks.like("gradY", gradY, DType.F32, "u", in.u);
        Checks.contiguousRows("gradY", gradY);
        var wanted = EnumSet.complementOf(EnumSet.of(SelectiveScan.Input.H0));
        SelectiveScan.Inputs ahead = in.scan(in.ahead, in.z);
        SelectiveScan.Inputs back = in.scan(in.back, in.z);
        SelectiveScan.Gradients first = SelectiveScan.Gradients.zeros(ahead, q, wanted);
        wanted.removeAll(EnumSet.of(SelectiveScan.Input.U, SelectiveScan.Input.Z));
        SelectiveScan.Gradients own = SelectiveScan.Gradients.zeros(back, q, wanted);
        var second = new SelectiveScan.Gradients(
                first.u(), own.delta(), own.a(), own.b(), own.c(), own.d(), first.z(), own.deltaBias(), null);
        try (Workspace scratch = new Workspace()) {
            gradients(q, ahead, false, gradY, first, scratch);
            gradients(q, back, true, gradY, second, scratch);
        }
        return new Gradients(first.u(), DirectionGradients.of(first), DirectionGradients.of(second), first.z());
    }

    private void gradients(
            Sequences q,
            SelectiveScan.Inputs in,
            boolean back,
            Tensor gradY,
            SelectiveScan.Gradients g,
            Workspace scratch) {
        try (SelectiveRule rule = new SelectiveRule(q, in, deltaSoftplus, back, scratch);
                SelectiveGradients gradients = new SelectiveGradients(rule, g, back, scratch)) {
            new ScanBackward(rule, gradients, gradY, null).run(scratch);
        }
    }

    private static Sequences check(Inputs in) {
        SelectiveScan.check(in.scan(in.back, in.z), "_b");
        return SelectiveScan.check(in.scan(in.ahead, in.z), "");
    }

    private static Apart apart(Inputs in) {
        return direction(
                direction(new Apart().in("u", in.u).in("z", in.z).in("cuSeqlens", in.cuSeqlens), in.ahead, ""),
                in.back,
                "_b");
    }

    private static Apart direction(Apart seen, Direction d, String suffix) {
        return seen.in("delta" + suffix, d.delta)
                .in("A" + suffix, d.a)
                .in("B" + suffix, d.b)
                .in("C" + suffix, d.c)
                .in("D" + suffix, d.d)
                .in("deltaBias" + suffix, d.deltaBias);
    }
}
