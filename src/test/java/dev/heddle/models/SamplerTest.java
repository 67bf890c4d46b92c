package dev.heddle.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final float[] LOGITS = {0, 2, -1, 1, Float.NEGATIVE_INFINITY};

    private static int[] counts(Sampler sampler, int draws) {
        int[] counts = new int[LOGITS.length];
        for (int i = 0; i < draws; i++) {
            counts[sampler.sample(LOGITS)]++;
        }
        return counts;
    }

    @Test
    void greedyTakesTheFirstLargest() {
        assertEquals(1, Sampler.greedy().sample(LOGITS));
        assertEquals(1, Sampler.greedy().sample(new float[] {-0f, 3, 3}));
        assertEquals(1, Sampler.builder().temperature(0).build().sample(LOGITS));
    }

    @Test
    void drawsAreDistributedAsTheSoftmaxSays() {
        for (double temperature : new double[] {1, 0.5, 3}) {
            int n = 40_000;
            int[] counts =
                    counts(Sampler.builder().temperature(temperature).seed(7).build(), n);
            double sum = 0;
            for (float l : LOGITS) {
                sum += Math.exp(l / temperature);
            }
            for (int i = 0; i < counts.length; i++) {
                double p = Math.exp(LOGITS[i] / temperature) / sum;
                assertEquals(p * n, counts[i], 5 * Math.sqrt(n * p * (1 - p)) + 0.5);
            }
        }
    }

    @Test
    void onlyTheLikeliest() {
        int[] two = counts(Sampler.builder().topK(2).build(), 2000);
        assertTrue(two[1] > two[3] && two[3] > 0);
        assertEquals(2000, two[1] + two[3]);
        // probabilities are about 0.64, 0.24, 0.09, 0.03
        int[] half = counts(Sampler.builder().topP(0.5).build(), 2000);
        assertEquals(2000, half[1]);
        int[] most = counts(Sampler.builder().topP(0.7).build(), 2000);
        assertTrue(most[3] > 0);
        assertEquals(2000, most[1] + most[3]);
    }

    @Test
    void refusesBadArguments() {
        assertThrows(IllegalArgumentException.class, () -> Sampler.builder().temperature(-1));
        assertThrows(IllegalArgumentException.class, () -> Sampler.builder().topK(0));
        assertThrows(IllegalArgumentException.class, () -> Sampler.builder().topP(0));
        assertThrows(IllegalArgumentException.class, () -> Sampler.greedy().sample(new float[0]));
        assertThrows(IllegalArgumentException.class, () -> Sampler.greedy().sample(new float[] {Float.NaN}));
    }
}
