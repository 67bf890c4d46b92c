package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The build step: what it writes and where, that nothing stale survives, and that a failure is loud. */
class WeaveTest {
    private static final String CORRECT = "@Kernel public static void k(long a) { store(load(a), a); }";
    private static final String CHANGED = "@Kernel public static void k(long a) { store(load(a).neg(), a); }";
    private static final String WRONG = "@Kernel static int k(int n) { return new int[n].length; }";
    private static final List<Target> TARGETS = List.of(Target.named("scalar"), Target.named("vector256"));

    @TempDir
    Path directory;

    private Path classes() {
        return directory.resolve("classes");
    }

    private Path output() {
        return directory.resolve("output");
    }

    private Path report() {
        return directory.resolve("report.txt");
    }

    /** Compiles a template as javac would, in place. */
    private void template(String name, String members) throws IOException {
        Workshop workshop = new Workshop("public final class " + name + " {\n" + members + "\n}\n");
        Path file = classes().resolve(Workshop.TEMPLATES + "/" + name + ".class");
        Files.createDirectories(file.getParent());
        Files.write(file, Objects.requireNonNull(workshop.read(Workshop.TEMPLATES + "/" + name)));
    }

    private record Outcome(List<String> problems, String text) {}

    private Outcome weave() throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        List<String> problems = new Weave(classes(), output(), Workshop.TEMPLATES)
                .build(TARGETS, report(), new PrintStream(text, true, StandardCharsets.UTF_8));
        return new Outcome(problems, text.toString(StandardCharsets.UTF_8));
    }

    private Map<String, byte[]> written() throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        if (Files.exists(output())) {
            try (Stream<Path> all = Files.walk(output())) {
                for (Path f : all.filter(Files::isRegularFile).toList()) {
                    files.put(output().relativize(f).toString().replace('\\', '/'), Files.readAllBytes(f));
                }
            }
        }
        return files;
    }

    private static void assertSameFiles(Map<String, byte[]> expected, Map<String, byte[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, bytes) -> assertArrayEquals(bytes, actual.get(name), name));
    }

    @Test
    void eachTargetHasItsPackage() throws IOException {
        template("A", CORRECT);
        template("B", CORRECT);
        template("NoKernels", "static int f(int x) { return x; }");
        Outcome outcome = weave();
        assertEquals(List.of(), outcome.problems);
        assertTrue(outcome.text.startsWith("wove 4 kernels for 2 targets into 4 methods in "), outcome.text);
        assertEquals(
                Set.of(
                        "dev/heddle/loom/scalar/A.class",
                        "dev/heddle/loom/scalar/B.class",
                        "dev/heddle/loom/vector256/A.class",
                        "dev/heddle/loom/vector256/B.class"),
                written().keySet());
    }

    @Test
    void theReportNamesEveryFlatMethod() throws IOException {
        template("A", "@Kernel public static int k(@Const({3, 5}) int n) { return n; }");
        weave();
        List<String> lines = Files.readAllLines(report());
        assertEquals(1 + 2 * 2, lines.size(), lines::toString);
        assertTrue(lines.get(2).matches("scalar +0 +\\d+ +A\\.k\\$5"), lines.get(2));
    }

    @Test
    void weavingAgainChangesNothing() throws IOException {
        template("A", CORRECT);
        weave();
        Map<String, byte[]> first = written();
        assertTrue(weave().text.startsWith("the woven kernels are up to date"));
        Files.delete(directory.resolve("report.txt.stamp"));
        Path file = output().resolve("dev/heddle/loom/scalar/A.class");
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000));
        assertTrue(weave().text.startsWith("wove"));
        assertSameFiles(first, written());
        assertEquals(FileTime.fromMillis(1_000_000), Files.getLastModifiedTime(file), "same bytes are not written");
    }

    @Test
    void aChangedTemplateIsWovenAgain() throws IOException {
        template("A", CORRECT);
        weave();
        Map<String, byte[]> first = written();
        template("A", CHANGED);
        assertTrue(weave().text.startsWith("wove"));
        String name = "dev/heddle/loom/scalar/A.class";
        assertThrows(
                AssertionError.class,
                () -> assertArrayEquals(first.get(name), written().get(name)));
    }

    @Test
    void aRemovedTemplateLeavesNothingBehind() throws IOException {
        template("A", CORRECT);
        template("B", CORRECT);
        weave();
        Files.delete(classes().resolve(Workshop.TEMPLATES + "/B.class"));
        assertTrue(weave().text.startsWith("wove 2 kernels"));
        assertEquals(
                Set.of("dev/heddle/loom/scalar/A.class", "dev/heddle/loom/vector256/A.class"),
                written().keySet());
    }

    @Test
    void damagedOutputIsRepaired() throws IOException {
        template("A", CORRECT);
        weave();
        Map<String, byte[]> first = written();
        Files.write(output().resolve("dev/heddle/loom/scalar/A.class"), new byte[] {1, 2, 3});
        Files.write(output().resolve("dev/heddle/loom/vector256/Stray.class"), new byte[] {1});
        assertTrue(weave().text.startsWith("wove"));
        assertSameFiles(first, written());
    }

    @Test
    void aFailureNamesTheKernelAndLeavesNoClassesNorStamp() throws IOException {
        template("A", CORRECT);
        template("B", CORRECT);
        weave();
        template("B", WRONG);
        for (int i = 0; i < 2; i++) {
            Outcome outcome = weave();
            assertEquals(2, outcome.problems.size(), outcome.problems::toString);
            assertEquals(
                    "dev.heddle.loom.vector.B.k (B.java:2): the length of a local array must be known when weaving [scalar]",
                    outcome.problems.getFirst());
            assertEquals(Map.of(), written());
        }
        assertTrue(Files.readString(report()).contains("ERROR dev.heddle.loom.vector.B.k (B.java:2)"));
        template("B", CORRECT);
        assertEquals(List.of(), weave().problems);
        assertEquals(4, written().size());
    }

    @Test
    void noTemplatesNoKernels() throws IOException {
        assertEquals(List.of(), weave().problems);
        assertEquals(Map.of(), written());
    }

    @Test
    void unknownTargetsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> Target.named("vector1024"));
        assertThrows(IllegalArgumentException.class, () -> Weave.main(new String[] {"a", "b", "c"}));
    }
}
