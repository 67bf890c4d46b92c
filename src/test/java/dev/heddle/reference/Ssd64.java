package dev.heddle.reference;

/** The state-space dual in float64: a selective scan whose channels are those of all heads, each with its head's dt and A. */
public final class Ssd64 {
    private Ssd64() {}

    /** All arrays are row-major in the contract's shapes; absent inputs are empty. */
    public record Inputs(
            double[] x,
            double[] dt,
            double[] a,
            double[] b,
            double[] c,
            double[] d,
            double[] z,
            double[] dtBias,
            double[] h0) {}

    public record Shape(
            int[] bounds,
            int heads,
            int channels,
            int groups,
            int states,
            boolean softplus,
            double least,
            double most) {}

    public static SelectiveScan64.Result forward(Shape s, Inputs in) {
        int all = s.heads * s.channels;
        double[] delta = new double[in.x.length];
        for (int i = 0; i < delta.length; i++) {
            int head = i % all / s.channels;
            double v = in.dt[i / all * s.heads + head] + (in.dtBias.length == 0 ? 0 : in.dtBias[head]);
            delta[i] = Math.clamp(s.softplus ? SelectiveScan64.softplus(v) : v, s.least, s.most);
        }
        double[] a = new double[all * s.states];
        for (int i = 0; i < a.length; i++) {
            a[i] = in.a[i / s.states / s.channels];
        }
        double[] d = new double[in.d.length == 0 ? 0 : all];
        for (int i = 0; i < d.length; i++) {
            d[i] = in.d[in.d.length == all ? i : i / s.channels];
        }
        return SelectiveScan64.forward(
                new SelectiveScan64.Shape(s.bounds, all, s.states, s.groups, s.groups, false, false),
                new SelectiveScan64.Inputs(in.x, delta, a, in.b, in.c, d, in.z, new double[0], in.h0));
    }
}
