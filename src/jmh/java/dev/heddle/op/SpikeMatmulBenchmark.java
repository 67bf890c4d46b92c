package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Torch;
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

/** A vector of spikes, or several, times a matrix of 768 by 3072; packing is part of the time. The peer is PyTorch on OpenBLAS. */
@Bar(method = "spikes", peer = "torchDense", atLeast = 16, where = "rate=0.05 rows=1 ")
@Bar(method = "spikes", peer = "torchDense", atLeast = 8, where = "rate=0.1 rows=1 ")
@Bar(method = "spikes", peer = "torchDense", atLeast = 4, where = "rate=0.2 rows=1 ")
@Bar(method = "spikes", peer = "dense", atLeast = 1 / 1.1)
@Bar(method = "spikes", peer = "torchDense", atLeast = 1 / 1.1, where = "rows=1 ")
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
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
public class SpikeMatmulBenchmark {
    private static final int INPUTS = 768;
    private static final int OUTPUTS = 3072;

    @Param({"0.05", "0.1", "0.2", "0.5", "1"})
    public String rate;

    @Param({"1", "256"})
    public int rows;

    @Param({"1", "2"})
    public int threads;

    private final SpikeMatmul op = SpikeMatmul.builder().build();
    private final Matmul matmul = Matmul.builder().build();
    private final Workspace scratch = new Workspace();
    private Tensor s;
    private Tensor w;
    private Tensor y;
    private Torch torch;
    private Object[] torchArguments;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        double p = Double.parseDouble(rate);
        float[] bits = new float[rows * INPUTS];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = r.nextDouble() < p ? 1 : 0;
        }
        s = Tensor.of(bits, rows, INPUTS);
        w = random(r, 1, INPUTS, OUTPUTS);
        y = Tensor.zeros(DType.F32, rows, OUTPUTS);
        torch = Torch.script(
                rows == 1
                        ? "def f(s: Tensor, w: Tensor):\n  return torch.mv(w.t(), s[0])\n"
                        : "def f(s: Tensor, w: Tensor):\n  return torch.mm(s, w)\n");
        torchArguments = new Object[] {Torch.view(s), Torch.view(w)};
        Torch.threads(threads);
        spikes();
        float[] a = y.toFloatArray();
        float[] b = torch.floats(torchArguments);
        for (int i = 0; i < a.length; i++) {
            if (Math.abs(a[i] - b[i]) > 1e-3 + 1e-3 * Math.abs(b[i])) {
                throw new AssertionError("element " + i + ": " + a[i] + ", PyTorch " + b[i]);
            }
        }
    }

    private static Tensor random(SplittableRandom r, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * r.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    @Benchmark
    public void spikes() {
        Team.with(threads, () -> op.forward(s, w, null, y, scratch));
        scratch.reset();
    }

    @Benchmark
    public void dense() {
        Team.with(threads, () -> matmul.forward(s, w, null, y, scratch));
        scratch.reset();
    }

    @Benchmark
    public void torchDense() {
        torch.run(torchArguments);
    }
}
