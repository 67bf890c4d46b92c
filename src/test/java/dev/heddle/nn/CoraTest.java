package dev.heddle.nn;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.io.SafetensorsFile;
import dev.heddle.kernel.Backends;
import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.CrossEntropy;
import dev.heddle.op.Dropout;
import dev.heddle.op.Message;
import dev.heddle.op.Spmm;
import dev.heddle.optim.Adam;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Two layers of each kind trained on Cora, the public split: what its test nodes are classified as. Data are in {@code
 * ../shared/data}; where they are not, the test is skipped.
 *
 * <p>A node has 18 of 1433 words, so the words are the edges of a graph from words to nodes, and what the first layer does to the features is
 * a gather-reduce over it; the layer itself then starts with the identity, which is not trained.
 */
class CoraTest {
    private static final Path FILE = Path.of("../shared/data/cora.safetensors");
    /** Training ends when so many epochs were not better than those before them. */
    private static final int PATIENCE = 40;

    private static final int CLASSES = 7;
    private static final int WORDS = 1433;
    private static final Spmm SUM = Spmm.builder().message(Message.MUL).build();

    enum Kind {
        GCN(16, 200, 5, 0.805),
        GAT(64, 100, 3, 0.785),
        SAGE(32, 100, 3, 0.785);

        final int hidden;
        final int epochs;
        final int seeds;
        final double least;

        Kind(int hidden, int epochs, int seeds, double least) {
            this.hidden = hidden;
            this.epochs = epochs;
            this.seeds = seeds;
            this.least = least;
        }

        /** The first layer, without its matrix: of {@code width()} inputs. */
        GraphConv first(long seed) {
            GraphConv layer = switch (this) {
                case GCN -> GcnConv.create(hidden, hidden, seed);
                case GAT -> GatConv.create(hidden, 8, hidden / 8, true, seed);
                case SAGE -> SageConv.create(width(), hidden, seed);
            };
            layer.parameters().forEach((name, t) -> {
                if (isMatrix(name)) {
                    identity(t, name.startsWith("lin_r") ? hidden : 0);
                }
            });
            return layer;
        }

        GraphConv second(long seed) {
            return switch (this) {
                case GCN -> GcnConv.create(hidden, CLASSES, seed);
                case GAT -> GatConv.create(hidden, 1, CLASSES, false, seed);
                case SAGE -> SageConv.create(hidden, CLASSES, seed);
            };
        }

        /** GraphSAGE has two matrices: one for the neighbours, one for the node itself. */
        int width() {
            return this == SAGE ? 2 * hidden : hidden;
        }

        private static boolean isMatrix(String name) {
            return name.startsWith("lin") && name.endsWith("weight");
        }

        private static void identity(Tensor t, long from) {
            t.fill(0);
            for (long i = 0; i < t.dim(0); i++) {
                t.setFloat(1, i, from + i);
            }
        }
    }

    /** @param words from words to nodes, with {@code counts} as weights: each a share of its node's */
    private record Cora(
            CsrGraph graph, CsrGraph words, Tensor counts, int[] y, boolean[] train, boolean[] val, boolean[] test) {}

    private static Cora cora() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(FILE)) {
            int n = (int) file.tensor("y").size();
            long[] rows = file.tensor("x_indptr").toLongArray();
            float[] values = file.tensor("x_data").toFloatArray();
            for (int i = 0; i < n; i++) {
                float sum = 0;
                for (int e = (int) rows[i]; e < rows[i + 1]; e++) {
                    sum += values[e];
                }
                for (int e = (int) rows[i]; e < rows[i + 1]; e++) {
                    values[e] /= sum;
                }
            }
            return new Cora(
                    CsrGraph.of(
                            file.tensor("indptr").copy(), file.tensor("indices").copy(), n),
                    CsrGraph.of(rows, file.tensor("x_indices").toIntArray(), WORDS),
                    Tensor.of(values),
                    file.tensor("y").toIntArray(),
                    mask(file, "train_mask"),
                    mask(file, "val_mask"),
                    mask(file, "test_mask"));
        }
    }

    private static boolean[] mask(SafetensorsFile file, String name) {
        int[] v = file.tensor(name).toIntArray();
        boolean[] mask = new boolean[v.length];
        for (int i = 0; i < v.length; i++) {
            mask[i] = v[i] != 0;
        }
        return mask;
    }

    private static double accuracy(Tensor logits, int[] y, boolean[] mask) {
        float[] v = logits.toFloatArray();
        int right = 0;
        int all = 0;
        for (int i = 0; i < y.length; i++) {
            if (mask[i]) {
                int best = 0;
                for (int c = 1; c < CLASSES; c++) {
                    best = v[i * CLASSES + c] > v[i * CLASSES + best] ? c : best;
                }
                all++;
                right += best == y[i] ? 1 : 0;
            }
        }
        return (double) right / all;
    }

    /** Two layers, and the matrix that comes before them. */
    private static final class Net {
        final Cora data;
        final GraphConv first;
        final GraphConv second;
        final Map<String, Tensor> parameters = new LinkedHashMap<>();
        final Dropout dropout = Dropout.builder().p(0.5).build();

        Net(Cora data, Kind kind, long seed) {
            this.data = data;
            first = kind.first(seed);
            second = kind.second(seed + 1000);
            SplittableRandom random = new SplittableRandom(seed + 2000);
            parameters.put("words", GraphConv.glorot(random, WORDS, kind.hidden, WORDS, kind.width()));
            first.parameters().forEach((name, t) -> {
                if (!Kind.isMatrix(name)) {
                    parameters.put("first." + name, t);
                }
            });
            second.parameters().forEach((name, t) -> parameters.put("second." + name, t));
        }

        Tensor infer() {
            Tensor h = first.forward(data.graph, words(data.counts));
            return second.forward(data.graph, Activation.RELU.forward(h));
        }

        private Tensor words(Tensor counts) {
            return SUM.forward(data.words, Objects.requireNonNull(parameters.get("words")), counts)
                    .y();
        }

        /** The gradients of all parameters, with weight decay of all but the second layer's. */
        List<Tensor> gradients(CrossEntropy loss, Tensor target, long seed, long stream) {
            Tensor counts = dropout.forward(data.counts, seed, stream);
            Tensor h = first.forward(data.graph, words(counts));
            Tensor a = dropout.forward(Activation.RELU.forward(h), seed, stream + 1);
            Tensor logits = second.forward(data.graph, a);
            Tensor one = Tensor.zeros(DType.F32).fill(1);
            GraphConv.Gradients g2 = second.backward(loss.backward(logits, target, one));
            GraphConv.Gradients g1 =
                    first.backward(Activation.RELU.backward(h, dropout.backward(g2.x(), seed, stream + 1)));
            List<Tensor> gradients = new ArrayList<>();
            parameters.forEach((name, t) -> {
                Tensor g = gradient(name, t, g1, g2, counts);
                if (!name.startsWith("second.")) {
                    Arithmetic.axpy(5e-4f, t, g, g);
                }
                gradients.add(g);
            });
            return gradients;
        }

        private Tensor gradient(String name, Tensor t, GraphConv.Gradients g1, GraphConv.Gradients g2, Tensor counts) {
            String own = name.substring(name.indexOf('.') + 1);
            Tensor g = name.startsWith("second.")
                    ? g2.parameters().get(own)
                    : name.startsWith("first.")
                            ? g1.parameters().get(own)
                            : SUM.backward(data.words, t, counts, g1.x(), null, true, false)
                                    .x();
            return Objects.requireNonNull(g);
        }
    }

    /** The test accuracy of the epoch, of every fourth, that does best on the nodes for validation. */
    private static double train(Cora data, Kind kind, long seed) {
        Net net = new Net(data, kind, seed);
        Adam adam = Adam.builder().learningRate(0.01f).build(List.copyOf(net.parameters.values()));
        CrossEntropy loss = CrossEntropy.builder()
                .ignoreIndex(-1)
                .reduction(CrossEntropy.Reduction.MEAN)
                .build();
        int[] targets = data.y.clone();
        for (int i = 0; i < targets.length; i++) {
            targets[i] = data.train[i] ? targets[i] : -1;
        }
        Tensor target = Tensor.of(targets);
        double bestVal = -1;
        double test = 0;
        int bestEpoch = 0;
        for (int epoch = 0; epoch < kind.epochs && epoch - bestEpoch < PATIENCE; epoch++) {
            adam.step(net.gradients(loss, target, seed, 2L * epoch));
            if (epoch % 4 != 3) {
                continue;
            }
            Tensor out = net.infer();
            double val = accuracy(out, data.y, data.val);
            if (val > bestVal) {
                bestVal = val;
                bestEpoch = epoch;
                test = accuracy(out, data.y, data.test);
            }
        }
        return test;
    }

    /** Where continuous integration says that data are there, they must be. */
    @Test
    void dataAreWhereTheyAreSaidToBe() {
        assertTrue(System.getenv("HEDDLE_DATA_REQUIRED") == null || Files.exists(FILE), FILE + " is missing");
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void classifiesTheTestNodes(Kind kind) throws IOException {
        assumeTrue(Files.exists(FILE), "no " + FILE);
        Cora data = cora();
        double[] accuracy = new double[kind.seeds];
        // tensors are small, and the bits the same as on any other: the one that needs no warming up, and no helper
        // that spins
        Backends.with(
                Backends.usable().getFirst(),
                () -> Team.with(1, () -> {
                    for (int s = 0; s < kind.seeds; s++) {
                        accuracy[s] = train(data, kind, s);
                    }
                }));
        double mean = Arrays.stream(accuracy).average().orElseThrow();
        String figures =
                String.format(Locale.ROOT, "%s on Cora: %.1f %% %s", kind, 100 * mean, Arrays.toString(accuracy));
        System.out.println(figures);
        assertTrue(mean >= kind.least, figures);
    }
}
