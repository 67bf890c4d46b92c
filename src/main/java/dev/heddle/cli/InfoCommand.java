package dev.heddle.cli;

import dev.heddle.Heddle;
import dev.heddle.cli.Operators.Operator;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code heddle info}. */
@Command(
        name = "info",
        description = "Prints what runs here and why, and the operators.",
        mixinStandardHelpOptions = true)
final class InfoCommand implements Runnable {
    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public void run() {
        PrintWriter out = Main.out(spec);
        out.println(Heddle.describe());
        out.println("virtual machine " + System.getProperty("java.vm.name") + ", " + System.getProperty("java.vendor"));
        out.println("processor " + processor() + ", " + Runtime.getRuntime().availableProcessors() + " available");
        out.printf("heap at most %,d MiB%n", Runtime.getRuntime().maxMemory() >> 20);
        out.println();
        out.printf("%-24s %-10s %-8s %-9s %s%n", "operator", "family", "forward", "backward", "step");
        for (Operator op : Operators.all()) {
            out.printf(
                    "%-24s %-10s %-8s %-9s %s%n",
                    op.name(), op.family(), "yes", op.backward() ? "yes" : "-", op.step() ? "yes" : "-");
        }
        out.flush();
    }

    /** What the system calls the processor, where it says so in a file. */
    static String processor() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(l -> l.startsWith("model name"))
                    .map(l -> l.substring(l.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(System.getProperty("os.arch", "?"));
        } catch (IOException | UncheckedIOException e) {
            return System.getProperty("os.arch", "?");
        }
    }
}
