package dev.heddle.op;

import static dev.heddle.op.Trial.assertSameBits;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.fill;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SpikeMatmulTest {
    private static Tensor spikes(Random rnd, double rate, long... shape) {
        return fill(Tensor.zeros(DType.F32, shape), () -> rnd.nextDouble() < rate ? 1 : 0);
    }

    private static SpikeMatmul op(boolean transposeB) {
        return SpikeMatmul.builder().transposeB(transposeB).build();
    }

    @Property(tries = 40)
    void theBitsAreThoseOfTheDenseProduct(
            @ForAll @IntRange(max = 40) int m,
            @ForAll @IntRange(max = 600) int k,
            @ForAll @IntRange(max = 150) int n,
            @ForAll @DoubleRange(min = 0, max = 1) double rate,
            @ForAll boolean transposeB,
            @ForAll boolean biased,
            @ForAll long seed) {
        check(m, k, n, rate, transposeB, biased, new Random(seed));
    }

    @Test
    void ratesOfNothingAndEverything() {
        for (boolean transposeB : new boolean[] {false, true}) {
            for (double rate : new double[] {0, 1}) {
                check(3, 300, 70, rate, transposeB, true, new Random(1));
                check(50, 300, 70, rate, transposeB, false, new Random(2));
            }
        }
        check(300, 70, 600, 0.1, false, false, new Random(3));
        check(300, 70, 600, 0.6, true, false, new Random(3));
    }

    private static void check(int m, int k, int n, double rate, boolean transposeB, boolean biased, Random rnd) {
        Tensor s = spikes(rnd, rate, m, k);
        Tensor w = transposeB ? normal(rnd, n, k) : normal(rnd, k, n);
        Tensor bias = biased ? normal(rnd, n) : null;
        Tensor g = normal(rnd, m, n);
        everywhere(() -> {
            Matmul dense = Matmul.builder().transposeB(transposeB).build();
            Tensor y = op(transposeB).forward(s, w, bias);
            assertSameBits(dense.forward(s, w, bias).toFloatArray(), y.toFloatArray(), "y");
            SpikeMatmul.Gradients got = op(transposeB).backward(s, w, g, true, true, biased);
            Matmul.Gradients want = dense.backward(s, w, g, true, true, biased);
            assertSameBits(want.a().toFloatArray(), got.s().toFloatArray(), "grad_s");
            Trial.assertClose(Trial.doubles(want.b()), got.w().toFloatArray(), 1e-6, 1e-5, "grad_w");
            if (biased) {
                assertSameBits(want.bias().toFloatArray(), got.bias().toFloatArray(), "grad_bias");
            }
            return new Tensor[] {y, got.s(), got.w(), got.bias()};
        });
    }

    @Property(tries = 25)
    void packedWeightsToo(
            @ForAll @IntRange(max = 40) int m,
            @ForAll @IntRange(min = 1, max = 600) int k,
            @ForAll @IntRange(min = 1, max = 150) int n,
            @ForAll @DoubleRange(min = 0, max = 1) double rate,
            @ForAll PackedWeight.Storage storage,
            @ForAll @IntRange(max = 5) int group,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        Tensor s = spikes(rnd, rate, m, k);
        long groupSize = storage == PackedWeight.Storage.I8 && group > 0 ? 8L << group : 0;
        PackedWeight w = PackedWeight.of(normal(rnd, n, k), storage, groupSize);
        Tensor bias = rnd.nextBoolean() ? normal(rnd, n) : null;
        everywhere(() -> {
            Tensor y = op(true).forward(SpikeBits.of(s), w, bias);
            Tensor want = Linear.builder().build().forward(s, w, bias);
            assertSameBits(want.toFloatArray(), y.toFloatArray(), "y");
            return new Tensor[] {y};
        });
    }

    @Test
    void whatIsNotThereIsNotRead() {
        Random rnd = new Random(5);
        for (int m : new int[] {2, 40}) {
            for (boolean transposeB : new boolean[] {false, true}) {
                Tensor s = spikes(rnd, 0.7, m, 90);
                Tensor w = transposeB ? normal(rnd, 33, 90) : normal(rnd, 90, 33);
                Tensor g = normal(rnd, m, 33);
                for (int i = 0; i < m; i++) {
                    s.setFloat(0, i, 7);
                }
                for (int j = 0; j < 90; j++) {
                    s.setFloat(0, 1, j);
                }
                g.select(0, 1).fill(Float.NaN);
                w.select(transposeB ? 1 : 0, 7).fill(Float.NaN);
                PackedWeight packed =
                        PackedWeight.of(transposeB ? w : w.transpose(0, 1).contiguous(), PackedWeight.Storage.BF16);
                float[][] got = everywhere(() -> new Tensor[] {
                    op(transposeB).forward(s, w, null),
                    op(transposeB).backward(s, w, g, false, true, false).w(),
                    op(transposeB).forward(SpikeBits.of(s), packed, null)
                });
                for (float[] out : got) {
                    for (float f : out) {
                        assertTrue(Float.isFinite(f));
                    }
                }
            }
        }
    }

    @Test
    void anInfiniteWeightComesThrough() {
        Tensor s = Tensor.of(new float[] {0, 1, 1, 0}, 2, 2);
        Tensor w = Tensor.of(new float[] {1, Float.POSITIVE_INFINITY, 2, 3}, 2, 2);
        float[][] got = everywhere(() -> new Tensor[] {op(false).forward(s, w, null)});
        assertEquals(2, got[0][0]);
        assertEquals(3, got[0][1]);
        assertEquals(Float.POSITIVE_INFINITY, got[0][3]);
    }

    @Test
    void operationsAreCounted() {
        SynapseCounter counter = new SynapseCounter();
        SpikeMatmul op = SpikeMatmul.builder().counter(counter).build();
        Tensor s = Tensor.of(new float[] {0, 1, 1, 0, 0, 1}, 2, 3);
        op.forward(s, Tensor.zeros(DType.F32, 3, 5), null);
        assertEquals(15, counter.done());
        assertEquals(15, counter.skipped());
        counter.reset();
        assertEquals(0, counter.done());
        // the same for a packed weight, whether the product skips work or not
        for (double rate : new double[] {0.1, 1}) {
            Tensor many = spikes(new Random(8), rate, 40, 30);
            SpikeBits bits = SpikeBits.of(many);
            op.forward(bits, PackedWeight.of(Tensor.zeros(DType.F32, 5, 30), PackedWeight.Storage.I8), null);
            assertEquals(5 * bits.count(), counter.done());
            assertEquals(5 * (1200 - bits.count()), counter.skipped());
            counter.reset();
        }
    }

    @Test
    void bitsAreBits() {
        Random rnd = new Random(6);
        Tensor s = spikes(rnd, 0.3, 5, 130);
        SpikeBits bits = SpikeBits.of(s);
        assertSameBits(s.toFloatArray(), bits.unpack().toFloatArray(), "spikes");
        int sum = 0;
        for (float f : s.toFloatArray()) {
            sum += (int) f;
        }
        assertEquals(sum, bits.count());
        assertFalse(SpikeBits.zeros(2, 3).get(1, 2));
        assertThrows(IndexOutOfBoundsException.class, () -> bits.get(0, 130));
    }

    @Test
    void refusesBadArguments() {
        Tensor s = Tensor.zeros(DType.F32, 2, 3);
        assertThrows(IllegalArgumentException.class, () -> op(false).forward(s, Tensor.zeros(DType.F32, 2, 4), null));
        assertThrows(
                IllegalArgumentException.class,
                () -> op(false).forward(s.copy().fill(2), Tensor.zeros(DType.F32, 3, 4), null));
        assertThrows(
                IllegalArgumentException.class,
                () -> op(false).forward(s, Tensor.zeros(DType.F32, 3, 4), Tensor.zeros(DType.F32, 3)));
        PackedWeight w = PackedWeight.of(Tensor.zeros(DType.F32, 4, 5), PackedWeight.Storage.F32);
        assertThrows(IllegalArgumentException.class, () -> op(false).forward(SpikeBits.of(s), w, null));
        Tensor g = Tensor.zeros(DType.F32, 2, 3);
        assertThrows(
                IllegalArgumentException.class,
                () -> op(false).backward(s, Tensor.zeros(DType.F32, 3, 4), g, true, true, true));
    }
}
