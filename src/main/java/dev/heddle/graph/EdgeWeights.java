package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * Weights of edges as chances: their running sums within each row, so that a draw is a binary search. Float64 in raw memory, at the
 * place of each edge.
 */
final class EdgeWeights {
    private final Tensor weights;
    private final Tensor sums;

    private EdgeWeights(Tensor weights, Tensor sums) {
        this.weights = weights;
        this.sums = sums;
    }

    /**
     * @param weights float32 {@code [nnz]}, finite and not negative; at place k is that of edge {@code order[k]}
     * @param order null if places are edges
     */
    static EdgeWeights of(CsrGraph graph, Tensor weights, @Nullable Tensor order) {
        Segments.require(
                weights.dtype() == DType.F32 && weights.rank() == 1 && weights.size() == graph.nnz(),
                "weights",
                weights,
                "F32 [" + graph.nnz() + "]");
        Tensor read = weights.copy();
        Tensor own = Tensor.zeros(DType.F32, graph.nnz());
        Tensor sums = Tensor.zeros(DType.I64, graph.nnz()); // room for float64
        try (Use _ = graph.use();
                Use _ = Use.of(read, own, sums, order)) {
            Positions at = order == null ? null : Positions.of(order);
            long from = read.address();
            long to = own.address();
            long s = sums.address();
            Adjacency rows = Adjacency.of(graph);
            for (long i = 0; i < graph.nDst(); i++) {
                double sum = 0;
                for (long k = rows.start(i), end = rows.start(i + 1); k < end; k++) {
                    long e = at == null ? k : at.at(k);
                    float w = Raw.ALL.get(Raw.F32, from + 4 * e);
                    if (!(w >= 0 && w < Float.POSITIVE_INFINITY)) {
                        throw new IllegalArgumentException(
                                "weights[" + e + "] = " + w + ", must be finite and not negative");
                    }
                    sum += w;
                    Raw.ALL.set(Raw.F32, to + 4 * k, w);
                    Raw.ALL.set(Raw.F64, s + 8 * k, sum);
                }
            }
        }
        return new EdgeWeights(own, sums);
    }

    Use use() {
        return Use.of(weights, sums);
    }

    /** The weights in raw memory, while a use is open. */
    View view() {
        return new View(weights.address(), sums.address());
    }

    record View(long weights, long sums) {
        float weight(long place) {
            return Raw.ALL.get(Raw.F32, weights + 4 * place);
        }

        private double sum(long place) {
            return Raw.ALL.get(Raw.F64, sums + 8 * place);
        }

        /** A place in {@code [from, end)}, the start of a row and what follows; each as likely as its weight. -1 if all are 0. */
        long draw(long from, long end, long bits) {
            double total = end > from ? sum(end - 1) : 0;
            if (total == 0) {
                return -1;
            }
            double x = Math.min(CounterRandom.unit(bits) * total, Math.nextDown(total));
            long low = from;
            long high = end - 1;
            while (low < high) {
                long middle = low + (high - low) / 2;
                if (sum(middle) > x) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            return low;
        }
    }
}
