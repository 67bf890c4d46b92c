package dev.heddle.op;

import dev.heddle.bench.Bar;
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

/** Spikes times a packed weight of 3072 by 768 in each storage, packing of the spikes included, beside the dense product with it. */
@Bar(method = "spikes", peer = "dense", atLeast = 1 / 1.1)
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
public class SpikeNarrowBenchmark {
    private static final int INPUTS = 768;
    private static final int OUTPUTS = 3072;

    @Param({"F32", "BF16", "I8"})
    public String storage;

    @Param({"0.1", "1"})
    public String rate;

    @Param({"1", "256"})
    public int rows;

    @Param("1")
    public int threads;

    private final SpikeMatmul op = SpikeMatmul.builder().build();
    private final Linear linear = Linear.builder().build();
    private final Workspace scratch = new Workspace();
    private Tensor s;
    private PackedWeight w;
    private Tensor y;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        double p = Double.parseDouble(rate);
        float[] bits = new float[rows * INPUTS];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = r.nextDouble() < p ? 1 : 0;
        }
        s = Tensor.of(bits, rows, INPUTS);
        float[] weights = new float[OUTPUTS * INPUTS];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) r.nextGaussian();
        }
        w = PackedWeight.of(Tensor.of(weights, OUTPUTS, INPUTS), PackedWeight.Storage.valueOf(storage));
        y = Tensor.zeros(DType.F32, rows, OUTPUTS);
    }

    @Benchmark
    public void spikes() {
        Team.with(threads, () -> op.forward(SpikeBits.of(s), w, null, y, scratch));
        scratch.reset();
    }

    @Benchmark
    public void dense() {
        Team.with(threads, () -> linear.forward(s, w, null, y, scratch));
        scratch.reset();
    }
}
