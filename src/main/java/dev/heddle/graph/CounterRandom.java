package dev.heddle.graph;

/**
 * Random numbers by counter (the SplitMix64 generator): a number is a function of a key and of how many went before it, so it does
 * not matter which thread draws it, or when.
 */
final class CounterRandom {
    private CounterRandom() {}

    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    /** A key for each pair of numbers under a seed. */
    static long key(long seed, long a, long b) {
        return mix(mix(mix(seed + GOLDEN) + a) + GOLDEN * (b + 1));
    }

    /** The n-th 64 random bits of a key. */
    static long bits(long key, long n) {
        return mix(key + GOLDEN * (n + 1));
    }

    private static long mix(long x) {
        long z = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }

    /** A number in {@code [0, n)}; each is as likely as the others to within n / 2^64. */
    static long below(long n, long bits) {
        return Math.unsignedMultiplyHigh(bits, n);
    }

    /** A number in {@code [0, 1)}. */
    static double unit(long bits) {
        return (bits >>> 11) * 0x1p-53;
    }
}
