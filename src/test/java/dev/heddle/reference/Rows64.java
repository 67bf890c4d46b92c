package dev.heddle.reference;

import java.util.Arrays;

/** Softmax and norms of one row in float64, and finite differences. */
public final class Rows64 {
    private Rows64() {}

    /** The weights; all 0 where every score is -infinity. */
    public static double[] softmax(double[] x) {
        double m = Arrays.stream(x).max().orElse(0);
        double sum = Arrays.stream(x).map(v -> Math.exp(v - m)).sum();
        if (m == Double.NEGATIVE_INFINITY) {
            return new double[x.length];
        }
        return Arrays.stream(x).map(v -> Math.exp(v - m) / sum).toArray();
    }

    public static double[] logSoftmax(double[] x) {
        double m = Arrays.stream(x).max().orElse(0);
        double sum = Arrays.stream(x).map(v -> Math.exp(v - m)).sum();
        return Arrays.stream(x).map(v -> v - m - Math.log(sum)).toArray();
    }

    /** (x - mean) / sqrt(var + eps), with the mean taken as 0 unless centred. */
    public static double[] normalised(double[] x, boolean centred, double eps) {
        double mean = centred ? Arrays.stream(x).average().orElse(0) : 0;
        double var =
                Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElse(0);
        return Arrays.stream(x).map(v -> (v - mean) / Math.sqrt(var + eps)).toArray();
    }

    /** A function of one vector. */
    public interface Function {
        double of(double[] x);
    }

    /** The gradient of {@code f} at {@code x} by central differences. */
    public static double[] gradient(Function f, double[] x) {
        double[] g = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            double h = 1e-5 * Math.max(1, Math.abs(x[i]));
            double at = x[i];
            x[i] = at + h;
            double up = f.of(x);
            x[i] = at - h;
            g[i] = (up - f.of(x)) / (2 * h);
            x[i] = at;
        }
        return g;
    }

    public static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
