package dev.heddle.reference;

import java.util.function.ToDoubleFunction;

/**
 * Linear attention of one sequence and one head from the definition, step by step; gradients by differences. All operands lie
 * in one array after the other: q, k, decay {@code [L, K]}, v {@code [L, V]}, s0 {@code [K, V]}, z0 {@code [K]}.
 */
public final class LinearAttention64 {
    private final int steps;
    private final int keys;
    private final int values;
    private final boolean elu;
    private final boolean normalize;
    private final double eps;
    private final double scale;

    public LinearAttention64(
            int steps, int keys, int values, boolean elu, boolean normalize, double eps, double scale) {
        this.steps = steps;
        this.keys = keys;
        this.values = values;
        this.elu = elu;
        this.normalize = normalize;
        this.eps = eps;
        this.scale = scale;
    }

    private double phi(double x) {
        return !elu ? x : x > 0 ? x + 1 : Math.exp(x);
    }

    /** y {@code [L, V]}, then the final s and z. */
    public double[] forward(double[][] in) {
        double[] s = in[4].clone();
        double[] z = in[5].clone();
        double[] out = new double[steps * values + s.length + z.length];
        for (int t = 0; t < steps; t++) {
            double c = normalize ? eps : 1;
            for (int i = 0; i < keys; i++) {
                double k = phi(in[1][t * keys + i]);
                double d = in[2][t * keys + i];
                z[i] = d * z[i] + k;
                c += normalize ? phi(in[0][t * keys + i]) * z[i] : 0;
                for (int j = 0; j < values; j++) {
                    s[i * values + j] = d * s[i * values + j] + k * in[3][t * values + j];
                }
            }
            for (int j = 0; j < values; j++) {
                for (int i = 0; i < keys; i++) {
                    out[t * values + j] += scale * phi(in[0][t * keys + i]) * s[i * values + j] / c;
                }
            }
        }
        System.arraycopy(s, 0, out, steps * values, s.length);
        System.arraycopy(z, 0, out, steps * values + s.length, z.length);
        return out;
    }

    /** Gradients of all operands, by central differences. */
    public double[][] gradients(double[][] in, double[] cotangents) {
        ToDoubleFunction<double[][]> loss = x -> {
            double[] y = forward(x);
            double sum = 0;
            for (int i = 0; i < y.length; i++) {
                sum += y[i] * cotangents[i];
            }
            return sum;
        };
        double[][] g = new double[in.length][];
        for (int a = 0; a < in.length; a++) {
            g[a] = new double[in[a].length];
            for (int i = 0; i < g[a].length; i++) {
                double x = in[a][i];
                in[a][i] = x + 1e-5;
                double up = loss.applyAsDouble(in);
                in[a][i] = x - 1e-5;
                g[a][i] = (up - loss.applyAsDouble(in)) / 2e-5;
                in[a][i] = x;
            }
        }
        return g;
    }
}
