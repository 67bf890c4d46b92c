package dev.heddle.cli;

import dev.heddle.cli.Verification.Row;
import dev.heddle.cli.Verification.Status;
import dev.heddle.kernel.Backends;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle verify}. */
@Command(
        name = "verify",
        description = "Runs golden files through every backend that is usable here, with one thread and with several.",
        footer = {
            "",
            "The error is the largest one as a multiple of its tolerance. All backends and thread counts must also give the"
                    + " same bits. Exits with 0 only if every case of every file passes and at least one ran."
        },
        mixinStandardHelpOptions = true)
final class VerifyCommand implements Callable<Integer> {
    @Spec
    private @Nullable CommandSpec spec;

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE|DIR",
            description = "Golden files, or directories with *.safetensors in them.")
    private List<Path> paths = List.of();

    @Option(
            names = {"-q", "--quiet"},
            description = "Print only what does not pass.")
    private boolean quiet;

    @Override
    public Integer call() {
        PrintWriter out = Main.out(spec);
        Verification verification = new Verification(
                Backends.usable(), 1, Math.max(2, Runtime.getRuntime().availableProcessors()));
        List<Row> all = new ArrayList<>();
        List<String> troubles = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (Path p : paths) {
            try {
                files.addAll(files(p));
            } catch (IOException | UncheckedIOException e) {
                troubles.add(p + ": cannot be read: " + e);
            }
        }
        out.printf("%-24s %-32s %-10s %10s  %s%n", "op", "case", "backend", "error", "result");
        try (Progress progress = Progress.of("verify", files.size())) {
            for (Path file : files) {
                List<Row> rows = verification.verify(file);
                all.addAll(rows);
                for (Row r : rows) {
                    print(out, r);
                }
                progress.step(rows.getFirst().op());
            }
        }
        troubles.forEach(out::println);
        long bad = all.stream().filter(r -> r.status() != Status.OK).count();
        out.printf(
                "%d files, %d runs: %d ok, %d not%s%n",
                files.size(), all.size(), all.size() - bad, bad, all.isEmpty() ? "; nothing ran" : "");
        out.flush();
        return bad == 0 && troubles.isEmpty() && !all.isEmpty() ? 0 : 1;
    }

    private void print(PrintWriter out, Row r) {
        if (quiet && r.status() == Status.OK) {
            return;
        }
        String error = Double.isNaN(r.worst()) ? "-" : "%.3g".formatted(r.worst());
        out.printf(
                "%-24s %-32s %-10s %10s  %s%n",
                r.op(),
                r.name(),
                r.backend(),
                error,
                r.status().text + (r.trouble().isEmpty() ? "" : ": " + r.trouble()));
        out.flush();
    }

    /** A file itself, or what a directory holds; a directory without any is reported as such. */
    private static List<Path> files(Path p) throws IOException {
        if (!Files.isDirectory(p)) {
            return List.of(p);
        }
        try (Stream<Path> walk = Files.walk(p)) {
            List<Path> found = walk.filter(f -> f.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
            if (found.isEmpty()) {
                throw new IOException("no *.safetensors in it");
            }
            return found;
        }
    }
}
