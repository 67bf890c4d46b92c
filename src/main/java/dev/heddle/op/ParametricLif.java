package dev.heddle.op;

import static dev.heddle.op.Lif.sequence;
import static dev.heddle.op.Lif.state;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * {@link Lif} with a time constant that is learned: {@code 1 / tau = sigmoid(p)}, with one p, float32 {@code [1]}, for the layer.
 *
 * <p>Gradient: {@code grad_p = sigmoid(p) sigmoid(-p) sum of dh (x - (v - v_reset))}, without the x where the input does not decay; the
 * sum runs over time for each neuron and then over the neurons of all sequences.
 *
 * <p>After spikingjelly {@code ParametricLIFNode}.
 */
public final class ParametricLif {
    private final Builder options;

    private ParametricLif(Builder options) {
        this.options = options;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: those of {@link Lif}. */
    public static final class Builder {
        private float threshold = 1;
        private float reset;
        private boolean soft;
        private boolean decayInput = true;
        private boolean detached;
        private Surrogate surrogate = Surrogate.atan(2);

        private Builder() {}

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

        public ParametricLif build() {
            Builder copy = new Builder();
            copy.threshold = threshold;
            copy.reset = reset;
            copy.soft = soft;
            copy.decayInput = decayInput;
            copy.detached = detached;
            copy.surrogate = surrogate;
            return new ParametricLif(copy);
        }
    }

    /** Those of the inputs. */
    public record Gradients(Tensor x, Tensor v0, Tensor p) {}

    /** The p whose time constant is {@code tau}, which is above 1. */
    public static float parameter(double tau) {
        if (!(tau > 1)) {
            throw new IllegalArgumentException("tau: " + tau + ", must be above 1");
        }
        return (float) -StrictMath.log(tau - 1);
    }

    /** Computes everything as new tensors. */
    public Lif.Result forward(Tensor x, @Nullable Tensor v0, Tensor p) {
        Lif.check(x, v0);
        checkParameter(p);
        Tensor spike = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor v = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor last = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        try (Workspace scratch = new Workspace()) {
            run(p).forward(x, v0, new LifRun.Outputs(spike, null, v, last), scratch);
        }
        return new Lif.Result(spike, v, last);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param v the forward's, if it is at hand
     * @param gradSpike of the spikes, {@code gradVLast} of the last v; 0 where they are null
     */
    public Gradients backward(
            Tensor x,
            @Nullable Tensor v0,
            Tensor p,
            @Nullable Tensor v,
            @Nullable Tensor gradSpike,
            @Nullable Tensor gradVLast) {
        Lif.check(x, v0);
        checkParameter(p);
        sequence("v", v, x);
        sequence("gradSpike", gradSpike, x);
        state("gradVLast", gradVLast, x);
        Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray());
        Tensor gv0 = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        Tensor gp = Tensor.zeros(DType.F32, 1);
        try (Workspace scratch = new Workspace()) {
            run(p).backward(x, v0, v, gradSpike, null, gradVLast, new LifRun.Gradients(gx, gv0, gp), scratch);
        }
        gp.copyFrom(Activation.SIGMOID.backward(p, gp));
        return new Gradients(gx, gv0, gp);
    }

    private static void checkParameter(Tensor p) {
        Checks.shape("p", p, DType.F32, 1);
    }

    private LifRun run(Tensor p) {
        float leak = Activation.SIGMOID.forward(p).getFloat(0);
        return new LifRun(
                options.soft,
                options.detached,
                options.surrogate,
                leak,
                options.decayInput ? leak : 1,
                options.decayInput ? 1 : 0,
                options.threshold,
                options.soft ? 0 : options.reset);
    }
}
