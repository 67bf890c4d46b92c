package dev.heddle.kernel;

import dev.heddle.weave.Inline;

/** {@code a * b + c}, rounded once, on any machine: in hardware, or else exactly through double. */
public final class Fma {
    private Fma() {}

    private static final int TRIES = 50;
    private static final long INSTRUCTION_NANOS = 2000;

    /** Whether {@link Math#fma(float, float, float)} is an instruction here. Both ways give the same bits. */
    public static final boolean HARDWARE = isInHardware();

    /** {@code a * b + c}, rounded once. */
    @Inline
    public static float fma(float a, float b, float c) {
        return HARDWARE ? Math.fma(a, b, c) : exact(a, b, c);
    }

    /**
     * The same without the instruction (where {@code Math.fma} would go through {@code BigDecimal}). The product is exact in
     * double; the sum is rounded to odd there, which leaves 53 - 24 bits of room and so makes the second rounding, to
     * float, the only one that counts.
     */
    public static float exact(float a, float b, float c) {
        double product = (double) a * b;
        double sum = product + c;
        double part = sum - product;
        double error = (product - (sum - part)) + (c - part); // sum + error is exact
        long bits = Double.doubleToRawLongBits(sum);
        if (error != 0 && (bits & 1) == 0 && Double.isFinite(sum)) {
            bits += error > 0 == sum > 0 ? 1 : -1;
        }
        return (float) Double.longBitsToDouble(bits);
    }

    /**
     * By the clock: the instruction takes well under a microsecond even in the interpreter, {@code BigDecimal} several, and
     * milliseconds to load. The VM would tell for sure, but its management classes take longer to load than a first call
     * may, and a wrong guess costs time alone.
     */
    private static boolean isInHardware() {
        long start = System.nanoTime();
        float x = 1;
        for (int i = 0; i < TRIES; i++) {
            x = Math.fma(x, 0.5f, 0.75f);
        }
        return x > 0 && System.nanoTime() - start < TRIES * INSTRUCTION_NANOS;
    }
}
