package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.heddle.io.SafetensorsFile;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** One file of golden vectors: inputs, parameters, and what must come out. */
record GoldenCase(String name, Map<String, Tensor> tensors, Map<String, String> metadata) {
    /** What the operator computes; the outputs by name. */
    interface Run {
        Map<String, Tensor> of(GoldenCase c);
    }

    static List<GoldenCase> all(String op) {
        try (Stream<Path> files =
                Files.list(Path.of(GoldenCase.class.getResource("/golden/" + op).toURI()))) {
            List<GoldenCase> cases = files.sorted().map(GoldenCase::read).toList();
            assertFalse(cases.isEmpty());
            return cases;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static GoldenCase read(Path path) {
        try (SafetensorsFile f = SafetensorsFile.open(path)) {
            Map<String, Tensor> tensors = new HashMap<>();
            f.names().forEach(n -> tensors.put(n, f.tensor(n).copy()));
            return new GoldenCase(path.getFileName().toString(), tensors, Map.copyOf(f.metadata()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An input, null if absent. */
    Tensor in(String name) {
        return tensors.get("in." + name);
    }

    String param(String name, String otherwise) {
        return metadata.getOrDefault("param." + name, otherwise);
    }

    boolean flag(String name) {
        return param(name, "0").equals("1");
    }

    /** Runs it on every backend and compares what is expected. */
    void check(Run run) {
        List<String> expected = tensors.keySet().stream()
                .filter(n -> n.startsWith("out."))
                .map(n -> n.substring(4))
                .sorted()
                .toList();
        float[][] got = Trial.everywhere(() -> {
            Map<String, Tensor> out = run.of(this);
            assertEquals(expected, expected.stream().filter(out::containsKey).toList(), name);
            return expected.stream().map(out::get).toArray(Tensor[]::new);
        });
        double relative = Double.parseDouble(metadata.get("rtol"));
        for (int i = 0; i < got.length; i++) {
            String n = expected.get(i);
            double absolute = Double.parseDouble(metadata.getOrDefault("atol." + n, metadata.get("atol")));
            Trial.assertClose(Trial.doubles(tensors.get("out." + n)), got[i], relative, absolute, name + " " + n);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
