package dev.heddle.reference;

/** The selective scan in float64: one sequence, channel, step and state after another. */
public final class SelectiveScan64 {
    private SelectiveScan64() {}

    /** All arrays are row-major in the contract's shapes; absent inputs are empty. */
    public record Inputs(
            double[] u,
            double[] delta,
            double[] a,
            double[] b,
            double[] c,
            double[] d,
            double[] z,
            double[] deltaBias,
            double[] h0) {}

    /** How B and C are shared: by groups of channels (step by step), or with no groups (0) constant for each channel. */
    public record Shape(
            int[] bounds, int channels, int states, int bGroups, int cGroups, boolean softplus, boolean reverse) {}

    public record Result(double[] y, double[] last) {}

    public static Result forward(Shape s, Inputs in) {
        double[] y = new double[in.u.length];
        double[] last = new double[(s.bounds.length - 1) * s.channels * s.states];
        double[] h = new double[s.states];
        for (int k = 0; k + 1 < s.bounds.length; k++) {
            for (int d = 0; d < s.channels; d++) {
                int state = (k * s.channels + d) * s.states;
                for (int n = 0; n < s.states; n++) {
                    h[n] = in.h0.length == 0 ? 0 : in.h0[state + n];
                }
                for (int i = s.bounds[k]; i < s.bounds[k + 1]; i++) {
                    int t = s.reverse ? s.bounds[k] + s.bounds[k + 1] - 1 - i : i;
                    step(s, in, t, d, h, y);
                }
                System.arraycopy(h, 0, last, state, s.states);
            }
        }
        return new Result(y, last);
    }

    private static void step(Shape s, Inputs in, int t, int d, double[] h, double[] y) {
        int at = t * s.channels + d;
        double dt = in.delta[at] + (in.deltaBias.length == 0 ? 0 : in.deltaBias[d]);
        if (s.softplus) {
            dt = softplus(dt);
        }
        double sum = 0;
        for (int n = 0; n < s.states; n++) {
            double b = in.b[factor(s, s.bGroups, t, d, n)];
            h[n] = Math.exp(dt * in.a[d * s.states + n]) * h[n] + dt * b * in.u[at];
            sum += h[n] * in.c[factor(s, s.cGroups, t, d, n)];
        }
        if (in.d.length > 0) {
            sum += in.d[d] * in.u[at];
        }
        y[at] = in.z.length == 0 ? sum : sum * in.z[at] / (1 + Math.exp(-in.z[at]));
    }

    private static int factor(Shape s, int groups, int t, int d, int n) {
        int row = groups == 0 ? d : t * groups + d / (s.channels / groups);
        return row * s.states + n;
    }

    static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }
}
