package dev.heddle.bench;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.heddle.kernel.WarmUp;
import java.io.IOException;
import java.lang.annotation.Annotation;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Runs the methods of a JMH class in turn, in one JVM, round after round, and compares them round by round: this kind of
 * machine drifts by a factor of three within minutes, and only neighbours in time are comparable. JMH itself runs one
 * benchmark to its end before it starts the next.
 *
 * <p>{@code Interleaved CLASS [name=value,value ...] [rounds=15] [jvms=1] [out=FILE]}; a {@code name=} restricts a
 * {@code @Param}, {@code methods=} the methods. The first method in the order of names is the one that ratios are to, unless
 * {@code base=} names another. {@link Report} makes BENCHMARKS.md of what is written to {@code out}.
 */
public final class Interleaved {
    private static final long SAMPLE_NANOS = 30_000_000;
    private static final long WARM_NANOS = 3_000_000_000L;

    /** @param extraBytes of {@link ExtraMemory}, or -1 */
    private record Cell(String params, String method, String base, double[] nanos, long extraBytes) {}

    private final Class<?> type;
    private final Map<String, String> options;
    private final List<Cell> cells = new ArrayList<>();

    private Interleaved(Class<?> type, Map<String, String> options) {
        this.type = type;
        this.options = options;
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new LinkedHashMap<>();
        for (String a : Arrays.asList(args).subList(1, args.length)) {
            String[] kv = a.split("=", 2);
            options.put(kv[0], kv[1]);
        }
        int jvms = Integer.parseInt(options.getOrDefault("jvms", "1"));
        if (jvms > 1) {
            fork(args, jvms);
            return;
        }
        Interleaved i = new Interleaved(Class.forName(args[0]), options);
        i.combinations(new ArrayList<>(i.params()), new LinkedHashMap<>());
        i.report();
    }

    /** Fresh JVMs, one after another; each compiles anew and may come out differently. */
    private static void fork(String[] args, int jvms) throws IOException, InterruptedException {
        for (int j = 1; j <= jvms; j++) {
            List<String> command = new ArrayList<>();
            command.add(ProcessHandle.current().info().command().orElseThrow());
            command.addAll(
                    java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), Interleaved.class.getName()));
            for (String a : args) {
                if (!a.startsWith("jvms=")) {
                    command.add(a.startsWith("out=") ? a.replaceFirst("\\.json$", "") + "." + j + ".json" : a);
                }
            }
            System.out.println("JVM " + j + " of " + jvms);
            int rc = new ProcessBuilder(command).inheritIO().start().waitFor();
            if (rc != 0) {
                throw new IllegalStateException("JVM " + j + " ended with " + rc);
            }
        }
    }

    private List<Field> params() {
        return Arrays.stream(type.getFields())
                .filter(f -> f.isAnnotationPresent(Param.class))
                .toList();
    }

    private void combinations(List<Field> left, Map<Field, String> chosen) throws Exception {
        if (left.isEmpty()) {
            run(chosen);
            return;
        }
        Field f = left.getFirst();
        String restricted = options.get(f.getName());
        String[] values = restricted == null ? f.getAnnotation(Param.class).value() : restricted.split(",");
        for (String v : values) {
            chosen.put(f, v);
            combinations(left.subList(1, left.size()), chosen);
        }
        chosen.remove(f);
    }

    private void run(Map<Field, String> chosen) throws Exception {
        Object state = type.getDeclaredConstructor().newInstance();
        StringBuilder name = new StringBuilder();
        for (Map.Entry<Field, String> e : chosen.entrySet()) {
            Field f = e.getKey();
            String v = e.getValue();
            name.append(name.isEmpty() ? "" : " ")
                    .append(f.getName())
                    .append('=')
                    .append(v);
            if (f.getType() == int.class) {
                f.setInt(state, Integer.parseInt(v));
            } else if (f.getType() == long.class) {
                f.setLong(state, Long.parseLong(v));
            } else {
                f.set(state, v);
            }
        }
        call(state, Setup.class);
        List<Method> methods = Arrays.stream(type.getMethods())
                .filter(m -> m.isAnnotationPresent(Benchmark.class))
                .filter(m -> !options.containsKey("methods")
                        || Arrays.asList(options.get("methods").split(",")).contains(m.getName()))
                .sorted(Comparator.comparing(Method::getName))
                .toList();
        int[] repeats = new int[methods.size()];
        for (int i = 0; i < repeats.length; i++) {
            repeats[i] = warm(state, methods.get(i));
        }
        int rounds = Integer.parseInt(options.getOrDefault("rounds", "15"));
        double[][] nanos = new double[methods.size()][rounds];
        for (int r = 0; r < rounds; r++) {
            for (int i = 0; i < repeats.length; i++) {
                nanos[i][r] = time(state, methods.get(i), repeats[i]);
            }
        }
        String base = options.getOrDefault("base", methods.getFirst().getName());
        for (int i = 0; i < repeats.length; i++) {
            Method m = methods.get(i);
            long extra = type.isAnnotationPresent(ExtraMemory.class) ? Resident.extraBytes(() -> m.invoke(state)) : -1;
            cells.add(new Cell(name.toString(), m.getName(), base, nanos[i], extra));
        }
        print(cells.subList(cells.size() - methods.size(), cells.size()));
        call(state, TearDown.class);
    }

    private void call(Object state, Class<? extends Annotation> annotation) throws Exception {
        for (Method m : type.getMethods()) {
            if (m.isAnnotationPresent(annotation)) {
                m.invoke(state);
            }
        }
    }

    /** Runs until compiled, and says how many calls make a sample. */
    private static int warm(Object state, Method m) throws Exception {
        long end = System.nanoTime() + WARM_NANOS;
        double best = Double.POSITIVE_INFINITY;
        while (System.nanoTime() < end) {
            best = Math.min(best, time(state, m, 1));
        }
        WarmUp.await(Duration.ofSeconds(60));
        best = Math.min(best, time(state, m, 1));
        return (int) Math.max(1, SAMPLE_NANOS / best);
    }

    private static double time(Object state, Method m, int repeats) throws Exception {
        long start = System.nanoTime();
        for (int i = 0; i < repeats; i++) {
            m.invoke(state);
        }
        return (double) (System.nanoTime() - start) / repeats;
    }

    // ------------------------------------------------------------------ telling

    private static void print(List<Cell> group) {
        Cell base =
                group.stream().filter(c -> c.method.equals(c.base)).findFirst().orElseThrow();
        System.out.println(group.getFirst().params);
        for (Cell c : group) {
            double[] ratio = new double[c.nanos.length];
            for (int i = 0; i < ratio.length; i++) {
                ratio[i] = c.nanos[i] / base.nanos[i];
            }
            System.out.printf(
                    Locale.ROOT,
                    "  %-24s %12.1f us [%.1f .. %.1f]   time/%s %.3f [%.3f .. %.3f]%s%n",
                    c.method,
                    quantile(c.nanos, 0.5) / 1e3,
                    quantile(c.nanos, 0.1) / 1e3,
                    quantile(c.nanos, 0.9) / 1e3,
                    base.method,
                    quantile(ratio, 0.5),
                    quantile(ratio, 0.1),
                    quantile(ratio, 0.9),
                    c.extraBytes < 0 ? "" : String.format(Locale.ROOT, "   %.1f MB more", c.extraBytes / 1e6));
        }
    }

    static double quantile(double[] values, double q) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        double at = q * (sorted.length - 1);
        int i = (int) at;
        return i + 1 == sorted.length ? sorted[i] : sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
    }

    /** One JSON object: where and how it ran, the bars of the class, and a cell for each method and parameters. */
    private void report() throws IOException {
        String out = options.get("out");
        if (out == null) {
            return;
        }
        Path file = Path.of(out);
        Files.createDirectories(file.toAbsolutePath().getParent());
        try (JsonGenerator json = new JsonFactory().createGenerator(file.toFile(), JsonEncoding.UTF8)) {
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            json.writeStringField("benchmark", type.getName());
            json.writeStringField("machine", machine());
            json.writeStringField("java", System.getProperty("java.vm.name") + " " + Runtime.version());
            json.writeStringField("date", LocalDate.now(ZoneOffset.UTC).toString());
            json.writeStringField("command", "./heddle interleave " + type.getName() + words());
            json.writeArrayFieldStart("bars");
            for (Bar b : type.getAnnotationsByType(Bar.class)) {
                json.writeStartObject();
                json.writeStringField("method", b.method());
                json.writeStringField("peer", b.peer());
                json.writeNumberField("atLeast", b.atLeast());
                json.writeStringField("where", b.where());
                json.writeEndObject();
            }
            json.writeEndArray();
            Growth g = type.getAnnotation(Growth.class);
            if (g != null) {
                json.writeStringField("growthOf", g.method());
                json.writeStringField("growthIn", g.param());
                json.writeStringField("growthSizes", String.join(",", g.sizes()));
            }
            json.writeArrayFieldStart("cells");
            for (Cell c : cells) {
                json.writeStartObject();
                json.writeStringField("params", c.params);
                json.writeStringField("method", c.method);
                json.writeFieldName("nanos");
                json.writeArray(Arrays.stream(c.nanos).mapToLong(Math::round).toArray(), 0, c.nanos.length);
                if (c.extraBytes >= 0) {
                    json.writeNumberField("extraBytes", c.extraBytes);
                }
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
    }

    private String words() {
        StringBuilder words = new StringBuilder();
        options.forEach((k, v) -> words.append(k.equals("out") ? "" : " " + k + "=" + v));
        return words.toString();
    }

    private static String machine() {
        String cpu = System.getProperty("os.arch");
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            cpu = lines.filter(l -> l.startsWith("model name"))
                    .map(l -> l.replaceFirst(".*: *", ""))
                    .findFirst()
                    .orElse(cpu);
        } catch (IOException e) {
            // not Linux: the architecture will have to do
        }
        return cpu + ", " + Runtime.getRuntime().availableProcessors() + " processors";
    }
}
