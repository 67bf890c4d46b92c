package dev.heddle.reference;

import java.util.function.Function;

/** Gradients by central differences in float64: what a backward pass is held against, with no formula in common. */
public final class Numeric {
    private Numeric() {}

    private static final double STEP = 1e-6;

    /** The gradient of {@code <f(x), cotangent>} at x. */
    public static double[] gradient(Function<double[], double[]> f, double[] x, double[] cotangent) {
        double[] g = new double[x.length];
        double[] at = x.clone();
        for (int i = 0; i < x.length; i++) {
            at[i] = x[i] + STEP;
            double[] up = f.apply(at);
            at[i] = x[i] - STEP;
            double[] down = f.apply(at);
            at[i] = x[i];
            for (int k = 0; k < up.length; k++) {
                g[i] += (up[k] - down[k]) * cotangent[k] / (2 * STEP);
            }
        }
        return g;
    }
}
