package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Graphs;
import dev.heddle.bench.SecondCore;
import dev.heddle.graph.CsrGraph;
import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
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

/**
 * Sweeps over a graph beside a weighted sum of its sources: gradients, and four aggregations at once; 64 features. On two threads
 * beside one, with a probe that tells whether there is a second core at all.
 */
@Bar(method = "gradX", peer = "sum", atLeast = 1 / 1.3)
@Bar(method = "gradW", peer = "sum", atLeast = 1 / 1.3)
@Bar(method = "pna", peer = "copySum", atLeast = 0.5)
@Bar(method = "sumOnTwo", peer = "sum", atLeast = 1.6)
@Bar(method = "pnaOnTwo", peer = "pna", atLeast = 1.6)
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

    private CsrGraph csr;
    private Tensor x;
    private Tensor w;
    private Tensor y;
    private Tensor gradY;
    private Tensor gradX;
    private Tensor gradW;
    private Tensor four;
    private final SecondCore secondCore = new SecondCore();
    private final Spmm sum = Spmm.builder().message(Message.MUL).build();
    private final Spmm copySum = Spmm.builder().build();
    private final Workspace scratch = new Workspace();
    private final Pna pna = Pna.builder().build();

    @Setup
    public void setUp() {
        csr = Graphs.of(graph);
        Random32 r = new Random32();
        x = r.normal(csr.nSrc(), FEATURES);
        gradY = r.normal(csr.nDst(), FEATURES);
        w = r.normal(csr.nnz());
        y = Tensor.zeros(DType.F32, csr.nDst(), FEATURES);
        gradX = Tensor.zeros(DType.F32, csr.nSrc(), FEATURES);
        gradW = Tensor.zeros(DType.F32, csr.nnz());
        four = Tensor.zeros(DType.F32, csr.nDst(), 4 * FEATURES);
        csr.transpose();
    }

    private void sum(int threads) {
        Team.with(threads, () -> sum.forward(csr, x, w, y, null));
    }

    @Benchmark
    public void sum() {
        sum(1);
    }

    @Benchmark
    public void sumOnTwo() {
        sum(2);
    }

    /** Without weights, as the aggregations are. */
    @Benchmark
    public void copySum() {
        Team.with(1, () -> copySum.forward(csr, x, null, y, null));
    }

    @Benchmark
    public void gradX() {
        Team.with(1, () -> sum.backward(csr, x, w, gradY, null, gradX, null, false, scratch));
    }

    @Benchmark
    public void gradW() {
        Team.with(1, () -> sum.backward(csr, x, w, gradY, null, null, gradW, false, scratch));
    }

    private void pna(int threads) {
        Team.with(threads, () -> pna.forward(csr, x, four));
    }

    @Benchmark
    public void pna() {
        pna(1);
    }

    /** What pna writes, and nothing else: four times the output of a sum. */
    @Benchmark
    public void writeFour() {
        Raw.ALL.asSlice(four.address(), 4 * four.size()).fill((byte) 0);
    }

    @Benchmark
    public void pnaOnTwo() {
        pna(2);
    }

    @Benchmark
    public void probe() {
        secondCore.probe(1);
    }

    @Benchmark
    public void probeOnTwo() {
        secondCore.probe(2);
    }
}
