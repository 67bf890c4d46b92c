package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class RotaryTest {
    @Provide
    Arbitrary<Integer> halves() {
        return Arbitraries.of(0, 1, 3, 4, 7, 16, 19, 32);
    }

    @Property(tries = 30)
    void turnsPairsByTheAngleOfTheirPosition(@ForAll("halves") int half, @ForAll long seed) {
        Random r = new Random(seed);
        int rest = r.nextInt(3);
        int features = 2 * half + rest;
        int steps = r.nextInt(70);
        int offset = r.nextInt(100_000);
        Tensor x = Trial.normal(r, 2, steps, 3, features);
        Rotary op = Rotary.builder(2L * half).positions(offset + steps).build();
        float[][] got = Trial.everywhere(() -> {
            Tensor same = x.copy();
            op.forward(same, offset, same);
            Tensor y = op.forward(x, offset);
            Trial.assertSameBits(y.toFloatArray(), same.toFloatArray(), "in place");
            return new Tensor[] {y, op.backward(x, offset), op.backward(y, offset)};
        });
        double[] want = new double[(int) x.size()];
        double[] back = new double[want.length];
        float[] in = x.toFloatArray();
        for (int i = 0; i < want.length; i++) {
            int f = i % features;
            double p = offset + (i / features / 3) % Math.max(steps, 1);
            if (f >= 2 * half) {
                want[i] = back[i] = in[i];
                continue;
            }
            double angle = p * StrictMath.pow(10000, -(f % half) / (double) half);
            double other = f < half ? -in[i + half] : in[i - half];
            want[i] = in[i] * StrictMath.cos(angle) + other * StrictMath.sin(angle);
            back[i] = in[i] * StrictMath.cos(angle) - other * StrictMath.sin(angle);
        }
        Trial.assertClose(want, got[0], 1e-6, 1e-6, "y");
        Trial.assertClose(back, got[1], 1e-6, 1e-6, "gradient");
        Trial.assertClose(Trial.doubles(x), got[2], 1e-6, 1e-6, "turned there and back");
    }

    @Test
    void badArgumentsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> Rotary.builder(3));
        Rotary op = Rotary.builder(4).positions(10).build();
        Tensor x = Tensor.zeros(DType.F32, 1, 5, 1, 4);
        assertEquals(x.shape(), op.forward(x, 5).shape());
        IndexOutOfBoundsException e = assertThrows(IndexOutOfBoundsException.class, () -> op.forward(x, 6));
        assertTrue(e.getMessage().startsWith("offset: positions 6 to 11, but there are 10"), e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> op.forward(x.slice(3, 0, 3), 0));
    }
}
