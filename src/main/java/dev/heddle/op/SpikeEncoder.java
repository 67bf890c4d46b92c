package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * Turns numbers into spikes, 0 and 1, over time. Inputs are float32 and contiguous; there are no gradients.
 */
public final class SpikeEncoder {
    private SpikeEncoder() {}

    /**
     * Rates: in each of {@code steps} steps there is a spike where {@code uniform < x}, so with the probability x; never for NaN.
     *
     * <p>The uniform number of element i in step t is a function of the seed and of {@code t size + i} alone: 24 bits of SplitMix64.
     *
     * @return {@code [steps, ...]} for an x of shape {@code [...]}
     */
    public static Tensor poisson(Tensor x, long steps, long seed) {
        Tensor y = overTime(x, steps);
        long n = x.size();
        try (Use _ = Use.of(x, y)) {
            for (long i = 0; i < steps * n; i++) {
                float uniform = (mix(seed + (i + 1) * 0x9E3779B97F4A7C15L) >>> 40) * 0x1p-24f;
                put(y, i, uniform < at(x, i % n));
            }
        }
        return y;
    }

    /**
     * Latencies: one spike for each element, the earlier the larger it is, in step {@code round((steps - 1) (1 - x))}, halves to even. Below 0
     * is like 0 and above 1 like 1; NaN never spikes.
     *
     * @return {@code [steps, ...]} for an x of shape {@code [...]}
     */
    public static Tensor latency(Tensor x, long steps) {
        Tensor y = overTime(x, steps);
        long n = x.size();
        try (Use _ = Use.of(x, y)) {
            for (long i = 0; i < n && steps > 0; i++) {
                float v = at(x, i);
                if (!Float.isNaN(v)) {
                    long t = (long) Math.rint((steps - 1) * (1 - Math.clamp((double) v, 0, 1)));
                    put(y, t * n + i, true);
                }
            }
        }
        return y;
    }

    /**
     * Changes: a spike where {@code |x_t - last| >= threshold}, last being the value at the last spike, or the first of all.
     *
     * @param x {@code [B, L, D]}; time is axis 1
     * @return like x; the first step has no spikes
     */
    public static Tensor delta(Tensor x, float threshold) {
        check(x);
        Checks.rank("x", x, 3);
        if (!(threshold > 0)) {
            throw new IllegalArgumentException("threshold: " + threshold + ", must be positive");
        }
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        long steps = x.dim(1);
        long d = x.dim(2);
        try (Use _ = Use.of(x, y)) {
            for (long i = 0; i < x.dim(0) * d && steps > 0; i++) {
                long first = i / d * steps * d + i % d;
                float last = at(x, first);
                for (long t = 1; t < steps; t++) {
                    float now = at(x, first + t * d);
                    if (Math.abs(now - last) >= threshold) {
                        put(y, first + t * d, true);
                        last = now;
                    }
                }
            }
        }
        return y;
    }

    private static void check(Tensor x) {
        Checks.type("x", x, DType.F32);
        Checks.contiguous("x", x);
    }

    private static Tensor overTime(Tensor x, long steps) {
        check(x);
        if (steps < 0) {
            throw new IllegalArgumentException("steps: " + steps + ", must not be negative");
        }
        long[] shape = new long[x.rank() + 1];
        shape[0] = steps;
        System.arraycopy(x.shape().toArray(), 0, shape, 1, x.rank());
        return Tensor.zeros(DType.F32, shape);
    }

    private static float at(Tensor x, long i) {
        return ALL.get(F32, x.address() + 4 * i);
    }

    private static void put(Tensor y, long i, boolean spike) {
        ALL.set(F32, y.address() + 4 * i, spike ? 1f : 0f);
    }

    private static long mix(long z) {
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
