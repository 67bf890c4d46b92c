package dev.heddle.cli;

import dev.heddle.Heddle;
import dev.heddle.cli.DemoCommand.Epoch;
import dev.heddle.cli.DemoCommand.Line;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The demo's report: one HTML file that needs nothing else. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record DemoPage(
        ClassGraph graph,
        List<Line> lines,
        List<Epoch> curve,
        double[] rates,
        double faster,
        double seconds,
        double peakMiB) {
    private static final String STYLE = """
            body { font: 15px/1.5 system-ui, sans-serif; color: #22313a; background: #f5f2ec; margin: 0 }
            main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 60px }
            h1 { font-size: 30px; margin: 0 0 4px; letter-spacing: -0.5px } h2 { font-size: 18px; margin: 40px 0 8px }
            p { max-width: 760px; margin: 6px 0 } .cards { display: flex; flex-wrap: wrap; gap: 14px; margin: 24px 0 }
            .card { background: #fff; border-radius: 10px; padding: 14px 18px; flex: 1 1 170px; box-shadow: 0 1px 3px #0001 }
            .card b { display: block; font-size: 26px; letter-spacing: -0.5px } .card span { color: #6b7a80; font-size: 13px }
            .card.main { background: #1f6f78; color: #fff } .card.main span { color: #cfe5e3 }
            .panel { background: #fff; border-radius: 10px; padding: 16px; box-shadow: 0 1px 3px #0001; overflow-x: auto }
            svg text { font-family: system-ui, sans-serif } footer { color: #6b7a80; font-size: 13px; margin-top: 36px; white-space: pre-line }
            """;

    String html() {
        Scores scores = lines.getLast().scores();
        StringBuilder s = new StringBuilder("<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>");
        s.append("<meta name='viewport' content='width=device-width'><title>Heddle: the JDK, learned</title><style>");
        s.append(STYLE).append("</style></head><body><main><h1>Which module does a class belong to?</h1>");
        s.append(format(
                "<p>%,d classes of JDK %s and the %,d references between them. A two-layer GraphSAGE was trained on half of"
                        + " the packages and asked about the other half. It sees counts in class files and neighbours, and"
                        + " no name.</p><div class='cards'>",
                graph.nodes(), Runtime.version(), graph.uses().nnz()));
        card(s, "main", format("%.1f%%", 100 * scores.accuracy()), "accuracy on unseen packages");
        card(
                s,
                "main",
                format("%.3f", scores.macroF1()),
                "macro-F1 over " + graph.modules().size() + " modules");
        for (Line l : lines.subList(0, lines.size() - 1)) {
            card(
                    s,
                    "",
                    format("%.1f%%", 100 * l.scores().accuracy()),
                    l.name() + format(", F1 %.3f", l.scores().macroF1()));
        }
        card(s, "", format("%.0f M", rates[0] / 1e6), "edges per second forward");
        card(s, "", format("%.0f M", rates[1] / 1e6), "edges per second backward");
        card(s, "", format("%.1f x", faster), "the scalar backend's speed");
        card(s, "", format("%.0f s", seconds), format("in all, %.0f MiB at most", peakMiB));
        s.append("</div><h2>Training</h2><div class='panel'>");
        curve(s);
        s.append(
                "</div><h2>Who is taken for whom</h2><p>A row is a module, darker where more of its test classes were said to"
                        + " be of the column's module. The diagonal is right.</p><div class='panel'>");
        confusion(s, scores);
        s.append("</div><footer>").append(escape(Heddle.describe())).append("</footer></main></body></html>\n");
        return s.toString();
    }

    @SuppressWarnings("AnnotateFormatMethod") // private, and its patterns are literals
    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;");
    }

    private static void card(StringBuilder s, String kind, String figure, String what) {
        s.append("<div class='card ").append(kind).append("'><b>").append(figure);
        s.append("</b><span>").append(escape(what)).append("</span></div>");
    }

    // ------------------------------------------------------------------ curves

    private static final int WIDTH = 1000;
    private static final int HEIGHT = 280;
    private static final int LEFT = 46;

    private void curve(StringBuilder s) {
        double top = curve.stream().mapToDouble(Epoch::loss).max().orElse(1);
        s.append(format("<svg viewBox='0 0 %d %d' width='100%%'>", WIDTH + 110, HEIGHT + 40));
        for (int i = 0; i <= 5; i++) {
            double y = y(i / 5.0);
            s.append(format(
                    "<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' stroke='#e6e1d8'/>"
                            + "<text x='%d' y='%.1f' font-size='12' text-anchor='end' fill='#6b7a80'>%d%%</text>",
                    LEFT, WIDTH, y, y, LEFT - 8, y + 4, 20 * i));
        }
        s.append(format(
                "<text x='%d' y='%d' font-size='12' text-anchor='middle' fill='#6b7a80'>%d epochs</text>",
                (WIDTH + LEFT) / 2, HEIGHT + 32, curve.size()));
        line(s, "#d8a35d", format("loss (top = %.2f)", top), e -> e.loss() / top);
        line(s, "#8fb8b4", "training", Epoch::train);
        line(s, "#1f6f78", "test", Epoch::test);
        s.append("</svg>");
    }

    private static double y(double value) {
        return 10 + HEIGHT * (1 - value);
    }

    private void line(StringBuilder s, String colour, String name, ToDoubleFunction<Epoch> value) {
        s.append("<polyline fill='none' stroke-width='2.5' stroke-linejoin='round' stroke='")
                .append(colour);
        s.append("' points='");
        for (int i = 0; i < curve.size(); i++) {
            double x = LEFT + (double) (WIDTH - LEFT) * i / Math.max(1, curve.size() - 1);
            s.append(format("%.1f,%.1f ", x, y(value.applyAsDouble(curve.get(i)))));
        }
        s.append(format(
                "'/><text x='%d' y='%.1f' font-size='13' fill='%s'>%s</text>",
                WIDTH + 8, y(value.applyAsDouble(curve.getLast())) + 4, colour, name));
    }

    // ------------------------------------------------------------------ confusion

    private static final int CELL = 24;
    private static final int NAMES = 200;

    private void confusion(StringBuilder s, Scores scores) {
        int n = graph.modules().size();
        int size = NAMES + CELL * n + 10;
        s.append(format("<svg viewBox='0 0 %d %d' width='100%%' style='max-width:%dpx'>", size + 60, size, size + 60));
        for (int i = 0; i < n; i++) {
            double at = NAMES + CELL * (i + 0.5);
            String name = graph.modules().get(i);
            s.append(format(
                    "<text x='%d' y='%.1f' font-size='11' text-anchor='end' fill='#22313a'>%s</text>"
                            + "<text transform='translate(%.1f %d) rotate(-60)' font-size='11' fill='#22313a'>%s</text>"
                            + "<text x='%d' y='%.1f' font-size='11' fill='#6b7a80'>F1 %.2f</text>",
                    NAMES - 8, at + 4, name, at + 4, NAMES - 8, name, NAMES + CELL * n + 6, at + 4, scores.f1(i)));
            for (int j = 0; j < n; j++) {
                int total = scores.total(i);
                double share = total == 0 ? 0 : (double) scores.confusion()[i][j] / total;
                s.append(format(
                        "<rect x='%d' y='%d' width='%d' height='%d' rx='3' fill='%s'>"
                                + "<title>%s taken for %s: %d of %d</title></rect>",
                        NAMES + CELL * j + 1,
                        NAMES + CELL * i + 1,
                        CELL - 2,
                        CELL - 2,
                        shade(share, i == j),
                        name,
                        graph.modules().get(j),
                        scores.confusion()[i][j],
                        total));
            }
        }
        s.append("</svg>");
    }

    /** From paper to teal where it is right, to clay where it is not. */
    private static String shade(double share, boolean right) {
        int[] paper = {243, 239, 231};
        int[] full = right ? new int[] {31, 111, 120} : new int[] {191, 92, 58};
        double t = StrictMath.sqrt(share);
        return format(
                "#%02x%02x%02x",
                Math.round(paper[0] + t * (full[0] - paper[0])),
                Math.round(paper[1] + t * (full[1] - paper[1])),
                Math.round(paper[2] + t * (full[2] - paper[2])));
    }
}
