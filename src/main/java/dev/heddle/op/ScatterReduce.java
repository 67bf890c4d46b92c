package dev.heddle.op;

import dev.heddle.graph.Index;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Reductions over scattered rows: {@code y_i = reduce over the e with index_e = i of src_e}.
 *
 * <ul>
 *   <li>{@code src} is float32 {@code [N, ...]}, the index has N values below n, {@code y} is {@code [n, ...]}.
 *   <li>{@code arg}, for MAX and MIN, is int32 and shaped like y: the first position that has the extremum, -1 where there is
 *       none; where a NaN came in, it is the position of the last NaN.
 * </ul>
 *
 * <p>A row without elements is 0, and 1 for the {@linkplain #product product}. Elements are taken in the order of their positions;
 * the work is split by row, never by element, and there are no atomics: the index is sorted once, and keeps its groups (see
 * {@link Spmm} for the order of additions). So the bits depend neither on the vector width nor on the number of threads. Rows of a
 * matrix may lie apart, but have no gaps within. An output may not overlap an input.
 *
 * <p>Gradients: for the sum {@code grad_src_e = grad_y_i}, for the mean divided by the number of elements, for MAX and MIN {@code
 * grad_y_i} where {@code arg} is e and 0 elsewhere, for the product {@code grad_y_i} times the product of the other elements.
 *
 * <p>After PyG {@code utils.scatter}.
 */
public final class ScatterReduce {
    private final GroupReduce groups;

    private ScatterReduce(GroupReduce groups) {
        this.groups = groups;
    }

    /** Sums, averages, or takes the largest or the smallest. */
    public static ScatterReduce of(Reduce reduce) {
        return new ScatterReduce(new GroupReduce(reduce, "src"));
    }

    /** Multiplies the elements. */
    public static ScatterReduce product() {
        return new ScatterReduce(new GroupReduce(null, "src"));
    }

    /** {@code arg} is there for MAX and MIN only. */
    public record Result(Tensor y, @Nullable Tensor arg) {}

    /** Computes y, and arg for MAX and MIN. */
    public Result forward(Index index, Tensor src) {
        GroupReduce.Result r = groups.forward(index, src);
        return new Result(r.y(), r.arg());
    }

    /** Computes into {@code y} and, if it is wanted, {@code arg}. */
    public void forward(Index index, Tensor src, Tensor y, @Nullable Tensor arg) {
        groups.forward(index, src, y, arg);
    }

    /**
     * The gradient of src.
     *
     * @param arg the forward's, for MAX and MIN; computed again if it is null
     */
    public Tensor backward(Index index, Tensor src, Tensor gradY, @Nullable Tensor arg) {
        return groups.backward(index, src, gradY, arg);
    }

    /** The gradient of src, into {@code gradSrc}. */
    public void backward(Index index, Tensor src, Tensor gradY, @Nullable Tensor arg, Tensor gradSrc) {
        groups.backward(index, src, gradY, arg, gradSrc);
    }
}
