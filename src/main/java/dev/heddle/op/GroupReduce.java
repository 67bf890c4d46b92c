package dev.heddle.op;

import dev.heddle.graph.Index;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Reductions over groups of rows, whether they are segments or scattered.
 *
 * @param reduce null for the product
 */
record GroupReduce(@Nullable Reduce reduce, String name) {
    private boolean isExtremum() {
        return reduce != null && reduce.isExtremum();
    }

    /** {@code arg} is there for MAX and MIN only. */
    record Result(Tensor y, @Nullable Tensor arg) {}

    Result forward(Index index, Tensor x) {
        RowsByNumber.requireRows(name, x, index.size(), "there are positions");
        long[] shape = RowsByNumber.withRows(x, index.range());
        Tensor y = Tensor.zeros(DType.F32, shape);
        Tensor arg = isExtremum() ? Tensor.zeros(DType.I32, shape) : null;
        run(index, x, y, arg);
        return new Result(y, arg);
    }

    void forward(Index index, Tensor x, Tensor y, @Nullable Tensor arg) {
        RowsByNumber.requireRows(name, x, index.size(), "there are positions");
        RowsByNumber.requireLike("y", y, DType.F32, index.range(), x);
        if (arg != null) {
            if (!isExtremum()) {
                throw new IllegalArgumentException("arg: only MAX and MIN have it");
            }
            RowsByNumber.requireLike("arg", arg, DType.I32, index.range(), x);
            RowsByNumber.requireSameStride(arg, "y", y);
        }
        new Apart().in(name, x).out("y", y).out("arg", arg);
        run(index, x, y, arg);
    }

    private void run(Index index, Tensor x, Tensor y, @Nullable Tensor arg) {
        if (reduce == null) {
            RowsByNumber.product(index, x, y);
        } else {
            RowsByNumber.reduce(reduce, index, x, y, arg);
        }
    }

    Tensor backward(Index index, Tensor x, Tensor gradY, @Nullable Tensor arg) {
        requireGradient(index, x, gradY, arg);
        Tensor gradX = Tensor.zeros(DType.F32, x.shape().toArray());
        runBackward(index, x, gradY, arg, gradX);
        return gradX;
    }

    void backward(Index index, Tensor x, Tensor gradY, @Nullable Tensor arg, Tensor gradX) {
        requireGradient(index, x, gradY, arg);
        RowsByNumber.requireLike("gradX", gradX, DType.F32, index.size(), x);
        new Apart().in(name, x).in("gradY", gradY).in("arg", arg).out("gradX", gradX);
        runBackward(index, x, gradY, arg, gradX);
    }

    private void requireGradient(Index index, Tensor x, Tensor gradY, @Nullable Tensor arg) {
        RowsByNumber.requireRows(name, x, index.size(), "there are positions");
        RowsByNumber.requireLike("gradY", gradY, DType.F32, index.range(), x);
        if (arg != null) {
            RowsByNumber.requireLike("arg", arg, DType.I32, index.range(), x);
            RowsByNumber.requireSameStride(arg, "gradY", gradY);
        }
    }

    private void runBackward(Index index, Tensor x, Tensor gradY, @Nullable Tensor arg, Tensor gradX) {
        if (reduce == null) {
            RowsByNumber.productGrad(index, x, gradY, gradX);
        } else if (!isExtremum()) {
            RowsByNumber.gather(index, gradY, gradX, reduce == Reduce.MEAN);
        } else if (arg != null) {
            RowsByNumber.gatherTaken(index, gradY, arg, gradX);
        } else {
            Result r = forward(index, x);
            try (Tensor again = r.arg) {
                r.y.close();
                if (again != null) {
                    RowsByNumber.gatherTaken(index, gradY.contiguous(), again, gradX);
                }
            }
        }
    }
}
