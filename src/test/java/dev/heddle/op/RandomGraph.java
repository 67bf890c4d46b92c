package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import java.util.Random;

/** Graphs for tests, with empty rows, duplicate edges and self loops among their edges, and their arrays. */
record RandomGraph(long[] indptr, int[] indices, int nSrc) {
    /** About a quarter of the rows are empty, the others have up to {@code maxDegree} edges. */
    static RandomGraph of(Random rnd, int nDst, int nSrc, int maxDegree) {
        long[] indptr = new long[nDst + 1];
        for (int i = 0; i < nDst; i++) {
            indptr[i + 1] = indptr[i] + (nSrc == 0 || rnd.nextInt(4) == 0 ? 0 : rnd.nextInt(maxDegree + 1));
        }
        return with(rnd, indptr, nSrc);
    }

    /** Rows of given lengths, with random sources. */
    static RandomGraph with(Random rnd, long[] indptr, int nSrc) {
        int nnz = (int) indptr[indptr.length - 1];
        return new RandomGraph(indptr, rnd.ints(nnz, 0, Math.max(nSrc, 1)).toArray(), nSrc);
    }

    /** One row that is cut into parts, among some ordinary ones. */
    static RandomGraph withHub(Random rnd, int nDst, int nSrc, int hubEdges) {
        long[] indptr = new long[nDst + 1];
        for (int i = 0; i < nDst; i++) {
            indptr[i + 1] = indptr[i] + (i == nDst / 2 ? hubEdges : rnd.nextInt(9));
        }
        return with(rnd, indptr, nSrc);
    }

    int nDst() {
        return indptr.length - 1;
    }

    int nnz() {
        return indices.length;
    }

    CsrGraph csr() {
        return CsrGraph.of(indptr, indices, nSrc);
    }

    /** Works on one edge of row i. */
    interface Edge {
        void visit(int i, int j, int e);
    }

    /** All edges, in CSR order. */
    void forEach(Edge edge) {
        for (int i = 0; i < nDst(); i++) {
            forEach(i, edge);
        }
    }

    /** Those of one row. */
    void forEach(int i, Edge edge) {
        for (int e = (int) indptr[i]; e < indptr[i + 1]; e++) {
            edge.visit(i, indices[e], e);
        }
    }

    /** Softmax over each row of {@code s[e * heads + h]}, in float64. */
    double[] softmax(double[] s, int heads) {
        double[] alpha = new double[s.length];
        for (int i = 0; i < nDst(); i++) {
            for (int h = 0; h < heads; h++) {
                int head = h;
                double[] most = {Double.NEGATIVE_INFINITY};
                double[] sum = {0};
                forEach(i, (_, _, e) -> most[0] = Math.max(most[0], s[e * heads + head]));
                if (most[0] == Double.NEGATIVE_INFINITY) {
                    continue;
                }
                forEach(i, (_, _, e) -> sum[0] += Math.exp(s[e * heads + head] - most[0]));
                forEach(i, (_, _, e) -> alpha[e * heads + head] = Math.exp(s[e * heads + head] - most[0]) / sum[0]);
            }
        }
        return alpha;
    }
}
