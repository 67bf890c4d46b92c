package dev.heddle.op;

import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/** Sums over the rows of a matrix: the product of a row of ones with it, and so in blocks of 256 rows. */
final class ColumnSum {
    private ColumnSum() {}

    static void run(long m, long n, Matrix x, long out, boolean accumulate, Workspace scratch) {
        Tensor one = scratch.zeros(DType.F32, 1);
        one.setFloat(1, 0);
        try (Use _ = Use.of(one)) {
            Matrix ones = new Matrix(one.address(), 0, 0);
            new Gemm(1, n, m)
                    .a(ones)
                    .b(x)
                    .c(new Matrix(out, 4 * n, 4))
                    .accumulate(accumulate)
                    .run(scratch);
        }
    }
}
