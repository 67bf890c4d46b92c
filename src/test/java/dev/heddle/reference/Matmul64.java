package dev.heddle.reference;

/** Matrix products in float64: three loops. */
public final class Matmul64 {
    private Matmul64() {}

    /** {@code a[i, p] b[p, j]} summed over p; a is stored [m, k] or, transposed, [k, m], b [k, n] or [n, k]. */
    public static double[] product(
            double[] a, boolean transposeA, double[] b, boolean transposeB, int m, int n, int k) {
        double[] c = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int p = 0; p < k; p++) {
                    sum += a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j];
                }
                c[i * n + j] = sum;
            }
        }
        return c;
    }
}
