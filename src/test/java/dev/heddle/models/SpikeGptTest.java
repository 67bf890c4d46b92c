package dev.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.io.SafetensorsFile;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Lif;
import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.reference.Rwkv464;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SpikeGptTest {
    @Test
    void agreesWithTheEquations() {
        int c = 24;
        Map<String, Tensor> p = Rwkv4Test.random(11, c, 50, 13, 2);
        SpikeGpt model = SpikeGpt.of(p, Storage.F32);
        int[] tokens = {1, 12, 3, 0, 7, 7, 5, 2, 9, 11};
        Tensor got = model.forward(new int[][] {tokens}, model.state(1));
        Rwkv464 want = Rwkv4Test.reference(p, c, 2, true);
        for (int t = 0; t < tokens.length; t++) {
            double[] logits = want.next(tokens[t]);
            for (int i = 0; i < logits.length; i++) {
                assertEquals(logits[i], got.getFloat(0, t, i), 1e-3 + 1e-4 * Math.abs(logits[i]));
            }
        }
    }

    /** Weights and a stream's state go to files and come back. */
    @Test
    void filesKeepModelsAndStreams(@TempDir Path folder) throws IOException {
        Map<String, Tensor> p = Rwkv4Test.random(13, 24, 50, 13, 2);
        SpikeGpt model = SpikeGpt.of(p, Storage.F32);
        RwkvState state = model.state(1);
        model.forward(new int[][] {{1, 12, 3}}, state);
        SafetensorsFile.write(folder.resolve("model"), p, Map.of());
        SafetensorsFile.write(folder.resolve("state"), state.tensors(), Map.of());
        try (SafetensorsFile weights = SafetensorsFile.open(folder.resolve("model"));
                SafetensorsFile stream = SafetensorsFile.open(folder.resolve("state"))) {
            SpikeGpt again = SpikeGpt.of(all(weights), Storage.F32);
            RwkvState other = again.state(1);
            other.copyFrom(all(stream));
            int[][] next = {{0, 7, 7, 5}};
            assertArrayEquals(
                    model.forward(next, state).reshape(4 * 13).toFloatArray(),
                    again.forward(next, other).reshape(4 * 13).toFloatArray());
        }
    }

    private static Map<String, Tensor> all(SafetensorsFile file) {
        Map<String, Tensor> tensors = new HashMap<>();
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        return tensors;
    }

    /** Drawn tokens follow from the seed; greedy ones are those that feeding token after token gives. */
    @Test
    void generatingStreamsAndFollowsTheSeed() {
        SpikeGpt model = SpikeGpt.of(Rwkv4Test.random(14, 24, 50, 13, 2), Storage.F32);
        int[] prompt = {3, 1, 4};
        List<List<Integer>> runs = new ArrayList<>();
        for (long seed : new long[] {1, 1, 2}) {
            List<Integer> tokens = new ArrayList<>();
            Sampler sampler =
                    Sampler.builder().temperature(2).topK(8).seed(seed).build();
            model.generate(prompt, 30, model.state(1), sampler, tokens::add);
            runs.add(tokens);
        }
        assertEquals(30, runs.getFirst().size());
        assertEquals(runs.get(0), runs.get(1));
        assertNotEquals(runs.get(0), runs.get(2));
        RwkvState state = model.state(1);
        Tensor logits = model.forward(new int[][] {prompt}, state).select(1, 2);
        List<Integer> want = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            int token = Sampler.greedy().sample(logits.reshape(13).toFloatArray());
            want.add(token);
            logits = model.forward(new int[][] {{token}}, state).select(1, 0);
        }
        List<Integer> got = new ArrayList<>();
        model.generate(prompt, 20, model.state(1), Sampler.greedy(), got::add);
        assertEquals(want, got);
    }

    /** What blocks that train compute is what the model computes. */
    @Test
    void blocksAreThoseOfTheModel() {
        int c = 16;
        Map<String, Tensor> p = Rwkv4Test.random(12, c, 64, 13, 1);
        Map<String, Tensor> own = new HashMap<>();
        p.forEach((name, t) -> own.put(name.replace("blocks.0.", ""), t));
        Tensor x = Tensor.of(new float[5 * c], 1, 5, c);
        for (int i = 0; i < 5 * c; i++) {
            x.setFloat(i * 7 % 3 == 0 ? 1 : 0, 0, i / c, i % c);
        }
        SpikeGptBlock block = SpikeGptBlock.of(own, 0);
        Tensor y = block.forward(x);
        Tensor raw = LayerNorm.builder().build().forward(x, own.get("ln0.weight"), own.get("ln0.bias"));
        RwkvBlock streaming = new RwkvBlock(
                new Parameters(own, ""), c, Storage.F32, Lif.builder().build());
        try (var scratch = new Workspace()) {
            streaming.forward(raw, new RwkvState(1, c, 1, true).layers.getFirst(), scratch);
        }
        float[] a = y.toFloatArray();
        float[] b = raw.toFloatArray();
        int spikes = 0;
        for (int i = 0; i < a.length; i++) {
            assertEquals(a[i], b[i]);
            spikes += a[i] == 0 ? 0 : 1;
        }
        assertTrue(spikes > 0);
        SpikeGptBlock.Gradients g = block.backward(x, y);
        assertEquals(
                own.keySet().stream()
                        .filter(n -> !n.contains("emb") && !n.contains("head") && !n.startsWith("ln_out"))
                        .count(),
                g.parameters().size());
        g.parameters().forEach((name, t) -> assertEquals(own.get(name).shape(), t.shape(), name));
    }
}
