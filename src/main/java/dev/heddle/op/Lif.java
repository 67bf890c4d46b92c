package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Leaky integrate-and-fire neurons: {@code h = v + (x - (v - v_reset)) / tau}, or without decay of the input {@code h = v - (v - v_reset) / tau +
 * x}; {@code spike = (h >= v_threshold)}; then {@code v = (1 - spike) h + spike v_reset}, or with soft reset {@code v = h - spike v_threshold} and
 * v_reset = 0 throughout. Without leak ({@link Builder#integrate}) {@code h = v + x}.
 *
 * <ul>
 *   <li>{@code x}, {@code spike} and {@code v} (after the reset) are float32 {@code [B, L, D]} with contiguous D; time is axis 1;
 *   <li>{@code v0}, optional, is {@code [B, D]}: v before the first step, v_reset without it; {@code vLast} is v after the last. Handing it on
 *       makes calls one: any cut of a sequence has the same bits, and a step is a call with L = 1;
 *   <li>{@code bits}, optional, are the spikes of B L rows of D, packed while they are made.
 * </ul>
 *
 * <p>The input counts for {@code 1 / tau} rounded to float32 (or 1), added by one fused multiply-add.
 *
 * <p>Gradients, with a that of v_t: {@code ds = grad_spike + a (v_reset - h)}, or {@code a (-v_threshold)}, that term absent where the reset
 * is detached; {@code dh = a (1 - spike)}, or {@code a}, {@code + ds sg(h - v_threshold)}, with the {@linkplain Surrogate surrogate}; {@code grad_x = dh / tau}, or
 * {@code dh}; v_{t-1} gets {@code dh (1 - 1/tau)}. The backward needs v again: it takes the forward's, or computes it from states
 * kept every 64 steps.
 *
 * <p>Tensors may be views whose last axis is contiguous. An output may not overlap an input.
 *
 * <p>After spikingjelly {@code MultiStepLIFNode} as in ridgerchu/SpikeGPT.
 */
public final class Lif {
    private final LifRun run;

    private Lif(Builder b) {
        run = new LifRun(
                b.soft,
                b.detached,
                b.surrogate,
                b.leak,
                b.decayInput ? b.leak : 1,
                b.decayInput ? 1 : 0,
                b.threshold,
                b.soft ? 0 : b.reset);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: tau 2 on the input too, threshold 1, hard reset to 0, atan surrogate of alpha 2, nothing detached. */
    public static final class Builder {
        private float leak = 0.5f;
        private float threshold = 1;
        private float reset;
        private boolean soft;
        private boolean decayInput = true;
        private boolean detached;
        private Surrogate surrogate = Surrogate.atan(2);

        private Builder() {}

        /** The time constant, in steps. */
        public Builder tau(float tau) {
            if (!(tau >= 1)) {
                throw new IllegalArgumentException("tau: " + tau + ", must be at least 1");
            }
            this.leak = 1 / tau;
            return this;
        }

        /** No leak, and the input as it is: neurons that integrate and fire. */
        public Builder integrate() {
            this.leak = 0;
            this.decayInput = false;
            return this;
        }

        /** At and above this a neuron spikes. */
        public Builder threshold(float threshold) {
            this.threshold = threshold;
            return this;
        }

        /** A spike sets v to this. */
        public Builder reset(float reset) {
            this.reset = reset;
            this.soft = false;
            return this;
        }

        /** A spike lowers v by the threshold. */
        public Builder softReset() {
            this.soft = true;
            return this;
        }

        /** Whether the input, too, is divided by tau. */
        public Builder decayInput(boolean decayInput) {
            this.decayInput = decayInput;
            return this;
        }

        /** Whether no gradient goes through the reset. */
        public Builder detachReset(boolean detachReset) {
            this.detached = detachReset;
            return this;
        }

        /** What stands for the derivative of a spike. */
        public Builder surrogate(Surrogate surrogate) {
            this.surrogate = surrogate;
            return this;
        }

        public Lif build() {
            return new Lif(this);
        }
    }

    /** The spikes, v after each step, and v after the last. */
    public record Result(Tensor spike, Tensor v, Tensor vLast) {}

    /** Those that were asked for. */
    public record Gradients(@Nullable Tensor x, @Nullable Tensor v0) {}

    /** Computes everything as new tensors. */
    public Result forward(Tensor x, @Nullable Tensor v0) {
        check(x, v0);
        Tensor spike = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor v = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor last = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        try (Workspace scratch = new Workspace()) {
            run.forward(x, v0, new LifRun.Outputs(spike, null, v, last), scratch);
        }
        return new Result(spike, v, last);
    }

    /** Computes what is wanted: each output may be null. Memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(
            Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor spike,
            @Nullable SpikeBits bits,
            @Nullable Tensor v,
            @Nullable Tensor vLast,
            Workspace scratch) {
        check(x, v0);
        sequence("spike", spike, x);
        sequence("v", v, x);
        state("vLast", vLast, x);
        Tensor words = bits == null ? null : bits.words();
        checkBits(bits, x);
        new Apart()
                .in("x", x)
                .in("v0", v0)
                .out("spike", spike)
                .out("bits", words)
                .out("v", v)
                .out("vLast", vLast);
        run.forward(x, v0, new LifRun.Outputs(spike, bits, v, vLast), scratch);
    }

    /** Both gradients, as new tensors, where spikes and the last v count. */
    public Gradients backward(Tensor x, @Nullable Tensor v0, @Nullable Tensor gradSpike, @Nullable Tensor gradVLast) {
        check(x, v0);
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, x.shape().toArray()), Tensor.zeros(DType.F32, x.dim(0), x.dim(2)));
        try (Workspace scratch = new Workspace()) {
            backward(x, v0, null, gradSpike, null, gradVLast, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     *
     * @param v the forward's, if it is at hand
     * @param gradSpike of the spikes, {@code gradV} of every v and {@code gradVLast} of the last; 0 where they are null
     */
    public void backward(
            Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor v,
            @Nullable Tensor gradSpike,
            @Nullable Tensor gradV,
            @Nullable Tensor gradVLast,
            Gradients gradients,
            Workspace scratch) {
        check(x, v0);
        checkBackward(x, v0, v, gradSpike, gradV, gradVLast, gradients.x, gradients.v0);
        run.backward(
                x, v0, v, gradSpike, gradV, gradVLast, new LifRun.Gradients(gradients.x, gradients.v0, null), scratch);
    }

    // ------------------------------------------------------------------ checks

    static void check(Tensor x, @Nullable Tensor v0) {
        Checks.type("x", x, DType.F32);
        Checks.rank("x", x, 3);
        sequence("x", x, x);
        state("v0", v0, x);
    }

    static Apart checkBackward(
            Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor v,
            @Nullable Tensor gradSpike,
            @Nullable Tensor gradV,
            @Nullable Tensor gradVLast,
            @Nullable Tensor gradX,
            @Nullable Tensor gradV0) {
        sequence("v", v, x);
        sequence("gradSpike", gradSpike, x);
        sequence("gradV", gradV, x);
        state("gradVLast", gradVLast, x);
        sequence("gradX", gradX, x);
        state("gradV0", gradV0, x);
        return new Apart()
                .in("x", x)
                .in("v0", v0)
                .in("v", v)
                .in("gradSpike", gradSpike)
                .in("gradV", gradV)
                .in("gradVLast", gradVLast)
                .out("gradX", gradX)
                .out("gradV0", gradV0);
    }

    static void sequence(String name, @Nullable Tensor t, Tensor x) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "x", x);
            Checks.contiguousRow(name, t);
        }
    }

    static void state(String name, @Nullable Tensor t, Tensor x) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, x.dim(0), x.dim(2));
            Checks.contiguousRow(name, t);
        }
    }

    static void checkBits(@Nullable SpikeBits bits, Tensor x) {
        if (bits != null && (bits.rows() != x.dim(0) * x.dim(1) || bits.columns() != x.dim(2))) {
            throw new IllegalArgumentException("bits: " + bits.rows() + " rows of " + bits.columns()
                    + ", must have a row for each step of x of shape " + x.shape());
        }
    }
}
