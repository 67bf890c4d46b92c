package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Torch;
import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
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

/**
 * Prefix attention with eight heads of 64 features, beside the copy of v to y (of bytes in Java, which is memcpy), the scalar
 * twin, and what PyTorch offers: running sums of the weights under the running maximum, with logarithms so that nothing overflows.
 */
@Bar(method = "forward", peer = "copy", atLeast = 0.4)
@Bar(method = "forward", peer = "scalar", atLeast = 5)
@Bar(method = "forward", peer = "torch", atLeast = 10)
@Bar(method = "backward", peer = "forward", atLeast = 1 / 3.0)
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
public class PrefixAttentionBenchmark {
    private static final int HEADS = 8;
    private static final int FEATURES = 64;

    @Param({"4096", "65536"})
    public int length;

    @Param({"1", "2"})
    public int threads;

    private Tensor s;
    private Tensor v;
    private Tensor y;
    private Tensor gy;
    private AttentionState last;
    private PrefixAttention.Gradients gradients;
    private org.bytedeco.pytorch.Tensor torchS;
    private org.bytedeco.pytorch.Tensor torchV;
    private Torch torch;
    private final Backend twin =
            Backends.usable().stream().filter(b -> b.lanes() == 1).findFirst().orElseThrow();
    private final Workspace scratch = new Workspace();
    private final PrefixAttention op = PrefixAttention.builder().build();

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        s = AttentionBenchmark.random(r, 1, length, HEADS);
        v = AttentionBenchmark.random(r, 1, length, HEADS, FEATURES);
        gy = AttentionBenchmark.random(r, 1, length, HEADS, FEATURES);
        y = Tensor.zeros(DType.F32, 1, length, HEADS, FEATURES);
        last = AttentionState.empty(1, HEADS, FEATURES);
        gradients = new PrefixAttention.Gradients(s.copy(), v.copy(), null, null, null);
        torchS = Torch.view(s);
        torchV = Torch.view(v);
        // scores of this size need no maximum per block: exponentials relative to the largest of all stay in range
        torch = Torch.script("""
                def f(s: Tensor, v: Tensor):
                  m = torch.cummax(s, 1)[0]
                  u = torch.logcumsumexp(s, 1)
                  w = torch.exp(s - s.max()).unsqueeze(-1) * v
                  return torch.cumsum(w, 1) * torch.exp(s.max() - u).unsqueeze(-1)
                """);
        Torch.threads(threads);
        forward();
        AttentionBenchmark.agree(y, torch.floats(torchS, torchV));
    }

    @Benchmark
    public void forward() {
        scratch.reset();
        Team.with(threads, () -> op.forward(s, v, null, null, y, last, scratch));
    }

    @Benchmark
    public void backward() {
        scratch.reset();
        Team.with(threads, () -> op.backward(s, v, null, null, gy, null, null, y, gradients, scratch));
    }

    @Benchmark
    public void scalar() {
        Backends.with(twin, this::forward);
    }

    @Benchmark
    public void copy() {
        long bytes = 4L * FEATURES * HEADS * length;
        int parts = threads;
        Team.with(
                threads,
                () -> Team.run(parts, 1e9, i -> {
                    long from = bytes / parts * i;
                    PrefixScan.copy(v.address() + from, y.address() + from, bytes / parts / 4);
                }));
    }

    @Benchmark
    public void torch() {
        torch.run(torchS, torchV);
    }
}
