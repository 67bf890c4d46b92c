package dev.heddle.optim;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.OptimizerKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.ArrayList;
import java.util.List;

/**
 * Adam: {@code m = b1 m + (1 - b1) g}, {@code v = b2 v + (1 - b2) g^2}, {@code p -= lr * m' / (sqrt(v') + eps)} with {@code m' = m / (1
 * - b1^t)}, {@code v' = v / (1 - b2^t)}. It keeps two tensors the size of each parameter.
 *
 * <p>Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.
 */
public final class Adam {
    private static final Dispatch<OptimizerKernels> KERNELS = new Dispatch<>(OptimizerKernels.class, 1, Adam::probe);

    private final float learningRate;
    private final float beta1;
    private final float beta2;
    private final float eps;
    private final List<Tensor> parameters;
    private final List<Tensor> first = new ArrayList<>();
    private final List<Tensor> second = new ArrayList<>();
    private double power1 = 1;
    private double power2 = 1;

    private Adam(Builder b, List<Tensor> parameters) {
        learningRate = b.learningRate;
        beta1 = b.beta1;
        beta2 = b.beta2;
        eps = b.eps;
        this.parameters = List.copyOf(parameters);
        for (Tensor p : this.parameters) {
            if (p.dtype() != DType.F32 || !p.isContiguous()) {
                throw new IllegalArgumentException(
                        "parameters: " + p.dtype() + " " + p.shape() + ", must be contiguous float32");
            }
            if (p.isReadOnly()) {
                throw new IllegalArgumentException("parameters: shape " + p.shape()
                        + ", would be changed but its memory is read-only; pass a copy()");
            }
            first.add(Tensor.zeros(DType.F32, p.shape().toArray()));
            second.add(Tensor.zeros(DType.F32, p.shape().toArray()));
        }
    }

    /** Starts from the defaults of the paper: rate 0.001, beta 0.9 and 0.999, eps 1e-8. */
    public static Builder builder() {
        return new Builder();
    }

    /** What an optimiser is made of. */
    public static final class Builder {
        private float learningRate = 1e-3f;
        private float beta1 = 0.9f;
        private float beta2 = 0.999f;
        private float eps = 1e-8f;

        private Builder() {}

        /** The step size, {@code lr}. */
        public Builder learningRate(float learningRate) {
            this.learningRate = learningRate;
            return this;
        }

        /** The decay rates of the two moments, each in [0, 1). */
        public Builder betas(float beta1, float beta2) {
            if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
                throw new IllegalArgumentException("betas: " + beta1 + " and " + beta2 + ", must be in [0, 1)");
            }
            this.beta1 = beta1;
            this.beta2 = beta2;
            return this;
        }

        /** What keeps the division from zero. */
        public Builder eps(float eps) {
            this.eps = eps;
            return this;
        }

        /** An optimiser of these parameters, which it changes in place: contiguous float32 tensors. */
        public Adam build(List<Tensor> parameters) {
            return new Adam(this, parameters);
        }
    }

    /** One step along {@code gradients}, one for each parameter and in the same order. */
    public void step(List<Tensor> gradients) {
        if (gradients.size() != parameters.size()) {
            throw new IllegalArgumentException(
                    "gradients: " + gradients.size() + " for " + parameters.size() + " parameters");
        }
        for (int i = 0; i < gradients.size(); i++) {
            Tensor g = gradients.get(i);
            Tensor p = parameters.get(i);
            if (g.dtype() != DType.F32 || !g.isContiguous() || !g.shape().equals(p.shape())) {
                throw new IllegalArgumentException("gradients: " + g.dtype() + " " + g.shape() + " at " + i
                        + ", must be contiguous float32 " + p.shape());
            }
        }
        power1 *= beta1;
        power2 *= beta2;
        float rate = (float) (learningRate / (1 - power1));
        float scale = (float) (1 / Math.sqrt(1 - power2));
        for (int i = 0; i < gradients.size(); i++) {
            update(parameters.get(i), gradients.get(i), first.get(i), second.get(i), rate, scale);
        }
    }

    private void update(Tensor p, Tensor g, Tensor m, Tensor v, float rate, float scale) {
        try (Use _ = Use.of(p, g, m, v)) {
            Dispatch.Chosen<OptimizerKernels> wide = KERNELS.choose(0, p.size());
            long whole = p.size() - p.size() % wide.lanes();
            long at = 4 * whole;
            wide.kernels()
                    .adam(p.address(), g.address(), m.address(), v.address(), beta1, beta2, rate, scale, eps, whole);
            KERNELS.choose(0, 1)
                    .kernels()
                    .adam(
                            p.address() + at,
                            g.address() + at,
                            m.address() + at,
                            v.address() + at,
                            beta1,
                            beta2,
                            rate,
                            scale,
                            eps,
                            p.size() - whole);
        }
    }

    private static long probe(OptimizerKernels k, int lanes, int variant, long scratch) {
        long n = 64;
        long row = 4 * n;
        k.adam(scratch, scratch + row, scratch + 2 * row, scratch + 3 * row, 0.9f, 0.999f, 0.01f, 1, 1e-8f, n);
        return n * 8; // about as much work as eight plain elements
    }
}
