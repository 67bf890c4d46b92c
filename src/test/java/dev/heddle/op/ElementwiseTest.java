package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
import org.junit.jupiter.params.provider.EnumSource;

class ElementwiseTest {
    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 100);
    }

    @Property(tries = 60)
    void arithmeticEqualsTheReferenceEverywhere(
            @ForAll Arithmetic op, @ForAll("columns") int c, @ForAll boolean view, @ForAll long seed) {
        Random r = new Random(seed);
        int m = r.nextInt(4);
        int n = r.nextInt(4);
        Tensor a = view ? Trial.spread(Trial.normal(r, m, n, c)) : Trial.normal(r, m, n, c);
        int repeated = r.nextInt(3);
        Tensor b =
                repeated == 0 ? Trial.normal(r, m, n, c) : repeated == 1 ? Trial.normal(r, n, c) : Trial.normal(r, c);
        float[][] out = Trial.everywhere(() -> {
            Tensor axpy = Tensor.zeros(DType.F32, m, n, c);
            Arithmetic.axpy(0.3f, a, b, axpy);
            return new Tensor[] {op.forward(a, b), axpy};
        });
        float[] x = a.toFloatArray();
        float[] y = b.toFloatArray();
        float[] want = new float[x.length];
        float[] axpy = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            float v = y[i % y.length];
            want[i] = switch (op) {
                case ADD -> x[i] + v;
                case SUB -> x[i] - v;
                case MUL -> x[i] * v;
                case DIV -> x[i] / v;
            };
            axpy[i] = Math.fma(x[i], 0.3f, v);
        }
        Trial.assertSameBits(want, out[0], op.name());
        Trial.assertSameBits(axpy, out[1], "axpy");
    }

    /** More elements than a chunk has, and a rest; in place. */
    @Test
    void longRowsInPlace() {
        Random r = new Random(2);
        Tensor a = Trial.normal(r, 100_003);
        Tensor b = Trial.normal(r, 100_003);
        float[] want = Arithmetic.ADD.forward(a, b).toFloatArray();
        assertEquals(a.getFloat(100_002) + b.getFloat(100_002), want[100_002]);
        float[][] out = Trial.everywhere(() -> {
            Tensor y = a.copy();
            Arithmetic.ADD.forward(y, b, y);
            Tensor z = b.copy();
            Arithmetic.ADD.forward(a, z, z);
            Tensor rows = a.slice(0, 0, 3 * 33_333).reshape(3, 33_333).copy();
            Arithmetic.SUB.forward(rows, b.slice(0, 0, 33_333), rows);
            return new Tensor[] {y, z, rows};
        });
        Trial.assertSameBits(want, out[0], "a + b in a");
        Trial.assertSameBits(want, out[1], "a + b in b");
        assertEquals(a.getFloat(33_333 + 5) - b.getFloat(5), out[2][33_333 + 5]);
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void activationsOfViewsAndLongRows(Activation f) {
        Random r = new Random(f.ordinal());
        Tensor x = Trial.normal(r, 70_001);
        Tensor g = Trial.normal(r, 70_001);
        float[][] out = Trial.everywhere(() -> {
            Tensor rows = Trial.spread(x.slice(0, 0, 63 * 1111).reshape(63, 1111));
            Tensor inPlace = x.copy();
            f.forward(inPlace, inPlace);
            return new Tensor[] {f.forward(x), f.backward(x, g), f.forward(rows), inPlace};
        });
        Trial.assertSameBits(Arrays.copyOf(out[0], 63 * 1111), out[2], "rows that lie apart");
        Trial.assertSameBits(out[0], out[3], "in place");
        double h = 1e-3;
        for (int i = 0; i < 70_000; i += 997) {
            double v = x.getFloat(i);
            if (Math.abs(v) > 2 * h) {
                double slope = (value(f, v + h) - value(f, v - h)) / (2 * h);
                assertEquals(value(f, v), out[0][i], 1e-5 * (1 + Math.abs(value(f, v))), f + "(" + v + ")");
                assertEquals(slope * g.getFloat(i), out[1][i], 1e-4 * (1 + Math.abs(slope)), f + "'(" + v + ")");
            }
        }
        Tensor sum = Tensor.zeros(DType.F32, 70_001).fill(1);
        try (Workspace scratch = new Workspace()) {
            f.backward(x, g, sum, true, scratch);
        }
        assertEquals(1 + out[1][12_345], sum.getFloat(12_345));
    }

    private static double value(Activation f, double x) {
        return switch (f) {
            case EXP -> Math.exp(x);
            case SIGMOID -> 1 / (1 + Math.exp(-x));
            case TANH -> Math.tanh(x);
            case SOFTPLUS -> Math.log1p(Math.exp(x));
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_ERF -> x / 2 * (1 + erf(x / Math.sqrt(2)));
            case GELU_TANH -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case RELU -> Math.max(x, 0);
            case RELU_SQUARED -> Math.max(x, 0) * Math.max(x, 0);
        };
    }

    /** The Taylor series of the error function. */
    private static double erf(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < 200; n++) {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor a = Tensor.zeros(DType.F32, 2, 3);
        refused(
                "b: shape [2], must be that of a, [2, 3], or of its last axes",
                () -> Arithmetic.ADD.forward(a, Tensor.zeros(DType.F32, 2)));
        Tensor row = a.select(0, 1);
        refused("y: shape [2, 3], overlaps b of shape [3]", () -> Arithmetic.ADD.forward(a, row, a));
        refused("y: shape [3], overlaps x of shape [3]", () -> {
            Tensor both = Tensor.zeros(DType.F32, 4);
            Activation.RELU.forward(both.slice(0, 0, 3), both.slice(0, 1, 4));
        });
    }

    private static void refused(String message, org.junit.jupiter.api.function.Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
