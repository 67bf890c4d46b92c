package dev.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class BenchTest {
    private final StringWriter printed = new StringWriter();

    private int run(String... args) {
        CommandLine line = new CommandLine(new BenchCommand());
        line.setOut(new PrintWriter(printed));
        line.setErr(new PrintWriter(printed));
        return line.execute(args);
    }

    @Test
    void measuresEachKernelBesideItsLimit() {
        assertEquals(0, run("--seconds", "0.01", "--threads", "2"), printed::toString);
        for (String kernel : List.of("matmul", "spmm", "softmax", "layer_norm", "gelu_tanh")) {
            String line = printed.toString()
                    .lines()
                    .filter(l -> l.startsWith(kernel))
                    .findFirst()
                    .orElseThrow();
            assertTrue(line.matches(".* [0-9]+\\.[0-9] G\\S+ +[0-9.]+ \\[[0-9.]+ \\.\\. [0-9.]+\\] of .*"), line);
            assertTrue(!line.contains(" 0.0 "), line);
        }
    }

    @ParameterizedTest
    @CsvSource({"--threads,0", "--seconds,0", "--seconds,NaN"})
    void senselessOptionsAreRefused(String option, String value) {
        assertEquals(2, run(option, value));
        assertTrue(printed.toString().contains(option), printed::toString);
    }
}
