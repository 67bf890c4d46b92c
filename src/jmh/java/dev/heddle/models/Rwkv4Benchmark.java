package dev.heddle.models;

import dev.heddle.bench.Bar;
import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.op.Reduction;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
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

/** A token of RWKV-4 of 169M parameters (12 layers of 768, 50,277 tokens), random weights, beside reading the weights once. */
@Bar(method = "f32", peer = "readF32", atLeast = 1 / 1.3)
@Bar(method = "bf16", peer = "f32", atLeast = 1.7)
@Bar(method = "int8", peer = "f32", atLeast = 3)
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
public class Rwkv4Benchmark {
    private static final int CHANNELS = 768;
    private static final int VOCABULARY = 50_277;
    private static final int LAYERS = 12;

    @Param({"1", "2"})
    public int threads;

    private final Workspace scratch = new Workspace();
    private final int[][] token = {{17}};
    private final Reduction sum = Reduction.builder().build();
    private Rwkv4 f32;
    private Rwkv4 bf16;
    private Rwkv4 int8;
    private RwkvState[] states;
    private Tensor weights;
    private Tensor sums;

    @Setup
    public void setUp() {
        Map<String, Tensor> p = parameters();
        f32 = Rwkv4.of(p, Storage.F32);
        bf16 = Rwkv4.of(p, Storage.BF16);
        int8 = Rwkv4.of(p, Storage.I8);
        states = new RwkvState[] {f32.state(1), bf16.state(1), int8.state(1)};
        weights = Tensor.zeros(DType.F32, f32.bytes() / 4 / 4096, 4096);
        sums = Tensor.zeros(DType.F32, weights.dim(0));
    }

    private static Map<String, Tensor> parameters() {
        SplittableRandom r = new SplittableRandom(3);
        Map<String, Tensor> p = new HashMap<>();
        p.put("emb.weight", random(r, 1, VOCABULARY, CHANNELS));
        p.put("head.weight", random(r, 0.03, VOCABULARY, CHANNELS));
        norm(p, "ln_out");
        norm(p, "blocks.0.ln0");
        for (int i = 0; i < LAYERS; i++) {
            String b = "blocks." + i + ".";
            norm(p, b + "ln1");
            norm(p, b + "ln2");
            for (String n : new String[] {
                "att.time_decay",
                "att.time_first",
                "att.time_mix_k",
                "att.time_mix_v",
                "att.time_mix_r",
                "ffn.time_mix_k",
                "ffn.time_mix_r"
            }) {
                p.put(b + n, random(r, 0.5, CHANNELS));
            }
            for (String n : new String[] {"att.key", "att.value", "att.receptance", "att.output", "ffn.receptance"}) {
                p.put(b + n + ".weight", random(r, 0.03, CHANNELS, CHANNELS));
            }
            p.put(b + "ffn.key.weight", random(r, 0.03, 4 * CHANNELS, CHANNELS));
            p.put(b + "ffn.value.weight", random(r, 0.03, CHANNELS, 4 * CHANNELS));
        }
        return p;
    }

    private static void norm(Map<String, Tensor> p, String name) {
        p.put(name + ".weight", Tensor.zeros(DType.F32, CHANNELS).fill(1));
        p.put(name + ".bias", Tensor.zeros(DType.F32, CHANNELS));
    }

    private static Tensor random(SplittableRandom r, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * r.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    private void token(Rwkv4 model, RwkvState state) {
        Team.with(threads, () -> model.last(token, state, scratch));
        scratch.reset();
    }

    @Benchmark
    public void f32() {
        token(f32, states[0]);
    }

    @Benchmark
    public void bf16() {
        token(bf16, states[1]);
    }

    @Benchmark
    public void int8() {
        token(int8, states[2]);
    }

    @Benchmark
    public void readF32() {
        Team.with(threads, () -> sum.forward(weights, sums, scratch));
        scratch.reset();
    }
}
