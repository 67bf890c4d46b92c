package dev.heddle.reference;

/**
 * Softmax attention of one head from the definition: for each query all scores, their softmax, the weighted sum; and its
 * gradients. A score of -infinity does not count.
 */
public final class Attention64 {
    /** Results and gradients, {@code [Lq][F]}, {@code [Lk][F]} and {@code [Lq][Lk]}. */
    public final double[][] y;

    public final double[][] gq;
    public final double[][] gk;
    public final double[][] gv;
    public final double[][] gs;

    /** The bias says which keys are seen: -infinity where not. */
    public Attention64(
            double[][] q, double[][] k, double[][] v, double[][] bias, double scale, double[][] gy, int values) {
        y = new double[q.length][values];
        gq = like(q);
        gk = like(k);
        gv = new double[k.length][values];
        gs = new double[q.length][k.length];
        for (int i = 0; i < q.length; i++) {
            double[] w = new double[k.length];
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < k.length; j++) {
                w[j] = bias[i][j];
                if (w[j] != Double.NEGATIVE_INFINITY) {
                    w[j] += scale * dot(q[i], k[j]);
                    max = Math.max(max, w[j]);
                }
            }
            double sum = 0;
            for (int j = 0; j < k.length; j++) {
                w[j] = w[j] == Double.NEGATIVE_INFINITY ? 0 : Math.exp(w[j] - max);
                sum += w[j];
            }
            double d = 0;
            for (int j = 0; j < k.length; j++) {
                w[j] = bias[i][j] == Double.NEGATIVE_INFINITY ? 0 : w[j] / sum;
                for (int f = 0; f < values && w[j] != 0; f++) {
                    y[i][f] += w[j] * v[j][f];
                }
            }
            for (int f = 0; f < values; f++) {
                d += gy[i][f] * y[i][f];
            }
            for (int j = 0; j < k.length; j++) {
                if (w[j] != 0) {
                    gs[i][j] = w[j] * (dot(gy[i], v[j]) - d);
                    for (int f = 0; f < q[i].length; f++) {
                        gq[i][f] += scale * gs[i][j] * k[j][f];
                        gk[j][f] += scale * gs[i][j] * q[i][f];
                    }
                    for (int f = 0; f < values; f++) {
                        gv[j][f] += w[j] * gy[i][f];
                    }
                }
            }
        }
    }

    private static double[][] like(double[][] a) {
        return new double[a.length][a.length == 0 ? 0 : a[0].length];
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
