package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.ElementaryKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** A template like those of the kernels, woven by the tests. */
public final class Elementary implements ElementaryKernels {
    @Override
    @Kernel
    public void apply(@Const Function f, long x, long y, long n) {
        for (long end = x + 4 * n; x != end; x += BYTES, y += BYTES) {
            store(value(f, load(x)), y);
        }
    }

    @Inline
    private static FloatVector value(Function f, FloatVector x) {
        return switch (f) {
            case EXP -> VectorMath.exp(x);
            case EXP_NON_POSITIVE -> VectorMath.expNonPositive(x);
            case EXP2 -> VectorMath.exp2(x);
            case EXP2_FAST -> VectorMath.exp2Fast(x);
            case EXPM1 -> VectorMath.expm1(x);
            case LOG -> VectorMath.log(x);
            case LOG1P -> VectorMath.log1p(x);
            case SIGMOID -> VectorMath.sigmoid(x);
            case SIGMOID_DERIVATIVE -> VectorMath.sigmoidDerivative(x);
            case SOFTPLUS -> VectorMath.softplus(x);
            case SILU -> VectorMath.silu(x);
            case SILU_DERIVATIVE -> VectorMath.siluDerivative(x);
            case TANH -> VectorMath.tanh(x);
            case TANH_DERIVATIVE -> VectorMath.tanhDerivative(x);
            case ERF -> VectorMath.erf(x);
            case GELU_ERF -> VectorMath.geluErf(x);
            case GELU_ERF_DERIVATIVE -> VectorMath.geluErfDerivative(x);
            case GELU_TANH -> VectorMath.geluTanh(x);
            case GELU_TANH_DERIVATIVE -> VectorMath.geluTanhDerivative(x);
            case SIN -> VectorMath.sin(x);
            case COS -> VectorMath.cos(x);
            case RELU -> VectorMath.relu(x);
            case RECIPROCAL_SQRT -> VectorMath.reciprocalSqrt(x);
        };
    }
}
