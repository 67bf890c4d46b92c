package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Torch;
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

/** The causal convolution with silu, beside PyTorch's grouped conv1d (channels first, as that wants them) and a copy. */
@Bar(method = "heddle", peer = "torchConv1d", atLeast = 3)
@Bar(method = "heddle", peer = "copy", atLeast = 0.6, where = "shape=8x4096x1536")
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
public class CausalConv1dBenchmark {
    @Param({"8x4096x1536", "1x128x1024"})
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private Tensor x;
    private Tensor w;
    private Tensor bias;
    private Tensor y;
    private Workspace scratch;
    private Torch torch;
    private org.bytedeco.pytorch.Tensor[] views;
    private final CausalConv1d op = CausalConv1d.builder().silu(true).build();

    @Setup
    public void setUp() {
        String[] s = shape.split("x");
        long batch = Long.parseLong(s[0]);
        long steps = Long.parseLong(s[1]);
        long channels = Long.parseLong(s[2]);
        Random32 r = new Random32();
        x = r.normal(batch, steps, channels);
        w = r.normal(channels, 4);
        bias = r.normal(channels);
        y = Tensor.zeros(DType.F32, batch, steps, channels);
        scratch = new Workspace();
        views = new org.bytedeco.pytorch.Tensor[] {
            Torch.view(x).transpose(1, 2).contiguous().retainReference(),
            Torch.view(w).unsqueeze(1).contiguous().retainReference(),
            Torch.view(bias)
        };
        torch = Torch.script("""
                def f(x: Tensor, w: Tensor, b: Tensor):
                  return torch.silu(torch.conv1d(x, w, b, padding=3, groups=x.size(1))[:, :, :x.size(2)])
                """);
        Torch.threads(threads);
        op.forward(x, w, bias, null, null, y, null, scratch);
        if (batch == 1) {
            Torch agree = Torch.script("""
                    def f(x: Tensor, w: Tensor, b: Tensor):
                      return torch.silu(torch.conv1d(x, w, b, padding=3, groups=x.size(1))[:, :, :x.size(2)]).transpose(1, 2)
                    """);
            Random32.agree(y.toFloatArray(), agree.floats((Object[]) views), 1e-4);
        }
    }

    @Benchmark
    public void heddle() {
        Team.with(threads, () -> op.forward(x, w, bias, null, null, y, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void torchConv1d() {
        torch.run((Object[]) views);
    }

    @Benchmark
    public void copy() {
        long rows = x.dim(0) * x.dim(1);
        Tensor from = x.reshape(rows, x.dim(2));
        Tensor to = y.reshape(rows, x.dim(2));
        Team.with(
                threads,
                () -> Team.run(threads, 1e9, chunk -> {
                    long first = rows * chunk / threads;
                    long end = rows * (chunk + 1) / threads;
                    to.slice(0, first, end).copyFrom(from.slice(0, first, end));
                }));
    }
}
