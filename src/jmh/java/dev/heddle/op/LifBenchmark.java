package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.lang.foreign.MemorySegment;
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

/** Spiking neurons beside copies of what they read to each of what they write. */
@Bar(method = "lif", peer = "copy", atLeast = 0.5)
@Bar(method = "lifPacked", peer = "lif", atLeast = 1 / 1.05)
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
public class LifBenchmark {
    @Param({"1024x768", "8192x2048"})
    public String size;

    @Param({"1", "2"})
    public int threads;

    private final Lif op = Lif.builder().build();
    private final Workspace scratch = new Workspace();
    private Tensor x;
    private Tensor spike;
    private Tensor v;
    private SpikeBits bits;

    @Setup
    public void setUp() {
        int steps = Integer.parseInt(size.split("x")[0]);
        int neurons = Integer.parseInt(size.split("x")[1]);
        SplittableRandom r = new SplittableRandom(3);
        x = random(r, 1.5, 1, steps, neurons);
        spike = Tensor.zeros(DType.F32, 1, steps, neurons);
        v = Tensor.zeros(DType.F32, 1, steps, neurons);
        bits = SpikeBits.zeros(steps, neurons);
    }

    private static Tensor random(SplittableRandom r, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * r.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    @Benchmark
    public void lif() {
        Team.with(threads, () -> op.forward(x, null, spike, null, v, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void lifPacked() {
        Team.with(threads, () -> op.forward(x, null, spike, bits, v, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void copy() {
        long bytes = 4 * x.size() / 8;
        Team.with(
                threads,
                () -> Team.run(8, 1e9, i -> {
                    MemorySegment.copy(Raw.ALL, x.address() + i * bytes, Raw.ALL, spike.address() + i * bytes, bytes);
                    MemorySegment.copy(Raw.ALL, x.address() + i * bytes, Raw.ALL, v.address() + i * bytes, bytes);
                }));
    }
}
