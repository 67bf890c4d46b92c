package dev.heddle.op;

import static org.bytedeco.openblas.global.openblas.CblasNoTrans;
import static org.bytedeco.openblas.global.openblas.CblasRowMajor;
import static org.bytedeco.openblas.global.openblas.cblas_sgemm;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Peak;
import dev.heddle.bench.Peers;
import dev.heddle.bench.Torch;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import dev.ludovic.netlib.blas.BLAS;
import dev.ludovic.netlib.blas.JavaBLAS;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
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
 * Matrix products, M x N x K, beside OpenBLAS, the fastest BLAS in Java, PyTorch, and as many multiply-adds in registers.
 * With two threads set OPENBLAS_THREAD_TIMEOUT=20, lest OpenBLAS's helpers spin into the turn of the next.
 */
@Bar(method = "heddle", peer = "openblas", atLeast = 0.9, where = " threads=1 ")
@Bar(method = "heddle", peer = "multiplyAdds", atLeast = 0.7, where = " threads=1 ")
@Bar(method = "heddle", peer = "vectorBlas", atLeast = 3, where = " threads=1 ")
@Bar(method = "heddle", peer = "openblas", atLeast = 0.75, where = " threads=2 ")
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class MatmulBenchmark {
    @Param({"256x256x256", "512x512x512", "1024x1024x1024", "2048x3072x768"})
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private int m;
    private int n;
    private int k;
    private Tensor a;
    private Tensor b;
    private Tensor c;
    private FloatPointer pointerA;
    private FloatPointer pointerB;
    private FloatPointer pointerC;
    private float[] arrayA;
    private float[] arrayB;
    private float[] arrayC;
    private org.bytedeco.pytorch.Tensor torchA;
    private org.bytedeco.pytorch.Tensor torchB;
    private org.bytedeco.pytorch.Tensor torchC;
    private Torch torch;
    private final BLAS vectorBlas = JavaBLAS.getInstance();
    private final Matmul matmul = Matmul.builder().build();
    private final Workspace scratch = new Workspace();

    @Setup
    public void setUp() {
        String[] extents = shape.split("x");
        m = Integer.parseInt(extents[0]);
        n = Integer.parseInt(extents[1]);
        k = Integer.parseInt(extents[2]);
        a = Peers.random(1, m, k);
        b = Peers.random(2, k, n);
        c = Tensor.zeros(DType.F32, m, n);
        arrayA = a.toFloatArray();
        arrayB = b.toFloatArray();
        arrayC = new float[m * n];
        pointerA = Torch.floats(a);
        pointerB = Torch.floats(b);
        pointerC = new FloatPointer(arrayC);
        torchA = Torch.view(a);
        torchB = Torch.view(b);
        torchC = Torch.view(c);
        torch = Torch.script("def f(a: Tensor, b: Tensor, c: Tensor):\n  return torch.mm(a, b, out=c)\n");
        if (!vectorBlas.getClass().getSimpleName().equals("VectorBLAS")) {
            throw new AssertionError(vectorBlas.getClass());
        }
        Torch.threads(threads);
        openblas.blas_set_num_threads(threads);
        heddle();
        float[] ours = c.toFloatArray();
        openblas();
        pointerC.get(arrayC);
        Peers.agree("OpenBLAS", ours, arrayC, 1e-3);
        vectorBlas();
        Peers.agree("VectorBLAS", ours, arrayC, 1e-3);
        Peers.agree("PyTorch", ours, torch.floats(torchA, torchB, torchC), 1e-3);
    }

    @Benchmark
    public void heddle() {
        scratch.reset();
        Team.with(threads, () -> matmul.forward(a, b, null, c, scratch));
    }

    @Benchmark
    public void openblas() {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, pointerA, k, pointerB, n, 0, pointerC, n);
    }

    /** The transposes in columns, which are the same in rows. */
    @Benchmark
    public void vectorBlas() {
        vectorBlas.sgemm("N", "N", n, m, k, 1, arrayB, n, arrayA, k, 0, arrayC, n);
    }

    @Benchmark
    public void torch() {
        torch.run(torchA, torchB, torchC);
    }

    @Benchmark
    public float multiplyAdds() {
        return Peak.multiplyAdds((long) m * n * k);
    }
}
