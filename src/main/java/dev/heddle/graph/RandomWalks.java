package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * Random walks: from a node to one of its row, over and over. Rows list the sources of edges, so walks run against them; walk on the
 * {@linkplain CsrGraph#transpose transpose} to run along. A walk depends on its number and on the seed, never on threads or on other
 * walks.
 *
 * <p>With {@code p} and {@code q} other than 1 these are the walks of node2vec: after a step from t to v, going back to t is taken
 * with weight 1/p, a neighbour of t with weight 1, any other node with weight 1/q, times the weight of the edge.
 */
public final class RandomWalks {
    private static final int CHUNK = 64;
    private static final double NANOS_A_STEP = 50;

    private final CsrGraph graph;
    private final @Nullable EdgeWeights weights;
    private final double p;
    private final double q;

    private RandomWalks(CsrGraph graph, @Nullable EdgeWeights weights, double p, double q) {
        this.graph = graph;
        this.weights = weights;
        this.p = p;
        this.q = q;
    }

    /** Walks on a square graph. */
    public static Builder builder(CsrGraph graph) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        return new Builder(graph);
    }

    /** Defaults: every neighbour equally likely. */
    public static final class Builder {
        private final CsrGraph graph;
        private @Nullable Tensor weights;
        private double p = 1;
        private double q = 1;

        private Builder(CsrGraph graph) {
            this.graph = graph;
        }

        /** The chances of the edges: float32 {@code [nnz]}, finite and not negative. */
        public Builder weights(Tensor weights) {
            this.weights = weights;
            return this;
        }

        /** How unlikely a walk is to go back, and to go on outwards. */
        public Builder node2vec(double p, double q) {
            if (!(p > 0 && q > 0 && p < Double.POSITIVE_INFINITY && q < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException("p, q: " + p + ", " + q + ", must be positive and finite");
            }
            this.p = p;
            this.q = q;
            return this;
        }

        public RandomWalks build() {
            return new RandomWalks(graph, weights == null ? null : EdgeWeights.of(graph, weights, null), p, q);
        }
    }

    /**
     * Walks of {@code length} steps.
     *
     * @param starts int32 {@code [W]}; each is a walk of its own
     * @return the nodes passed, int32 {@code [W, length + 1]}; -1 after the last one of a walk that cannot go on
     * @throws IndexOutOfBoundsException if there is no such node
     */
    public Tensor walk(Tensor starts, int length, long seed) {
        if (length < 0) {
            throw new IllegalArgumentException("length: " + length + " is negative");
        }
        Index from = Index.of("starts", starts, graph.nDst());
        Tensor walks = Tensor.zeros(DType.I32, from.size(), length + 1L);
        int n = Math.toIntExact(from.size());
        boolean secondOrder = p != 1 || q != 1;
        boolean ascending = secondOrder && graph.isAscending();
        try (Use _ = graph.use();
                Use _ = Use.of(walks);
                Use _ = from.use();
                Use _ = weights == null ? Use.of() : weights.use()) {
            Steps steps = new Steps(
                    Adjacency.of(graph),
                    weights == null ? null : weights.view(),
                    secondOrder ? 1 / p : 1,
                    secondOrder ? 1 / q : 1,
                    ascending);
            long out = walks.address();
            Team.run((n + CHUNK - 1) / CHUNK, NANOS_A_STEP * n * length, c -> {
                for (int w = c * CHUNK; w < Math.min(n, (c + 1) * CHUNK); w++) {
                    int start = Raw.ALL.get(Raw.I32, from.address() + 4L * w);
                    steps.walk(start, length, CounterRandom.key(seed, w, start), out + 4L * w * (length + 1L));
                }
            });
        }
        return walks;
    }

    /** How a walk takes its steps. */
    private record Steps(
            Adjacency rows, EdgeWeights.@Nullable View weights, double back, double out, boolean ascending) {
        void walk(int start, int length, long key, long to) {
            int before = -1;
            int at = start;
            Raw.ALL.set(Raw.I32, to, at);
            for (int s = 1; s <= length; s++) {
                int next = at < 0 ? -1 : step(before, at, CounterRandom.key(key, s, 0));
                Raw.ALL.set(Raw.I32, to + 4L * s, next);
                before = at;
                at = next;
            }
        }

        /** The next node, -1 if there is none. */
        private int step(int before, int at, long key) {
            long start = rows.start(at);
            long end = rows.start(at + 1L);
            if (start == end) {
                return -1;
            }
            boolean free = before < 0 || (back == 1 && out == 1);
            double most = Math.max(1, Math.max(back, out));
            // draw by weight, and take what was drawn as often as node2vec asks
            for (long i = 0; ; i += 2) {
                long bits = CounterRandom.bits(key, i);
                long e = weights == null
                        ? start + CounterRandom.below(end - start, bits)
                        : weights.draw(start, end, bits);
                if (e < 0) {
                    return -1;
                }
                int next = rows.source(e);
                if (free || CounterRandom.unit(CounterRandom.bits(key, i + 1)) * most < bias(before, next)) {
                    return next;
                }
            }
        }

        private double bias(int before, int next) {
            if (next == before) {
                return back;
            }
            return isNeighbor(before, next) ? 1 : out;
        }

        private boolean isNeighbor(int of, int node) {
            long low = rows.start(of);
            long high = rows.start(of + 1L);
            if (!ascending) {
                while (low < high && rows.source(low) != node) {
                    low++;
                }
                return low < high;
            }
            while (low < high) {
                long middle = low + (high - low) / 2;
                if (rows.source(middle) < node) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            return low < rows.start(of + 1L) && rows.source(low) == node;
        }
    }
}
