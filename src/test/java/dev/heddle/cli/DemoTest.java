package dev.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class DemoTest {
    @TempDir
    Path dir;

    private final StringWriter printed = new StringWriter();

    private int run(String... args) {
        CommandLine line = new CommandLine(new DemoCommand());
        line.setOut(new PrintWriter(printed));
        line.setErr(new PrintWriter(printed));
        return line.execute(args);
    }

    private String found(String pattern) {
        Matcher m = Pattern.compile(pattern).matcher(printed.toString());
        assertTrue(m.find(), () -> pattern + " in " + printed);
        return m.group(1);
    }

    private String checksum(Path page, int threads) {
        printed.getBuffer().setLength(0);
        String[] args = {
            "--epochs", "8", "--hidden", "12", "--threads", "" + threads, "--seed", "5", "--out", page.toString()
        };
        assertEquals(0, run(args), printed::toString);
        return found("checksum ([0-9a-f]{8}) ");
    }

    @Test
    void learnsAndTellsAndHasTheSameBitsForAnyThreadCount() throws IOException {
        Path page = dir.resolve("page.html");
        String one = checksum(page, 1);
        double majority = Double.parseDouble(found("majority class +([0-9.]+) "));
        double learned = Double.parseDouble(found("GraphSAGE +([0-9.]+) "));
        assertTrue(learned > majority, printed::toString);
        List.of("label propagation", "M forward", "M backward", "times scalar", "peak memory", page.toString())
                .forEach(p -> assertTrue(printed.toString().contains(p), () -> p + " in " + printed));
        String html = Files.readString(page);
        assertTrue(html.startsWith("<!DOCTYPE html>") && html.strip().endsWith("</html>"));
        assertTrue(html.contains("<svg"));
        assertFalse(html.contains("NaN"));
        assertEquals(one, checksum(page, 3));
    }

    @ParameterizedTest
    @CsvSource({"--epochs,0", "--hidden,0", "--threads,0", "--epochs,-3"})
    void senselessOptionsAreRefused(String option, String value) {
        assertEquals(2, run(option, value));
        assertTrue(printed.toString().contains(option + ": " + value + ", must be at least 1"), printed::toString);
    }

    @Test
    void aPageThatCannotBeWrittenIsAnErrorBeforeTheWork() {
        assertEquals(1, run("--out", dir.resolve("absent").resolve("page.html").toString()));
        assertFalse(printed.toString().contains("classes,"), printed::toString);
    }
}
