package dev.heddle.reference;

import java.util.function.ToDoubleFunction;

/** Gradients by central differences in float64. */
public final class Derivative {
    private Derivative() {}

    private static final double STEP = 1e-5;

    /** The gradient of {@code f} at {@code x}, of fourth order, element by element; {@code x} is as before afterwards. */
    public static double[] of(ToDoubleFunction<double[]> f, double[] x) {
        double[] gradient = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            double at = x[i];
            double step = STEP * Math.max(1, Math.abs(at));
            gradient[i] = (8 * (f(f, x, i, at + step) - f(f, x, i, at - step))
                            - (f(f, x, i, at + 2 * step) - f(f, x, i, at - 2 * step)))
                    / (12 * step);
            x[i] = at;
        }
        return gradient;
    }

    private static double f(ToDoubleFunction<double[]> f, double[] x, int i, double value) {
        x[i] = value;
        return f.applyAsDouble(x);
    }

    /** The sum of the products of two arrays; an absent one (empty) counts for nothing. */
    public static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < Math.min(a.length, b.length); i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
