package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class ReductionTest {
    @Provide
    Arbitrary<Integer> extents() {
        return Arbitraries.of(0, 1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 130, 300);
    }

    @Property(tries = 80)
    void equalsTheReferenceEverywhere(
            @ForAll Reduce reduce,
            @ForAll boolean leading,
            @ForAll("extents") int rows,
            @ForAll("extents") int columns,
            @ForAll boolean view,
            @ForAll boolean nan,
            @ForAll long seed) {
        Random r = new Random(seed);
        Tensor values = Trial.fill(Tensor.zeros(DType.F32, rows, columns), () -> r.nextInt(-20, 20) / 4f);
        if (nan && values.size() > 0) {
            values.setFloat(Float.NaN, r.nextInt(rows), r.nextInt(columns));
        }
        Tensor x = view ? Trial.spread(values) : values;
        Reduction op = Reduction.builder().reduce(reduce).leading(leading).build();
        int results = leading ? columns : rows;
        int n = leading ? rows : columns;
        Tensor g = Trial.normal(r, results);
        float[][] out = Trial.everywhere(() -> {
            Tensor y = op.forward(x);
            return new Tensor[] {y, op.backward(x, y, g)};
        });
        for (int i = 0; i < results; i++) {
            double want = switch (reduce) {
                case SUM, MEAN -> 0;
                case MAX -> Double.NEGATIVE_INFINITY;
                case MIN -> Double.POSITIVE_INFINITY;
            };
            int first = -1;
            for (int j = 0; j < n; j++) {
                double v = values.getFloat(leading ? j : i, leading ? i : j);
                double before = want;
                want = switch (reduce) {
                    case SUM, MEAN -> want + v;
                    case MAX -> Math.max(want, v);
                    case MIN -> Math.min(want, v);
                };
                first = want == before ? first : j;
            }
            want = reduce == Reduce.MEAN ? want / n : want;
            Trial.assertClose(new double[] {want}, new float[] {out[0][i]}, 1e-6, 1e-6, reduce + " " + i);
            for (int j = 0; j < n; j++) {
                double gradient = switch (reduce) {
                    case SUM -> g.getFloat(i);
                    case MEAN -> g.getFloat(i) / (float) n;
                    case MAX, MIN -> j == first && !Double.isNaN(want) ? g.getFloat(i) : 0;
                };
                assertEquals(gradient, out[1][leading ? j * columns + i : i * columns + j], "gradient");
            }
        }
    }

    @Test
    void accumulatesAndRefuses() {
        Tensor x = Trial.normal(new Random(1), 2, 3, 40);
        Reduction op = Reduction.builder().reduce(Reduce.MEAN).build();
        Tensor y = op.forward(x);
        assertEquals("[2, 3]", y.shape().toString());
        Tensor gx = Tensor.zeros(DType.F32, 2, 3, 40).fill(1);
        try (Workspace scratch = new Workspace()) {
            op.backward(x, y, y, gx, true, scratch);
        }
        assertEquals(1 + y.getFloat(1, 2) / 40, gx.getFloat(1, 2, 7));
        assertEquals(
                "x: a tensor without axes has none to reduce",
                assertThrows(IllegalArgumentException.class, () -> op.forward(Tensor.zeros(DType.F32)))
                        .getMessage());
    }
}
