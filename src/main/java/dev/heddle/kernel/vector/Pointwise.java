package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.Activation;
import dev.heddle.kernel.PointwiseKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** One pass over the elements. */
public final class Pointwise implements PointwiseKernels {
    @Override
    @Kernel
    public void forward(@Const Activation f, long x, long y, long n) {
        for (long end = x + 4 * n; x != end; x += BYTES, y += BYTES) {
            store(value(f, load(x)), y);
        }
    }

    @Override
    @Kernel
    public void backward(@Const Activation f, long x, long gy, long gx, long n) {
        for (long end = x + 4 * n; x != end; x += BYTES, gy += BYTES, gx += BYTES) {
            store(gradient(f, load(x), load(gy)), gx);
        }
    }

    @Inline
    private static FloatVector value(Activation f, FloatVector x) {
        return switch (f) {
            case EXP -> VectorMath.exp(x);
            case SIGMOID -> VectorMath.sigmoid(x);
            case TANH -> VectorMath.tanh(x);
            case SOFTPLUS -> VectorMath.softplus(x);
            case SILU -> VectorMath.silu(x);
            case GELU_ERF -> VectorMath.geluErf(x);
            case GELU_TANH -> VectorMath.geluTanh(x);
            case RELU -> VectorMath.relu(x);
            case RELU_SQUARED -> {
                FloatVector r = VectorMath.relu(x);
                yield r.mul(r);
            }
        };
    }

    @Inline
    private static FloatVector gradient(Activation f, FloatVector x, FloatVector g) {
        return switch (f) {
            case EXP -> VectorMath.exp(x).mul(g);
            case SIGMOID -> VectorMath.sigmoidDerivative(x).mul(g);
            case TANH -> VectorMath.tanhDerivative(x).mul(g);
            case SOFTPLUS -> VectorMath.sigmoid(x).mul(g);
            case SILU -> VectorMath.siluDerivative(x).mul(g);
            case GELU_ERF -> VectorMath.geluErfDerivative(x).mul(g);
            case GELU_TANH -> VectorMath.geluTanhDerivative(x).mul(g);
            case RELU -> VectorMath.reluGradient(x, g);
            case RELU_SQUARED -> VectorMath.reluGradient(x, x.add(x).mul(g));
        };
    }
}
