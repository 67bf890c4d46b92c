package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
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
    private CsrGraph graph;

    @Setup
    public void setUp() {
        nodes = edges / 10;
        SplittableRandom r = new SplittableRandom(5);
        from = r.ints(edges, 0, nodes).toArray();
        to = r.ints(edges, 0, nodes).toArray();
        src = Tensor.of(from);
        dst = Tensor.of(to);
        graph = CsrGraph.fromCoo(src, dst, nodes, nodes).graph();
    }

    @Benchmark
    public void fromCoo() {
        Team.with(1, () -> CsrGraph.fromCoo(src, dst, nodes, nodes));
    }

    /** A graph keeps its transpose, so each time it is another one. */
    @Benchmark
    public void transpose() {
        CsrGraph fresh = CsrGraph.of(graph.indptr(), graph.indices(), nodes);
        Team.with(1, fresh::transpose);
    }

    /** Pairs in longs, sorted: what java.util offers that is fast. */
    @Benchmark
    public void sortPairs() {
        long[] pairs = new long[edges];
        for (int e = 0; e < edges; e++) {
            pairs[e] = (long) to[e] << 32 | from[e];
        }
        Arrays.sort(pairs);
        if (pairs[0] < 0) {
            throw new AssertionError();
        }
    }
}
