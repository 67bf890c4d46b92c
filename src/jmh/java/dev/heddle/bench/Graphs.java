package dev.heddle.bench;

import dev.heddle.graph.CsrGraph;
import java.util.SplittableRandom;

/** The two graphs that message passing is measured on; the same for every run. */
public final class Graphs {
    private Graphs() {}

    public static CsrGraph of(String name) {
        return switch (name) {
            case "uniform" -> uniform(100_000, 2_000_000);
            case "power" -> rmat(17, 2_000_000);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** Edges between nodes drawn evenly. */
    static CsrGraph uniform(int n, int edges) {
        SplittableRandom r = new SplittableRandom(1);
        int[] src = new int[edges];
        int[] dst = new int[edges];
        for (int e = 0; e < edges; e++) {
            src[e] = r.nextInt(n);
            dst[e] = r.nextInt(n);
        }
        return fromCoo(n, src, dst);
    }

    /** R-MAT with the probabilities of Graph500: .57 .19 .19 .05. */
    static CsrGraph rmat(int scale, int edges) {
        SplittableRandom r = new SplittableRandom(2);
        int[] src = new int[edges];
        int[] dst = new int[edges];
        for (int e = 0; e < edges; e++) {
            for (int b = 0; b < scale; b++) {
                double p = r.nextDouble();
                src[e] = src[e] << 1 | ((p >= 0.57 && p < 0.76) || p >= 0.95 ? 1 : 0);
                dst[e] = dst[e] << 1 | (p >= 0.76 ? 1 : 0);
            }
        }
        return fromCoo(1 << scale, src, dst);
    }

    private static CsrGraph fromCoo(int n, int[] src, int[] dst) {
        long[] indptr = new long[n + 1];
        for (int d : dst) {
            indptr[d + 1]++;
        }
        for (int i = 0; i < n; i++) {
            indptr[i + 1] += indptr[i];
        }
        long[] at = indptr.clone();
        int[] indices = new int[src.length];
        for (int e = 0; e < src.length; e++) {
            indices[(int) at[dst[e]]++] = src[e];
        }
        return CsrGraph.of(indptr, indices, n);
    }
}
