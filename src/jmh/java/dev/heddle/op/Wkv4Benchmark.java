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

/** RWKV-4's recurrence, 1024 steps of 768 channels, beside a scalar loop with Math.exp and PyTorch step by step. */
@Bar(method = "heddle", peer = "scalarLoop", atLeast = 15)
@Bar(method = "heddle", peer = "torchSteps", atLeast = 40)
@Bar(method = "heddleBackward", peer = "heddle", atLeast = 1 / 3.0)
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
public class Wkv4Benchmark {
    private static final int STEPS = 1024;
    private static final int CHANNELS = 768;
    private static final String STEP_BY_STEP = """
            def f(k: Tensor, v: Tensor, w: Tensor, u: Tensor):
              aa = torch.zeros_like(u)
              bb = torch.zeros_like(u)
              pp = torch.full_like(u, -1e38)
              ys: List[Tensor] = []
              for t in range(k.size(0)):
                kk = k[t]
                vv = v[t]
                ww = u + kk
                p = torch.maximum(pp, ww)
                e1 = torch.exp(pp - p)
                e2 = torch.exp(ww - p)
                ys.append((e1 * aa + e2 * vv) / (e1 * bb + e2))
                ww = pp + w
                p = torch.maximum(ww, kk)
                e1 = torch.exp(ww - p)
                e2 = torch.exp(kk - p)
                aa = e1 * aa + e2 * vv
                bb = e1 * bb + e2
                pp = p
              return torch.stack(ys)
            """;

    @Param({"1", "2"})
    public int threads;

    private final Wkv4 op = Wkv4.builder().build();
    private final Workspace scratch = new Workspace();
    private Tensor k;
    private Tensor v;
    private Tensor w;
    private Tensor u;
    private Tensor y;
    private Tensor gradY;
    private Wkv4State last;
    private Wkv4.Gradients gradients;
    private float[] ka;
    private float[] va;
    private float[] wa;
    private float[] ua;
    private final float[] ya = new float[STEPS * CHANNELS];
    private Torch torch;
    private Object[] torchArguments;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        k = random(r, 1, 1, STEPS, CHANNELS);
        v = random(r, 1, 1, STEPS, CHANNELS);
        u = random(r, 1, CHANNELS);
        w = random(r, 1, CHANNELS);
        for (int c = 0; c < CHANNELS; c++) {
            w.setFloat((float) -Math.exp(w.getFloat(c)), c);
        }
        y = Tensor.zeros(DType.F32, 1, STEPS, CHANNELS);
        gradY = random(r, 1, 1, STEPS, CHANNELS);
        last = Wkv4State.empty(1, CHANNELS);
        gradients = new Wkv4.Gradients(
                Tensor.zeros(DType.F32, 1, STEPS, CHANNELS),
                Tensor.zeros(DType.F32, 1, STEPS, CHANNELS),
                Tensor.zeros(DType.F32, CHANNELS),
                Tensor.zeros(DType.F32, CHANNELS),
                null,
                null,
                null);
        ka = k.toFloatArray();
        va = v.toFloatArray();
        wa = w.toFloatArray();
        ua = u.toFloatArray();
        torch = Torch.script(STEP_BY_STEP);
        torchArguments = new Object[] {
            Torch.view(k.reshape(STEPS, CHANNELS)), Torch.view(v.reshape(STEPS, CHANNELS)), Torch.view(w), Torch.view(u)
        };
        Torch.threads(threads);
        heddle();
        scalarLoop();
        agree(y.toFloatArray(), ya);
        agree(y.toFloatArray(), torch.floats(torchArguments));
    }

    private static void agree(float[] a, float[] b) {
        for (int i = 0; i < a.length; i++) {
            if (Math.abs(a[i] - b[i]) > 1e-4 + 1e-4 * Math.abs(b[i])) {
                throw new AssertionError("element " + i + ": " + a[i] + ", peer " + b[i]);
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
    public void heddle() {
        Team.with(threads, () -> op.forward(k, v, w, u, null, y, last));
    }

    @Benchmark
    public void heddleBackward() {
        Team.with(threads, () -> op.backward(k, v, w, u, null, gradY, null, null, gradients, scratch));
        scratch.reset();
    }

    /** One channel after another, as one would write it; always one thread. */
    @Benchmark
    public void scalarLoop() {
        for (int c = 0; c < CHANNELS; c++) {
            float aa = 0;
            float bb = 0;
            float pp = -1e38f;
            for (int i = c; i < ka.length; i += CHANNELS) {
                float key = ka[i];
                float value = va[i];
                float ww = ua[c] + key;
                float p = Math.max(pp, ww);
                float e1 = (float) Math.exp(pp - p);
                float e2 = (float) Math.exp(ww - p);
                ya[i] = (e1 * aa + e2 * value) / (e1 * bb + e2);
                ww = pp + wa[c];
                p = Math.max(ww, key);
                e1 = (float) Math.exp(ww - p);
                e2 = (float) Math.exp(key - p);
                aa = e1 * aa + e2 * value;
                bb = e1 * bb + e2;
                pp = p;
            }
        }
    }

    @Benchmark
    public void torchSteps() {
        torch.run(torchArguments);
    }
}
