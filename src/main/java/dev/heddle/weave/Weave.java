package dev.heddle.weave;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The build step: weaves the classes of {@code dev.heddle.kernel.vector} for the targets named.
 *
 * <p>The packages that it writes belong to it alone: what is in them and was not woven now is deleted, so that no class
 * outlives its template. It only ever reads what javac wrote, so running it again changes nothing.
 */
public final class Weave {
    private static final String TEMPLATES = "dev/heddle/kernel/vector";
    private static final String USAGE = "usage: Weave CLASSES OUTPUT REPORT TARGET...";

    private final Path classes;
    private final Path output;
    private final String templates;
    private final List<Weaver.Report> reports = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private int kernels;

    /**
     * A build step.
     *
     * @param classes where javac put the classes
     * @param output where the woven classes go
     * @param templates the package of the templates, in internal form
     */
    public Weave(Path classes, Path output, String templates) {
        this.classes = classes;
        this.output = output;
        this.templates = templates;
    }

    public static void main(String[] args) throws IOException {
        if (args.length < 4) {
            throw new IllegalArgumentException(USAGE);
        }
        Weave weave = new Weave(Path.of(args[0]), Path.of(args[1]), TEMPLATES);
        List<Target> targets = Arrays.stream(args).skip(3).map(Target::named).toList();
        List<String> problems = weave.build(targets, Path.of(args[2]), System.out);
        problems.forEach(problem -> System.err.println("[ERROR] " + problem));
        if (!problems.isEmpty()) {
            System.exit(1);
        }
    }

    /**
     * Weaves all templates for each target, unless nothing has changed since that was done. Where a template has problems,
     * the target's package is left empty.
     *
     * @param report the file that tells the size of each flat method
     * @return what could not be woven, and why
     */
    public List<String> build(List<Target> targets, Path report, PrintStream out) throws IOException {
        long start = System.nanoTime();
        Stamp stamp = stamp(report.resolveSibling(report.getFileName() + ".stamp"), targets);
        if (stamp.isCurrent()) {
            out.println("the woven kernels are up to date (see " + report + ")");
            return List.of();
        }
        stamp.remove();
        List<String> names = templateNames();
        for (Outcome outcome :
                targets.parallelStream().map(t -> weave(names, t)).toList()) {
            take(outcome);
        }
        print(report);
        out.printf(
                "wove %d kernels for %d targets into %d methods in %d ms, %d of more than %d bytes (see %s)%n",
                kernels,
                targets.size(),
                reports.size(),
                (System.nanoTime() - start) / 1_000_000,
                reports.stream().filter(Weaver.Report::isLarge).count(),
                Weaver.LARGE,
                report);
        if (problems.isEmpty()) {
            stamp.renew();
        }
        return List.copyOf(problems);
    }

    private Stamp stamp(Path file, List<Target> targets) {
        List<Path> woven = targets.stream()
                .map(t -> output.resolve(t.packageFor(templates)))
                .toList();
        return new Stamp(file, classes, woven, targets + System.getProperty("java.vm.version"));
    }

    /** The classes woven for a target, by file, and what could not be. */
    private record Outcome(Weaver weaver, Map<Path, byte[]> woven, List<String> problems) {}

    private Outcome weave(List<String> names, Target target) {
        Weaver weaver = new Weaver(this::read, templates, target);
        Outcome outcome = new Outcome(weaver, new TreeMap<>(), new ArrayList<>());
        for (String name : names) {
            try {
                byte[] bytes = weaver.weave(name);
                if (bytes != null) {
                    String simple = name.substring(templates.length());
                    outcome.woven.put(output.resolve(weaver.wovenPackage() + simple + ".class"), bytes);
                }
            } catch (WeaveException e) {
                outcome.problems.addAll(e.problems());
            }
        }
        return outcome;
    }

    private void take(Outcome outcome) throws IOException {
        Map<Path, byte[]> woven = outcome.problems.isEmpty() ? outcome.woven : Map.of();
        replace(output.resolve(outcome.weaver.wovenPackage()), woven);
        problems.addAll(outcome.problems);
        reports.addAll(outcome.weaver.reports());
        kernels += outcome.weaver.kernels();
    }

    private List<String> templateNames() throws IOException {
        Path directory = classes.resolve(templates);
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(".class"))
                    .map(f -> templates + "/" + f.substring(0, f.length() - ".class".length()))
                    .sorted()
                    .toList();
        }
    }

    /** Our own classes: from the build's output, or else (those of the weaver) from the class path. */
    private byte @Nullable [] read(String name) {
        try {
            Path file = classes.resolve(name + ".class");
            if (Files.exists(file)) {
                return Files.readAllBytes(file);
            }
            try (InputStream in = ClassLoader.getSystemResourceAsStream(name + ".class")) {
                return in == null ? null : in.readAllBytes();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void replace(Path directory, Map<Path, byte[]> woven) throws IOException {
        if (Files.isDirectory(directory)) {
            try (Stream<Path> old = Files.list(directory)) {
                for (Path file : old.filter(f -> !woven.containsKey(f)).toList()) {
                    Files.delete(file);
                }
            }
        }
        for (Map.Entry<Path, byte[]> e : woven.entrySet()) {
            Path file = e.getKey();
            if (!Files.exists(file) || !Arrays.equals(Files.readAllBytes(file), e.getValue())) {
                Files.createDirectories(directory);
                Files.write(file, e.getValue());
            }
        }
    }

    private void print(Path report) throws IOException {
        if (report.getParent() != null) {
            Files.createDirectories(report.getParent());
        }
        try (PrintStream out = new PrintStream(Files.newOutputStream(report))) {
            out.printf("%-20s %7s %7s  %s%n", "target", "inlined", "bytes", "method");
            for (Weaver.Report r : reports) {
                String note = r.isLarge() ? "  (large: interpreted until C2 has compiled it)" : "";
                out.printf("%-20s %7d %7d  %s%s%n", r.target(), r.inlined(), r.bytes(), r.method(), note);
            }
            problems.forEach(problem -> out.println("ERROR " + problem));
        }
    }
}
