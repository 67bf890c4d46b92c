package dev.heddle.kernel;

import dev.heddle.bench.Bar;
import dev.heddle.memory.Block;
import dev.heddle.memory.Raw;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
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

/** Activations beside the same made of the Vector API's own functions, on 4096 elements in the first cache. */
@Bar(method = "heddle", peer = "jdk", atLeast = 1 / 0.8, where = " function=EXP ")
@Bar(method = "heddle", peer = "jdk", atLeast = 1.3, where = " function=SIGMOID ")
@Bar(method = "heddle", peer = "jdk", atLeast = 1.8, where = " function=SOFTPLUS ")
@Bar(method = "heddle", peer = "jdk", atLeast = 1.2, where = " function=TANH ")
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 5,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class VectorMathBenchmark {
    private static final int N = 4096;
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final float GELU = (float) Math.sqrt(2 / Math.PI);

    @Param({"EXP", "SIGMOID", "TANH", "SOFTPLUS", "SILU", "GELU_TANH"})
    public String function;

    private final Block block = new Block(8L * N, true);
    private final long x = block.segment().address();
    private final long y = x + 4L * N;
    private Activation activation;
    private PointwiseKernels kernels;

    @Setup
    public void setUp() {
        activation = Activation.valueOf(function);
        kernels = new Dispatch<>(PointwiseKernels.class, 1, (k, lanes, variant, scratch) -> 1)
                .load(Backend.vector(S.vectorBitSize()))
                .kernels();
        SplittableRandom random = new SplittableRandom(1);
        MemorySegment s = block.segment();
        for (int i = 0; i < N; i++) {
            s.setAtIndex(ValueLayout.JAVA_FLOAT, i, 3 * (float) random.nextGaussian());
        }
        float[] ours = result(this::heddle);
        float[] theirs = result(this::jdk);
        for (int i = 0; i < N; i++) {
            if (!(Math.abs(ours[i] - theirs[i]) <= 1e-6 * Math.max(1, Math.abs(theirs[i])))) {
                throw new IllegalStateException(function + ": " + ours[i] + " is not " + theirs[i]);
            }
        }
    }

    private float[] result(Runnable run) {
        run.run();
        return block.segment().asSlice(4L * N).toArray(ValueLayout.JAVA_FLOAT);
    }

    @Benchmark
    public void heddle() {
        kernels.forward(activation, x, y, N);
    }

    @Benchmark
    public void jdk() {
        switch (activation) {
            case EXP -> exp(x, y);
            case SIGMOID -> sigmoid(x, y);
            case TANH -> tanh(x, y);
            case SOFTPLUS -> softplus(x, y);
            case SILU -> silu(x, y);
            case GELU_TANH -> geluTanh(x, y);
            default -> throw new IllegalStateException(function);
        }
    }

    private static void exp(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            v.lanewise(VectorOperators.EXP).intoMemorySegment(Raw.ALL, y, LE);
        }
    }

    private static void sigmoid(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            FloatVector d = v.neg().lanewise(VectorOperators.EXP).add(1f);
            FloatVector.broadcast(S, 1f).div(d).intoMemorySegment(Raw.ALL, y, LE);
        }
    }

    private static void tanh(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            v.lanewise(VectorOperators.TANH).intoMemorySegment(Raw.ALL, y, LE);
        }
    }

    private static void softplus(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            FloatVector e = v.abs().neg().lanewise(VectorOperators.EXP);
            e.lanewise(VectorOperators.LOG1P).add(v.max(0f)).intoMemorySegment(Raw.ALL, y, LE);
        }
    }

    private static void silu(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            FloatVector d = v.neg().lanewise(VectorOperators.EXP).add(1f);
            v.div(d).intoMemorySegment(Raw.ALL, y, LE);
        }
    }

    private static void geluTanh(long x, long y) {
        for (long end = x + 4L * N; x != end; x += S.vectorByteSize(), y += S.vectorByteSize()) {
            FloatVector v = FloatVector.fromMemorySegment(S, Raw.ALL, x, LE);
            FloatVector u =
                    v.mul(v).mul(v).fma(FloatVector.broadcast(S, 0.044715f), v).mul(GELU);
            FloatVector t = u.lanewise(VectorOperators.TANH).add(1f);
            v.mul(0.5f).mul(t).intoMemorySegment(Raw.ALL, y, LE);
        }
    }
}
