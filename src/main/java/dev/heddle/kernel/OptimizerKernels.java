package dev.heddle.kernel;

/** Parameter updates, element by element, in place; {@code n} is a multiple of the lanes. */
public interface OptimizerKernels {
    /**
     * m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, p = p - rate m / (sqrt(v) * scale + eps).
     *
     * @param rate the learning rate over the first moment's correction, lr / (1 - beta1^t)
     * @param scale the second moment's correction, 1 / sqrt(1 - beta2^t)
     */
    void adam(long p, long g, long m, long v, float beta1, float beta2, float rate, float scale, float eps, long n);
}
