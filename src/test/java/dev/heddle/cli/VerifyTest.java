package dev.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.io.SafetensorsFile;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class VerifyTest {
    @TempDir
    Path dir;

    private final StringWriter printed = new StringWriter();

    private int run(Object... args) {
        CommandLine line = new CommandLine(new VerifyCommand());
        line.setOut(new PrintWriter(printed));
        line.setErr(new PrintWriter(printed));
        String[] words = new String[args.length];
        for (int i = 0; i < args.length; i++) {
            words[i] = args[i].toString();
        }
        return line.execute(words);
    }

    private final Map<String, Tensor> tensors = new TreeMap<>();
    private final Map<String, String> metadata = new TreeMap<>();

    VerifyTest() {
        tensors.put("in.a", Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
        tensors.put("in.b", Tensor.of(new float[] {1, 0, 0, 1}, 2, 2));
        tensors.put("out.y", Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
        metadata.putAll(Map.of("op", "matmul", "case", "identity", "rtol", "1e-05", "atol", "1e-06"));
    }

    private Path file() throws IOException {
        Path path = dir.resolve("case.safetensors");
        SafetensorsFile.write(path, tensors, metadata);
        return path;
    }

    private void assertFails(String says) throws IOException {
        assertEquals(1, run(file()), printed::toString);
        assertTrue(printed.toString().contains(says), printed::toString);
    }

    @Test
    void passes() throws IOException {
        assertEquals(0, run(file()), printed::toString);
        assertTrue(printed.toString().contains("scalar"), printed::toString);
        assertTrue(printed.toString().contains("1 files, "), printed::toString);
        assertEquals(0, run("--quiet", dir));
    }

    @Test
    void aWrongValueFails() throws IOException {
        tensors.put("out.y", Tensor.of(new float[] {1, 2, 3.0001f, 4}, 2, 2));
        assertFails("FAIL: y[2] is 3.0, expected 3.0001, error ");
    }

    @Test
    void aWrongShapeFails() throws IOException {
        tensors.put("out.y", Tensor.of(new float[] {1, 2, 3, 4}, 4));
        assertFails("FAIL: y is F32 [2, 2], expected F32 [4]");
    }

    @Test
    void anOutputThatIsNotComputedFails() throws IOException {
        tensors.put("out.other", Tensor.of(new float[] {1}));
        assertFails("FAIL: other was not computed");
    }

    @Test
    void anUnknownOperatorIsMissing() throws IOException {
        metadata.put("op", "frobnicate");
        assertFails("missing: there is no operator 'frobnicate' here");
    }

    @Test
    void aMissingInputFails() throws IOException {
        tensors.remove("in.b");
        assertFails("input in.b is missing");
    }

    @Test
    void badArgumentsFail() throws IOException {
        tensors.put("in.b", Tensor.of(new float[] {1, 0, 0}, 3, 1));
        assertFails("does not follow a of shape");
    }

    @Test
    void nothingExpectedFails() throws IOException {
        tensors.remove("out.y");
        assertFails("nothing to verify");
    }

    @Test
    void strangeTensorsFail() throws IOException {
        tensors.put("y", Tensor.of(new float[] {1}));
        assertFails("neither an input");
    }

    @ParameterizedTest
    @CsvSource({
        "rtol,",
        "atol,",
        "op,",
        "rtol,inf",
        "atol,nan",
        "atol,-1",
        "atol.y,inf",
        "rtol,x",
        "param.transpose_a,2"
    })
    void badMetadataFails(String key, String value) throws IOException {
        if (value == null) {
            metadata.remove(key);
        } else {
            metadata.put(key, value);
        }
        assertFails(key);
    }

    @Test
    void malformedFilesAndEmptyPlacesFail() throws IOException {
        assertEquals(1, run(dir));
        assertTrue(printed.toString().contains("no *.safetensors in it"), printed::toString);
        assertTrue(printed.toString().contains("nothing ran"), printed::toString);
        file();
        Files.writeString(dir.resolve("bad.safetensors"), "not a tensor at all");
        assertEquals(1, run(dir));
        assertTrue(printed.toString().contains("bad.safetensors: not a safetensors file"), printed::toString);
        assertEquals(1, run(dir.resolve("case.safetensors"), dir.resolve("absent.safetensors")));
        assertTrue(printed.toString().contains("absent.safetensors"), printed::toString);
        assertEquals(2, run());
    }

    // ------------------------------------------------------------------ the comparison

    private static double worst(float want, float got) {
        return Verification.compareFloats("t", new float[] {want}, new float[] {got}, 1e-2, 1e-3)
                .worst();
    }

    @Test
    void toleranceIsAbsolutePlusRelative() {
        assertEquals(0, worst(1, 1));
        assertEquals(0.5, worst(10, 10.0505f), 1e-4);
        assertTrue(worst(10, 10.1f) <= 1 && worst(10, 10.102f) > 1);
        assertEquals(1, worst(0, 1e-3f), 1e-6);
        assertEquals(0, worst(0f, -0f));
    }

    @Test
    void nanAndInfinitiesMustBeWhereTheyBelong() {
        assertEquals(0, worst(Float.NaN, Float.NaN));
        assertEquals(0, worst(Float.POSITIVE_INFINITY, Float.POSITIVE_INFINITY));
        for (float[] pair : new float[][] {
            {Float.NaN, 1},
            {1, Float.NaN},
            {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY},
            {Float.POSITIVE_INFINITY, Float.MAX_VALUE},
            {1, Float.POSITIVE_INFINITY}
        }) {
            assertEquals(Double.POSITIVE_INFINITY, worst(pair[0], pair[1]));
        }
    }

    @Test
    void denormalResultsMayBeFlushed() {
        assertEquals(
                0,
                Verification.compareFloats("t", new float[] {1e-40f}, new float[] {0}, 1e-6, 0)
                        .worst());
        assertTrue(Verification.compareFloats("t", new float[] {1e-40f}, new float[] {2e-40f}, 1e-6, 0)
                        .worst()
                > 1);
        assertTrue(Verification.compareFloats("t", new float[] {1e-37f}, new float[] {0}, 1e-6, 0)
                        .worst()
                > 1);
    }
}
