package dev.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.parallel.Team;
import dev.heddle.reference.Rwkv464;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Rwkv4Test {
    private static final Path MODELS = Path.of("../shared/models");

    private static Path file(String name) {
        Path path = MODELS.resolve(name);
        assumeTrue(Files.exists(path), () -> path + " is not here: RWKV-4 is not compared with its published logits");
        return path;
    }

    private static float[] logits(Tensor t) {
        return t.reshape(t.size()).toFloatArray();
    }

    @ParameterizedTest
    @CsvSource({"tiny-rwkv-4v0-660K-FP32.bin, 3e-5", "tiny-rwkv-4v0-660K-FP16.bin, 3e-3"})
    void publishedLogits(String name, float tolerance) throws IOException {
        ByteBuffer expected = ByteBuffer.wrap(Files.readAllBytes(file("expected-logits-4v0-660K.bin")))
                .order(ByteOrder.LITTLE_ENDIAN);
        float[] want = new float[256];
        expected.asFloatBuffer().get(want);
        Map<String, Tensor> checkpoint = RwkvCppFile.read(file(name));
        int[] prompt = {34, 105, 110};
        float[] first = null;
        for (Backend backend : Backends.usable()) {
            float[][] got = new float[2][];
            Backends.with(backend, () -> {
                Rwkv4 model = Rwkv4.of(checkpoint, Storage.F32);
                RwkvState state = model.state(1);
                got[0] = logits(model.forward(new int[][] {prompt}, state).select(1, 2));
                RwkvState stream = model.state(1);
                for (int token : prompt) {
                    got[1] = logits(model.forward(new int[][] {{token}}, stream));
                }
            });
            assertArrayEquals(want, got[0], tolerance);
            assertArrayEquals(got[0], got[1], "token by token");
            assertArrayEquals(first == null ? got[0] : first, got[0], backend.toString());
            first = got[0];
        }
    }

    // ------------------------------------------------------------------ small random models

    static Map<String, Tensor> random(long seed, int channels, int hidden, int vocabulary, int layers) {
        Random rnd = new Random(seed);
        Map<String, Tensor> p = new HashMap<>();
        p.put("emb.weight", normal(rnd, 1, vocabulary, channels));
        p.put("head.weight", normal(rnd, 0.5, vocabulary, channels));
        norm(p, "ln_out", rnd, channels);
        for (int i = 0; i < layers; i++) {
            String b = "blocks." + i + ".";
            for (String n : i == 0 ? new String[] {"ln0", "ln1", "ln2"} : new String[] {"ln1", "ln2"}) {
                norm(p, b + n, rnd, channels);
            }
            for (String n : new String[] {"att.time_decay", "att.time_first"}) {
                p.put(b + n, normal(rnd, 1, channels));
            }
            for (String n : new String[] {
                "att.time_mix_k", "att.time_mix_v", "att.time_mix_r", "ffn.time_mix_k", "ffn.time_mix_r"
            }) {
                p.put(b + n, normal(rnd, 0.5, 1, 1, channels));
            }
            for (String n : new String[] {"att.key", "att.value", "att.receptance", "att.output", "ffn.receptance"}) {
                p.put(b + n + ".weight", normal(rnd, 0.4, channels, channels));
            }
            p.put(b + "ffn.key.weight", normal(rnd, 0.4, hidden, channels));
            p.put(b + "ffn.value.weight", normal(rnd, 0.4, channels, hidden));
        }
        return p;
    }

    private static void norm(Map<String, Tensor> p, String name, Random rnd, int channels) {
        p.put(name + ".weight", normal(rnd, 1, channels));
        p.put(name + ".bias", normal(rnd, 0.3, channels));
    }

    private static Tensor normal(Random rnd, double scale, long... shape) {
        float[] v = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) (scale * rnd.nextGaussian());
        }
        return Tensor.of(v, shape);
    }

    static Rwkv464 reference(Map<String, Tensor> p, int channels, int layers, boolean spiking) {
        Map<String, double[]> flat = new HashMap<>();
        p.forEach((name, t) -> {
            float[] f = t.toFloatArray();
            double[] d = new double[f.length];
            Arrays.setAll(d, i -> f[i]);
            flat.put(name, d);
        });
        return new Rwkv464(flat, channels, layers, spiking);
    }

    private static final int[][] TOKENS = {{3, 1, 4, 1, 5, 9, 2, 6, 5, 3}, {2, 7, 1, 8, 2, 8, 1, 8, 2, 8}};

    @Test
    void agreesWithTheEquations() {
        Map<String, Tensor> p = random(1, 20, 33, 11, 3);
        Rwkv4 model = Rwkv4.of(p, Storage.F32);
        Tensor got = model.forward(TOKENS, model.state(2));
        for (int b = 0; b < 2; b++) {
            Rwkv464 want = reference(p, 20, 3, false);
            for (int t = 0; t < TOKENS[b].length; t++) {
                double[] logits = want.next(TOKENS[b][t]);
                for (int i = 0; i < 11; i++) {
                    assertEquals(logits[i], got.getFloat(b, t, i), 1e-3 + 1e-4 * Math.abs(logits[i]));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anyCutBatchBackendAndThreadsHaveTheSameBits(boolean spiking) {
        Map<String, Tensor> p = random(2, 40, 70, 11, 2);
        List<float[]> seen = new ArrayList<>();
        for (Backend backend : Backends.usable()) {
            Backends.with(
                    backend,
                    () -> Team.with(2, () -> {
                        RwkvModelLike model = RwkvModelLike.of(p, spiking);
                        Tensor whole = model.forward(TOKENS, model.state(2));
                        seen.add(logits(whole));
                        RwkvState state = model.state(1);
                        int[] row = TOKENS[1];
                        for (int[] cut : new int[][] {{0, 4}, {4, 5}, {5, 10}}) {
                            int[] part = Arrays.copyOfRange(row, cut[0], cut[1]);
                            Tensor got = model.forward(new int[][] {part}, state);
                            assertArrayEquals(
                                    logits(whole.slice(0, 1, 2)
                                            .slice(1, cut[0], cut[1])
                                            .contiguous()),
                                    logits(got));
                            RwkvState copy = model.state(1);
                            copy.copyFrom(state.tensors());
                            state = copy;
                        }
                    }));
        }
        seen.forEach(s -> assertArrayEquals(seen.getFirst(), s));
    }

    /** Either model. */
    private interface RwkvModelLike {
        Tensor forward(int[][] tokens, RwkvState state);

        RwkvState state(long streams);

        static RwkvModelLike of(Map<String, Tensor> p, boolean spiking) {
            Rwkv4 plain = Rwkv4.of(p, Storage.F32);
            SpikeGpt gpt = SpikeGpt.of(p, Storage.F32);
            return new RwkvModelLike() {
                @Override
                public Tensor forward(int[][] tokens, RwkvState state) {
                    return spiking ? gpt.forward(tokens, state) : plain.forward(tokens, state);
                }

                @Override
                public RwkvState state(long streams) {
                    return spiking ? gpt.state(streams) : plain.state(streams);
                }
            };
        }
    }

    @Test
    void narrowWeightsAreNear() {
        Map<String, Tensor> p = random(3, 64, 64, 11, 2);
        float[] want = logits(Rwkv4.of(p, Storage.F32)
                .forward(TOKENS, Rwkv4.of(p, Storage.F32).state(2)));
        for (Storage storage : new Storage[] {Storage.BF16, Storage.F16, Storage.I8}) {
            Rwkv4 model = Rwkv4.of(p, storage);
            float[] got = logits(model.forward(TOKENS, model.state(2)));
            double error = 0;
            double size = 0;
            for (int i = 0; i < got.length; i++) {
                error += (got[i] - want[i]) * (got[i] - want[i]);
                size += want[i] * want[i];
            }
            assertEquals(0, Math.sqrt(error / size), 0.1, storage.toString());
        }
    }

    @Test
    void generatingTakesNoMoreMemoryFromTokenToToken() {
        Map<String, Tensor> p = random(4, 32, 64, 11, 2);
        Rwkv4 model = Rwkv4.of(p, Storage.F32);
        RwkvState state = model.state(1);
        try (Workspace scratch = new Workspace()) {
            model.last(new int[][] {{1}}, state, scratch);
            scratch.reset();
            model.last(new int[][] {{2}}, state, scratch);
            scratch.reset();
            long capacity = scratch.capacity();
            for (int i = 0; i < 200; i++) {
                model.last(new int[][] {{i % 11}}, state, scratch);
                scratch.reset();
            }
            assertEquals(capacity, scratch.capacity());
        }
    }

    @Test
    void generatingFollowsTheSeed() {
        Map<String, Tensor> p = random(5, 32, 64, 11, 2);
        Rwkv4 model = Rwkv4.of(p, Storage.F32);
        List<List<Integer>> runs = new ArrayList<>();
        for (long seed : new long[] {1, 1, 2}) {
            List<Integer> tokens = new ArrayList<>();
            Sampler sampler = Sampler.builder().temperature(2).seed(seed).build();
            model.generate(new int[] {3, 4}, 30, model.state(1), sampler, tokens::add);
            runs.add(tokens);
        }
        assertEquals(30, runs.getFirst().size());
        assertEquals(runs.get(0), runs.get(1));
        assertEquals(false, runs.get(0).equals(runs.get(2)));
        int[] seen = {0};
        model.generate(new int[] {3, 4}, 30, model.state(1), Sampler.greedy(), t -> ++seen[0] < 5);
        assertEquals(5, seen[0]);
    }

    @Test
    void refusesBadArguments() {
        Map<String, Tensor> p = random(6, 8, 8, 5, 1);
        Rwkv4 model = Rwkv4.of(p, Storage.F32);
        assertThrows(IndexOutOfBoundsException.class, () -> model.forward(new int[][] {{5}}, model.state(1)));
        assertThrows(IllegalArgumentException.class, () -> model.forward(new int[][] {{1}}, model.state(2)));
        assertThrows(IllegalArgumentException.class, () -> model.forward(new int[][] {{1}, {1, 2}}, model.state(2)));
        assertThrows(
                IllegalArgumentException.class,
                () -> model.generate(new int[0], 1, model.state(1), Sampler.greedy(), t -> true));
        Map<String, Tensor> less = new HashMap<>(p);
        less.remove("blocks.0.att.key.weight");
        assertThrows(IllegalArgumentException.class, () -> Rwkv4.of(less, Storage.F32));
        Map<String, Tensor> odd = new HashMap<>(p);
        odd.put("ln_out.bias", Tensor.zeros(DType.F32, 9));
        assertThrows(IllegalArgumentException.class, () -> Rwkv4.of(odd, Storage.F32));
    }
}
