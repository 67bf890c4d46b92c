package dev.heddle;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Runs a program of the tests in a JVM of its own. */
public final class TestJvm {
    private TestJvm() {}

    public static final String MODULE = "--add-modules=jdk.incubator.vector";
    public static final String ACCESS = "--enable-native-access=ALL-UNNAMED";

    /** How it ended, and what it printed. */
    public record Run(int exit, String output) {
        public boolean says(String text) {
            return output.contains(text);
        }

        public void assertSays(String text) {
            assertTrue(says(text), () -> "expected \"" + text + "\" in:\n" + output);
        }
    }

    public static Run run(Class<?> program, String... flags) throws IOException, InterruptedException {
        return run(program, new String[0], flags);
    }

    public static Run run(Class<?> program, String[] arguments, String... flags)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.addAll(List.of(flags));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
        command.addAll(List.of(arguments));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(p.waitFor(), output);
    }
}
