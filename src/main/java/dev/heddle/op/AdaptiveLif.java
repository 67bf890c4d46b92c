package dev.heddle.op;

import dev.heddle.kernel.AdaptiveLifKernels;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LifKernels.Slope;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * {@link Lif} with a threshold that each spike raises for a while: {@code v_threshold + beta a_t} with {@code a_t = rho a_{t-1} + spike_{t-1}}; a soft reset
 * takes off that threshold.
 *
 * <ul>
 *   <li>{@code x} and {@code spike} are float32 {@code [B, L, D]} with contiguous D; time is axis 1;
 *   <li>{@code v0} and {@code a0}, optional, are {@code [B, D]}: v and a before the first step, without them v_reset (0 with soft reset) and 0.
 *       Handing on the last ones makes calls one.
 * </ul>
 *
 * <p>Gradients are those of {@link Lif}, with the threshold's: {@code h - threshold} goes through the surrogate for both, and a spike
 * has one more from the next a. Where the reset is detached, so is the threshold in it.
 */
public final class AdaptiveLif {
    private static final int BACKWARD = 2;
    static final int VARIANTS = BACKWARD + 8;
    static final Dispatch<AdaptiveLifKernels> KERNELS =
            new Dispatch<>(AdaptiveLifKernels.class, VARIANTS, AdaptiveLif::probe);

    private static final double NANOS = 0.4;
    private static final long WIDTH = 256;

    private final Builder options;

    private AdaptiveLif(Builder options) {
        this.options = options;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: those of {@link Lif}, rho 0.9, beta 0.1. */
    public static final class Builder {
        private float leak = 0.5f;
        private float threshold = 1;
        private float reset;
        private float rho = 0.9f;
        private float beta = 0.1f;
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

        /** The threshold of a neuron that has not spiked. */
        public Builder threshold(float threshold) {
            this.threshold = threshold;
            return this;
        }

        /** What is left of a in the next step, and what it raises the threshold by. */
        public Builder adaptation(float rho, float beta) {
            this.rho = rho;
            this.beta = beta;
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
            this.reset = 0;
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

        public AdaptiveLif build() {
            Builder copy = new Builder();
            copy.leak = leak;
            copy.threshold = threshold;
            copy.reset = reset;
            copy.rho = rho;
            copy.beta = beta;
            copy.soft = soft;
            copy.decayInput = decayInput;
            copy.detached = detached;
            copy.surrogate = surrogate;
            return new AdaptiveLif(copy);
        }

        private float gain() {
            return decayInput ? leak : 1;
        }
    }

    /** The spikes, and v and a after the last step. */
    public record Result(Tensor spike, Tensor vLast, Tensor aLast) {}

    /** Those of the inputs. */
    public record Gradients(Tensor x, Tensor v0, Tensor a0) {}

    /** Computes everything as new tensors. */
    public Result forward(Tensor x, @Nullable Tensor v0, @Nullable Tensor a0) {
        check(x, v0, a0);
        Tensor spike = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor v = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        Tensor a = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        try (Workspace scratch = new Workspace()) {
            Tensor rows = run(x, v0, a0, spike, scratch);
            v.copyFrom(rows.select(0, 0).select(1, x.dim(1)));
            a.copyFrom(rows.select(0, 1).select(1, x.dim(1)));
        }
        return new Result(spike, v, a);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradSpike of the spikes, {@code gradV} and {@code gradA} of the last v and a; 0 where they are null
     */
    public Gradients backward(
            Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor a0,
            @Nullable Tensor gradSpike,
            @Nullable Tensor gradV,
            @Nullable Tensor gradA) {
        check(x, v0, a0);
        Lif.sequence("gradSpike", gradSpike, x);
        Lif.state("gradV", gradV, x);
        Lif.state("gradA", gradA, x);
        long batch = x.dim(0);
        long steps = x.dim(1);
        long neurons = x.dim(2);
        Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor carry = Tensor.zeros(DType.F32, 2, batch, neurons);
        if (gradV != null) {
            carry.select(0, 0).copyFrom(gradV);
        }
        if (gradA != null) {
            carry.select(0, 1).copyFrom(gradA);
        }
        Builder b = options;
        try (Workspace scratch = new Workspace()) {
            Tensor rows = run(x, v0, a0, scratch.empty(DType.F32, x.shape().toArray()), scratch);
            Tensor zeros = scratch.zeros(DType.F32, neurons);
            Channels channels = new Channels(batch, neurons, WIDTH);
            Channels.Kernels<AdaptiveLifKernels> kernels =
                    channels.kernels(KERNELS, backwardVariant(b.soft, b.detached, b.surrogate.slope));
            try (Use _ = Use.of(x, gradSpike, gx, carry, rows, zeros)) {
                channels.run(2 * NANOS * x.size(), (_, i, c, count) -> {
                    Steps xs = Steps.of(x, 0, i, c);
                    Steps gs = Steps.of(gradSpike, zeros.address() + 4 * c, i, c);
                    Steps gxs = Steps.of(gx, 0, i, c);
                    Steps vs = Steps.of(rows.select(0, 0), 0, i, c);
                    long last = steps - 1;
                    kernels.run(
                            count,
                            (k, o, n) -> k.backward(
                                    b.soft,
                                    b.detached,
                                    b.surrogate.slope,
                                    xs.at(last) + o,
                                    xs.step(),
                                    vs.at(last) + o,
                                    vs.step(),
                                    4 * rows.stride(0),
                                    gs.at(last) + o,
                                    gs.step(),
                                    gxs.at(last) + o,
                                    gxs.step(),
                                    carry.address() + 4 * (i * neurons + c) + o,
                                    4 * carry.stride(0),
                                    b.leak,
                                    b.gain(),
                                    b.threshold,
                                    b.reset,
                                    b.rho,
                                    b.beta,
                                    b.surrogate.alpha,
                                    steps,
                                    n));
                });
            }
        }
        return new Gradients(gx, carry.select(0, 0), carry.select(0, 1));
    }

    private static void check(Tensor x, @Nullable Tensor v0, @Nullable Tensor a0) {
        Lif.check(x, v0);
        Lif.state("a0", a0, x);
    }

    /** The rows of v and of a: {@code [2, B, L + 1, D]}. */
    private Tensor run(Tensor x, @Nullable Tensor v0, @Nullable Tensor a0, Tensor spike, Workspace scratch) {
        Tensor rows = scratch.empty(DType.F32, 2, x.dim(0), x.dim(1) + 1, x.dim(2));
        start(rows.select(0, 0).select(1, 0), v0, options.reset);
        start(rows.select(0, 1).select(1, 0), a0, 0);
        Channels channels = new Channels(x.dim(0), x.dim(2), WIDTH);
        Channels.Kernels<AdaptiveLifKernels> kernels = channels.kernels(KERNELS, options.soft ? 1 : 0);
        Builder b = options;
        try (Use _ = Use.of(x, spike, rows)) {
            channels.run(NANOS * x.size(), (_, i, c, count) -> {
                Steps xs = Steps.of(x, 0, i, c);
                Steps spikes = Steps.of(spike, 0, i, c);
                Steps vs = Steps.of(rows.select(0, 0), 0, i, c);
                kernels.run(
                        count,
                        (k, o, n) -> k.forward(
                                b.soft,
                                xs.first() + o,
                                xs.step(),
                                spikes.first() + o,
                                spikes.step(),
                                vs.first() + o,
                                vs.step(),
                                4 * rows.stride(0),
                                b.leak,
                                b.gain(),
                                b.threshold,
                                b.reset,
                                b.rho,
                                b.beta,
                                x.dim(1),
                                n));
            });
        }
        return rows;
    }

    private static void start(Tensor row, @Nullable Tensor given, float otherwise) {
        if (given == null) {
            row.fill(otherwise);
        } else {
            row.copyFrom(given);
        }
    }

    private static int backwardVariant(boolean soft, boolean detached, Slope slope) {
        return BACKWARD + (soft ? 1 : 0) + (detached ? 2 : 0) + 4 * slope.ordinal();
    }

    static long probe(AdaptiveLifKernels k, int lanes, int variant, long scratch) {
        long steps = 16;
        long columns = 8L * lanes;
        long row = 4 * columns;
        long x = scratch;
        long y = x + row * steps;
        long v = y + row * steps;
        long plane = row * (steps + 1);
        long carry = v + 2 * plane;
        if (variant < BACKWARD) {
            k.forward(variant == 1, x, row, y, row, v, row, plane, 0.5f, 0.5f, 1, 0, 0.9f, 0.1f, steps, columns);
        } else {
            int i = variant - BACKWARD;
            long last = row * (steps - 1);
            k.backward(
                    (i & 1) != 0,
                    (i & 2) != 0,
                    Slope.values()[i / 4],
                    x + last,
                    row,
                    v + last,
                    row,
                    plane,
                    x + last,
                    row,
                    y + last,
                    row,
                    carry,
                    row,
                    0.5f,
                    0.5f,
                    1,
                    0,
                    0.9f,
                    0.1f,
                    2,
                    steps,
                    columns);
        }
        return steps * columns;
    }
}
