package dev.heddle.models;

import dev.heddle.bench.Bar;
import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.parallel.Team;
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
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** A token of a small RWKV-4 (2 layers of 64) that has seen a thousand tokens, and of one that has seen a million. */
@Bar(method = "afterMillion", peer = "afterThousand", atLeast = 0.9)
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
            "-Dheddle.backend=vector"
        })
public class Rwkv4StreamBenchmark {
    private static final int CHANNELS = 64;
    private static final int VOCABULARY = 64;
    private static final int LAYERS = 2;
    private static final int CALL = 1000;
    private static final int TOKENS = 1_000_000;

    private final Workspace scratch = new Workspace();
    private final int[][] token = {{17}};
    private Rwkv4 model;
    private RwkvState young;
    private RwkvState old;

    @Setup
    public void setUp() {
        SplittableRandom r = new SplittableRandom(3);
        model = Rwkv4.of(parameters(r), Storage.F32);
        old = model.state(1);
        long size = size(old);
        int[][] part = {new int[CALL]};
        for (int seen = 0; seen < TOKENS; seen += CALL) {
            if (seen == CALL) {
                young = old.copy();
            }
            Arrays.setAll(part[0], _ -> r.nextInt(VOCABULARY));
            Team.with(1, () -> model.last(part, old, scratch));
            scratch.reset();
        }
        if (size(old) != size) {
            throw new AssertionError("the state grew from " + size + " to " + size(old) + " elements");
        }
        for (Tensor t : old.tensors().values()) {
            for (float f : t.toFloatArray()) {
                if (Float.isNaN(f)) {
                    throw new AssertionError("the state has become NaN");
                }
            }
        }
    }

    private static long size(RwkvState state) {
        return state.tensors().values().stream().mapToLong(Tensor::size).sum();
    }

    private static Map<String, Tensor> parameters(SplittableRandom r) {
        Map<String, Tensor> p = new HashMap<>();
        p.put("emb.weight", random(r, 1, VOCABULARY, CHANNELS));
        p.put("head.weight", random(r, 0.1, VOCABULARY, CHANNELS));
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
                p.put(b + n + ".weight", random(r, 0.1, CHANNELS, CHANNELS));
            }
            p.put(b + "ffn.key.weight", random(r, 0.1, 4 * CHANNELS, CHANNELS));
            p.put(b + "ffn.value.weight", random(r, 0.1, CHANNELS, 4 * CHANNELS));
        }
        return p;
    }

    private static void norm(Map<String, Tensor> p, String name) {
        p.put(name + ".weight", Tensor.of(ones(), CHANNELS));
        p.put(name + ".bias", Tensor.of(new float[CHANNELS], CHANNELS));
    }

    private static float[] ones() {
        float[] v = new float[CHANNELS];
        Arrays.fill(v, 1);
        return v;
    }

    private static Tensor random(SplittableRandom r, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * r.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    private void token(RwkvState state) {
        Team.with(1, () -> model.last(token, state, scratch));
        scratch.reset();
    }

    @Benchmark
    public void afterThousand() {
        token(young);
    }

    @Benchmark
    public void afterMillion() {
        token(old);
    }
}
