package dev.heddle.reference;

/** The linear recurrence in float64, one sequence after another, one step after another. */
public final class LinearScan64 {
    private LinearScan64() {}

    public record Result(double[] h, double[] last) {}

    /**
     * Steps {@code bounds[k]} to {@code bounds[k + 1]} of the rows of {@code a} and {@code b} are sequence k; {@code h0} may be
     * empty.
     */
    public static Result forward(double[] a, double[] b, double[] h0, int[] bounds, int channels, boolean reverse) {
        double[] h = new double[a.length];
        double[] last = new double[(bounds.length - 1) * channels];
        for (int k = 0; k + 1 < bounds.length; k++) {
            for (int d = 0; d < channels; d++) {
                double state = h0.length == 0 ? 0 : h0[k * channels + d];
                for (int i = bounds[k]; i < bounds[k + 1]; i++) {
                    int t = (reverse ? bounds[k] + bounds[k + 1] - 1 - i : i) * channels + d;
                    state = a[t] * state + b[t];
                    h[t] = state;
                }
                last[k * channels + d] = state;
            }
        }
        return new Result(h, last);
    }
}
