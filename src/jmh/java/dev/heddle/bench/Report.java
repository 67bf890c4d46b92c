package dev.heddle.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Makes BENCHMARKS.md and its plots of the results in {@code benchmarks/}: of {@code NAME.md} what is to be said, of
 * {@code NAME.json} (or {@code NAME.1.json}, {@code NAME.2.json}, ... of several JVMs) the figures.
 */
public final class Report {
    /** @param extraMemory rows of a table */
    private record Result(
            Map<String, String> about,
            List<Map<String, String>> bars,
            Map<String, Map<String, double[]>> cells,
            List<String> extraMemory) {}

    private final Path results;
    private final StringBuilder text = new StringBuilder();

    private Report(Path results) {
        this.results = results;
    }

    public static void main(String[] args) throws IOException {
        Path results = Path.of(args.length > 0 ? args[0] : "benchmarks");
        Report r = new Report(results);
        Files.writeString(results.toAbsolutePath().resolveSibling("BENCHMARKS.md"), r.write());
    }

    private String write() throws IOException {
        text.append(Files.readString(results.resolve("README.md")).strip()).append("\n");
        for (String name : names()) {
            text.append("\n")
                    .append(Files.readString(results.resolve(name + ".md")).strip())
                    .append("\n");
            List<Result> jvms = new ArrayList<>();
            if (Files.exists(results.resolve(name + ".json"))) {
                jvms.add(read(results.resolve(name + ".json")));
            }
            for (int j = 1; Files.exists(results.resolve(name + "." + j + ".json")); j++) {
                jvms.add(read(results.resolve(name + "." + j + ".json")));
            }
            if (!jvms.isEmpty()) {
                section(name, jvms);
            }
        }
        return text.toString();
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(results)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(".md") && !f.equals("README.md"))
                    .map(f -> f.substring(0, f.length() - 3))
                    .sorted()
                    .toList();
        }
    }

    private void section(String name, List<Result> jvms) throws IOException {
        Result first = jvms.getFirst();
        text.append("\n`").append(first.about.get("command")).append("`  \n");
        text.append(first.about.get("machine")).append("; ");
        text.append(first.about.get("java")).append("; ");
        text.append(first.about.get("date"));
        text.append(jvms.size() > 1 ? "; " + jvms.size() + " JVMs, all rounds together" : "")
                .append("\n\n");
        Map<String, Map<String, double[]>> cells = together(jvms);
        text.append("| | method | time, us (p10 .. p90) |\n|---|---|---|\n");
        cells.forEach((params, methods) -> methods.forEach((method, nanos) -> text.append(String.format(
                Locale.ROOT,
                "| %s | %s | %.1f (%.1f .. %.1f) |%n",
                params,
                method,
                Interleaved.quantile(nanos, 0.5) / 1e3,
                Interleaved.quantile(nanos, 0.1) / 1e3,
                Interleaved.quantile(nanos, 0.9) / 1e3))));
        if (!first.extraMemory.isEmpty()) {
            text.append("\n| | method | more memory while it runs, at its highest, MB |\n|---|---|---|\n");
            first.extraMemory.forEach(text::append);
        }
        Map<String, Double> plot = new LinkedHashMap<>();
        if (!first.bars.isEmpty()) {
            text.append("\n| bar | where | at least | measured (p10 .. p90) | |\n|---|---|---|---|---|\n");
            first.bars.forEach(b -> bar(b, cells, plot));
        }
        if (jvms.size() > 1) {
            spread(jvms);
        }
        if (!plot.isEmpty()) {
            picture(name, svg(plot));
        }
        if (first.about.containsKey("growthOf")) {
            picture(name + "Growth", growth(first.about, cells));
        }
    }

    private void picture(String name, String svg) throws IOException {
        Files.writeString(results.resolve(name + ".svg"), svg);
        text.append("\n![").append(name).append("](benchmarks/").append(name).append(".svg)\n");
    }

    private void bar(Map<String, String> bar, Map<String, Map<String, double[]>> cells, Map<String, Double> plot) {
        double atLeast = Double.parseDouble(bar.get("atLeast"));
        cells.forEach((params, methods) -> {
            double[] ours = methods.get(bar.get("method"));
            double[] theirs = methods.get(bar.get("peer"));
            if (!(" " + params + " ").contains(bar.get("where")) || ours == null || theirs == null) {
                return;
            }
            double[] ratio = new double[ours.length];
            for (int i = 0; i < ratio.length; i++) {
                ratio[i] = theirs[i] / ours[i];
            }
            double median = Interleaved.quantile(ratio, 0.5);
            plot.put(bar.get("method") + " / " + bar.get("peer") + ", " + params, median);
            text.append(String.format(
                    Locale.ROOT,
                    "| %s / %s | %s | %.2f | %.2f (%.2f .. %.2f) | %s |%n",
                    bar.get("method"),
                    bar.get("peer"),
                    params,
                    atLeast,
                    median,
                    Interleaved.quantile(ratio, 0.1),
                    Interleaved.quantile(ratio, 0.9),
                    median >= atLeast ? "met" : "**missed**"));
        });
    }

    /** Whether JVMs that compiled anew came out alike: the slowest median over the fastest. */
    private void spread(List<Result> jvms) {
        text.append("\nSlowest JVM over fastest, by medians: ");
        List<String> all = new ArrayList<>();
        jvms.getFirst()
                .cells
                .forEach((params, methods) -> methods.keySet().forEach(method -> {
                    double best = Double.POSITIVE_INFINITY;
                    double worst = 0;
                    for (Result r : jvms) {
                        double median = Interleaved.quantile(r.cells.get(params).get(method), 0.5);
                        best = Math.min(best, median);
                        worst = Math.max(worst, median);
                    }
                    all.add(String.format(Locale.ROOT, "%s (%s) %.2f", method, params, worst / best));
                }));
        text.append(String.join(", ", all)).append(".\n");
    }

    private static Map<String, Map<String, double[]>> together(List<Result> jvms) {
        Map<String, Map<String, double[]>> all = new LinkedHashMap<>();
        for (Result r : jvms) {
            r.cells.forEach((params, methods) -> methods.forEach((method, nanos) ->
                    all.computeIfAbsent(params, _ -> new LinkedHashMap<>()).merge(method, nanos, Report::concat)));
        }
        return all;
    }

    private static double[] concat(double[] a, double[] b) {
        double[] c = new double[a.length + b.length];
        System.arraycopy(a, 0, c, 0, a.length);
        System.arraycopy(b, 0, c, a.length, b.length);
        return c;
    }

    /** Bars to the right of 1, which is the peer. */
    private static String svg(Map<String, Double> values) {
        double max =
                Math.max(2, values.values().stream().mapToDouble(v -> v).max().orElse(1));
        int left = 470;
        int width = 360;
        StringBuilder s = new StringBuilder();
        int height = 24 * values.size() + 40;
        s.append("<svg xmlns='http://www.w3.org/2000/svg' width='900' height='").append(height);
        s.append("' font-family='sans-serif' font-size='12'><rect width='100%' height='100%' fill='#fff'/>\n");
        int y = 10;
        for (Map.Entry<String, Double> e : values.entrySet()) {
            double length = width * e.getValue() / max;
            s.append(String.format(
                    Locale.ROOT,
                    "<text x='%d' y='%d' text-anchor='end' fill='#333'>%s</text>"
                            + "<rect x='%d' y='%d' width='%.1f' height='16' rx='2' fill='%s'/>"
                            + "<text x='%.1f' y='%d' fill='#333'>%.2f</text>%n",
                    left - 8,
                    y + 13,
                    e.getKey(),
                    left,
                    y,
                    length,
                    e.getValue() >= 1 ? "#2a7f9e" : "#c8643c",
                    left + length + 6,
                    y + 13,
                    e.getValue()));
            y += 24;
        }
        double one = left + width / max;
        s.append(String.format(
                Locale.ROOT,
                "<line x1='%.1f' x2='%.1f' y1='4' y2='%d' stroke='#999' stroke-dasharray='3 3'/>"
                        + "<text x='%.1f' y='%d' text-anchor='middle' fill='#777'>the peer = 1</text>%n</svg>%n",
                one,
                one,
                y,
                one,
                y + 18));
        return s.toString();
    }

    private static final String[] COLOURS = {"#2a7f9e", "#c8643c", "#5b8c3a", "#7a5ba6"};

    /** A line for each size that grows, both axes by factors of two; the dashes are what is linear. */
    private static String growth(Map<String, String> about, Map<String, Map<String, double[]>> cells) {
        String[] names = about.get("growthSizes").split(",");
        double[] base = null;
        double first = 1;
        double most = 1;
        List<List<double[]>> lines = new ArrayList<>();
        for (int i = 0; i < names.length; i++) {
            lines.add(new ArrayList<>(List.of(new double[] {0, 0})));
        }
        for (Map.Entry<String, Map<String, double[]>> cell : cells.entrySet()) {
            double[] sizes = sizes(cell.getKey(), about.get("growthIn"));
            double time = Interleaved.quantile(cell.getValue().get(about.get("growthOf")), 0.5);
            if (base == null) {
                base = sizes;
                first = time;
                continue;
            }
            for (int i = 0; i < names.length; i++) {
                if (sizes[i] != base[i]) {
                    double[] point = {log2(sizes[i] / base[i]), log2(time / first)};
                    lines.get(i).add(point);
                    most = Math.max(most, Math.max(point[0], point[1]));
                }
            }
        }
        int left = 70;
        int side = 400;
        double unit = side / most;
        StringBuilder s = new StringBuilder();
        s.append("<svg xmlns='http://www.w3.org/2000/svg' width='640' height='470'");
        s.append(" font-family='sans-serif' font-size='12'><rect width='100%' height='100%' fill='#fff'/>\n");
        for (int tick = 0; tick <= most; tick += 2) {
            s.append(String.format(
                    Locale.ROOT,
                    "<line x1='%1$.1f' x2='%1$.1f' y1='10' y2='410' stroke='#eee'/>"
                            + "<text x='%1$.1f' y='426' text-anchor='middle' fill='#777'>%2$d</text>"
                            + "<line x1='70' x2='470' y1='%3$.1f' y2='%3$.1f' stroke='#eee'/>"
                            + "<text x='62' y='%4$.1f' text-anchor='end' fill='#777'>%2$d</text>%n",
                    left + tick * unit,
                    1 << tick,
                    410 - tick * unit,
                    414 - tick * unit));
        }
        s.append("<line x1='70' x2='470' y1='410' y2='10' stroke='#999' stroke-dasharray='3 3'/>");
        s.append("<text x='270' y='452' text-anchor='middle' fill='#333'>times the size</text>");
        s.append("<text x='20' y='210' text-anchor='middle' fill='#333' transform='rotate(-90 20 210)'>");
        s.append("times the time</text>\n");
        for (int i = 0; i < names.length; i++) {
            StringBuilder points = new StringBuilder();
            for (double[] p : lines.get(i)) {
                double x = left + p[0] * unit;
                double y = 410 - p[1] * unit;
                points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
                s.append(String.format(
                        Locale.ROOT, "<circle cx='%.1f' cy='%.1f' r='3.5' fill='%s'/>", x, y, COLOURS[i]));
            }
            s.append(String.format(
                    Locale.ROOT,
                    "<polyline points='%s' fill='none' stroke='%3$s' stroke-width='1.5'/>"
                            + "<text x='490' y='%2$d' fill='%3$s'>%4$s</text>%n",
                    points.toString().strip(),
                    30 + 20 * i,
                    COLOURS[i],
                    names[i]));
        }
        return s.append("</svg>\n").toString();
    }

    private static double[] sizes(String params, String name) {
        for (String p : params.split(" ")) {
            if (p.startsWith(name + "=")) {
                return Stream.of(p.substring(name.length() + 1).split("x"))
                        .mapToDouble(Double::parseDouble)
                        .toArray();
            }
        }
        throw new IllegalArgumentException("no " + name + " in " + params);
    }

    private static double log2(double x) {
        return Math.log(x) / Math.log(2);
    }

    // ------------------------------------------------------------------ reading

    private static Result read(Path file) throws IOException {
        Map<String, String> about = new TreeMap<>();
        List<Map<String, String>> bars = new ArrayList<>();
        Map<String, Map<String, double[]>> cells = new LinkedHashMap<>();
        List<String> extraMemory = new ArrayList<>();
        try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
            json.nextToken();
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                if (json.nextToken() != JsonToken.START_ARRAY) {
                    about.put(name, json.getText());
                    continue;
                }
                while (json.nextToken() == JsonToken.START_OBJECT) {
                    Map<String, String> fields = new LinkedHashMap<>();
                    List<Double> nanos = new ArrayList<>();
                    while (json.nextToken() == JsonToken.FIELD_NAME) {
                        String field = json.currentName();
                        if (json.nextToken() == JsonToken.START_ARRAY) {
                            while (json.nextToken() != JsonToken.END_ARRAY) {
                                nanos.add(json.getDoubleValue());
                            }
                        } else {
                            fields.put(field, json.getText());
                        }
                    }
                    if (name.equals("bars")) {
                        bars.add(fields);
                    } else {
                        cells.computeIfAbsent(fields.get("params"), _ -> new LinkedHashMap<>())
                                .put(
                                        fields.get("method"),
                                        nanos.stream().mapToDouble(d -> d).toArray());
                        if (fields.get("extraBytes") != null) {
                            extraMemory.add(String.format(
                                    Locale.ROOT,
                                    "| %s | %s | %.1f |%n",
                                    fields.get("params"),
                                    fields.get("method"),
                                    Long.parseLong(fields.get("extraBytes")) / 1e6));
                        }
                    }
                }
            }
        }
        return new Result(about, bars, cells, extraMemory);
    }
}
