package dev.heddle.op;

import static dev.heddle.op.Alike.assertClose;
import static dev.heddle.op.Alike.doubles;
import static dev.heddle.op.Alike.gaussian;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.graph.Index;
import dev.heddle.graph.RowSplit;
import dev.heddle.graph.Segments;
import dev.heddle.reference.Groups64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Gather, scatter and segment reductions. */
class GroupReduceTest {
    enum Kind {
        SUM,
        MEAN,
        MAX,
        MIN,
        MUL
    }

    private static ScatterReduce scatter(Kind kind) {
        return kind == Kind.MUL ? ScatterReduce.product() : ScatterReduce.of(Reduce.valueOf(kind.name()));
    }

    /** Around lane counts. */
    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 130, 145);
    }

    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.of(0, 1, 2, 5, 17, 60);
    }

    private static void compareScatter(Kind kind, int[] numbers, int n, Tensor src, Tensor g, List<Tensor> got) {
        int columns = (int) (g.size() / Math.max(1, n));
        Groups64 ref = new Groups64(numbers, n, columns, doubles(src), kind.name());
        assertClose(ref.y, got.get(0), 1e-5, 1e-5, "y");
        if (got.get(1) != null) {
            assertArrayEquals(ref.arg, got.get(1).toIntArray(), "arg");
        }
        assertClose(ref.backward(doubles(g)), got.get(2), 1e-5, 1e-5, "gradient");
    }

    @Property(tries = 60)
    void scatterAgreesWithTheReferenceEverywhere(
            @ForAll Kind kind,
            @ForAll("columns") int columns,
            @ForAll("sizes") int positions,
            @ForAll("sizes") int n,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        int[] numbers = rnd.ints(n == 0 ? 0 : positions, 0, Math.max(1, n)).toArray();
        Tensor src = gaussian(rnd, numbers.length, columns);
        Tensor g = gaussian(rnd, n, columns);
        Index index = Index.of(numbers, n);
        List<Tensor> got = Alike.everywhere(() -> {
            ScatterReduce op = scatter(kind);
            ScatterReduce.Result r = op.forward(index, src);
            return Arrays.asList(r.y(), r.arg(), op.backward(index, src, g, r.arg()));
        });
        compareScatter(kind, numbers, n, src, g, got);
        Alike.assertSameBits(
                List.of(got.get(2)), List.of(scatter(kind).backward(index, src, g, null)), "arg computed again");
    }

    @Property(tries = 40)
    void segmentsAgreeWithTheReferenceEverywhere(
            @ForAll Reduce reduce, @ForAll("columns") int columns, @ForAll("sizes") int n, @ForAll long seed) {
        Random rnd = new Random(seed);
        long[] indptr = new long[n + 1];
        for (int i = 0; i < n; i++) {
            indptr[i + 1] = indptr[i] + (rnd.nextBoolean() ? 0 : rnd.nextInt(9));
        }
        Segments segments = Segments.of(indptr);
        int[] numbers = segments.owners().toIntArray();
        Tensor x = gaussian(rnd, numbers.length, columns);
        Tensor g = gaussian(rnd, n, columns);
        List<Tensor> got = Alike.everywhere(() -> {
            SegmentReduce op = SegmentReduce.of(reduce);
            SegmentReduce.Result r = op.forward(segments, x);
            return Arrays.asList(r.y(), r.arg(), op.backward(segments, x, g, r.arg()));
        });
        compareScatter(Kind.valueOf(reduce.name()), numbers, n, x, g, got);
    }

    @Property(tries = 40)
    void gatherCopiesRowsAndSumsTheirGradients(
            @ForAll("columns") int columns, @ForAll("sizes") int positions, @ForAll("sizes") int n, @ForAll long seed) {
        Random rnd = new Random(seed);
        int[] numbers = rnd.ints(n == 0 ? 0 : positions, 0, Math.max(1, n)).toArray();
        Tensor x = gaussian(rnd, n, columns);
        Tensor g = gaussian(rnd, numbers.length, columns);
        Index index = Index.of(numbers, n);
        List<Tensor> got = Alike.everywhere(() -> List.of(Gather.forward(index, x), Gather.backward(index, g)));
        double[] rows = doubles(x);
        double[] want = new double[numbers.length * columns];
        Arrays.setAll(want, i -> rows[numbers[i / columns] * columns + i % columns]);
        assertClose(want, got.get(0), 0, 0, "y");
        assertClose(new Groups64(numbers, n, columns, doubles(g), "SUM").y, got.get(1), 1e-5, 1e-5, "gradient");
    }

    /** One group is large enough to be split. */
    @ParameterizedTest
    @EnumSource
    void splitGroupsAreTheSameEverywhere(Kind kind) {
        Random rnd = new Random(5);
        int n = 20;
        int[] numbers = rnd.ints(4 * (int) RowSplit.HUB_EDGES, 0, n)
                .map(i -> i < 12 ? 3 : i)
                .toArray();
        Tensor src = gaussian(rnd, numbers.length, 19);
        if (kind == Kind.MUL) {
            for (int e = 0; e < numbers.length; e++) {
                src.select(0, e).fill(1 + (e * 37 % 101 - 50) * 1e-5f); // the product stays near 1
            }
        }
        Tensor g = gaussian(rnd, n, 19);
        Index index = Index.of(numbers, n);
        assertEquals(1, index.groups().rowSplit().hubs());
        List<Tensor> got = Alike.everywhereAndWithAnyThreads(() -> {
            ScatterReduce op = scatter(kind);
            ScatterReduce.Result r = op.forward(index, src);
            return Arrays.asList(r.y(), r.arg(), op.backward(index, src, g, r.arg()));
        });
        Groups64 ref = new Groups64(numbers, n, 19, doubles(src), kind.name());
        assertClose(ref.y, got.get(0), 2e-3, 1e-3, "y");
        if (got.get(1) != null) {
            assertArrayEquals(ref.arg, got.get(1).toIntArray(), "arg");
        }
    }

    /** The gradient of a product is that of the others, and finite where the element itself is 0. */
    @Test
    void productsOfZerosHaveGradients() {
        Index index = Index.of(new int[] {0, 1, 0, 1, 1, 3}, 4);
        Tensor src = Tensor.of(new float[] {0, 2, 5, 0, 0, 0}, 6);
        ScatterReduce op = ScatterReduce.product();
        assertArrayEquals(new float[] {0, 0, 1, 0}, op.forward(index, src).y().toFloatArray());
        Tensor g = Tensor.of(new float[] {1, 1, 1, 10});
        assertArrayEquals(
                new float[] {5, 0, 0, 0, 0, 10},
                op.backward(index, src, g, null).toFloatArray());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 20})
    void extremaKeepNanAndInfinity(int columns) {
        Index index = Index.of(new int[] {2, 0, 2, 0, 2}, 3);
        float[] values = {1, Float.NEGATIVE_INFINITY, Float.NaN, Float.NEGATIVE_INFINITY, 3};
        Tensor src = Tensor.zeros(DType.F32, 5, columns);
        for (int e = 0; e < 5; e++) {
            src.select(0, e).fill(values[e]);
        }
        List<Tensor> got = Alike.everywhere(() -> {
            ScatterReduce.Result r = ScatterReduce.of(Reduce.MAX).forward(index, src);
            return List.of(r.y(), r.arg());
        });
        for (int c = 0; c < columns; c++) {
            assertEquals(Float.NEGATIVE_INFINITY, got.get(0).getFloat(0, c));
            assertEquals(1, got.get(1).getLong(0, c), "the first of equals");
            assertEquals(0f, got.get(0).getFloat(1, c), "an empty group");
            assertEquals(-1, got.get(1).getLong(1, c), "an empty group");
            assertTrue(Float.isNaN(got.get(0).getFloat(2, c)));
        }
    }

    @Test
    void rowsMayHaveAnyShapeAndLieApart() {
        Random rnd = new Random(2);
        Index index = Index.of(new int[] {1, 1, 0, 3}, 4);
        Tensor wide = gaussian(rnd, 4, 30);
        Tensor src = wide.slice(1, 4, 25);
        Tensor y = Tensor.zeros(DType.F32, 4, 50);
        ScatterReduce op = ScatterReduce.of(Reduce.SUM);
        op.forward(index, src, y.slice(1, 10, 31), null);
        float[] same = op.forward(index, src.copy()).y().toFloatArray();
        assertArrayEquals(same, y.slice(1, 10, 31).toFloatArray());
        assertArrayEquals(new float[40], y.slice(1, 0, 10).toFloatArray());
        assertArrayEquals(
                same, op.forward(index, src.copy().reshape(4, 3, 7)).y().toFloatArray());
        assertEquals(
                List.of(4L, 3L, 7L),
                Arrays.stream(Gather.forward(index, src.copy().reshape(4, 3, 7))
                                .shape()
                                .toArray())
                        .boxed()
                        .toList());
        Tensor column = src.select(1, 0);
        assertArrayEquals(
                op.forward(index, column.copy()).y().toFloatArray(),
                op.forward(index, column).y().toFloatArray());
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument + ":"), e.getMessage());
    }

    @Test
    void refusesBadArgumentsBeforeWriting() {
        Index index = Index.of(new int[] {1, 1, 0, 3}, 4);
        ScatterReduce sum = ScatterReduce.of(Reduce.SUM);
        ScatterReduce max = ScatterReduce.of(Reduce.MAX);
        Tensor src = Tensor.zeros(DType.F32, 4, 10);
        Tensor y = Tensor.zeros(DType.F32, 4, 10).fill(7);
        refused("src", () -> sum.forward(index, Tensor.zeros(DType.F32, 3, 10), y, null));
        refused("src", () -> sum.forward(index, Tensor.zeros(DType.I32, 4, 10), y, null));
        refused("src", () -> sum.forward(index, Tensor.zeros(DType.F32, 10, 4).transpose(0, 1), y, null));
        refused("y", () -> sum.forward(index, src, Tensor.zeros(DType.F32, 4, 9), null));
        refused("arg", () -> sum.forward(index, src, y, Tensor.zeros(DType.I32, 4, 10)));
        refused("arg", () -> max.forward(index, src, y, Tensor.zeros(DType.I32, 4, 11)));
        refused(
                "arg",
                () -> max.forward(index, src, y, Tensor.zeros(DType.I32, 4, 20).slice(1, 0, 10)));
        refused("y", () -> sum.forward(index, y, y, null));
        refused("gradY", () -> sum.backward(index, src, Tensor.zeros(DType.F32, 5, 10), null));
        refused("gradX", () -> sum.backward(index, src, y, null, y));
        refused("x", () -> Gather.forward(index, Tensor.zeros(DType.F32, 5, 10)));
        refused("x", () -> SegmentReduce.of(Reduce.SUM).forward(Segments.of(0, 3), src));
        Tensor closed = src.copy();
        closed.close();
        assertThrows(IllegalStateException.class, () -> sum.forward(index, closed, y, null));
        float[] sevens = new float[40];
        Arrays.fill(sevens, 7);
        assertArrayEquals(sevens, y.toFloatArray());
    }

    @Test
    void indexAndSegmentsRefuseWhatIsOutOfRange() {
        assertEquals(
                "index[1] = 4, must be in [0, 4)",
                assertThrows(IndexOutOfBoundsException.class, () -> Index.of(new int[] {0, 4}, 4))
                        .getMessage());
        assertThrows(IndexOutOfBoundsException.class, () -> Index.of(new int[] {-1}, 4));
        assertThrows(IllegalArgumentException.class, () -> Index.of(new int[0], -1));
        assertThrows(IllegalArgumentException.class, () -> Index.of(Tensor.zeros(DType.I64, 3), 4));
        assertThrows(IndexOutOfBoundsException.class, () -> Segments.of(0, 2, 1));
        assertThrows(IndexOutOfBoundsException.class, () -> Segments.of(1, 2));
        assertThrows(IllegalArgumentException.class, Segments::of);
        int[] values = {2, 0};
        Tensor mine = Tensor.of(values);
        Index index = Index.of(mine, 3);
        mine.setLong(99, 0);
        index.values().setLong(99, 0);
        assertArrayEquals(values, index.values().toIntArray());
    }
}
