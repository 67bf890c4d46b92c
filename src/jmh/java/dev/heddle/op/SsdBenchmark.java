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

/** The state-space dual beside its chunk form composed of PyTorch's operators, with products shared by the heads of a group. */
@Bar(method = "heddle", peer = "torchChunks", atLeast = 3)
@Bar(method = "heddle", peer = "heddleRecurrent", atLeast = 1)
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
public class SsdBenchmark {
    private static final int CHUNK = 64;

    @Param({"1x2048x24x64x128"})
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private Ssd.Inputs in;
    private Tensor y;
    private Tensor gy;
    private Workspace scratch;
    private Torch torch;
    private Object[] views;
    private final Ssd op = Ssd.builder().build();
    private final Ssd recurrent = Ssd.builder().recurrent(true).build();

    @Setup
    public void setUp() {
        String[] s = shape.split("x");
        long batch = Long.parseLong(s[0]);
        long steps = Long.parseLong(s[1]);
        long heads = Long.parseLong(s[2]);
        long channels = Long.parseLong(s[3]);
        long states = Long.parseLong(s[4]);
        Random32 r = new Random32();
        Tensor dt = Activation.SOFTPLUS.forward(r.affine(0.5, -3, batch, steps, heads));
        in = Ssd.Inputs.of(
                r.normal(batch, steps, heads, channels),
                dt,
                r.affine(0.1, -1, heads),
                r.normal(batch, steps, 1, states),
                r.normal(batch, steps, 1, states));
        y = Tensor.zeros(DType.F32, batch, steps, heads, channels);
        gy = r.normal(batch, steps, heads, channels);
        scratch = new Workspace();
        views = new Object[] {
            Torch.view(in.x()), Torch.view(dt), Torch.view(in.a()), Torch.view(in.b()), Torch.view(in.c()), (long) CHUNK
        };
        torch = Torch.script("""
                def segsum(x: Tensor):
                  n = x.size(-1)
                  c = torch.cumsum(x, -1)
                  s = c.unsqueeze(-1) - c.unsqueeze(-2)
                  return s.masked_fill(torch.triu(torch.ones([n, n]), 1) > 0.5, float("-inf"))

                def f(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, q: int):
                  b, l, h, p = x.size(0), x.size(1), x.size(2), x.size(3)
                  n = B.size(3)
                  c = l // q
                  X = (x * dt.unsqueeze(-1)).view(b, c, q, h, p).permute(0, 1, 3, 2, 4)
                  a = (dt * A).view(b, c, q, h).permute(0, 1, 3, 2)
                  Bc = B.view(b, c, 1, q, n)
                  Cc = C.view(b, c, 1, q, n)
                  s = torch.cumsum(a, -1)
                  M = torch.matmul(Cc, Bc.transpose(-1, -2)) * torch.exp(segsum(a))
                  diagonal = torch.matmul(M, X)
                  left = torch.exp(s[:, :, :, -1:] - s)
                  states = torch.matmul((X * left.unsqueeze(-1)).transpose(-1, -2), Bc)
                  ends = torch.constant_pad_nd(s[:, :, :, -1].permute(0, 2, 1), [1, 0])
                  between = torch.exp(segsum(ends))
                  before = torch.matmul(between[:, :, :-1, :-1], torch.constant_pad_nd(states.permute(0, 2, 1, 3, 4)[:, :, :-1], [0, 0, 0, 0, 1, 0]).flatten(3))
                  before = before.view(b, h, c, p, n).permute(0, 2, 1, 3, 4)
                  off = torch.matmul(Cc, before.transpose(-1, -2)) * torch.exp(s).unsqueeze(-1)
                  return (diagonal + off).permute(0, 1, 3, 2, 4).reshape(b, l, h, p)
                """);
        Torch.threads(threads);
        op.forward(in, y, null, scratch);
        Random32.agree(y.toFloatArray(), torch.floats(views), 1e-2);
    }

    @Benchmark
    public void heddle() {
        Team.with(threads, () -> op.forward(in, y, null, scratch));
        scratch.reset();
    }

    /** Without the chunk form. */
    @Benchmark
    public void heddleRecurrent() {
        Team.with(threads, () -> recurrent.forward(in, y, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void heddleBackward() {
        Team.with(threads, () -> op.backward(in, gy, null));
    }

    @Benchmark
    public void torchChunks() {
        torch.run(views);
    }
}
