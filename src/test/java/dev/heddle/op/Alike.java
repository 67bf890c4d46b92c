package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;

/** What tests of operators share: running them everywhere, random tensors, comparing. */
final class Alike {
    private Alike() {}

    private static final int[] THREADS = {1, 2, 3, 7};

    /** Every backend, and its twin that checks each load and store. */
    static List<Backend> backends() {
        List<Backend> all = new ArrayList<>();
        for (Backend b : Backends.usable()) {
            all.add(b);
            all.add(b.checked());
        }
        return all;
    }

    /** Runs on every backend, each with another number of threads, and sees that all give the same bits; absent ones are null. */
    static List<Tensor> everywhere(Supplier<List<Tensor>> run) {
        List<Tensor> first = new ArrayList<>();
        int turn = 0;
        for (Backend b : backends()) {
            int threads = THREADS[turn++ % THREADS.length];
            Backends.with(
                    b,
                    () -> Team.with(threads, () -> {
                        List<Tensor> got = run.get();
                        if (first.isEmpty()) {
                            first.addAll(got);
                        }
                        assertSameBits(first, got, b + ", " + threads + " threads");
                    }));
        }
        return first;
    }

    /** Runs on every backend with every number of threads. */
    static List<Tensor> everywhereAndWithAnyThreads(Supplier<List<Tensor>> run) {
        List<Tensor> first = everywhere(run);
        for (int threads : THREADS) {
            Team.with(threads, () -> assertSameBits(first, run.get(), threads + " threads"));
        }
        return first;
    }

    static void assertSameBits(List<Tensor> a, List<Tensor> b, String what) {
        assertEquals(a.size(), b.size(), what);
        for (int i = 0; i < a.size(); i++) {
            if (a.get(i) == null || b.get(i) == null) {
                assertEquals(a.get(i), b.get(i), what);
                continue;
            }
            assertEquals(a.get(i).shape(), b.get(i).shape(), what);
            assertArrayEquals(bits(a.get(i)), bits(b.get(i)), what + ", output " + i);
        }
    }

    private static long[] bits(Tensor t) {
        if (!t.dtype().isFloating()) {
            return t.toLongArray();
        }
        float[] v = t.toFloatArray();
        long[] bits = new long[v.length];
        for (int i = 0; i < v.length; i++) {
            bits[i] = Float.floatToIntBits(v[i]); // one NaN
        }
        return bits;
    }

    static Tensor gaussian(Random rnd, long... shape) {
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] v = new float[(int) t.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) rnd.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    static double[] doubles(Tensor t) {
        float[] v = t.toFloatArray();
        double[] d = new double[v.length];
        Arrays.setAll(d, i -> v[i]);
        return d;
    }

    /** Each element within {@code absolute + relative * |want|}. */
    static void assertClose(double[] want, Tensor got, double absolute, double relative, String what) {
        float[] v = got.toFloatArray();
        assertEquals(want.length, v.length, what);
        for (int i = 0; i < want.length; i++) {
            boolean same = Double.isNaN(want[i]) ? Float.isNaN(v[i]) : v[i] == (float) want[i];
            assertTrue(
                    same || Math.abs(want[i] - v[i]) <= absolute + relative * Math.abs(want[i]),
                    what + "[" + i + "] = " + v[i] + ", must be " + want[i]);
        }
    }
}
