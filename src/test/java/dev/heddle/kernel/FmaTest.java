package dev.heddle.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** The fused multiply-add without the instruction rounds once, as with it. */
class FmaTest {
    /** Any float at all, by its bits. */
    @Property(tries = 20_000)
    void anyBits(@ForAll int a, @ForAll int b, @ForAll int c) {
        assertRoundedOnce(Float.intBitsToFloat(a), Float.intBitsToFloat(b), Float.intBitsToFloat(c));
    }

    /** Sums near half a unit in the last place, where a second rounding would show. */
    @Property(tries = 20_000)
    void nearTies(
            @ForAll @IntRange(min = 1, max = 0xFFFFFF) int a,
            @ForAll @IntRange(min = 1, max = 0xFFFFFF) int b,
            @ForAll @IntRange(min = -60, max = 60) int exponent,
            @ForAll @IntRange(min = -3, max = 3) int ulps,
            @ForAll boolean negative) {
        float x = Math.scalb((float) a, exponent);
        float y = negative ? -b : b;
        assertRoundedOnce(x, y, 0);
        assertRoundedOnce(x, y, -(x * y) + ulps * Math.ulp(x * y)); // cancels to the last few bits
        float half = (float) ((double) Math.ulp(x * y) / 2);
        assertRoundedOnce(x, y, half);
        assertRoundedOnce(x, y, -half);
        assertRoundedOnce(x * y, 1, ulps * half);
        assertRoundedOnce(x, 1 + Math.ulp(1f), Math.scalb((float) b, exponent - 40));
    }

    /** Results that are subnormal, and so have fewer bits to round to. */
    @Property(tries = 20_000)
    void subnormal(
            @ForAll @IntRange(min = 1, max = 0xFFFFFF) int a,
            @ForAll @IntRange(min = 1, max = 0xFFFFFF) int b,
            @ForAll @IntRange(min = -90, max = -60) int i,
            @ForAll @IntRange(min = -100, max = -80) int j,
            @ForAll int c) {
        float tiny = Float.intBitsToFloat(c & 0x80FFFFFF);
        assertRoundedOnce(Math.scalb((float) a, i), Math.scalb((float) b, j), tiny);
    }

    private static void assertRoundedOnce(float a, float b, float c) {
        float expected = reference(a, b, c);
        assertSame(expected, Fma.exact(a, b, c), a, b, c);
        assertSame(expected, Fma.fma(a, b, c), a, b, c);
    }

    private static void assertSame(float expected, float actual, float a, float b, float c) {
        assertEquals(
                Float.floatToIntBits(expected),
                Float.floatToIntBits(actual),
                () -> "fma(" + a + ", " + b + ", " + c + ")");
    }

    private static float reference(float a, float b, float c) {
        double product = (double) a * b; // exact
        if (!Double.isFinite(product) || !Float.isFinite(c)) {
            return (float) (product + c);
        }
        BigDecimal sum = new BigDecimal(product).add(new BigDecimal(c));
        return sum.signum() == 0 ? (float) (product + c) : sum.floatValue();
    }
}
