package dev.heddle.op;

import dev.heddle.graph.Index;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;

/**
 * Rows by number: {@code y_e = x_j}, {@code j = index_e}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [n, ...]}, {@code index} has values below n, {@code y} is {@code [E, ...]}.
 * </ul>
 *
 * <p>Rows may lie apart, but have no gaps within. An output may not overlap an input. The gradient of x is the sum of the
 * gradients of the rows that were copied from it, in the order of the index: {@link ScatterReduce} with {@link Reduce#SUM}.
 *
 * <p>After PyG {@code x.index_select}.
 */
public final class Gather {
    private Gather() {}

    /** Computes y. */
    public static Tensor forward(Index index, Tensor x) {
        RowsByNumber.requireRows("x", x, index.range(), "the range of the index");
        Tensor y = Tensor.zeros(DType.F32, RowsByNumber.withRows(x, index.size()));
        RowsByNumber.gather(index, x, y, false);
        return y;
    }

    /** Computes into {@code y}. */
    public static void forward(Index index, Tensor x, Tensor y) {
        RowsByNumber.requireRows("x", x, index.range(), "the range of the index");
        RowsByNumber.requireLike("y", y, DType.F32, index.size(), x);
        Checks.apart("y", y, "x", x);
        RowsByNumber.gather(index, x, y, false);
    }

    /** The gradient of x. */
    public static Tensor backward(Index index, Tensor gradY) {
        RowsByNumber.requireRows("gradY", gradY, index.size(), "the index has values");
        Tensor gradX = Tensor.zeros(DType.F32, RowsByNumber.withRows(gradY, index.range()));
        RowsByNumber.reduce(Reduce.SUM, index, gradY, gradX, null);
        return gradX;
    }

    /** The gradient of x, into {@code gradX}. */
    public static void backward(Index index, Tensor gradY, Tensor gradX) {
        RowsByNumber.requireRows("gradY", gradY, index.size(), "the index has values");
        RowsByNumber.requireLike("gradX", gradX, DType.F32, index.range(), gradY);
        Checks.apart("gradX", gradX, "gradY", gradY);
        RowsByNumber.reduce(Reduce.SUM, index, gradY, gradX, null);
    }
}
