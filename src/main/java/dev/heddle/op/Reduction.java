package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.ReductionKernels;
import dev.heddle.kernel.ReductionKernels.Operator;
import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;

/**
 * Sum, mean, maximum or minimum over the last axis, {@code y[...] = reduce over c of x[..., c]}, or over all the others, {@code y[c] = reduce over
 * ... of x[..., c]}.
 *
 * <p>{@code x} is float32 {@code [..., C]}; all axes but the last count rows, which may lie apart. {@code y} is contiguous, {@code [...]} or {@code [C]},
 * and may not overlap {@code x}.
 *
 * <p>Of no elements the sum is 0, the mean NaN, the maximum -infinity and the minimum infinity. A NaN gives NaN.
 *
 * <p>Over the last axis there are 64 partial results, column c in number c mod 64, folded in halves. Over the others, sums are
 * taken by blocks of 256 rows. So the bits depend neither on vector width nor on threads.
 *
 * <p>Gradients: {@code grad_y} for each element, divided by their number for the mean; for an extremum it goes to the first element
 * that is equal to it, and where it is NaN to none.
 */
public final class Reduction {
    private static final int OPERATORS = Operator.values().length;
    private static final Dispatch<ReductionKernels> KERNELS =
            new Dispatch<>(ReductionKernels.class, 2 * OPERATORS, Reduction::probe);

    private static final double NANOS = 0.2;

    private final Reduce reduce;
    private final boolean leading;

    private Reduction(Reduce reduce, boolean leading) {
        this.reduce = reduce;
        this.leading = leading;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: the sum over the last axis. */
    public static final class Builder {
        private Reduce reduce = Reduce.SUM;
        private boolean leading;

        private Builder() {}

        /** What becomes of the elements. */
        public Builder reduce(Reduce reduce) {
            this.reduce = reduce;
            return this;
        }

        /** Whether all axes but the last are reduced, instead of the last. */
        public Builder leading(boolean leading) {
            this.leading = leading;
            return this;
        }

        public Reduction build() {
            return new Reduction(reduce, leading);
        }
    }

    /** Computes y. */
    public Tensor forward(Tensor x) {
        Tensor y = Tensor.zeros(DType.F32, shapeOfY(x));
        try (Workspace scratch = new Workspace()) {
            forward(x, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}. */
    public void forward(Tensor x, Tensor y, Workspace scratch) {
        Checks.shape("y", y, DType.F32, shapeOfY(x));
        long xs = Checks.rowBytes("x", x);
        Checks.contiguous("y", y);
        Checks.apart("y", y, "x", x);
        long rows = Checks.rows(x);
        long columns = x.dim(-1);
        try (Use _ = Use.of(x, y)) {
            if (leading) {
                overRows(x.address(), xs, rows, columns, y.address(), scratch);
            } else {
                overColumns(x.address(), xs, rows, columns, y.address(), scratch);
            }
            if (reduce == Reduce.MEAN) {
                long n = leading ? rows : columns;
                for (long i = 0, a = y.address(); i < y.size(); i++, a += 4) {
                    ALL.set(F32, a, ALL.get(F32, a) / n);
                }
            }
        }
    }

    private void overColumns(long x, long xs, long rows, long columns, long y, Workspace scratch) {
        Operator op = operator();
        ReductionKernels k = KERNELS.choose(op.ordinal(), Long.MAX_VALUE).kernels();
        Rows.run(
                rows,
                columns,
                NANOS,
                ReductionKernels.SCRATCH,
                scratch,
                (r, n, s) -> k.rows(op, x + r * xs, xs, y + 4 * r, columns, s, n));
    }

    private void overRows(long x, long xs, long rows, long columns, long y, Workspace scratch) {
        Operator op = operator();
        if (op == Operator.SUM) {
            ColumnSum.run(rows, columns, new Matrix(x, xs, 4), y, false, scratch);
        } else if (columns > 0) {
            Grid grid = Grid.of(1, columns);
            ReductionKernels k =
                    KERNELS.choose(OPERATORS + op.ordinal(), grid.narrowest()).kernels();
            grid.run(
                    NANOS * rows,
                    (_, _, column, width) -> k.columns(op, x + 4 * column, xs, y + 4 * column, width, rows));
        }
    }

    /** Computes the gradient of x; {@code y} is the forward's result. */
    public Tensor backward(Tensor x, Tensor y, Tensor gradY) {
        Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            backward(x, y, gradY, gx, false, scratch);
        }
        return gx;
    }

    /**
     * The same into {@code gradX}.
     *
     * @param accumulate whether the gradient is added to what {@code gradX} holds
     */
    public void backward(Tensor x, Tensor y, Tensor gradY, Tensor gradX, boolean accumulate, Workspace scratch) {
        Checks.shape("y", y, DType.F32, shapeOfY(x));
        Checks.contiguous("y", y);
        Checks.like("gradY", gradY, DType.F32, "y", y);
        Checks.contiguous("gradY", gradY);
        Checks.like("gradX", gradX, DType.F32, "x", x);
        Checks.rowBytes("x", x);
        Checks.rowBytes("gradX", gradX);
        new Apart().in("x", x).in("y", y).in("gradY", gradY).out("gradX", gradX);
        Accumulate.into(gradX, accumulate, scratch, out -> runBackward(x, y, gradY, out));
    }

    private void runBackward(Tensor x, Tensor y, Tensor gradY, Tensor gradX) {
        long rows = Checks.rows(x);
        long columns = x.dim(-1);
        long xs = Checks.rowBytes("x", x);
        long os = Checks.rowBytes("gradX", gradX);
        try (Use _ = Use.of(x, y, gradY, gradX)) {
            long g = gradY.address();
            Grid.of(rows, columns).run(NANOS, (row, count, column, width) -> {
                for (long r = row; r < row + count; r++) {
                    long out = gradX.address() + r * os + 4 * column;
                    if (operator() != Operator.SUM) {
                        Gemm.fill(0, out, 0, 1, width);
                    } else if (leading) {
                        Gemm.copy(g + 4 * column, 0, out, 0, 1, width);
                    } else {
                        Gemm.fill(ALL.get(F32, g + 4 * r), out, 0, 1, width);
                    }
                    if (reduce == Reduce.MEAN) {
                        long n = leading ? rows : columns;
                        for (long end = out + 4 * width; out != end; out += 4) {
                            ALL.set(F32, out, ALL.get(F32, out) / n);
                        }
                    }
                }
            });
            if (operator() != Operator.SUM) {
                for (long i = 0; i < y.size(); i++) {
                    long first = leading ? x.address() + 4 * i : x.address() + xs * i;
                    long to = leading ? gradX.address() + 4 * i : gradX.address() + os * i;
                    long n = leading ? rows : columns;
                    float extremum = ALL.get(F32, y.address() + 4 * i);
                    long at = find(extremum, first, leading ? xs : 4, n);
                    if (at < n) {
                        ALL.set(F32, to + at * (leading ? os : 4), ALL.get(F32, g + 4 * i));
                    }
                }
            }
        }
    }

    /** The first of {@code n} elements that has the value; {@code n} if there is none. */
    private static long find(float value, long first, long stride, long n) {
        long i = 0;
        while (i < n && ALL.get(F32, first + i * stride) != value) {
            i++;
        }
        return i;
    }

    private Operator operator() {
        return switch (reduce) {
            case SUM, MEAN -> Operator.SUM;
            case MAX -> Operator.MAX;
            case MIN -> Operator.MIN;
        };
    }

    private long[] shapeOfY(Tensor x) {
        Checks.type("x", x, DType.F32);
        if (x.rank() == 0) {
            throw new IllegalArgumentException("x: a tensor without axes has none to reduce");
        }
        return leading ? new long[] {x.dim(-1)} : Arrays.copyOf(x.shape().toArray(), x.rank() - 1);
    }

    private static long probe(ReductionKernels k, int lanes, int variant, long scratch) {
        Operator op = Operator.values()[variant % OPERATORS];
        long x = scratch + ReductionKernels.SCRATCH;
        long y = x + (64 << 10);
        if (variant < OPERATORS) {
            k.rows(op, x, 1024, y, 256, scratch, 8);
        } else {
            k.columns(op, x, 1024, y, 256, 8);
        }
        return 256 * 8;
    }
}
