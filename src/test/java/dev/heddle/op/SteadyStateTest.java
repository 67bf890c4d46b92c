package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Once compiled, kernels make no objects: what a call allocates on the heap does not grow with its work. (A vector that is
 * an object takes 80 bytes, and the larger of the two calls handles some 100,000 vectors.) In a JVM of its own, as what HotSpot
 * makes of a kernel depends on what ran before.
 */
class SteadyStateTest {
    @Test
    void whatACallAllocatesDoesNotGrowWithItsWork() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.addAll(List.of("--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), SteadyStateProbe.class.getName()));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), output);
        assertEquals(
                SteadyStateProbe.Op.values().length,
                output.lines().filter(l -> l.contains(" steady, ")).count(),
                output);
        assertFalse(output.contains("not steady"), output);
    }
}
