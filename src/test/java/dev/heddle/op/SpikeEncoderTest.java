package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class SpikeEncoderTest {
    @Test
    void ratesAreTheInputs() {
        Tensor x = Tensor.of(new float[] {0, 0.1f, 0.5f, 0.9f, 1, -3, 7, Float.NaN}, 2, 4);
        int steps = 20_000;
        Tensor y = SpikeEncoder.poisson(x, steps, 42);
        assertEquals(Shape.of(steps, 2, 4), y.shape());
        float[] spikes = y.toFloatArray();
        double[] p = {0, 0.1, 0.5, 0.9, 1, 0, 1, 0};
        for (int i = 0; i < 8; i++) {
            int count = 0;
            for (int t = 0; t < steps; t++) {
                assertTrue(spikes[8 * t + i] == 0 || spikes[8 * t + i] == 1);
                count += (int) spikes[8 * t + i];
            }
            assertEquals(p[i] * steps, count, 5 * Math.sqrt(steps * p[i] * (1 - p[i])));
        }
        assertArrayEquals(spikes, SpikeEncoder.poisson(x, steps, 42).toFloatArray());
        assertTrue(!Arrays.equals(spikes, SpikeEncoder.poisson(x, steps, 43).toFloatArray()));
        // the first steps do not depend on how many there are
        assertArrayEquals(
                y.slice(0, 0, 3).toFloatArray(), SpikeEncoder.poisson(x, 3, 42).toFloatArray());
    }

    @Test
    void theLargerTheEarlier() {
        Tensor x = Tensor.of(new float[] {1, 0.75f, 0.5f, 0, 2, -1, Float.NaN, 0.125f}, 8);
        float[] y = SpikeEncoder.latency(x, 5).toFloatArray();
        int[] times = {0, 1, 2, 4, 0, 4, -1, 4}; // 3.5 rounds to 4
        for (int i = 0; i < 8; i++) {
            for (int t = 0; t < 5; t++) {
                assertEquals(t == times[i] ? 1 : 0, y[8 * t + i]);
            }
        }
    }

    @Test
    void changesAreCountedFromTheLastSpike() {
        Tensor x = Tensor.of(new float[] {0, 0.4f, 0.8f, 1.2f, 1.25f, 0, 0, Float.NaN, 3}, 1, 9, 1);
        assertArrayEquals(
                new float[] {0, 0, 1, 0, 0, 1, 0, 0, 1},
                SpikeEncoder.delta(x, 0.5f).toFloatArray());
        assertEquals(0, SpikeEncoder.delta(Tensor.zeros(DType.F32, 2, 0, 3), 1).size());
    }

    @Test
    void refusesBadArguments() {
        Tensor x = Tensor.zeros(DType.F32, 4);
        assertThrows(IllegalArgumentException.class, () -> SpikeEncoder.poisson(x, -1, 0));
        assertThrows(IllegalArgumentException.class, () -> SpikeEncoder.latency(Tensor.zeros(DType.I32, 4), 3));
        assertThrows(IllegalArgumentException.class, () -> SpikeEncoder.delta(x, 1));
        assertThrows(IllegalArgumentException.class, () -> SpikeEncoder.delta(Tensor.zeros(DType.F32, 1, 2, 3), 0));
    }
}
