package dev.heddle.reference;

import java.util.Map;

/** The block of Mamba-2 in float64, straight from its formula, on one sequence. */
public final class Mamba2Block64 {
    private Mamba2Block64() {}

    public record Shape(int steps, int model, int heads, int channels, int groups, int states) {
        int inner() {
            return heads * channels;
        }

        int mixed() {
            return inner() + 2 * groups * states;
        }
    }

    /** Parameters by their names in a state_dict; without {@code norm.weight} the gate is the scan's. */
    public static double[] forward(Shape s, double[] x, Map<String, double[]> p) {
        int inner = s.inner();
        int width = inner + s.mixed() + s.heads;
        double[] all = project(x, p.get("in_proj.weight"), s.steps, s.model, width);
        double[] z = columns(all, s.steps, width, 0, inner);
        double[] mixed = CausalConv64.forward(
                        columns(all, s.steps, width, inner, s.mixed()),
                        p.get("conv1d.weight"),
                        p.get("conv1d.bias"),
                        new double[0],
                        new int[] {0, s.steps},
                        s.mixed(),
                        true)
                .y();
        double[] a = p.get("A_log").clone();
        for (int i = 0; i < a.length; i++) {
            a[i] = -Math.exp(a[i]);
        }
        double[] norm = p.get("norm.weight");
        int size = s.groups * s.states;
        double[] y = Ssd64.forward(
                        new Ssd64.Shape(
                                new int[] {0, s.steps},
                                s.heads,
                                s.channels,
                                s.groups,
                                s.states,
                                true,
                                0,
                                Double.POSITIVE_INFINITY),
                        new Ssd64.Inputs(
                                columns(mixed, s.steps, s.mixed(), 0, inner),
                                columns(all, s.steps, width, inner + s.mixed(), s.heads),
                                a,
                                columns(mixed, s.steps, s.mixed(), inner, size),
                                columns(mixed, s.steps, s.mixed(), inner + size, size),
                                p.get("D"),
                                norm == null ? z : new double[0],
                                p.get("dt_bias"),
                                new double[0]))
                .y();
        if (norm != null) {
            gatedNorm(s, y, z, norm);
        }
        return project(y, p.get("out_proj.weight"), s.steps, inner, s.model);
    }

    private static void gatedNorm(Shape s, double[] y, double[] z, double[] weight) {
        int size = s.inner() / s.groups;
        for (int from = 0; from < y.length; from += size) {
            double squares = 0;
            for (int i = from; i < from + size; i++) {
                y[i] *= z[i] / (1 + Math.exp(-z[i]));
                squares += y[i] * y[i];
            }
            for (int i = from; i < from + size; i++) {
                y[i] *= weight[i % s.inner()] / Math.sqrt(squares / size + 1e-5f);
            }
        }
    }

    private static double[] columns(double[] t, int rows, int width, int from, int count) {
        double[] part = new double[rows * count];
        for (int r = 0; r < rows; r++) {
            System.arraycopy(t, r * width + from, part, r * count, count);
        }
        return part;
    }

    private static double[] project(double[] x, double[] w, int rows, int from, int to) {
        double[] y = new double[rows * to];
        for (int i = 0; i < y.length; i++) {
            for (int k = 0; k < from; k++) {
                y[i] += x[i / to * from + k] * w[i % to * from + k];
            }
        }
        return y;
    }
}
