package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
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
 * RWKV-6 and 7, 1024 steps of 12 heads of 64, beside as many fused multiply-adds in registers as they are said to need: 3 and 4
 * for each element of the state and step.
 */
@Bar(method = "wkv6", peer = "fma3", atLeast = 0.35)
@Bar(method = "wkv7", peer = "fma4", atLeast = 0.35)
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
public class WkvHeadsBenchmark {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
    private static final int STEPS = 1024;
    private static final int HEADS = 12;
    private static final int N = 64;
    private static final int CHAINS = 12;

    @Param({"1", "2"})
    public int threads;

    private final Wkv6 six = Wkv6.builder().build();
    private final Wkv7 seven = Wkv7.builder().build();
    private final Workspace scratch = new Workspace();
    private final Tensor[] x = new Tensor[6];
    private Tensor u;
    private Tensor y;
    private Tensor s;
    private Wkv7State state;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        for (int i = 0; i < x.length; i++) {
            x[i] = random(r, 0.1, 1, STEPS, HEADS, N);
        }
        for (int i : new int[] {1, 3}) {
            float[] w = x[i].toFloatArray();
            for (int j = 0; j < w.length; j++) {
                w[j] = 1 / (1 + (float) Math.exp(-3 - w[j]));
            }
            x[i] = Tensor.of(w, 1, STEPS, HEADS, N);
        }
        u = random(r, 1, HEADS, N);
        y = Tensor.zeros(DType.F32, 1, STEPS, HEADS, N);
        s = Tensor.zeros(DType.F32, 1, HEADS, N, N);
        state = Wkv7State.empty(1, HEADS, N);
    }

    private static Tensor random(SplittableRandom r, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * r.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    @Benchmark
    public void wkv6() {
        Team.with(threads, () -> six.forward(x[0], x[1], x[2], x[3], u, null, y, s, scratch));
        scratch.reset();
    }

    @Benchmark
    public void wkv7() {
        Team.with(threads, () -> seven.forward(x[0], x[1], x[2], x[3], x[4], x[5], null, y, state, scratch));
        scratch.reset();
    }

    @Benchmark
    public float fma3() {
        return fma(3);
    }

    @Benchmark
    public float fma4() {
        return fma(4);
    }

    private float fma(int perElement) {
        long rounds = (long) perElement * STEPS * HEADS * N * N / S.length() / CHAINS / threads;
        float[] sums = new float[threads];
        Team.with(threads, () -> Team.run(threads, 1e9, i -> sums[i] = chains(rounds)));
        return sums[0];
    }

    private static float chains(long rounds) {
        FloatVector m = FloatVector.broadcast(S, 0.999f);
        FloatVector a0 = m;
        FloatVector a1 = m;
        FloatVector a2 = m;
        FloatVector a3 = m;
        FloatVector a4 = m;
        FloatVector a5 = m;
        FloatVector a6 = m;
        FloatVector a7 = m;
        FloatVector a8 = m;
        FloatVector a9 = m;
        FloatVector a10 = m;
        FloatVector a11 = m;
        for (long i = 0; i != rounds; i++) {
            a0 = a0.fma(m, m);
            a1 = a1.fma(m, m);
            a2 = a2.fma(m, m);
            a3 = a3.fma(m, m);
            a4 = a4.fma(m, m);
            a5 = a5.fma(m, m);
            a6 = a6.fma(m, m);
            a7 = a7.fma(m, m);
            a8 = a8.fma(m, m);
            a9 = a9.fma(m, m);
            a10 = a10.fma(m, m);
            a11 = a11.fma(m, m);
        }
        FloatVector sum = a0.add(a1)
                .add(a2)
                .add(a3)
                .add(a4)
                .add(a5)
                .add(a6)
                .add(a7)
                .add(a8)
                .add(a9)
                .add(a10)
                .add(a11);
        return sum.lane(0);
    }
}
