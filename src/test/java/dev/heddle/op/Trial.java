package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Runs an operator on every backend, with several numbers of threads, and asks for the same bits each time. */
final class Trial {
    private Trial() {}

    /** An operator's call; what it returns is compared. Absent outputs are null. */
    interface Call {
        @Nullable
        Tensor[] run();
    }

    private static final int[] THREADS = {1, 2, 3, 7};

    /** The outputs, as they are everywhere. The checked backends come first: a wrong access throws before it harms. */
    static float[][] everywhere(Call call) {
        float[][] first = on(Backend.SCALAR.checked(), 1, call);
        for (Backend b : Backends.usable()) {
            assertSame(first, on(b.checked(), 2, call), b.checked(), 2);
        }
        for (Backend b : Backends.usable()) {
            for (int threads : THREADS) {
                assertSame(first, on(b, threads, call), b, threads);
            }
        }
        return first;
    }

    private static void assertSame(float[][] first, float[][] other, Backend b, int threads) {
        for (int i = 0; i < first.length; i++) {
            assertSameBits(first[i], other[i], "output " + i + " on " + b + ", " + threads + " threads");
        }
    }

    private static float[][] on(Backend backend, int threads, Call call) {
        List<float[]> out = new ArrayList<>();
        Team.with(
                threads,
                () -> Backends.with(backend, () -> {
                    for (Tensor t : call.run()) {
                        out.add(t == null ? new float[0] : t.toFloatArray());
                    }
                }));
        return out.toArray(float[][]::new);
    }

    static void assertSameBits(float[] want, float[] got, String what) {
        assertEquals(want.length, got.length, what);
        for (int i = 0; i < want.length; i++) {
            if (Float.floatToIntBits(want[i]) != Float.floatToIntBits(got[i])) { // NaNs are one value
                fail(what + ": [" + i + "] is " + got[i] + ", elsewhere " + want[i]);
            }
        }
    }

    /** {@code |got - want| <= absolute + relative |want|}, NaN and infinities where and only where they are wanted. */
    static void assertClose(double[] want, float[] got, double relative, double absolute, String what) {
        assertEquals(want.length, got.length, what);
        for (int i = 0; i < want.length; i++) {
            boolean same = Double.isNaN(want[i]) ? Float.isNaN(got[i]) : (float) want[i] == got[i];
            boolean close = Math.abs(want[i] - got[i]) <= absolute + relative * Math.abs(want[i]);
            assertTrue(same || close, what + "[" + i + "] is " + got[i] + ", must be " + want[i]);
        }
    }

    static Tensor normal(Random random, long... shape) {
        return fill(Tensor.zeros(DType.F32, shape), () -> (float) random.nextGaussian());
    }

    /** A value for each element. */
    interface Values {
        float next();
    }

    static Tensor fill(Tensor t, Values values) {
        float[] v = new float[(int) t.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = values.next();
        }
        if (t.rank() == 0) {
            t.setFloat(v[0]);
            return t;
        }
        return t.copyFrom(Tensor.of(v, t.shape().toArray()));
    }

    /** The same elements as a view with a gap after each row. */
    static Tensor spread(Tensor t) {
        long[] shape = t.shape().toArray();
        shape[shape.length - 1] += 5;
        Tensor wide = Tensor.zeros(DType.F32, shape).fill(Float.NaN);
        return wide.slice(-1, 2, 2 + t.dim(-1)).copyFrom(t);
    }

    static double[] doubles(@Nullable Tensor t) {
        if (t == null) {
            return new double[0];
        }
        float[] v = t.toFloatArray();
        double[] d = new double[v.length];
        for (int i = 0; i < v.length; i++) {
            d[i] = v[i];
        }
        return d;
    }
}
