package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Graphs;
import dev.heddle.bench.Torch;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
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

/** SpMM, weighted sum and its relatives, beside PyTorch's CSR product with reduction. */
@Bar(method = "heddleSum", peer = "torchSum", atLeast = 3, where = " features=16 ")
@Bar(method = "heddleSum", peer = "torchSum", atLeast = 1.5, where = " features=64 ")
@Bar(method = "heddleSum", peer = "torchSum", atLeast = 1.5, where = " features=128 ")
@Bar(method = "heddleMax", peer = "heddleSum", atLeast = 1 / 1.2)
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
public class SpmmBenchmark {
    @Param({"uniform", "power"})
    public String graph;

    @Param({"16", "64", "128"})
    public int features;

    @Param({"1", "2"})
    public int threads;

    private CsrGraph csr;
    private Tensor x;
    private Tensor w;
    private Tensor y;
    private org.bytedeco.pytorch.Tensor torchCsr;
    private org.bytedeco.pytorch.Tensor torchX;
    private Torch torchSum;
    private Torch torchMax;
    private final Spmm sum = Spmm.builder().message(Message.MUL).build();
    private final Spmm max =
            Spmm.builder().message(Message.MUL).reduce(Reduce.MAX).build();
    private final Spmm copy = Spmm.builder().build();

    @Setup
    public void setUp() {
        csr = Graphs.of(graph);
        SplittableRandom r = new SplittableRandom(3);
        x = random(r, csr.nSrc(), features);
        w = random(r, csr.nnz());
        y = Tensor.zeros(DType.F32, csr.nDst(), features);
        torchCsr = Torch.csr(csr.indptr(), csr.indices(), w, csr.nSrc());
        torchX = Torch.view(x);
        torchSum = Torch.script("def f(a: Tensor, b: Tensor):\n  return torch._sparse_mm(a, b, \"sum\")\n");
        torchMax = Torch.script("def f(a: Tensor, b: Tensor):\n  return torch._sparse_mm(a, b, \"amax\")\n");
        Torch.threads(threads);
        agree(sum, torchSum);
        agree(max, torchMax);
    }

    /** What is compared must be the same thing. */
    private void agree(Spmm ours, Torch theirs) {
        ours.forward(csr, x, w, y, null);
        float[] a = y.toFloatArray();
        float[] b = theirs.floats(torchCsr, torchX);
        for (int i = 0; i < a.length; i++) {
            if (Math.abs(a[i] - b[i]) > 1e-4 + 1e-4 * Math.abs(b[i])) {
                throw new AssertionError("element " + i + ": " + a[i] + ", PyTorch " + b[i]);
            }
        }
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
    public void heddleSum() {
        Team.with(threads, () -> sum.forward(csr, x, w, y, null));
    }

    @Benchmark
    public void heddleMax() {
        Team.with(threads, () -> max.forward(csr, x, w, y, null));
    }

    @Benchmark
    public void heddleCopySum() {
        Team.with(threads, () -> copy.forward(csr, x, null, y, null));
    }

    @Benchmark
    public void torchSum() {
        torchSum.run(torchCsr, torchX);
    }

    @Benchmark
    public void torchMax() {
        torchMax.run(torchCsr, torchX);
    }
}
