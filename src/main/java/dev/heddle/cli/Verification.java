package dev.heddle.cli;

import dev.heddle.HeddleException;
import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Golden files against what runs here. A case passes on a backend if, with one thread and with several, each expected
 * output is there and within its tolerance, and has the very bits that the first backend gave with one thread.
 */
final class Verification {
    private final List<Backend> backends;
    private final int[] threads;

    Verification(List<Backend> backends, int... threads) {
        this.backends = backends;
        this.threads = threads;
    }

    enum Status {
        OK("ok"),
        FAIL("FAIL"),
        MISSING("missing");

        final String text;

        Status(String text) {
            this.text = text;
        }
    }

    /**
     * One line of the table.
     *
     * @param worst the largest error, as a multiple of what is allowed
     * @param trouble what is wrong, empty if nothing
     */
    record Row(String op, String name, String backend, double worst, Status status, String trouble) {}

    /** Verifies one file on every backend. */
    List<Row> verify(Path path) {
        GoldenCase c;
        try {
            c = GoldenCase.read(path);
        } catch (IOException | HeddleException e) {
            String why = e instanceof HeddleException ? String.valueOf(e.getMessage()) : path + ": " + e;
            return List.of(new Row("?", String.valueOf(path.getFileName()), "-", Double.NaN, Status.FAIL, why));
        }
        Operator op = Operators.find(c.op());
        if (op == null) {
            String why = "there is no operator '" + c.op() + "' here";
            return List.of(new Row(c.op(), c.name(), "-", Double.NaN, Status.MISSING, why));
        }
        List<Row> rows = new ArrayList<>();
        Outputs first = null;
        for (Backend backend : backends) {
            double worst = 0;
            String trouble = "";
            for (int n : threads) {
                try {
                    Outputs out = run(op, c, backend, n);
                    Verdict v = compare(c, out, first);
                    first = first == null ? out : first;
                    worst = Math.max(worst, v.worst);
                    trouble = trouble.isEmpty() && !v.trouble.isEmpty() ? v.trouble + with(n) : trouble;
                } catch (RuntimeException | AssertionError | LinkageError e) {
                    worst = Double.NaN;
                    trouble = e + with(n);
                }
            }
            Status status = trouble.isEmpty() ? Status.OK : Status.FAIL;
            rows.add(new Row(c.op(), c.name(), backend.name(), worst, status, trouble));
        }
        return rows;
    }

    private static String with(int threads) {
        return threads == 1 ? " (1 thread)" : " (" + threads + " threads)";
    }

    private static Outputs run(Operator op, GoldenCase c, Backend backend, int threads) {
        Outputs out = new Outputs();
        Team.with(threads, () -> Backends.with(backend, () -> op.golden().run(c, out)));
        return out;
    }

    /** The largest error as a multiple of its tolerance, and the first thing that is wrong. */
    record Verdict(double worst, String trouble) {}

    static Verdict compare(GoldenCase c, Outputs got, @Nullable Outputs first) {
        double worst = 0;
        String trouble = "";
        for (var e : c.expected().entrySet()) {
            String name = e.getKey();
            Tensor g = got.get(name);
            Verdict v = compare(name, e.getValue(), g, c);
            worst = Math.max(worst, v.worst);
            String bits =
                    v.trouble.isEmpty() && g != null && first != null ? differentBits(name, first.get(name), g) : "";
            String first1 = v.trouble.isEmpty() ? bits : v.trouble;
            trouble = trouble.isEmpty() ? first1 : trouble;
        }
        return new Verdict(worst, trouble);
    }

    private static Verdict compare(String name, Tensor want, @Nullable Tensor got, GoldenCase c) {
        if (got == null) {
            return new Verdict(Double.POSITIVE_INFINITY, name + " was not computed");
        }
        if (got.dtype() != want.dtype() || !got.shape().equals(want.shape())) {
            return new Verdict(
                    Double.POSITIVE_INFINITY,
                    "%s is %s %s, expected %s %s"
                            .formatted(name, got.dtype(), got.shape(), want.dtype(), want.shape()));
        }
        return want.dtype().isFloating()
                ? compareFloats(name, want.toFloatArray(), got.toFloatArray(), c.rtol(), c.atol(name))
                : compareInts(name, want.toLongArray(), got.toLongArray());
    }

    private static Verdict compareInts(String name, long[] want, long[] got) {
        int at = Arrays.mismatch(want, got);
        return at < 0
                ? new Verdict(0, "")
                : new Verdict(
                        Double.POSITIVE_INFINITY, "%s[%d] is %d, expected %d".formatted(name, at, got[at], want[at]));
    }

    /** Element by element: NaN and infinities where they should be, the rest within atol + rtol |want|. */
    static Verdict compareFloats(String name, float[] want, float[] got, double rtol, double atol) {
        double worst = 0;
        int at = 0;
        for (int i = 0; i < want.length; i++) {
            double error = error(want[i], got[i], rtol, atol);
            if (error > worst) {
                worst = error;
                at = i;
            }
        }
        String trouble = worst <= 1
                ? ""
                : "%s[%d] is %s, expected %s, error %.3g of tolerance".formatted(name, at, got[at], want[at], worst);
        return new Verdict(worst, trouble);
    }

    private static double error(float want, float got, double rtol, double atol) {
        boolean flushed = got == 0 && Math.abs(want) < Float.MIN_NORMAL;
        if (want == got || (Float.isNaN(want) && Float.isNaN(got)) || flushed) {
            return 0;
        }
        if (!Float.isFinite(want) || !Float.isFinite(got)) {
            return Double.POSITIVE_INFINITY;
        }
        return Math.abs((double) got - want) / (atol + rtol * Math.abs((double) want));
    }

    private static String differentBits(String name, @Nullable Tensor first, Tensor got) {
        if (first == null || !got.dtype().isFloating()) {
            return "";
        }
        float[] a = first.toFloatArray();
        float[] b = got.toFloatArray();
        for (int i = 0; i < b.length; i++) {
            if (Float.floatToIntBits(a[i]) != Float.floatToIntBits(b[i])) {
                return "%s[%d] is %s, but %s on the first backend with one thread".formatted(name, i, b[i], a[i]);
            }
        }
        return "";
    }
}
