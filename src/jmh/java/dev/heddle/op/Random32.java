package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import java.util.SplittableRandom;

/** Inputs of benchmarks, and the check that what is compared is the same thing. */
final class Random32 {
    private final SplittableRandom random = new SplittableRandom(3);

    Tensor normal(long... shape) {
        return affine(1, 0, shape);
    }

    Tensor affine(double scale, double shift, long... shape) {
        long size = 1;
        for (long d : shape) {
            size *= d;
        }
        float[] v = new float[Math.toIntExact(size)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * random.nextGaussian() + shift);
        }
        return Tensor.of(v, shape);
    }

    static void agree(float[] ours, float[] theirs, double tolerance) {
        for (int i = 0; i < ours.length; i++) {
            if (!(Math.abs(ours[i] - theirs[i]) <= tolerance * (1 + Math.abs(theirs[i])))) {
                throw new AssertionError("element " + i + ": " + ours[i] + ", the peer " + theirs[i]);
            }
        }
    }
}
