package dev.heddle.op;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import dev.heddle.bench.Peers;
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
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Matrix products, M x N x K, beside the PyTorch 2.7.1 that DJL brings, whose BLAS is MKL. In a JVM of its own: the libraries of
 * two PyTorch releases do not bear each other.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class MatmulMklBenchmark {
    @Param({"256x256x256", "512x512x512", "1024x1024x1024", "2048x3072x768"})
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private Tensor a;
    private Tensor b;
    private Tensor c;
    private NDManager manager;
    private NDArray torchA;
    private NDArray torchB;
    private final Matmul matmul = Matmul.builder().build();
    private final Workspace scratch = new Workspace();

    @Setup
    public void setUp() {
        String[] extents = shape.split("x", -1);
        int m = Integer.parseInt(extents[0]);
        int n = Integer.parseInt(extents[1]);
        int k = Integer.parseInt(extents[2]);
        a = Peers.random(1, m, k);
        b = Peers.random(2, k, n);
        c = Tensor.zeros(DType.F32, m, n);
        manager = NDManager.newBaseManager("PyTorch");
        JniUtils.setNumThreads(threads);
        torchA = manager.create(a.toFloatArray(), new Shape(m, k));
        torchB = manager.create(b.toFloatArray(), new Shape(k, n));
        heddle();
        try (NDArray y = torchA.matMul(torchB)) {
            Peers.agree("PyTorch", c.toFloatArray(), y.toFloatArray(), 1e-3);
        }
    }

    @TearDown
    public void tearDown() {
        manager.close();
    }

    @Benchmark
    public void heddle() {
        scratch.reset();
        Team.with(threads, () -> matmul.forward(a, b, null, c, scratch));
    }

    /** Into a result of its own: DJL has no other product. */
    @Benchmark
    public void torch() {
        torchA.matMul(torchB).close();
    }
}
