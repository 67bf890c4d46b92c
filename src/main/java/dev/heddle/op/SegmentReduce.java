package dev.heddle.op;

import dev.heddle.graph.Segments;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Reductions over segments: {@code y_s = reduce over the rows r of segment s of x_r}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [N, ...]}, {@code y} is {@code [S, ...]}.
 *   <li>{@code arg}, for MAX and MIN, is int32 and shaped like y: the first row that has the extremum, -1 in an empty segment;
 *       where a NaN came in, it is the row of the last NaN.
 * </ul>
 *
 * <p>An empty segment gives 0. Rows are taken in order, one after another; how long segments are split depends on their length
 * alone (see {@link Spmm}), so the bits depend neither on the vector width nor on the number of threads. Rows of a matrix may lie
 * apart, but have no gaps within. An output may not overlap an input.
 *
 * <p>Gradients: for the sum {@code grad_x_r = grad_y_s}, for the mean divided by the segment's length, for MAX and MIN {@code
 * grad_y_s} where {@code arg} is r and 0 elsewhere.
 *
 * <p>After pytorch_scatter {@code segment_csr}.
 */
public final class SegmentReduce {
    private final GroupReduce groups;

    private SegmentReduce(GroupReduce groups) {
        this.groups = groups;
    }

    /** Sums, averages, or takes the largest or the smallest. */
    public static SegmentReduce of(Reduce reduce) {
        return new SegmentReduce(new GroupReduce(reduce, "x"));
    }

    /** {@code arg} is there for MAX and MIN only. */
    public record Result(Tensor y, @Nullable Tensor arg) {}

    /** Computes y, and arg for MAX and MIN. */
    public Result forward(Segments segments, Tensor x) {
        GroupReduce.Result r = groups.forward(segments.index(), x);
        return new Result(r.y(), r.arg());
    }

    /** Computes into {@code y} and, if it is wanted, {@code arg}. */
    public void forward(Segments segments, Tensor x, Tensor y, @Nullable Tensor arg) {
        groups.forward(segments.index(), x, y, arg);
    }

    /**
     * The gradient of x.
     *
     * @param arg the forward's, for MAX and MIN; computed again if it is null
     */
    public Tensor backward(Segments segments, Tensor x, Tensor gradY, @Nullable Tensor arg) {
        return groups.backward(segments.index(), x, gradY, arg);
    }

    /** The gradient of x, into {@code gradX}. */
    public void backward(Segments segments, Tensor x, Tensor gradY, @Nullable Tensor arg, Tensor gradX) {
        groups.backward(segments.index(), x, gradY, arg, gradX);
    }
}
