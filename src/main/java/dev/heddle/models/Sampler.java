package dev.heddle.models;

import java.util.Arrays;

/**
 * Draws tokens from logits: the {@code topK} largest, of these the fewest whose probabilities reach {@code topP}, with probabilities of
 * {@code softmax(logits / temperature)}. Draws follow from the seed alone, on every machine. Not thread-safe.
 */
public final class Sampler {
    private final double temperature;
    private final int topK;
    private final double topP;
    private long state;

    private Sampler(double temperature, int topK, double topP, long seed) {
        this.temperature = temperature;
        this.topK = topK;
        this.topP = topP;
        this.state = seed;
    }

    /** Always the largest logit, the first of equal ones. */
    public static Sampler greedy() {
        return new Sampler(0, 1, 1, 0);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: temperature 1, all tokens, seed 0. */
    public static final class Builder {
        private double temperature = 1;
        private int topK = Integer.MAX_VALUE;
        private double topP = 1;
        private long seed;

        private Builder() {}

        /** Divides the logits; 0 is greedy. */
        public Builder temperature(double temperature) {
            if (!(temperature >= 0)) {
                throw new IllegalArgumentException("temperature: " + temperature + ", must not be negative");
            }
            this.temperature = temperature;
            return this;
        }

        /** Only so many of the most likely tokens. */
        public Builder topK(int topK) {
            if (topK < 1) {
                throw new IllegalArgumentException("topK: " + topK + ", must be at least 1");
            }
            this.topK = topK;
            return this;
        }

        /** Only as many of the most likely tokens as together have this probability. */
        public Builder topP(double topP) {
            if (!(topP > 0 && topP <= 1)) {
                throw new IllegalArgumentException("topP: " + topP + ", must be above 0 and at most 1");
            }
            this.topP = topP;
            return this;
        }

        /** What the draws follow from. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        public Sampler build() {
            return new Sampler(temperature, topK, topP, seed);
        }
    }

    /** The next token. */
    public int sample(float[] logits) {
        if (logits.length == 0) {
            throw new IllegalArgumentException("logits: there are none");
        }
        int best = 0;
        for (int i = 0; i < logits.length; i++) {
            if (Float.isNaN(logits[i])) {
                throw new IllegalArgumentException("logits: element " + i + " is NaN");
            }
            best = logits[i] > logits[best] ? i : best;
        }
        if (temperature == 0 || topK == 1) {
            return best;
        }
        return draw(logits, logits[best]);
    }

    /** By the inverse of the distribution, the likeliest first. */
    private int draw(float[] logits, float max) {
        long[] order = new long[logits.length];
        for (int i = 0; i < order.length; i++) {
            order[i] = (long) descending(logits[i]) << 32 | i;
        }
        Arrays.sort(order);
        int count = Math.min(topK, order.length);
        double[] cumulative = new double[count];
        double sum = 0;
        for (int i = 0; i < count; i++) {
            float l = logits[(int) order[i]];
            sum += l == max ? 1 : StrictMath.exp(((double) l - max) / temperature);
            cumulative[i] = sum;
        }
        int kept = 1;
        while (kept < count && cumulative[kept - 1] < topP * sum) {
            kept++;
        }
        double u = (next() >>> 11) * 0x1p-53 * cumulative[kept - 1];
        int i = 0;
        while (i < kept - 1 && cumulative[i] <= u) {
            i++;
        }
        return (int) order[i];
    }

    /** An int that is the smaller the larger the float. */
    private static int descending(float f) {
        int bits = Float.floatToIntBits(f + 0f);
        return ~(bits ^ (bits >> 31 & Integer.MAX_VALUE));
    }

    /** SplitMix64. */
    private long next() {
        state += 0x9E3779B97F4A7C15L;
        long z = state;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
