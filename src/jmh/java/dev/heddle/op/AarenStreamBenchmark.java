package dev.heddle.op;

import dev.heddle.bench.Bar;
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
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A step of a stream of Aaren attention that has seen one token, and of one that has seen a million; before anything is timed, the
 * long stream is compared bit for bit with the sequence, and its memory with what it was at the start.
 */
@Bar(method = "afterMillion", peer = "atStart", atLeast = 0.9)
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
public class AarenStreamBenchmark {
    private static final int TOKENS = 1_000_000;
    private static final int HEADS = 2;
    private static final int FEATURES = 16;

    private final AarenAttention op = AarenAttention.builder().timeOrdered(true).build();
    private final Workspace scratch = new Workspace();
    private final AttentionState young = AttentionState.empty(1, HEADS, FEATURES);
    private final AttentionState old = AttentionState.empty(1, HEADS, FEATURES);
    private final Tensor y = Tensor.zeros(DType.F32, 1, HEADS, FEATURES);
    private Tensor q;
    private Tensor k;
    private Tensor v;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        q = AttentionBenchmark.random(r, HEADS, FEATURES);
        Tensor keys = AttentionBenchmark.random(r, 1, TOKENS, HEADS, FEATURES);
        Tensor values = AttentionBenchmark.random(r, 1, TOKENS, HEADS, FEATURES);
        k = keys.select(1, 0);
        v = values.select(1, 0);
        Tensor whole = op.forward(q, keys, values).y();
        step(young, k, v);
        long memory = scratch.capacity();
        for (int t = 0; t < TOKENS; t++) {
            step(old, keys.select(1, t), values.select(1, t));
            if (t % 1009 == 0 || t == TOKENS - 1) {
                float[] want = whole.select(1, t).toFloatArray();
                if (!Arrays.equals(want, y.toFloatArray())) {
                    throw new AssertionError("step " + t + " differs from the sequence");
                }
            }
        }
        if (scratch.capacity() != memory) {
            throw new AssertionError("memory grew from " + memory + " to " + scratch.capacity());
        }
    }

    private void step(AttentionState state, Tensor keys, Tensor values) {
        scratch.reset();
        op.step(state, q, keys, values, y, scratch);
    }

    @Benchmark
    public void atStart() {
        step(young, k, v);
    }

    @Benchmark
    public void afterMillion() {
        step(old, k, v);
    }
}
