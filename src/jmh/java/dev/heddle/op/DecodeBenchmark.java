package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
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

/** One query over a cache of 32,768 keys, twelve heads of 64 features: 201 MB are read once, as the peer does. */
@Bar(method = "decode", peer = "read", atLeast = 0.7)
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
public class DecodeBenchmark {
    private static final int HEADS = 12;
    private static final int FEATURES = 64;
    private static final int KEYS = 32768;
    private static final int STEP = 1024;

    @Param({"1", "2"})
    public int threads;

    private Tensor q;
    private Tensor y;
    private Tensor all;
    private Tensor sums;
    private KvCache cache;
    private final Workspace scratch = new Workspace();
    private final CausalAttention op = CausalAttention.builder().build();
    private final Reduction sum = Reduction.builder().build();

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        cache = new KvCache(HEADS, FEATURES, FEATURES);
        q = AttentionBenchmark.random(r, 1, 1, HEADS, FEATURES);
        y = Tensor.zeros(DType.F32, 1, 1, HEADS, FEATURES);
        for (int i = 0; i < KEYS; i += STEP) {
            Tensor k = AttentionBenchmark.random(r, STEP, HEADS, FEATURES);
            cache.append(k, AttentionBenchmark.random(r, STEP, HEADS, FEATURES));
        }
        all = Tensor.zeros(DType.F32, (long) HEADS * FEATURES, 2L * KEYS).fill(1);
        sums = Tensor.zeros(DType.F32, (long) HEADS * FEATURES);
    }

    @Benchmark
    public void decode() {
        scratch.reset();
        Team.with(threads, () -> op.forward(q, List.of(cache), null, y, scratch));
    }

    /** The sums of the rows of a matrix as large. */
    @Benchmark
    public void read() {
        scratch.reset();
        Team.with(threads, () -> sum.forward(all, sums, scratch));
    }
}
