package dev.heddle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The jar as others get it: what it holds, and that it runs on the module path and on the class path. */
class JarIT {
    private static final String JAR = "target/heddle.jar";
    private static final String LIB = "target/lib";
    private static final String VECTORS = "--add-modules=jdk.incubator.vector";

    private static final String PROBE = """
            import dev.heddle.Heddle;
            import dev.heddle.op.Matmul;
            import dev.heddle.tensor.Tensor;

            class Probe {
                public static void main(String[] args) {
                    System.out.println(Heddle.class.getModule() + "\\n" + Heddle.describe());
                    Tensor a = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
                    System.out.println(java.util.Arrays.toString(Matmul.builder().build().forward(a, a).toFloatArray()));
                }
            }
            """;

    @TempDir
    static Path dir;

    @BeforeAll
    static void compileTheProbe() throws IOException {
        Path source = Files.writeString(dir.resolve("Probe.java"), PROBE);
        int rc = ToolProvider.getSystemJavaCompiler()
                .run(null, null, null, "-cp", JAR, "-d", dir.toString(), source.toString());
        assertEquals(0, rc);
    }

    @Test
    void holdsWhatRunsAndNothingElse() throws IOException {
        try (JarFile jar = new JarFile(JAR)) {
            assertNotNull(jar.getEntry("module-info.class"));
            for (String woven : List.of("scalar", "vector128", "vector256", "vector512")) {
                assertNotNull(jar.getEntry("dev/heddle/kernel/" + woven + "/Matmul.class"), woven);
            }
            assertFalse(jar.stream().anyMatch(e -> e.getName().startsWith("dev/heddle/weave/")));
            assertFalse(jar.stream().anyMatch(e -> e.getName().startsWith("dev/heddle/kernel/vector/")));
            assertFalse(jar.stream().anyMatch(e -> e.getName().contains("/checked/")));
            Attributes manifest = jar.getManifest().getMainAttributes();
            assertEquals("dev.heddle.cli.Main", manifest.getValue(Attributes.Name.MAIN_CLASS));
            assertNotNull(manifest.getValue(Attributes.Name.IMPLEMENTATION_VERSION));
        }
    }

    @Test
    void isAModuleThatExportsNothingInternal() throws Exception {
        String described = java("--module-path", JAR, "--describe-module", "dev.heddle");
        assertTrue(described.contains("exports dev.heddle.tensor\n"), described);
        assertTrue(described.contains("contains dev.heddle.kernel.vector512\n"), described);
        assertFalse(described.contains("exports dev.heddle.kernel"), described);
        assertFalse(described.contains("exports dev.heddle.memory"), described);
    }

    @Test
    void runsOnTheModulePath() throws Exception {
        String out =
                probe("--module-path", JAR, "--add-modules=dev.heddle", VECTORS, "--enable-native-access=dev.heddle");
        assertTrue(out.contains("module dev.heddle\n"), out);
        assertTrue(out.contains("backend vector"), out);
    }

    @Test
    void runsOnTheModulePathWithoutTheIncubator() throws Exception {
        String out = probe("--module-path", JAR, "--add-modules=dev.heddle", "--enable-native-access=dev.heddle");
        assertTrue(out.contains("module dev.heddle\n"), out);
        assertTrue(out.contains("backend scalar"), out);
        assertTrue(out.contains("--add-modules jdk.incubator.vector"), "names the flag: " + out);
    }

    @Test
    void runsOnTheClassPath() throws Exception {
        String out = probe(VECTORS, "--enable-native-access=ALL-UNNAMED", "-cp", JAR + File.pathSeparator + dir);
        assertTrue(out.contains("unnamed module"), out);
        assertTrue(out.contains("backend vector"), out);
    }

    @Test
    void itsMainIsTheCommandLine() throws Exception {
        String path = JAR + File.pathSeparator + LIB;
        String out = java("--module-path", path, "--add-modules=info.picocli", "--module", "dev.heddle", "--version");
        assertTrue(out.startsWith("heddle 0."), out);
    }

    private static String probe(String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("-cp", dir.toString()));
        arguments.addAll(List.of(options));
        arguments.add("Probe");
        String out = java(arguments.toArray(String[]::new));
        assertTrue(out.contains("[7.0, 10.0, 15.0, 22.0]"), out);
        return out;
    }

    /** What a java of ours prints, on both streams; it has to succeed. */
    private static String java(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = process.inputReader().lines().map(line -> line + "\n").collect(Collectors.joining());
        assertEquals(0, process.waitFor(), out);
        return out;
    }
}
