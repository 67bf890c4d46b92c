package dev.heddle.cli;

import dev.heddle.HeddleException;
import dev.heddle.graph.CsrGraph;
import dev.heddle.io.SafetensorsFile;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A golden file: inputs, parameters, expected outputs and how far from them a result may be. Every tensor is copied out of
 * the file, so that each is an allocation of its own.
 */
final class GoldenCase {
    private static final String IN = "in.";
    private static final String OUT = "out.";

    private final Path path;
    private final Map<String, String> metadata;
    private final Map<String, Tensor> inputs = new TreeMap<>();
    private final SortedMap<String, Tensor> expected = new TreeMap<>();

    private GoldenCase(Path path, SafetensorsFile file) {
        this.path = path;
        this.metadata = file.metadata();
        for (String name : file.names()) {
            if (name.startsWith(IN)) {
                inputs.put(name.substring(IN.length()), file.tensor(name).copy());
            } else if (name.startsWith(OUT)) {
                expected.put(name.substring(OUT.length()), file.tensor(name).copy());
            } else {
                throw wrong("tensor '" + name + "' is neither an input (in.) nor an output (out.)");
            }
        }
        if (expected.isEmpty()) {
            throw wrong("no tensor out.*, so nothing to verify");
        }
        text("op");
        for (var e : expected.entrySet()) {
            if (e.getValue().dtype().isFloating()) {
                tolerance("rtol");
                atol(e.getKey());
            }
        }
    }

    /** @throws HeddleException if the file is no sound golden file */
    static GoldenCase read(Path path) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            return new GoldenCase(path, file);
        }
    }

    private HeddleException wrong(String what) {
        return new HeddleException(path + ": " + what);
    }

    String op() {
        return text("op");
    }

    String name() {
        String name = metadata.get("case");
        return name != null ? name : String.valueOf(path.getFileName()).replace(".safetensors", "");
    }

    /** The expected outputs by name, without {@code out.}. */
    SortedMap<String, Tensor> expected() {
        return expected;
    }

    double rtol() {
        return tolerance("rtol");
    }

    double atol(String output) {
        String own = "atol." + output;
        return tolerance(metadata.containsKey(own) ? own : "atol");
    }

    /** A tolerance that would accept anything is no tolerance. */
    private double tolerance(String key) {
        double t = number(key, text(key));
        if (!(t >= 0 && t < Double.POSITIVE_INFINITY)) {
            throw wrong(key + " is " + t + ", must be finite and not negative");
        }
        return t;
    }

    private String text(String key) {
        String value = metadata.get(key);
        if (value == null) {
            throw wrong("the metadata lacks " + key);
        }
        return value;
    }

    private double number(String key, String text) {
        try {
            return switch (text) {
                case "inf" -> Double.POSITIVE_INFINITY;
                case "-inf" -> Double.NEGATIVE_INFINITY;
                default -> Double.parseDouble(text);
            };
        } catch (NumberFormatException e) {
            throw new HeddleException(path + ": " + key + " is '" + text + "', not a number", e);
        }
    }

    // ------------------------------------------------------------------ for adapters

    /** An input that must be there. */
    Tensor in(String name) {
        Tensor t = inputs.get(name);
        if (t == null) {
            throw wrong("input in." + name + " is missing");
        }
        return t;
    }

    /** An input that may be absent. */
    @Nullable
    Tensor optional(String name) {
        return inputs.get(name);
    }

    /** The inputs {@code p.*}, by the names that a state_dict has them under. */
    Map<String, Tensor> parameters() {
        Map<String, Tensor> all = new TreeMap<>();
        inputs.forEach((name, t) -> {
            if (name.startsWith("p.")) {
                all.put(name.substring(2), t);
            }
        });
        return all;
    }

    boolean has(String input) {
        return inputs.containsKey(input);
    }

    /** Whether the file expects this output. */
    boolean wants(String output) {
        return expected.containsKey(output);
    }

    String param(String name) {
        return text("param." + name);
    }

    String param(String name, String otherwise) {
        return metadata.getOrDefault("param." + name, otherwise);
    }

    float floatParam(String name, double otherwise) {
        String text = metadata.get("param." + name);
        return (float) (text == null ? otherwise : number("param." + name, text));
    }

    int intParam(String name, int otherwise) {
        double v = floatParam(name, otherwise);
        if (v != (int) v) {
            throw wrong("param." + name + " is " + v + ", not a whole number");
        }
        return (int) v;
    }

    /** A flag, written 0 or 1. */
    boolean flag(String name, boolean otherwise) {
        int v = intParam(name, otherwise ? 1 : 0);
        if (v != 0 && v != 1) {
            throw wrong("param." + name + " is " + v + ", not a flag");
        }
        return v == 1;
    }

    /** The graph of {@code indptr} and {@code indices}. */
    CsrGraph graph(long nSrc) {
        return CsrGraph.of(in("indptr"), in("indices"), nSrc);
    }
}
