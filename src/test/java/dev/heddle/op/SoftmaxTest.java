package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.op.CrossEntropy.Reduction;
import dev.heddle.reference.Rows64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SoftmaxTest {
    private static final float NOTHING = Float.NEGATIVE_INFINITY;

    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.oneOf(
                Arbitraries.of(0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200),
                Arbitraries.integers().between(0, 300));
    }

    /** Scores of several sizes, some of them -infinity. */
    private static Tensor scores(Random r, int rows, int columns, boolean view) {
        float size = (float) Math.pow(10, r.nextInt(5) - 2);
        Tensor x = Trial.fill(
                Tensor.zeros(DType.F32, rows, columns),
                () -> r.nextInt(9) == 0 ? NOTHING : size * (float) r.nextGaussian());
        return view ? Trial.spread(x) : x;
    }

    @Property(tries = 60)
    void equalsTheReferenceEverywhere(
            @ForAll("columns") int columns, @ForAll boolean view, @ForAll boolean log, @ForAll long seed) {
        Random r = new Random(seed);
        int rows = r.nextInt(6);
        Tensor x = scores(r, rows, columns, view);
        Tensor g = Trial.normal(r, rows, columns);
        Softmax op = Softmax.builder().log(log).build();
        float[][] out = Trial.everywhere(() -> {
            Tensor y = op.forward(x);
            return new Tensor[] {y, op.backward(y, view ? Trial.spread(g) : g)};
        });
        for (int i = 0; i < rows; i++) {
            double[] row = Trial.doubles(x.select(0, i));
            double[] gy = Trial.doubles(g.select(0, i));
            double[] y = log ? Rows64.logSoftmax(row) : Rows64.softmax(row);
            double[] gx = new double[columns];
            for (int c = 0; c < columns; c++) {
                gx[c] = log ? gy[c] - Math.exp(y[c]) * Arrays.stream(gy).sum() : y[c] * (gy[c] - Rows64.dot(gy, y));
            }
            Trial.assertClose(y, row(out[0], i, columns), 3e-6, 1e-6, "y");
            Trial.assertClose(gx, row(out[1], i, columns), 1e-5, 1e-5, "gradient");
        }
    }

    private static float[] row(float[] a, int i, int columns) {
        return Arrays.copyOfRange(a, i * columns, (i + 1) * columns);
    }

    @Test
    void specialRows() {
        float inf = Float.POSITIVE_INFINITY;
        float nan = Float.NaN;
        Tensor x = Tensor.of(new float[] {NOTHING, NOTHING, 1, inf, 1, nan, NOTHING, nan, 0, NOTHING}, 5, 2);
        float[][] out = Trial.everywhere(() -> {
            Tensor y = Softmax.builder().build().forward(x);
            Tensor log = Softmax.builder().log(true).build().forward(x);
            return new Tensor[] {
                y,
                log,
                Softmax.builder()
                        .build()
                        .backward(y, Tensor.zeros(DType.F32, 5, 2).fill(2))
            };
        });
        double[] y = {0, 0, nan, nan, nan, nan, nan, nan, 1, 0};
        Trial.assertClose(y, out[0], 0, 0, "y");
        double[] log = {nan, nan, nan, nan, nan, nan, nan, nan, 0, NOTHING};
        Trial.assertClose(log, out[1], 0, 0, "log");
        double[] g = {0, 0, nan, nan, nan, nan, nan, nan, 0, 0};
        Trial.assertClose(g, out[2], 0, 0, "gradient");
    }

    @Property(tries = 40)
    void crossEntropyEqualsTheReferenceEverywhere(
            @ForAll("columns") int more, @ForAll boolean view, @ForAll Reduction reduction, @ForAll long seed) {
        Random r = new Random(seed);
        int columns = more + 1;
        int rows = r.nextInt(2, 9); // so that not all can be ignored
        float smoothing = r.nextBoolean() ? 0 : r.nextFloat();
        Tensor x = Trial.normal(r, rows, columns);
        int[] target = r.ints(rows, 0, columns).toArray();
        boolean ignoring = r.nextBoolean();
        if (ignoring) {
            target[0] = -100;
        }
        CrossEntropy.Builder b =
                CrossEntropy.builder().labelSmoothing(smoothing).reduction(reduction);
        CrossEntropy op = (ignoring ? b.ignoreIndex(-100) : b).build();
        Tensor t = Tensor.of(target);
        Tensor g = reduction == Reduction.NONE ? Trial.normal(r, rows) : Trial.normal(r);
        Tensor in = view ? Trial.spread(x) : x;
        float[][] out = Trial.everywhere(() -> new Tensor[] {op.forward(in, t), op.backward(in, t, g)});
        double[] all = Trial.doubles(x);
        double[] weights = Trial.doubles(g);
        Trial.assertClose(losses(all, target, smoothing, reduction), out[0], 1e-5, 1e-5, "loss");
        double[] gx = Rows64.gradient(v -> Rows64.dot(losses(v, target, smoothing, reduction), weights), all);
        Trial.assertClose(gx, out[1], 1e-4, 1e-5, "gradient");
    }

    private static double[] losses(double[] x, int[] target, double smoothing, Reduction reduction) {
        int columns = x.length / target.length;
        double[] loss = new double[target.length];
        double counted = 0;
        for (int i = 0; i < loss.length; i++) {
            if (target[i] >= 0) {
                double[] log = Rows64.logSoftmax(Arrays.copyOfRange(x, i * columns, (i + 1) * columns));
                loss[i] = -(1 - smoothing) * log[target[i]]
                        - smoothing * Arrays.stream(log).average().orElse(0);
                counted++;
            }
        }
        double sum = Arrays.stream(loss).sum();
        return switch (reduction) {
            case NONE -> loss;
            case SUM -> new double[] {sum};
            case MEAN -> new double[] {sum / counted};
        };
    }

    @Test
    void lossOfSpecialRows() {
        float inf = Float.POSITIVE_INFINITY;
        Tensor x = Tensor.of(new float[] {NOTHING, NOTHING, 1, inf, Float.NaN, 1, 0, NOTHING}, 4, 2);
        CrossEntropy op = CrossEntropy.builder().build();
        float[][] out = Trial.everywhere(() -> new Tensor[] {op.forward(x, Tensor.of(new int[] {0, 0, 1, 1}))});
        Trial.assertClose(new double[] {Double.NaN, Double.NaN, Double.NaN, inf}, out[0], 0, 0, "loss");
        CrossEntropy ignoring = CrossEntropy.builder().ignoreIndex(9).build();
        Tensor t = Tensor.of(new int[] {9, 9, 9, 0});
        float[][] ignored = Trial.everywhere(() -> new Tensor[] {
            ignoring.forward(x, t),
            ignoring.backward(x, t, Tensor.zeros(DType.F32, 4).fill(1))
        });
        Trial.assertClose(new double[4], ignored[0], 0, 0, "loss");
        Trial.assertClose(new double[8], ignored[1], 0, 0, "gradient");
    }

    @Test
    void inPlaceAndAccumulated() {
        Random r = new Random(1);
        Tensor x = Trial.normal(r, 5, 100);
        Tensor g = Trial.normal(r, 5, 100);
        Softmax op = Softmax.builder().build();
        Tensor y = op.forward(x);
        float[] gx = op.backward(y, g).toFloatArray();
        try (Workspace scratch = new Workspace()) {
            Tensor sum = Tensor.zeros(DType.F32, 5, 100).fill(3);
            op.backward(y, g, sum, true, scratch);
            for (int i = 0; i < gx.length; i++) {
                assertEquals(3 + gx[i], sum.getFloat(i / 100, i % 100));
            }
            op.forward(x, x, scratch);
            Trial.assertSameBits(y.toFloatArray(), x.toFloatArray(), "y in place");
            op.backward(y, g, g, false, scratch);
            Trial.assertSameBits(gx, g.toFloatArray(), "gradient in place");
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 3", "-1, -1", "0, 1000000"})
    void targetsOutsideAreRefused(int first, int second) {
        CrossEntropy op = CrossEntropy.builder().build();
        Tensor x = Tensor.zeros(DType.F32, 2, 3);
        Throwable e = assertThrows(
                IndexOutOfBoundsException.class, () -> op.forward(x, Tensor.of(new int[] {first, second})));
        int at = first < 0 ? 0 : 1;
        assertEquals(
                "target[" + at + "] is " + (at == 0 ? first : second) + ", but logits of shape [2, 3] have 3 classes",
                e.getMessage());
    }
}
