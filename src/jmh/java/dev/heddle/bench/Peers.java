package dev.heddle.bench;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.SplittableRandom;

/** What benchmarks that compare share. */
public final class Peers {
    private Peers() {}

    /** Normally distributed, always the same. */
    public static Tensor random(long seed, long... shape) {
        SplittableRandom r = new SplittableRandom(seed);
        float[] v = new float[(int) Tensor.zeros(DType.F32, shape).size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) r.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    /** What is compared must be the same thing. */
    public static void agree(String name, float[] ours, float[] theirs, double tolerance) {
        for (int i = 0; i < ours.length; i++) {
            if (!(Math.abs(ours[i] - theirs[i]) <= tolerance * Math.max(1, Math.abs(theirs[i])))) {
                throw new AssertionError("element " + i + ": " + ours[i] + ", " + name + " " + theirs[i]);
            }
        }
    }
}
