package dev.heddle.op;

import static org.bytedeco.openblas.global.openblas.CblasNoTrans;
import static org.bytedeco.openblas.global.openblas.CblasRowMajor;
import static org.bytedeco.openblas.global.openblas.CblasTrans;
import static org.bytedeco.openblas.global.openblas.cblas_sgemv;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Peak;
import dev.heddle.bench.Peers;
import dev.heddle.bench.Torch;
import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
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
 * The last layer of a language model for one token: a weight of 50,277 rows of 768, beside OpenBLAS and reading memory. With
 * 1,024 rows it lies in the cache, which shows what is left when memory is no matter.
 */
@Bar(method = "f32", peer = "read", atLeast = 0.85, where = " rows=50277 ")
@Bar(method = "f32", peer = "openblas", atLeast = 1.3, where = " rows=50277 ")
@Bar(method = "matmul", peer = "openblas", atLeast = 1.3, where = " rows=50277 ")
@Bar(method = "columns", peer = "openblasColumns", atLeast = 1.3, where = " rows=50277 ")
@Bar(method = "bf16", peer = "f32", atLeast = 1.7, where = " rows=50277 ")
@Bar(method = "int8", peer = "f32", atLeast = 3, where = " rows=50277 ")
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GemvBenchmark {
    private static final int K = 768;

    @Param({"50277", "1024"})
    public int rows;

    @Param({"1", "2"})
    public int threads;

    private Tensor weight;
    private Tensor turned;
    private final Tensor x = Peers.random(2, 1, K);
    private Tensor y;
    private PackedWeight f32;
    private PackedWeight bf16;
    private PackedWeight f16;
    private PackedWeight int8;
    private PackedWeight int8Groups;
    private final Matmul matmul = Matmul.builder().transposeB(true).build();
    private final Matmul plain = Matmul.builder().build();
    private final Linear linear = Linear.builder().build();
    private final Workspace scratch = new Workspace();
    private FloatPointer pointerW;
    private FloatPointer pointerT;
    private final FloatPointer pointerX = Torch.floats(x);
    private FloatPointer pointerY;

    @Setup
    public void setUp() {
        weight = Peers.random(1, rows, K);
        turned = weight.transpose(0, 1).contiguous();
        y = Tensor.zeros(DType.F32, 1, rows);
        f32 = PackedWeight.of(weight, Storage.F32);
        bf16 = PackedWeight.of(weight, Storage.BF16);
        f16 = PackedWeight.of(weight, Storage.F16);
        int8 = PackedWeight.of(weight, Storage.I8);
        int8Groups = PackedWeight.of(weight, Storage.I8, 64);
        pointerW = Torch.floats(weight);
        pointerT = Torch.floats(turned);
        pointerY = new FloatPointer(rows);
        openblas.blas_set_num_threads(threads);
        openblas();
        float[] theirs = new float[rows];
        pointerY.get(theirs);
        matmul();
        Peers.agree("OpenBLAS", y.toFloatArray(), theirs, 1e-3);
        columns();
        Peers.agree("OpenBLAS", y.toFloatArray(), theirs, 1e-3);
        openblasColumns();
        pointerY.get(theirs);
        Peers.agree("OpenBLAS", y.toFloatArray(), theirs, 1e-3);
        f32();
        Peers.agree("OpenBLAS", y.toFloatArray(), theirs, 1e-3);
        int8();
        Peers.agree("OpenBLAS", y.toFloatArray(), theirs, 2);
    }

    private void run(PackedWeight w) {
        scratch.reset();
        Team.with(threads, () -> linear.forward(x, w, null, y, scratch));
    }

    @Benchmark
    public void f32() {
        run(f32);
    }

    @Benchmark
    public void bf16() {
        run(bf16);
    }

    @Benchmark
    public void f16() {
        run(f16);
    }

    @Benchmark
    public void int8() {
        run(int8);
    }

    @Benchmark
    public void int8Groups() {
        run(int8Groups);
    }

    /** With the weight as it is stored in checkpoints. */
    @Benchmark
    public void matmul() {
        scratch.reset();
        Team.with(threads, () -> matmul.forward(x, weight, null, y, scratch));
    }

    /** With the weight turned round: the features of a row lie apart, and the rows side by side. */
    @Benchmark
    public void columns() {
        scratch.reset();
        Team.with(threads, () -> plain.forward(x, turned, null, y, scratch));
    }

    @Benchmark
    public void openblasColumns() {
        cblas_sgemv(CblasRowMajor, CblasTrans, K, rows, 1, pointerT, rows, pointerX, 1, 0, pointerY, 1);
    }

    @Benchmark
    public void openblas() {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, K, 1, pointerW, K, pointerX, 1, 0, pointerY, 1);
    }

    @Benchmark
    public void read() {
        long bytes = 4L * K * (rows / threads);
        Team.with(threads, () -> Team.run(threads, 1e6, t -> Peak.read(weight.address() + bytes * t, bytes)));
    }
}
