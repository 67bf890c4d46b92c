package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Graphs;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
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

/** Sweeps over a graph beside a weighted sum of its sources: gradients, and four aggregations at once; 64 features. */
@Bar(method = "gradX", peer = "sum", atLeast = 1 / 1.3)
@Bar(method = "gradW", peer = "sum", atLeast = 1 / 1.3)
@Bar(method = "pna", peer = "sum", atLeast = 0.5)
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Dheddle.backend=vector",
            "-Xmx8g"
        })
public class GraphSweepsBenchmark {
    private static final int FEATURES = 64;

    @Param({"uniform", "power"})
    public String graph;

    @Param({"1", "2"})
    public int threads;

    private CsrGraph csr;
    private Tensor x;
    private Tensor w;
    private Tensor y;
    private Tensor gradY;
    private Tensor gradX;
    private Tensor gradW;
    private Tensor four;
    private final Spmm sum = Spmm.builder().message(Message.MUL).build();
    private final Workspace scratch = new Workspace();
    private final Pna pna = Pna.builder().build();

    @Setup
    public void setUp() {
        csr = Graphs.of(graph);
        SplittableRandom r = new SplittableRandom(3);
        x = random(r, csr.nSrc(), FEATURES);
        gradY = random(r, csr.nDst(), FEATURES);
        w = random(r, csr.nnz());
        y = Tensor.zeros(DType.F32, csr.nDst(), FEATURES);
        gradX = Tensor.zeros(DType.F32, csr.nSrc(), FEATURES);
        gradW = Tensor.zeros(DType.F32, csr.nnz());
        four = Tensor.zeros(DType.F32, csr.nDst(), 4 * FEATURES);
        csr.transpose();
    }

    private static Tensor random(SplittableRandom r, long... shape) {
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] v = new float[(int) t.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) r.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    @Benchmark
    public void sum() {
        Team.with(threads, () -> sum.forward(csr, x, w, y, null));
    }

    @Benchmark
    public void gradX() {
        Team.with(threads, () -> sum.backward(csr, x, w, gradY, null, gradX, null, false, scratch));
    }

    @Benchmark
    public void gradW() {
        Team.with(threads, () -> sum.backward(csr, x, w, gradY, null, null, gradW, false, scratch));
    }

    @Benchmark
    public void pna() {
        Team.with(threads, () -> pna.forward(csr, x, four));
    }

    /** Ten million edges in random order. */
    @State(Scope.Benchmark)
    @Bar(method = "heddle", peer = "javaUtil", atLeast = 5)
    public static class Build {
        private static final int EDGES = 10_000_000;
        private static final int NODES = 1_000_000;

        private Tensor src;
        private Tensor dst;
        private int[] from;
        private int[] to;

        /** Draws the edges. */
        @Setup
        public void setUp() {
            SplittableRandom r = new SplittableRandom(5);
            from = r.ints(EDGES, 0, NODES).toArray();
            to = r.ints(EDGES, 0, NODES).toArray();
            src = Tensor.of(from);
            dst = Tensor.of(to);
        }

        @Benchmark
        public void heddle() {
            Team.with(1, () -> CsrGraph.fromCoo(src, dst, NODES, NODES));
        }

        /** Pairs in longs, sorted: what java.util offers that is fast. */
        @Benchmark
        public void javaUtil() {
            long[] pairs = new long[EDGES];
            for (int e = 0; e < EDGES; e++) {
                pairs[e] = (long) to[e] << 32 | from[e];
            }
            Arrays.sort(pairs);
            if (pairs[0] < 0) {
                throw new AssertionError();
            }
        }
    }
}
