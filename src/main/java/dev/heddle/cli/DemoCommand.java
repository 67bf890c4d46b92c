package dev.heddle.cli;

import dev.heddle.Heddle;
import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.op.CrossEntropy;
import dev.heddle.op.Reduce;
import dev.heddle.op.Spmm;
import dev.heddle.optim.Adam;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains a graph neural network on the class graph of the running JDK. */
@Command(
        name = "demo",
        mixinStandardHelpOptions = true,
        description = {
            "Trains a two-layer GraphSAGE on the class graph of the running JDK: predicts the module of each class",
            "from counts in its class file and from the classes around it, never from a name.",
            "Packages are either all training or all test."
        })
final class DemoCommand implements Callable<Integer> {
    private static final int PROPAGATIONS = 30;
    private static final int WARM_UP_SECONDS = 15;

    @Spec
    private @Nullable CommandSpec spec;

    @Option(names = "--seed", defaultValue = "1", description = "of the split and the weights (${DEFAULT-VALUE})")
    private long seed;

    @Option(names = "--epochs", defaultValue = "150", description = "passes over the graph (${DEFAULT-VALUE})")
    private int epochs;

    @Option(names = "--hidden", defaultValue = "64", description = "hidden features (${DEFAULT-VALUE})")
    private int hidden;

    @Option(names = "--rate", defaultValue = "0.01", description = "learning rate of Adam (${DEFAULT-VALUE})")
    private float rate;

    @Option(names = "--threads", description = "threads to work with (all processors)")
    private @Nullable Integer threads;

    @Option(names = "--out", defaultValue = "heddle-demo.html", description = "the report (${DEFAULT-VALUE})")
    private @Nullable Path out;

    /** How a model does on the test packages. */
    record Line(String name, Scores scores) {}

    /** One epoch: the training loss, and the accuracy on both sides. */
    record Epoch(double loss, double train, double test) {}

    @Override
    public Integer call() throws IOException {
        require(epochs >= 1, "--epochs", epochs);
        require(hidden >= 1, "--hidden", hidden);
        int workers = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
        require(workers >= 1, "--threads", workers);
        Path page = out == null ? Path.of("heddle-demo.html") : out;
        Files.deleteIfExists(page); // so that it can be written is known before the work
        Files.createFile(page);
        PrintWriter console = Main.out(spec);
        long start = System.nanoTime();
        ClassGraph graph = read(workers);
        console.printf(
                Locale.ROOT,
                "JDK %s: %,d classes, %,d references, %d modules to tell apart, read in %.1f s%n",
                Runtime.version(),
                graph.nodes(),
                graph.uses().nnz(),
                graph.modules().size(),
                seconds(start));
        warmUp(graph.featureCount(), graph.modules().size());
        Heddle.with(workers, () -> train(graph, page, console, start));
        return 0;
    }

    /** An epoch on a handful of nodes has the kernels compiled that the real ones will need; it changes no result. */
    private void warmUp(int features, int classes) {
        int n = 64;
        long[] indptr = IntStream.rangeClosed(0, n).mapToLong(i -> 4L * i).toArray();
        int[] indices = IntStream.range(0, 4 * n).map(e -> e * 7 % n).toArray();
        Tensor target = Tensor.of(IntStream.range(0, n).map(i -> i % classes).toArray());
        try (Progress bar = Progress.of("compiling kernels", 1);
                GraphSage model = new GraphSage(
                        CsrGraph.of(indptr, indices, n), Tensor.zeros(DType.F32, n, features), hidden, classes, 1)) {
            Fitting fitting = new Fitting(model, target, classes, rate);
            Heddle.warmUp(fitting::epoch, Duration.ofSeconds(WARM_UP_SECONDS));
            bar.step("");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the scalar twins will do
        }
    }

    private void require(boolean ok, String option, int value) {
        if (!ok && spec != null) {
            throw new ParameterException(spec.commandLine(), option + ": " + value + ", must be at least 1");
        }
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private static ClassGraph read(int workers) throws IOException {
        try (Progress bar = Progress.of("reading classes", 27_000)) {
            return ClassGraph.ofRunningJdk(workers, done -> bar.step(""));
        }
    }

    private void train(ClassGraph graph, Path page, PrintWriter console, long start) {
        int classes = graph.modules().size();
        boolean[] training = split(graph, seed);
        boolean[] testing = new boolean[training.length];
        for (int i = 0; i < testing.length; i++) {
            testing[i] = !training[i];
        }
        List<Line> lines = new ArrayList<>();
        lines.add(new Line("majority class", score(graph, majority(graph, training), testing)));
        lines.add(new Line("label propagation", score(graph, propagated(graph, training), testing)));
        List<Epoch> curve = new ArrayList<>();
        try (GraphSage model = new GraphSage(graph.uses(), graph.featureTensor(), hidden, classes, seed)) {
            float[] logits = fit(model, graph, training, testing, curve);
            int[] predicted = best(logits, graph.nodes(), classes);
            lines.add(new Line("GraphSAGE", score(graph, predicted, testing)));
            double[] rates = model.edgesPerSecond(epochs);
            double faster = timesFaster(graph.uses(), hidden);
            tell(console, lines, curve, checksum(logits), rates, faster, start);
            String html = new DemoPage(graph, lines, curve, rates, faster, seconds(start), peakMiB()).html();
            Files.writeString(page, html);
            console.println("report       " + page.toAbsolutePath());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void tell(
            PrintWriter console,
            List<Line> lines,
            List<Epoch> curve,
            long checksum,
            double[] rates,
            double faster,
            long start) {
        console.printf("%n%-20s %9s %9s   (test packages)%n", "", "accuracy", "macro-F1");
        for (Line l : lines) {
            console.printf(Locale.ROOT, "%-20s %9.3f %9.3f%n", l.name, l.scores.accuracy(), l.scores.macroF1());
        }
        console.printf(
                Locale.ROOT,
                "%nedges/s      %.0f M forward, %.0f M backward, %d features each%n",
                rates[0] / 1e6,
                rates[1] / 1e6,
                hidden);
        console.printf(Locale.ROOT, "backend      %s, %.1f times scalar on this graph%n", Backends.choice(), faster);
        console.printf(
                Locale.ROOT,
                "training     loss %.4f after %d epochs, checksum %08x for seed %d and any thread count%n",
                curve.getLast().loss,
                epochs,
                checksum,
                seed);
        console.printf(Locale.ROOT, "peak memory  %.0f MiB%n", peakMiB());
        console.printf(Locale.ROOT, "time         %.1f s in all%n", seconds(start));
    }

    // ------------------------------------------------------------------ the task

    /** Half of the packages, by classes with a label, at random; a package is on one side whole. */
    private static boolean[] split(ClassGraph graph, long seed) {
        List<String> packages = new ArrayList<>(new TreeSet<>(graph.packages()));
        Collections.shuffle(packages, Random.from(new SplittableRandom(seed)));
        TreeMap<String, Integer> sizes = new TreeMap<>();
        int all = 0;
        for (int i = 0; i < graph.nodes(); i++) {
            if (graph.labels()[i] >= 0) {
                sizes.merge(graph.packages().get(i), 1, Integer::sum);
                all++;
            }
        }
        TreeSet<String> chosen = new TreeSet<>();
        int taken = 0;
        for (String p : packages) {
            if (2 * taken < all) {
                chosen.add(p);
                taken += sizes.getOrDefault(p, 0);
            }
        }
        boolean[] training = new boolean[graph.nodes()];
        for (int i = 0; i < training.length; i++) {
            training[i] = chosen.contains(graph.packages().get(i));
        }
        return training;
    }

    private static Scores score(ClassGraph graph, int[] predicted, boolean[] counted) {
        return Scores.of(graph.labels(), predicted, counted, graph.modules().size());
    }

    private static int[] majority(ClassGraph graph, boolean[] training) {
        int[] count = new int[graph.modules().size()];
        for (int i = 0; i < training.length; i++) {
            if (training[i] && graph.labels()[i] >= 0) {
                count[graph.labels()[i]]++;
            }
        }
        int most = IntStream.range(0, count.length).reduce(0, (a, b) -> count[b] > count[a] ? b : a);
        int[] predicted = new int[training.length];
        Arrays.fill(predicted, most);
        return predicted;
    }

    /** Known labels spread over the edges, both ways, again and again: what the graph alone can tell. */
    private static int[] propagated(ClassGraph graph, boolean[] training) {
        int classes = graph.modules().size();
        int n = graph.nodes();
        CsrGraph uses = graph.uses();
        CsrGraph usedBy = uses.transpose().graph();
        Spmm sum = Spmm.builder().reduce(Reduce.SUM).build();
        Tensor beliefs = Tensor.zeros(DType.F32, n, classes);
        Tensor out = Tensor.zeros(DType.F32, n, classes);
        Tensor in = Tensor.zeros(DType.F32, n, classes);
        float[] b = new float[n * classes];
        for (int round = 0; round < PROPAGATIONS; round++) {
            for (int i = 0; i < n; i++) {
                if (training[i] && graph.labels()[i] >= 0) {
                    Arrays.fill(b, i * classes, (i + 1) * classes, 0);
                    b[i * classes + graph.labels()[i]] = 1;
                }
            }
            beliefs.copyFrom(Tensor.of(b, n, classes));
            sum.forward(uses, beliefs, null, out, null);
            sum.forward(usedBy, beliefs, null, in, null);
            float[] o = out.toFloatArray();
            float[] u = in.toFloatArray();
            for (int i = 0; i < n; i++) {
                float degree = Math.max(1, uses.degree(i) + usedBy.degree(i));
                for (int c = 0; c < classes; c++) {
                    b[i * classes + c] = (o[i * classes + c] + u[i * classes + c]) / degree;
                }
            }
        }
        return best(b, n, classes);
    }

    private static int[] best(float[] scores, int rows, int classes) {
        int[] best = new int[rows];
        for (int i = 0; i < rows; i++) {
            for (int c = 1; c < classes; c++) {
                if (scores[i * classes + c] > scores[i * classes + best[i]]) {
                    best[i] = c;
                }
            }
        }
        return best;
    }

    /** A model, its loss over the nodes whose target is not -1, and its optimiser. */
    private static final class Fitting {
        private final GraphSage model;
        private final Tensor target;
        private final Tensor gradLogits;
        private final Tensor one = Tensor.zeros(DType.F32).fill(1);
        private final CrossEntropy entropy = CrossEntropy.builder()
                .ignoreIndex(-1)
                .reduction(CrossEntropy.Reduction.MEAN)
                .build();
        private final Adam adam;
        private final Workspace scratch = new Workspace();
        private float[] logits = new float[0];
        private double loss;

        Fitting(GraphSage model, Tensor target, int classes, float rate) {
            this.model = model;
            this.target = target;
            gradLogits = Tensor.zeros(DType.F32, target.size(), classes);
            adam = Adam.builder().learningRate(rate).build(model.parameters());
        }

        void epoch() {
            scratch.reset();
            Tensor out = model.forward();
            logits = out.toFloatArray();
            loss = entropy.forward(out, target).getFloat();
            entropy.backward(out, target, one, gradLogits, false, scratch);
            adam.step(model.backward(gradLogits));
        }
    }

    /** Of the bits of the results. */
    private static long checksum(float[] values) {
        CRC32C crc = new CRC32C();
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
        bytes.asFloatBuffer().put(values);
        crc.update(bytes);
        return crc.getValue();
    }

    /** Trains, and returns what the trained model says of each node. */
    private float[] fit(GraphSage model, ClassGraph graph, boolean[] training, boolean[] testing, List<Epoch> curve) {
        int n = graph.nodes();
        int classes = graph.modules().size();
        int[] known = new int[n];
        for (int i = 0; i < n; i++) {
            known[i] = training[i] ? graph.labels()[i] : -1;
        }
        Fitting fitting = new Fitting(model, Tensor.of(known, n), classes, rate);
        try (Progress bar = Progress.of("training", epochs)) {
            for (int epoch = 0; epoch < epochs; epoch++) {
                fitting.epoch();
                int[] predicted = best(fitting.logits, n, classes);
                Epoch e = new Epoch(
                        fitting.loss,
                        score(graph, predicted, training).accuracy(),
                        score(graph, predicted, testing).accuracy());
                curve.add(e);
                bar.step(String.format(Locale.ROOT, "loss %.3f, test %.3f", e.loss, e.test));
            }
        }
        return model.forward().toFloatArray();
    }

    // ------------------------------------------------------------------ figures

    /** The time of one mean over the graph's edges on the scalar backend over that on the one in use; best of several. */
    private static double timesFaster(CsrGraph graph, int features) {
        Tensor x = Tensor.zeros(DType.F32, graph.nSrc(), features);
        Tensor y = Tensor.zeros(DType.F32, graph.nDst(), features);
        Spmm mean = Spmm.builder().reduce(Reduce.MEAN).build();
        double vector = best(() -> mean.forward(graph, x, null, y, null), 300);
        double[] scalar = new double[1];
        // long enough for HotSpot to have compiled it
        Backends.with(Backend.SCALAR, () -> scalar[0] = best(() -> mean.forward(graph, x, null, y, null), 2500));
        return scalar[0] / vector;
    }

    private static double best(Runnable work, long millis) {
        double best = Double.POSITIVE_INFINITY;
        long end = System.nanoTime() + 1_000_000 * millis;
        do {
            long start = System.nanoTime();
            work.run();
            best = Math.min(best, (double) (System.nanoTime() - start));
        } while (System.nanoTime() < end);
        return best;
    }

    /** The most memory that the process ever held, where the system tells; else what the heap holds now. */
    private static double peakMiB() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
                }
            }
        } catch (IOException e) {
            // not Linux
        }
        return (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) / 1048576.0;
    }
}
