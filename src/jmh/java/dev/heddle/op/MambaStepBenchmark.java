package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
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

/**
 * A token of one stream through the 24 layers of a Mamba of 130M parameters (d_model 768, random weights, without the norms and the
 * embedding), beside one reading of the weights.
 */
@Bar(method = "heddle", peer = "readWeights", atLeast = 1 / 1.3)
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
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
public class MambaStepBenchmark {
    private static final int LAYERS = 24;
    private static final long MODEL = 768;
    private static final long INNER = 2 * MODEL;
    private static final long STATES = 16;
    private static final long RANK = 48;

    @Param({"1", "2"})
    public int threads;

    private final MambaStream[] layers = new MambaStream[LAYERS];
    private final Tensor[] weights = new Tensor[LAYERS * 4];
    private final Tensor[] x = new Tensor[LAYERS + 1];
    private static final int[] SLOT = {0};

    @Setup
    public void setUp() {
        Random32 r = new Random32();
        for (int i = 0; i < LAYERS; i++) {
            Map<String, Tensor> p = new HashMap<>();
            p.put("in_proj.weight", r.affine(0.03, 0, 2 * INNER, MODEL));
            p.put("conv1d.weight", r.affine(0.3, 0, INNER, 1, 4));
            p.put("conv1d.bias", r.affine(0.1, 0, INNER));
            p.put("x_proj.weight", r.affine(0.03, 0, RANK + 2 * STATES, INNER));
            p.put("dt_proj.weight", r.affine(0.1, 0, INNER, RANK));
            p.put("dt_proj.bias", r.affine(0.5, -4, INNER));
            p.put("A_log", r.affine(0.5, 1, INNER, STATES));
            p.put("D", r.normal(INNER));
            p.put("out_proj.weight", r.affine(0.03, 0, MODEL, INNER));
            layers[i] = MambaBlock.stream(MambaBlock.Parameters.of(p, ""), 1);
            weights[4 * i] = p.get("in_proj.weight");
            weights[4 * i + 1] = p.get("x_proj.weight");
            weights[4 * i + 2] = p.get("dt_proj.weight");
            weights[4 * i + 3] = p.get("out_proj.weight");
        }
        for (int i = 0; i <= LAYERS; i++) {
            x[i] = r.normal(1, 1, MODEL);
        }
    }

    @Benchmark
    public void heddle() {
        Team.with(threads, () -> {
            for (int i = 0; i < LAYERS; i++) {
                layers[i].forward(x[i], SLOT, x[i + 1]);
            }
        });
    }

    /** The sum of all weights of the projections. */
    @Benchmark
    public float readWeights() {
        float[] sums = new float[threads];
        Team.with(
                threads,
                () -> Team.run(threads, 1e9, chunk -> {
                    for (Tensor w : weights) {
                        long rows = w.dim(0);
                        sums[chunk] += Reading.sum(w.slice(0, rows * chunk / threads, rows * (chunk + 1) / threads));
                    }
                }));
        return sums[0];
    }
}
