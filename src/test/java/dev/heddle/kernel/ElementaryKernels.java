package dev.heddle.kernel;

/** The functions of {@code VectorMath}, each applied to an array, so that tests can call every width of them. */
public interface ElementaryKernels {
    enum Function {
        EXP,
        EXP_NON_POSITIVE,
        EXP2,
        EXP2_FAST,
        EXPM1,
        LOG,
        LOG1P,
        SIGMOID,
        SIGMOID_DERIVATIVE,
        SOFTPLUS,
        SILU,
        SILU_DERIVATIVE,
        TANH,
        TANH_DERIVATIVE,
        ERF,
        GELU_ERF,
        GELU_ERF_DERIVATIVE,
        GELU_TANH,
        GELU_TANH_DERIVATIVE,
        SIN,
        COS,
        RELU,
        RECIPROCAL_SQRT
    }

    /** y = f(x) for n elements, a multiple of the lanes. */
    void apply(Function f, long x, long y, long n);
}
