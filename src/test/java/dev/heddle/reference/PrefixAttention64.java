package dev.heddle.reference;

/**
 * Attention of every step over the steps so far, of one sequence and one head, from the definition: all scores of a prefix,
 * their softmax, the weighted sum. The initial state counts as one more step.
 */
public final class PrefixAttention64 {
    private final double[] s;
    private final double[][] v;
    private final double m0;
    private final double u0;
    private final double[] w0;

    /** Results: y, and the state after the last step. */
    public final double[][] y;

    public final double m;
    public final double u;
    public final double[] w;

    /** Gradients, after {@link #backward}. */
    public double[] gs;

    public double[][] gv;
    public double gm0;
    public double gu0;
    public double[] gw0;

    public PrefixAttention64(double[] s, double[][] v, double m0, double u0, double[] w0) {
        boolean empty = m0 == Double.NEGATIVE_INFINITY;
        this.s = s;
        this.v = v;
        this.m0 = m0;
        this.u0 = empty ? 0 : u0;
        this.w0 = empty ? new double[w0.length] : w0;
        y = new double[s.length][w0.length];
        for (int t = 0; t < s.length; t++) {
            for (int f = 0; f < w0.length; f++) {
                double sum = sum(t);
                y[t][f] = sum == 0 ? 0 : weighted(t, f) / sum;
            }
        }
        m = max(s.length - 1);
        u = sum(s.length - 1);
        w = new double[w0.length];
        for (int f = 0; f < w.length; f++) {
            w[f] = weighted(s.length - 1, f);
        }
    }

    private double max(int last) {
        double max = m0;
        for (int k = 0; k <= last; k++) {
            max = Math.max(max, s[k]);
        }
        return max;
    }

    /** e^(score - max of the prefix), 0 for a score that does not count. */
    private static double weight(double score, double max) {
        return score == Double.NEGATIVE_INFINITY ? 0 : Math.exp(score - max);
    }

    private double sum(int last) {
        double max = max(last);
        double sum = weight(m0, max) * u0;
        for (int k = 0; k <= last; k++) {
            sum += weight(s[k], max);
        }
        return sum;
    }

    private double weighted(int last, int f) {
        double max = max(last);
        double sum = m0 == Double.NEGATIVE_INFINITY ? 0 : weight(m0, max) * w0[f];
        for (int k = 0; k <= last; k++) {
            if (s[k] != Double.NEGATIVE_INFINITY) {
                sum += weight(s[k], max) * v[k][f];
            }
        }
        return sum;
    }

    /** @param g of y; {@code gu} and {@code gw} of the final u and w */
    public void backward(double[][] g, double gu, double[] gw) {
        int steps = s.length;
        int features = w0.length;
        gs = new double[steps];
        gv = new double[steps][features];
        gw0 = new double[features];
        gu0 = 0;
        for (int t = 0; t < steps; t++) {
            if (s[t] == Double.NEGATIVE_INFINITY) {
                continue;
            }
            for (int k = t; k < steps; k++) {
                double p = weight(s[t], max(k)) / sum(k);
                for (int f = 0; f < features; f++) {
                    gv[t][f] += p * g[k][f];
                    gs[t] += p * g[k][f] * (v[t][f] - y[k][f]);
                }
            }
            double e = weight(s[t], m);
            gs[t] += e * gu;
            for (int f = 0; f < features; f++) {
                gv[t][f] += e * gw[f];
                gs[t] += e * gw[f] * v[t][f];
            }
        }
        if (m0 == Double.NEGATIVE_INFINITY) {
            gm0 = 0;
            return;
        }
        for (int k = 0; k < steps; k++) {
            double p = sum(k) == 0 ? 0 : weight(m0, max(k)) / sum(k);
            for (int f = 0; f < features; f++) {
                gw0[f] += p * g[k][f];
                gu0 -= p * g[k][f] * y[k][f];
            }
        }
        double e = weight(m0, m);
        gu0 += e * gu;
        for (int f = 0; f < features; f++) {
            gw0[f] += e * gw[f];
        }
        gm0 = u0 * gu0;
        for (int f = 0; f < features; f++) {
            gm0 += w0[f] * gw0[f];
        }
    }
}
