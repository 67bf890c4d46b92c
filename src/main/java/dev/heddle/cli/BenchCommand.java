package dev.heddle.cli;

import dev.heddle.Heddle;
import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LimitKernels;
import dev.heddle.op.Activation;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Matmul;
import dev.heddle.op.Message;
import dev.heddle.op.Softmax;
import dev.heddle.op.Spmm;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle bench}: some kernels beside what this machine could do at most, measured in turn with them. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = {
            "Measures some kernels beside this machine's own limits: its fused multiply-adds in registers,",
            "and its copy of as many bytes. Limit and kernel alternate, so that a ratio is of neighbours in time."
        })
final class BenchCommand implements Callable<Integer> {
    /** How long to wait for compilation at most, in times of a measurement. */
    private static final double WARM_UP = 10;

    private static final int MIN_ROUNDS = 5;

    private static final Dispatch<LimitKernels> LIMITS = new Dispatch<>(LimitKernels.class, 1, BenchCommand::probe);

    @Spec
    private @Nullable CommandSpec spec;

    @Option(names = "--threads", defaultValue = "1", description = "threads to work with (${DEFAULT-VALUE})")
    private int threads;

    @Option(names = "--seconds", defaultValue = "1", description = "for each kernel (${DEFAULT-VALUE})")
    private double seconds;

    /** What bounds a kernel. */
    private enum Limit {
        FMA("GFLOP/s", "of the FMA peak"),
        COPY("GB/s", "of a copy");

        private final String unit;
        private final String share;

        Limit(String unit, String share) {
            this.unit = unit;
            this.share = share;
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        if (threads < 1 || !(seconds > 0)) {
            String problem = "--threads: " + threads + ", --seconds: " + seconds + ", must be at least 1, and above 0";
            throw new ParameterException(spec().commandLine(), problem);
        }
        Heddle.with(threads, this::measure);
        return 0;
    }

    private CommandSpec spec() {
        if (spec == null) {
            throw new IllegalStateException();
        }
        return spec;
    }

    private void measure() {
        PrintWriter out = Main.out(spec);
        out.printf("%s, %d threads%n%n", Backends.choice(), threads);
        out.printf("%-40s %12s   %s%n", "", "rate", "share, median [10% .. 90%]");
        SplittableRandom r = new SplittableRandom(1);
        matmul(out, r);
        spmm(out, r);
        pointwise(out, r);
        out.flush();
    }

    private void matmul(PrintWriter out, SplittableRandom r) {
        int n = 512;
        Tensor a = random(r, n, n);
        Tensor b = random(r, n, n);
        Tensor y = Tensor.zeros(DType.F32, n, n);
        Matmul matmul = Matmul.builder().build();
        try (Workspace scratch = new Workspace()) {
            row(out, "matmul, 512 x 512 x 512", Limit.FMA, 2.0 * n * n * n, () -> {
                scratch.reset();
                matmul.forward(a, b, null, y, scratch);
            });
        }
    }

    private void spmm(PrintWriter out, SplittableRandom r) {
        int nodes = 50_000;
        int degree = 20;
        int features = 64;
        long[] indptr = new long[nodes + 1];
        Arrays.setAll(indptr, i -> (long) degree * i);
        CsrGraph graph =
                CsrGraph.of(indptr, r.ints((long) nodes * degree, 0, nodes).toArray(), nodes);
        Tensor x = random(r, nodes, features);
        Tensor w = random(r, (long) nodes * degree);
        Tensor y = Tensor.zeros(DType.F32, nodes, features);
        Spmm sum = Spmm.builder().message(Message.MUL).build();
        double gathered = 4.0 * features * graph.nnz();
        row(out, "spmm, 1M edges x 64, bytes gathered", Limit.COPY, gathered, () -> sum.forward(graph, x, w, y, null));
    }

    private void pointwise(PrintWriter out, SplittableRandom r) {
        Tensor x = random(r, 16_384, 768);
        Tensor y = Tensor.zeros(DType.F32, 16_384, 768);
        double bytes = 2 * 4.0 * x.size();
        Softmax softmax = Softmax.builder().build();
        LayerNorm norm = LayerNorm.builder().build();
        try (Workspace scratch = new Workspace()) {
            row(out, "softmax, 16384 x 768", Limit.COPY, bytes, () -> {
                scratch.reset();
                softmax.forward(x, y, scratch);
            });
            row(out, "layer_norm, 16384 x 768", Limit.COPY, bytes, () -> {
                scratch.reset();
                norm.forward(x, null, null, y, scratch);
            });
        }
        row(out, "gelu_tanh, 12.6M", Limit.COPY, bytes, () -> Activation.GELU_TANH.forward(x, y));
    }

    private static Tensor random(SplittableRandom r, long... shape) {
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] values = new float[Math.toIntExact(t.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = r.nextFloat() - 0.5f;
        }
        return t.copyFrom(Tensor.of(values, shape));
    }

    /** Measures a kernel that does so much work in turn with the limit, and prints the line. */
    private void row(PrintWriter out, String name, Limit limit, double work, Runnable kernel) {
        try {
            Heddle.warmUp(kernel, Duration.ofNanos((long) (1e9 * WARM_UP * seconds)));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        Runnable reference = limit == Limit.FMA ? multiplyAdd() : copier(work);
        double referenceWork = limit == Limit.FMA ? multiplyAddWork() : work;
        long end = System.nanoTime() + (long) (1e9 * seconds);
        double[] rates = new double[0];
        double[] shares = new double[0];
        while (rates.length < MIN_ROUNDS || System.nanoTime() < end) {
            double most = referenceWork / time(reference);
            double rate = work / time(kernel);
            rates = append(rates, rate);
            shares = append(shares, rate / most);
        }
        out.printf(
                Locale.ROOT,
                "%-40s %7.1f %-7s  %.2f [%.2f .. %.2f] %s%n",
                name,
                quantile(rates, 0.5),
                limit.unit,
                quantile(shares, 0.5),
                quantile(shares, 0.1),
                quantile(shares, 0.9),
                limit.share);
        out.flush();
    }

    private static double[] append(double[] values, double value) {
        double[] longer = Arrays.copyOf(values, values.length + 1);
        longer[values.length] = value;
        return longer;
    }

    private static double quantile(double[] values, double q) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(int) Math.round(q * (sorted.length - 1))];
    }

    /** Nanoseconds. */
    private static double time(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return System.nanoTime() - start;
    }

    // ------------------------------------------------------------------ limits

    private static final long FMA_ROUNDS = 200_000;
    private static final int FMA_PIECES = 16;

    /** The arithmetic of {@link #multiplyAdd}, two operations for each lane. */
    private static double multiplyAddWork() {
        int lanes = LIMITS.choose(0, Long.MAX_VALUE).lanes();
        return 2.0 * FMA_PIECES * FMA_ROUNDS * LimitKernels.ACCUMULATORS * lanes;
    }

    /** Multiply-adds in registers, in all threads. */
    private static Runnable multiplyAdd() {
        LimitKernels k = LIMITS.choose(0, Long.MAX_VALUE).kernels();
        Tensor sums = Tensor.zeros(DType.F32, FMA_PIECES, 64);
        return () -> {
            try (Use _ = Use.of(sums)) {
                long at = sums.address();
                Team.run(FMA_PIECES, 1e9, i -> k.fma(FMA_ROUNDS, at + 4L * 64 * i));
            }
        };
    }

    /** Copies so many bytes, counted as read and as written, in one thread: from one tensor to another. */
    private static Runnable copier(double bytes) {
        long floats = Math.max(1, (long) (bytes / 8));
        Tensor from = Tensor.zeros(DType.F32, floats).fill(1);
        Tensor to = Tensor.zeros(DType.F32, floats);
        return () -> to.copyFrom(from);
    }

    private static long probe(LimitKernels k, int lanes, int variant, long scratch) {
        long rounds = 64;
        k.fma(rounds, scratch);
        return rounds * lanes;
    }
}
