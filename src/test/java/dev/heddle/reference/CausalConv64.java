package dev.heddle.reference;

/** The causal convolution in float64, straight from its formula. */
public final class CausalConv64 {
    private CausalConv64() {}

    public record Result(double[] y, double[] state) {}

    /** {@code bounds[k]} to {@code bounds[k + 1]} are the steps of sequence k; bias and state may be empty. */
    public static Result forward(
            double[] x, double[] w, double[] bias, double[] state, int[] bounds, int channels, boolean silu) {
        int taps = channels == 0 ? 1 : w.length / channels;
        int kept = taps - 1;
        double[] y = new double[x.length];
        double[] next = new double[(bounds.length - 1) * kept * channels];
        for (int s = 0; s + 1 < bounds.length; s++) {
            int length = bounds[s + 1] - bounds[s];
            for (int d = 0; d < channels; d++) {
                double[] all = new double[kept + length];
                for (int i = 0; i < all.length; i++) {
                    all[i] = i >= kept
                            ? x[(bounds[s] + i - kept) * channels + d]
                            : state.length == 0 ? 0 : state[(s * kept + i) * channels + d];
                }
                for (int t = 0; t < length; t++) {
                    double sum = bias.length == 0 ? 0 : bias[d];
                    for (int k = 0; k < taps; k++) {
                        sum += w[d * taps + k] * all[t + k];
                    }
                    y[(bounds[s] + t) * channels + d] = silu ? sum / (1 + Math.exp(-sum)) : sum;
                }
                for (int i = 0; i < kept; i++) {
                    next[(s * kept + i) * channels + d] = all[length + i];
                }
            }
        }
        return new Result(y, next);
    }
}
