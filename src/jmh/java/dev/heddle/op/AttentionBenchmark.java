package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Torch;
import dev.heddle.op.CausalAttention.Gradients;
import dev.heddle.op.CausalAttention.Terms;
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
 * Causal attention, twelve heads of 64 features, beside PyTorch's {@code scaled_dot_product_attention}; and a matrix product of as many
 * multiplications, the size of a head's scores and the width of all heads.
 */
@Bar(method = "forward", peer = "torch", atLeast = 1)
@Bar(method = "backward", peer = "torchBackward", atLeast = 0.9)
@Bar(method = "forward", peer = "sgemm", atLeast = 0.6, where = "length=2048 ")
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
public class AttentionBenchmark {
    private static final int HEADS = 12;
    private static final int FEATURES = 64;

    @Param({"512", "2048", "8192"})
    public int length;

    @Param({"1", "2"})
    public int threads;

    private Tensor q;
    private Tensor k;
    private Tensor v;
    private Tensor gy;
    private Tensor y;
    private Tensor weights;
    private Gradients gradients;
    private Tensor a;
    private Tensor b;
    private Tensor c;
    private org.bytedeco.pytorch.Tensor[] torchIn;
    private Torch torch;
    private Torch torchKeep;
    private Torch torchBackward;
    private final Workspace scratch = new Workspace();
    private final CausalAttention op = CausalAttention.builder().build();
    private final Matmul matmul = Matmul.builder().build();

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        q = random(r, 1, length, HEADS, FEATURES);
        k = random(r, 1, length, HEADS, FEATURES);
        v = random(r, 1, length, HEADS, FEATURES);
        gy = random(r, 1, length, HEADS, FEATURES);
        y = Tensor.zeros(DType.F32, 1, length, HEADS, FEATURES);
        weights = Tensor.zeros(DType.F32, 1, length, HEADS, 2);
        gradients = new Gradients(q.copy(), k.copy(), v.copy(), null);
        // 2 products of n^2/2 F H multiplications: one of n rows, k = F H and n columns
        a = random(r, length, (long) HEADS * FEATURES);
        b = random(r, (long) HEADS * FEATURES, length);
        c = Tensor.zeros(DType.F32, length, length);
        torchIn = new org.bytedeco.pytorch.Tensor[] {Torch.view(q), Torch.view(k), Torch.view(v), Torch.view(gy)};
        String attend = "torch._scaled_dot_product_flash_attention_for_cpu("
                + "q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), 0.0, True)";
        torch = Torch.script("""
                def f(q: Tensor, k: Tensor, v: Tensor):
                  y = torch.scaled_dot_product_attention(
                      q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), None, 0.0, True)
                  return y.transpose(1, 2)
                """);
        // the kernel that autograd calls, given what its forward pass keeps
        torchKeep = Torch.script(
                "def f(q: Tensor, k: Tensor, v: Tensor):\n  y, l = " + attend + "\n  return y.transpose(1, 2), l\n");
        torchBackward = Torch.script("""
                def f(g: Tensor, q: Tensor, k: Tensor, v: Tensor, y: Tensor, l: Tensor):
                  a, b, c = torch._scaled_dot_product_flash_attention_for_cpu_backward(
                      g.transpose(1, 2), q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), y.transpose(1, 2), l, 0.0, True)
                  return a.transpose(1, 2)
                """);
        Torch.threads(threads);
        forward();
        agree(y, torch.floats(torchIn[0], torchIn[1], torchIn[2]));
        kept = torchKeep.tensors(torchIn[0], torchIn[1], torchIn[2]);
        backward();
        agree(gradients.q(), torchBackward.floats(torchIn[3], torchIn[0], torchIn[1], torchIn[2], kept[0], kept[1]));
    }

    private org.bytedeco.pytorch.Tensor[] kept;

    static Tensor random(SplittableRandom r, long... shape) {
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] v = new float[(int) t.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) r.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    /** What is compared must be the same thing. */
    static void agree(Tensor ours, float[] theirs) {
        float[] a = ours.toFloatArray();
        for (int i = 0; i < a.length; i++) {
            if (!(Math.abs(a[i] - theirs[i]) <= 1e-4 + 1e-4 * Math.abs(theirs[i]))) {
                throw new AssertionError("element " + i + ": " + a[i] + ", PyTorch " + theirs[i]);
            }
        }
    }

    @Benchmark
    public void forward() {
        scratch.reset();
        Team.with(threads, () -> op.forward(q, k, v, Terms.NONE, y, weights, scratch));
    }

    @Benchmark
    public void backward() {
        scratch.reset();
        Team.with(threads, () -> op.backward(q, k, v, Terms.NONE, gy, y, weights, gradients, scratch));
    }

    @Benchmark
    public void sgemm() {
        scratch.reset();
        Team.with(threads, () -> matmul.forward(a, b, null, c, scratch));
    }

    @Benchmark
    public void torch() {
        torch.run(torchIn[0], torchIn[1], torchIn[2]);
    }

    @Benchmark
    public void torchBackward() {
        torchBackward.run(torchIn[3], torchIn[0], torchIn[1], torchIn[2], kept[0], kept[1]);
    }
}
