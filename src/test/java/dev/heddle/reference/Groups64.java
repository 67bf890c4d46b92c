package dev.heddle.reference;

import java.util.Arrays;

/** Reductions over groups of rows in float64: y_i = reduce over the e with index_e = i of x_e. */
public final class Groups64 {
    public final double[] y;
    public final int[] arg;
    private final int[] index;
    private final int columns;
    private final double[] x;
    private final String reduce;
    private final int[] counts;

    /** {@code reduce} is SUM, MEAN, MAX, MIN or MUL. */
    public Groups64(int[] index, int groups, int columns, double[] x, String reduce) {
        this.index = index;
        this.columns = columns;
        this.x = x;
        this.reduce = reduce;
        y = new double[groups * columns];
        arg = new int[y.length];
        counts = new int[groups];
        Arrays.fill(arg, -1);
        if (reduce.equals("MUL")) {
            Arrays.fill(y, 1);
        }
        for (int e = 0; e < index.length; e++) {
            counts[index[e]]++;
            for (int f = 0; f < columns; f++) {
                add(e, index[e] * columns + f, x[e * columns + f]);
            }
        }
        for (int i = 0; reduce.equals("MEAN") && i < y.length; i++) {
            y[i] /= Math.max(1, counts[i / columns]);
        }
    }

    private void add(int e, int at, double v) {
        switch (reduce) {
            case "SUM", "MEAN" -> y[at] += v;
            case "MUL" -> y[at] *= v;
            default -> {
                boolean better = reduce.equals("MAX") ? v > y[at] : v < y[at];
                if (arg[at] < 0 || better || Double.isNaN(v)) {
                    y[at] = v;
                    arg[at] = e;
                }
            }
        }
    }

    /** The gradient of x for the cotangent g of y. */
    public double[] backward(double[] g) {
        double[] gx = new double[x.length];
        for (int e = 0; e < index.length; e++) {
            for (int f = 0; f < columns; f++) {
                int at = index[e] * columns + f;
                gx[e * columns + f] = switch (reduce) {
                    case "SUM" -> g[at];
                    case "MEAN" -> g[at] / counts[index[e]];
                    case "MUL" -> g[at] * others(e, f);
                    default -> arg[at] == e ? g[at] : 0;
                };
            }
        }
        return gx;
    }

    private double others(int e, int f) {
        double product = 1;
        for (int k = 0; k < index.length; k++) {
            product *= k != e && index[k] == index[e] ? x[k * columns + f] : 1;
        }
        return product;
    }
}
