package dev.heddle.reference;

/** The error function in double, good to about 1e-14 of the result, also of the complement. */
public final class Erf64 {
    private Erf64() {}

    private static final double TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
    private static final int DEPTH = 60;

    public static double erf(double x) {
        return Math.abs(x) < 2 ? series(x) : Math.copySign(1 - fraction(Math.abs(x)), x);
    }

    /** 1 - erf(x). */
    public static double erfc(double x) {
        return x >= 2 ? fraction(x) : 1 - erf(x);
    }

    /** The sum of e^-x² 2^n x^(2n+1) / (1 3 5 ... (2n+1)), whose terms have one sign. */
    private static double series(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
    }

    /** erfc(x) by Laplace's continued fraction, for x >= 2. */
    private static double fraction(double x) {
        double f = x;
        for (int n = DEPTH; n > 0; n--) {
            f = x + n / 2.0 / f;
        }
        return TWO_OVER_SQRT_PI / 2 * Math.exp(-x * x) / f;
    }
}
