package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class DropoutTest {
    /** The generator as its authors give it, in long arithmetic. */
    private static int[] philox(long counter, long stream, long seed) {
        int[] c = {(int) counter, (int) (counter >>> 32), (int) stream, (int) (stream >>> 32)};
        int k0 = (int) seed;
        int k1 = (int) (seed >>> 32);
        for (int r = 0; r < 10; r++) {
            long p0 = 0xD2511F53L * Integer.toUnsignedLong(c[0]);
            long p1 = 0xCD9E8D57L * Integer.toUnsignedLong(c[2]);
            c = new int[] {(int) (p1 >>> 32) ^ c[1] ^ k0, (int) p1, (int) (p0 >>> 32) ^ c[3] ^ k1, (int) p0};
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return c;
    }

    /** Known answers of the Random123 distribution. */
    @Test
    void theReferenceIsPhilox() {
        assertArrayEquals(new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox(0, 0, 0));
        assertArrayEquals(new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox(-1, -1, -1));
    }

    @Property(tries = 40)
    void equalsTheReferenceEverywhere(
            @ForAll @IntRange(max = 1500) int n,
            @ForAll @DoubleRange(min = 0, max = 1) double p,
            @ForAll long seed,
            @ForAll long stream) {
        Tensor x = Trial.normal(new java.util.Random(seed), n);
        if (n > 0) {
            x.setFloat(Float.NaN, n / 2);
        }
        Dropout op = Dropout.builder().p(p).build();
        float[][] out = Trial.everywhere(() -> {
            Tensor inPlace = x.copy();
            try (Workspace scratch = new Workspace()) {
                op.forward(inPlace, seed, stream, inPlace, scratch);
            }
            return new Tensor[] {op.forward(x, seed, stream), inPlace, op.backward(x, seed, stream)};
        });
        float scale = p == 1 ? 0 : (float) (1 / (1 - p));
        float[] want = new float[n];
        for (int i = 0; i < n; i++) {
            int word = philox(i / 256 * 64 + i % 64, stream, seed)[i % 256 / 64];
            want[i] = (word >>> 8) < Math.rint((1 - p) * (1 << 24)) ? x.getFloat(i) * scale : 0;
        }
        Trial.assertSameBits(want, out[0], "y");
        Trial.assertSameBits(want, out[1], "y in place");
        Trial.assertSameBits(want, out[2], "gradient");
    }

    @Test
    void asManyAreDroppedAsAskedFor() {
        int n = 1 << 20;
        Tensor ones = Tensor.zeros(DType.F32, n).fill(1);
        float[][] out = Trial.everywhere(
                () -> new Tensor[] {Dropout.builder().p(0.3).build().forward(ones, 42, 7)});
        int dropped = 0;
        int together = 0;
        for (int i = 0; i < n; i++) {
            dropped += out[0][i] == 0 ? 1 : 0;
            together += i > 0 && out[0][i] == 0 && out[0][i - 1] == 0 ? 1 : 0;
            assertTrue(out[0][i] == 0 || out[0][i] == (float) (1 / 0.7));
        }
        assertEquals(0.3, dropped / (double) n, 4 * Math.sqrt(0.21 / n));
        assertEquals(0.09, together / (double) n, 4 * Math.sqrt(0.09 / n));
        Tensor other = Dropout.builder().p(0.3).build().forward(ones, 42, 8);
        int same = 0;
        for (int i = 0; i < n; i++) {
            same += out[0][i] == other.getFloat(i) ? 1 : 0;
        }
        assertEquals(0.58, same / (double) n, 4 * Math.sqrt(0.25 / n));
    }

    @Test
    void accumulatesAndRefuses() {
        Tensor g = Tensor.zeros(DType.F32, 10).fill(1);
        Tensor gx = Tensor.zeros(DType.F32, 10).fill(5);
        Dropout op = Dropout.builder().p(0.5).build();
        try (Workspace scratch = new Workspace()) {
            op.backward(g, 1, 2, gx, true, scratch);
        }
        float[] fresh = op.backward(g, 1, 2).toFloatArray();
        for (int i = 0; i < 10; i++) {
            assertEquals(5 + fresh[i], gx.getFloat(i));
        }
        assertThrows(IllegalArgumentException.class, () -> Dropout.builder().p(1.5));
        Tensor view = Tensor.zeros(DType.F32, 4, 4).slice(1, 0, 2);
        assertEquals(
                "x: a view of shape [4, 2] with gaps; pass x.contiguous()",
                assertThrows(IllegalArgumentException.class, () -> op.forward(view, 1, 2))
                        .getMessage());
    }
}
