package dev.heddle.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.HeddleException;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
    @TempDir
    Path dir;

    private static Map<String, Tensor> model() {
        Map<String, Tensor> t = new TreeMap<>();
        for (int i = 0; i < 5; i++) {
            t.put("w" + i, Tensor.of(new float[] {i, i + 0.5f, -i}));
        }
        t.put("big", Tensor.zeros(DType.F32, 100));
        return t;
    }

    private void assertHoldsModel(Checkpoint c) {
        assertEquals(model().keySet(), new java.util.TreeSet<>(c.names()));
        model().forEach((name, t) ->
                assertArrayEquals(t.toFloatArray(), c.tensor(name).toFloatArray(), name));
        assertEquals(Map.of("format", "heddle"), c.metadata());
    }

    private void shards() throws IOException {
        Checkpoint.write(dir, model(), Map.of("format", "heddle"), 24);
    }

    @Test
    void oneFileWhereEverythingFits() throws IOException {
        Checkpoint.write(dir.resolve("new"), model(), Map.of("format", "heddle"), 1 << 20);
        try (Checkpoint c = Checkpoint.open(dir.resolve("new"))) {
            assertHoldsModel(c);
        }
        try (Checkpoint c = Checkpoint.open(dir.resolve("new/model.safetensors"))) {
            assertHoldsModel(c);
        }
        assertFalse(Files.exists(dir.resolve("new/model.safetensors.index.json")));
    }

    @Test
    void shardsHoldNoMoreThanTheyMayButForTensorsThatDoNotFit() throws IOException {
        shards();
        try (Checkpoint c = Checkpoint.open(dir)) {
            assertHoldsModel(c);
        }
        for (int i = 1; i <= 4; i++) {
            Path shard = dir.resolve("model-0000" + i + "-of-00004.safetensors");
            try (SafetensorsFile f = SafetensorsFile.open(shard)) {
                assertEquals(i == 1 ? 1 : i < 4 ? 2 : 1, f.names().size());
            }
        }
        String index = Files.readString(dir.resolve("model.safetensors.index.json"));
        assertTrue(
                index.startsWith("{\"metadata\":{\"total_size\":460},\"weight_map\":{\"big\":\"model-00001-of-00004"),
                index);
    }

    private void assertRefused(String says) {
        String no =
                assertThrows(HeddleException.class, () -> Checkpoint.open(dir)).getMessage();
        assertTrue(no.contains(says) && no.startsWith(dir.toString()), no);
    }

    private void writeIndex(String weightMap) throws IOException {
        Files.writeString(
                dir.resolve("model.safetensors.index.json"),
                "{\"metadata\":{\"total_size\":[{}]},\"weight_map\":" + weightMap + "}");
    }

    @Test
    void disagreementsAreNamed() throws IOException {
        SafetensorsFile.write(dir.resolve("1"), Map.of("a", Tensor.zeros(DType.F32, 1)), Map.of());
        SafetensorsFile.write(dir.resolve("2"), Map.of("b", Tensor.zeros(DType.F32, 1)), Map.of());
        SafetensorsFile.write(dir.resolve("3"), Map.of("b", Tensor.zeros(DType.F32, 1)), Map.of());
        writeIndex("{\"a\":\"1\",\"b\":\"2\"}");
        Checkpoint.open(dir).close();
        writeIndex("{\"a\":\"1\",\"b\":\"4\"}");
        assertRefused("shard '4' is missing");
        writeIndex("{\"a\":\"1\",\"b\":\"2\",\"c\":\"2\"}");
        assertRefused("tensor 'c': not in its shard '2'");
        writeIndex("{\"a\":\"2\",\"b\":\"1\"}");
        assertRefused("tensor 'a': not in its shard '2' but in");
        writeIndex("{\"b\":\"2\",\"x\":\"1\"}");
        assertRefused("tensor 'x': not in its shard '1'");
        writeIndex("{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}");
        assertRefused("tensor 'b': also in");
        SafetensorsFile.write(
                dir.resolve("1"),
                Map.of("a", Tensor.zeros(DType.F32, 1), "more", Tensor.zeros(DType.F32, 1)),
                Map.of());
        writeIndex("{\"a\":\"1\",\"b\":\"2\"}");
        assertRefused("tensor 'more': in ");
        Files.writeString(dir.resolve("2"), "garbage!!");
        assertRefused("not a safetensors file");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../1",
                "/etc/passwd",
                "a/../../b",
                "..",
                ".",
                ".hidden",
                "",
                "a\\\\b",
                "C:x",
                "sub/1",
                "nul\\u0000"
            })
    void shardsOutsideTheDirectoryAreRefused(String name) throws IOException {
        writeIndex("{\"a\":\"" + name + "\"}");
        assertRefused("is not the plain name of a file");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[]",
                "{}",
                "{\"weight_map\":[]}",
                "{\"weight_map\":{\"a\":1}}",
                "{\"weight_map\":{\"a\":\"1\",\"a\":\"1\"}}",
                "{\"weight_map\":{},\"weight_map\":{}}",
                "{\"metadata\":[[[[[[[[[[]]]]]]]]]],\"weight_map\":{}}",
                "{\"weight_map\":{}",
                ""
            })
    void badIndexesAreRefused(String index) throws IOException {
        Files.writeString(dir.resolve("model.safetensors.index.json"), index);
        assertRefused("model.safetensors.index.json: ");
    }

    @Test
    void closeGoesThroughAllFiles() throws IOException {
        shards();
        Checkpoint c = Checkpoint.open(dir);
        Tensor a = c.tensor("w0");
        Tensor b = c.tensor("big");
        try (Use _ = Use.of(b)) {
            assertThrows(IllegalStateException.class, c::close);
            assertFalse(a.isAlive());
            assertTrue(b.isAlive());
        }
        c.close();
        assertFalse(b.isAlive());
        assertTrue(assertThrows(IllegalArgumentException.class, () -> c.tensor("w9"))
                .getMessage()
                .contains("no tensor 'w9' in "));
    }
}
