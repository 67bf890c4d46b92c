package dev.heddle.reference;

import java.util.Arrays;

/** Message passing in float64, straight from the formula: y_i = reduce over row i of m_e. */
public final class Spmm64 {
    /** {@code w} has a value per edge and feature, whatever it was broadcast from. */
    public record Input(long[] indptr, int[] indices, int columns, double[] x, double[] w) {}

    public final double[] y;
    public final int[] arg;
    private final Input in;
    private final String message;
    private final String reduce;

    public Spmm64(Input in, String message, String reduce) {
        this.in = in;
        this.message = message;
        this.reduce = reduce;
        int rows = in.indptr.length - 1;
        y = new double[rows * in.columns];
        arg = new int[y.length];
        Arrays.fill(arg, -1);
        for (int i = 0; i < rows; i++) {
            for (int f = 0; f < in.columns; f++) {
                row(i, f);
            }
        }
    }

    private void row(int i, int f) {
        int at = i * in.columns + f;
        int first = (int) in.indptr[i];
        int end = (int) in.indptr[i + 1];
        for (int e = first; e < end; e++) {
            double m = message(e, f);
            switch (reduce) {
                case "SUM", "MEAN" -> y[at] += m;
                default -> {
                    boolean better = reduce.equals("MAX") ? m > y[at] : m < y[at];
                    if (e == first || better || Double.isNaN(m)) {
                        y[at] = e > first && Double.isNaN(y[at]) ? y[at] : m;
                        arg[at] = e;
                    }
                }
            }
        }
        if (reduce.equals("MEAN") && end > first) {
            y[at] /= end - first;
        }
    }

    private double message(int e, int f) {
        double x = in.x[in.indices[e] * in.columns + f];
        double w = in.w[e * in.columns + f];
        return switch (message) {
            case "MUL" -> x * w;
            case "ADD" -> x + w;
            default -> x;
        };
    }

    /** Gradients of x, and of w per edge and feature, for the cotangent g of y. */
    public double[][] backward(double[] g) {
        double[] gx = new double[in.x.length];
        double[] gw = new double[in.w.length];
        for (int i = 0; i + 1 < in.indptr.length; i++) {
            int first = (int) in.indptr[i];
            int end = (int) in.indptr[i + 1];
            for (int e = first; e < end; e++) {
                for (int f = 0; f < in.columns; f++) {
                    int at = i * in.columns + f;
                    double gm = switch (reduce) {
                        case "SUM" -> g[at];
                        case "MEAN" -> g[at] / (end - first);
                        default -> arg[at] == e ? g[at] : 0;
                    };
                    int j = in.indices[e] * in.columns + f;
                    gx[j] += message.equals("MUL") ? gm * in.w[e * in.columns + f] : gm;
                    gw[e * in.columns + f] = message.equals("MUL") ? gm * in.x[j] : message.equals("ADD") ? gm : 0;
                }
            }
        }
        return new double[][] {gx, gw};
    }
}
