package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Peers;
import dev.heddle.bench.Torch;
import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.lang.foreign.MemorySegment;
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

/** Operators that go along rows of 768, one thread, in the last cache and beyond it, beside PyTorch and a plain copy. */
@Bar(method = "heddle", peer = "torch", atLeast = 1)
@Bar(method = "heddle", peer = "copy", atLeast = 0.6, where = " rows=65536 ")
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class NormBenchmark {
    private static final int C = 768;

    @Param({"softmax", "layer_norm", "rms_norm"})
    public String op;

    @Param({"4096", "65536"})
    public int rows;

    private Tensor x;
    private Tensor y;
    private Tensor weight;
    private Tensor bias;
    private Tensor means;
    private Tensor deviations;
    private Object[] arguments;
    private Torch torch;
    private Runnable ours;
    private final Workspace scratch = new Workspace();

    @Setup
    public void setUp() {
        x = Peers.random(1, rows, C);
        y = Tensor.zeros(DType.F32, rows, C);
        means = Tensor.zeros(DType.F32, rows, 1);
        deviations = Tensor.zeros(DType.F32, rows, 1);
        weight = Peers.random(2, C);
        bias = Peers.random(3, C);
        Softmax softmax = Softmax.builder().build();
        LayerNorm layerNorm = LayerNorm.builder().build();
        RmsNorm rmsNorm = RmsNorm.builder().build();
        ours = switch (op) {
            case "softmax" -> () -> softmax.forward(x, y, scratch);
            case "layer_norm" -> () -> layerNorm.forward(x, weight, bias, y, scratch);
            default -> () -> rmsNorm.forward(x, weight, null, null, y, scratch);
        };
        String call = switch (op) {
            case "softmax" -> "torch._softmax(x, -1, False, out=y)";
            case "layer_norm" -> "torch.native_layer_norm(x, [768], w, b, 1e-5, out0=y, out1=m, out2=s)[0]";
            default -> "torch.rms_norm(x, [768], w, 1e-6)";
        };
        torch = Torch.script(
                "def f(x: Tensor, w: Tensor, b: Tensor, y: Tensor, m: Tensor, s: Tensor):\n  return " + call + "\n");
        arguments = new Object[] {
            Torch.view(x),
            Torch.view(weight),
            Torch.view(bias),
            Torch.view(y),
            Torch.view(means),
            Torch.view(deviations)
        };
        Torch.threads(1);
        heddle();
        float[] result = y.toFloatArray();
        Peers.agree("PyTorch", result, torch.floats(arguments), 1e-5);
    }

    @Benchmark
    public void heddle() {
        scratch.reset();
        Team.with(1, ours);
    }

    @Benchmark
    public void torch() {
        torch.run(arguments);
    }

    @Benchmark
    public void copy() {
        MemorySegment.copy(Raw.ALL, x.address(), Raw.ALL, y.address(), 4L * rows * C);
    }
}
