package dev.heddle.reference;

/** RWKV-4's recurrence of one channel in float64, the slow way: every past step's weight by itself. */
public final class Wkv464 {
    private Wkv464() {}

    /**
     * The results of one channel.
     *
     * @param state aa, bb and pp before the first step
     */
    public static double[] channel(double[] k, double[] v, double w, double u, double[] state) {
        double[] y = new double[k.length];
        for (int t = 0; t < k.length; t++) {
            double top = Math.max(state[2] + t * w, u + k[t]);
            for (int i = 0; i < t; i++) {
                top = Math.max(top, k[i] + (t - 1 - i) * w);
            }
            double e = state[2] <= -1e30 ? 0 : Math.exp(state[2] + t * w - top);
            double num = e == 0 ? 0 : e * state[0];
            double den = e == 0 ? 0 : e * state[1];
            for (int i = 0; i <= t; i++) {
                double weight = Math.exp((i == t ? u + k[t] : k[i] + (t - 1 - i) * w) - top);
                num += weight * v[i];
                den += weight;
            }
            y[t] = num / den;
        }
        return y;
    }
}
