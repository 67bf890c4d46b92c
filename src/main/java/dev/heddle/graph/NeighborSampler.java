package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Samples the surroundings of seed nodes, hop by hop: of the edges into each node reached, at most a given number. What a node draws
 * depends on the seed number of the call, on the hop and on the node (with times also on the seed node and its time), never on
 * threads or on what else is in the batch.
 *
 * <ul>
 *   <li>Without replacement (the default) a row with no more edges than wanted gives them all; with replacement a row that is not
 *       empty gives exactly as many as wanted, some perhaps more than once.
 *   <li>With weights an edge is as likely as its weight; one of weight 0 is never taken. Without replacement these are successive
 *       draws, each from what is left (by exponential keys).
 *   <li>With times an edge is taken only if its time is not later than that of the seed it is reached from, or, with {@link
 *       Builder#before}, earlier. Each seed then has a sample of its own, which shares no node with others.
 * </ul>
 */
public final class NeighborSampler {
    private final CsrGraph graph;
    private final int[] fanouts;
    private final boolean replace;
    private final boolean latest;
    private final boolean before;
    private final @Nullable TimeOrder times;
    private final @Nullable EdgeWeights weights;

    private NeighborSampler(Builder b) {
        graph = b.graph;
        fanouts = b.fanouts.clone();
        replace = b.replace;
        latest = b.latest;
        before = b.before;
        times = b.times == null ? null : TimeOrder.of(graph, b.times);
        weights = b.weights == null ? null : EdgeWeights.of(graph, b.weights, times == null ? null : times.order());
    }

    /** A sampler for a square graph. */
    public static Builder builder(CsrGraph graph) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        return new Builder(graph);
    }

    /** Defaults: one hop, all its edges. */
    public static final class Builder {
        private final CsrGraph graph;
        private int[] fanouts = {-1};
        private boolean replace;
        private boolean latest;
        private boolean before;
        private @Nullable Tensor times;
        private @Nullable Tensor weights;

        private Builder(CsrGraph graph) {
            this.graph = graph;
        }

        /** How many edges a node draws at most, in each hop from the seeds on; -1 for all. */
        public Builder fanouts(int... fanouts) {
            for (int f : fanouts) {
                if (f < -1) {
                    throw new IllegalArgumentException("fanouts: " + f + ", must be -1 or more");
                }
            }
            this.fanouts = fanouts.clone();
            return this;
        }

        /** Whether an edge may be drawn more than once. */
        public Builder replace(boolean replace) {
            this.replace = replace;
            return this;
        }

        /** The chances of the edges: float32 {@code [nnz]}, finite and not negative. */
        public Builder weights(Tensor weights) {
            this.weights = weights;
            return this;
        }

        /** The times of the edges: int64 {@code [nnz]}. */
        public Builder times(Tensor times) {
            this.times = times;
            return this;
        }

        /** With times: whether the latest edges are taken instead of random ones. */
        public Builder latest(boolean latest) {
            this.latest = latest;
            return this;
        }

        /** With times: whether edges must be earlier than the seed, not of the same time either. */
        public Builder before(boolean before) {
            this.before = before;
            return this;
        }

        /**
         * The sampler.
         *
         * @throws IllegalArgumentException if weights or times have the wrong shape or values, or options contradict each other
         */
        public NeighborSampler build() {
            if ((latest || before) && times == null) {
                throw new IllegalArgumentException("times: latest and before need them");
            }
            if (latest && (replace || weights != null)) {
                throw new IllegalArgumentException(
                        "latest: leaves nothing to chance, weights and replace have no meaning");
            }
            for (int f : fanouts) {
                if (replace && f < 0) {
                    throw new IllegalArgumentException("fanouts: all edges cannot be drawn with replacement");
                }
            }
            return new NeighborSampler(this);
        }
    }

    /**
     * What was sampled.
     *
     * @param subgraph the nodes reached, in the order in which they were, and the sampled edges into those of all hops but the last
     * @param seeds where each seed is among the nodes, int32 {@code [S]}
     * @param owners with times: the seed that each node belongs to, int32 {@code [n]}; else null
     * @param hopEnds {@code hopEnds[h]}: how many nodes are reached in at most h hops
     */
    @SuppressWarnings("ArrayRecordComponent") // samples are not compared
    public record Sample(
            Subgraph subgraph, Tensor seeds, @Nullable Tensor owners, long[] hopEnds) {
        /**
         * What a layer of a network needs that is followed by {@code h} others: the rows of the nodes that are reached in at most h
         * hops, their sources among those reached in one more. Its edges are the first of the whole sample.
         */
        public CsrGraph layer(int h) {
            if (h < 0 || h + 1 >= hopEnds.length) {
                throw new IndexOutOfBoundsException("hop " + h + " of " + (hopEnds.length - 1));
            }
            CsrGraph all = subgraph.graph();
            long nnz = all.rows().start(hopEnds[h]);
            Tensor indptr = all.rows().indptr().slice(0, 0, hopEnds[h] + 1).copy();
            return CsrGraph.taking(indptr, all.sources().slice(0, 0, nnz).copy(), hopEnds[h + 1]);
        }
    }

    /**
     * Samples around some nodes.
     *
     * @param seeds int32 {@code [S]}; the same node may be there more than once
     * @param seed another number gives another sample
     * @throws IndexOutOfBoundsException if there is no such node
     * @throws IllegalArgumentException if the sampler knows times, so that the seeds need them too
     */
    public Sample sample(Tensor seeds, long seed) {
        if (times != null) {
            throw new IllegalArgumentException("seedTimes: edges have times, so seeds need them too");
        }
        return new Run(seed, null).sample(seeds);
    }

    /**
     * Samples around some nodes, each as of a time of its own.
     *
     * @param seedTimes int64 {@code [S]}
     */
    public Sample sample(Tensor seeds, Tensor seedTimes, long seed) {
        if (times == null) {
            throw new IllegalArgumentException("seedTimes: edges have no times");
        }
        Segments.require(
                seedTimes.dtype() == DType.I64 && seedTimes.rank() == 1 && seedTimes.size() == seeds.size(),
                "seedTimes",
                seedTimes,
                "I64 [" + seeds.size() + "]");
        return new Run(seed, seedTimes.toLongArray()).sample(seeds);
    }

    /** One call: what has been reached, and the edges sampled. */
    private final class Run {
        private static final int CHUNK = 64;
        private static final double NANOS_A_NODE = 200;

        private final long seed;
        private final long @Nullable [] seedTimes;
        private final Adjacency rows = Adjacency.of(graph);

        private int[] seedNodes = {};
        private NodeMap reached = new NodeMap(16);
        private int[] sources = new int[64];
        private long[] edges = new long[64];
        private int sampled;

        Run(long seed, long @Nullable [] seedTimes) {
            this.seed = seed;
            this.seedTimes = seedTimes;
        }

        Sample sample(Tensor seeds) {
            int[] wanted = Index.of("seeds", seeds, graph.nDst()).values().toIntArray();
            seedNodes = wanted;
            reached = new NodeMap(wanted.length);
            int[] at = new int[wanted.length];
            for (int i = 0; i < wanted.length; i++) {
                at[i] = reached.add(key(i, wanted[i]));
            }
            long[] hopEnds = new long[fanouts.length + 1];
            hopEnds[0] = reached.size();
            long[] indptr = {0};
            try (Use _ = graph.use();
                    Use _ = times == null ? Use.of() : times.use();
                    Use _ = weights == null ? Use.of() : weights.use()) {
                int from = 0;
                for (int h = 0; h < fanouts.length; h++) {
                    int end = reached.size();
                    indptr = Arrays.copyOf(indptr, end + 1);
                    hop(h, from, end, indptr);
                    from = end;
                    hopEnds[h + 1] = reached.size();
                }
            }
            int rowsDone = indptr.length - 1;
            indptr = Arrays.copyOf(indptr, reached.size() + 1);
            Arrays.fill(indptr, rowsDone + 1, indptr.length, sampled);
            return new Sample(
                    subgraph(indptr),
                    Tensor.of(at, at.length),
                    seedTimes == null ? null : Tensor.of(reached.owners(), reached.size()),
                    hopEnds);
        }

        /** Seeds with times do not share nodes. */
        private long key(int seedNumber, int node) {
            return seedTimes == null ? node : (long) seedNumber << 32 | node;
        }

        private Subgraph subgraph(long[] indptr) {
            Tensor at = Tensor.zeros(Positions.type(graph.nnz()), sampled);
            try (Use _ = Use.of(at)) {
                Positions to = Positions.of(at);
                for (int e = 0; e < sampled; e++) {
                    to.set(e, edges[e]);
                }
            }
            CsrGraph local = CsrGraph.taking(
                    Tensor.of(indptr, indptr.length),
                    Tensor.of(Arrays.copyOf(sources, sampled), sampled),
                    reached.size());
            return new Subgraph(local, Tensor.of(reached.nodes(), reached.size()), at);
        }

        /** Draws for the nodes reached last, in parallel, then numbers what they reach, in order. */
        private void hop(int h, int from, int end, long[] indptr) {
            int n = end - from;
            long[] room = new long[n + 1];
            for (int i = 0; i < n; i++) {
                room[i + 1] = room[i] + most(fanouts[h], from + i);
            }
            long[] picks = new long[Math.toIntExact(room[n])];
            int[] counts = new int[n];
            Team.run((n + CHUNK - 1) / CHUNK, NANOS_A_NODE * n, c -> {
                for (int i = c * CHUNK; i < Math.min(n, (c + 1) * CHUNK); i++) {
                    counts[i] = draw(h, from + i, picks, (int) room[i], (int) (room[i + 1] - room[i]));
                }
            });
            for (int i = 0; i < n; i++) {
                int owner = (int) (reached.key(from + i) >>> 32);
                for (int k = 0; k < counts[i]; k++) {
                    add(owner, picks[(int) room[i] + k]);
                }
                indptr[from + i + 1] = sampled;
            }
        }

        private void add(int owner, long place) {
            long edge = times == null ? place : times.edge(place);
            if (sampled == sources.length) {
                sources = Arrays.copyOf(sources, 2 * sampled);
                edges = Arrays.copyOf(edges, 2 * sampled);
            }
            sources[sampled] = reached.add(key(owner, rows.source(edge)));
            edges[sampled++] = edge;
        }

        private int node(int local) {
            return (int) reached.key(local);
        }

        /** The places from which a node may draw end here; they start with its row. */
        private long end(int local) {
            long start = rows.start(node(local));
            long end = rows.start(node(local) + 1L);
            if (times == null || seedTimes == null) {
                return end;
            }
            long now = seedTimes[(int) (reached.key(local) >>> 32)];
            return times.firstAfter(start, end, now, before);
        }

        /** How many edges a node draws at most. */
        private int most(int fanout, int local) {
            long there = end(local) - rows.start(node(local));
            if (replace) {
                return there == 0 ? 0 : fanout;
            }
            return Math.toIntExact(fanout < 0 ? there : Math.min(there, fanout));
        }

        /** Writes the places that a node draws, ascending; how many it were. */
        private int draw(int h, int local, long[] picks, int at, int most) {
            if (most == 0) {
                return 0;
            }
            long start = rows.start(node(local));
            long end = end(local);
            long random = CounterRandom.key(seed, h, node(local));
            if (seedTimes != null) {
                int owner = (int) (reached.key(local) >>> 32);
                random = CounterRandom.key(random, seedTimes[owner], seedNodes[owner]);
            }
            int n;
            if (latest) {
                n = run(end - most, most, picks, at);
            } else if (weights != null) {
                EdgeWeights.View w = weights.view();
                n = replace
                        ? Draws.weightedAgain(w, start, end, most, random, picks, at)
                        : Draws.weighted(w, start, end, most, random, picks, at);
            } else if (replace) {
                n = Draws.uniformAgain(start, end, most, random, picks, at);
            } else if (most == end - start) {
                n = run(start, most, picks, at);
            } else {
                n = Draws.uniform(start, end, most, random, picks, at);
            }
            Arrays.sort(picks, at, at + n);
            return n;
        }

        private static int run(long start, int n, long[] picks, int at) {
            for (int k = 0; k < n; k++) {
                picks[at + k] = start + k;
            }
            return n;
        }
    }

    /** The edges of each row in the order of their times. */
    private record TimeOrder(Tensor order, Tensor sorted) {
        static TimeOrder of(CsrGraph graph, Tensor times) {
            Segments.require(
                    times.dtype() == DType.I64 && times.rank() == 1 && times.size() == graph.nnz(),
                    "times",
                    times,
                    "I64 [" + graph.nnz() + "]");
            Tensor order = Tensor.zeros(Positions.type(graph.nnz()), graph.nnz());
            Tensor sorted = times.copy();
            RowSplit split = graph.rowSplit();
            try (Use _ = graph.use();
                    Use _ = Use.of(order, sorted)) {
                Adjacency rows = Adjacency.of(graph);
                Positions at = Positions.of(order);
                long t = sorted.address();
                Team.run(split.pieces(), 20.0 * graph.nnz(), p -> {
                    long end = split.endRow(p);
                    for (long i = split.firstRow(p); i < end; i++) {
                        sortRow(rows.start(i), rows.start(i + 1), t, at);
                    }
                });
            }
            return new TimeOrder(order, sorted);
        }

        /** Sorts a row's edges by time, stably, and its times with them. */
        private static void sortRow(long start, long end, long times, Positions order) {
            int n = Math.toIntExact(end - start);
            long[] t = new long[n];
            Integer[] byTime = new Integer[n];
            for (int k = 0; k < n; k++) {
                t[k] = Raw.ALL.get(Raw.I64, times + 8 * (start + k));
                byTime[k] = k;
            }
            Arrays.sort(byTime, (a, b) -> Long.compare(t[a], t[b]));
            for (int k = 0; k < n; k++) {
                order.set(start + k, start + byTime[k]);
                Raw.ALL.set(Raw.I64, times + 8 * (start + k), t[byTime[k]]);
            }
        }

        Use use() {
            return Use.of(order, sorted);
        }

        long edge(long place) {
            return Positions.of(order).at(place);
        }

        /** The first place in a row whose time is after {@code now}, or not before it. */
        long firstAfter(long start, long end, long now, boolean orAt) {
            long t = sorted.address();
            long low = start;
            long high = end;
            while (low < high) {
                long middle = low + (high - low) / 2;
                long time = Raw.ALL.get(Raw.I64, t + 8 * middle);
                if (time < now || (time == now && !orAt)) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            return low;
        }
    }
}
