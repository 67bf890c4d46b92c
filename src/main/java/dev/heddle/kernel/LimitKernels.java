package dev.heddle.kernel;

/** Work that nothing but the processor bounds: what kernels are measured against. */
public interface LimitKernels {
    /** Independent accumulators, all in registers. */
    int ACCUMULATORS = 12;

    /** {@code rounds} fused multiply-adds in each lane of each accumulator; their sum, a vector, goes to {@code out}. */
    void fma(long rounds, long out);
}
