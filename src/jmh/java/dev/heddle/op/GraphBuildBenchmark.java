package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Graphs from edges in random order, and turned round, beside sorting the edges with {@code java.util}: ten edges a node. */
@Bar(method = "fromCoo", peer = "sortPairs", atLeast = 5)
@Bar(method = "transpose", peer = "sortPairs", atLeast = 5)
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx4g"})
public class GraphBuildBenchmark {
    @Param({"5000000", "10000000"})
    public int edges;

    private int nodes;
    private Tensor src;
    private Tensor dst;
    private int[] from;
    private int[] to;
    private Pair[] pairs;
    private Tensor indptr;
    private Tensor indices;

    private record Pair(int to, int from) {}

    @Setup
    public void setUp() {
        nodes = edges / 10;
        SplittableRandom r = new SplittableRandom(5);
        from = r.ints(edges, 0, nodes).toArray();
        to = r.ints(edges, 0, nodes).toArray();
        src = Tensor.of(from);
        dst = Tensor.of(to);
        pairs = new Pair[edges];
        for (int e = 0; e < edges; e++) {
            pairs[e] = new Pair(to[e], from[e]);
        }
        CsrGraph graph = CsrGraph.fromCoo(src, dst, nodes, nodes).graph();
        indptr = Tensor.of(graph.indptr());
        indices = Tensor.of(graph.indices());
    }

    @Benchmark
    public void fromCoo() {
        Team.with(1, () -> {
            CsrGraph.Derived made = CsrGraph.fromCoo(src, dst, nodes, nodes);
            made.graph().close();
            made.perm().close();
        });
    }

    /** A graph keeps its transpose, so each time it is another one. */
    @Benchmark
    public void transpose() {
        CsrGraph fresh = CsrGraph.trustMapped(indptr, indices, nodes);
        Team.with(1, fresh::transpose);
        fresh.close();
    }

    /** What java.util offers for pairs: objects and a comparator. Stable, as a graph is, so that edges keep their order. */
    @Benchmark
    public void sortPairs() {
        Pair[] sorted = pairs.clone();
        Arrays.sort(sorted, Comparator.comparingInt(Pair::to));
        require(sorted[0].to <= sorted[edges - 1].to);
    }

    /** Pairs packed in longs by hand; it leaves neither a graph nor where its edges come from. */
    @Benchmark
    public void sortLongs() {
        long[] sorted = new long[edges];
        for (int e = 0; e < edges; e++) {
            sorted[e] = (long) to[e] << 32 | from[e];
        }
        Arrays.sort(sorted);
        require(sorted[0] <= sorted[edges - 1]);
    }

    private static void require(boolean sorted) {
        if (!sorted) {
            throw new AssertionError();
        }
    }
}
