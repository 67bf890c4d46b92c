package dev.heddle.nn;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Objects;

/** What attention layers do with the heads side by side in a row, as products with matrices of one block a head. */
final class Heads {
    private Heads() {}

    /** {@code [H * F, H]}: column h has head h's part of {@code att [1, H, F]}, so that a product with it is a dot product a head. */
    static Tensor blocks(Tensor att) {
        long heads = att.dim(1);
        long f = att.dim(2);
        Tensor m = Tensor.zeros(DType.F32, heads * f, heads);
        for (long h = 0; h < heads; h++) {
            for (long c = 0; c < f; c++) {
                m.setFloat(att.getFloat(0, h, c), h * f + c, h);
            }
        }
        return m;
    }

    /** From the gradient of that matrix to that of att. */
    static Tensor ofBlocks(Tensor gradBlocks, Tensor att) {
        Tensor g = Tensor.zeros(DType.F32, att.shape().toArray());
        for (long h = 0; h < att.dim(1); h++) {
            for (long c = 0; c < att.dim(2); c++) {
                g.setFloat(gradBlocks.getFloat(h * att.dim(2) + c, h), 0, h, c);
            }
        }
        return g;
    }

    /** {@code [H * F, F]}: a product with it is the mean over the heads. */
    private static Tensor mean(long heads, long f) {
        Tensor m = Tensor.zeros(DType.F32, heads * f, f);
        for (long h = 0; h < heads; h++) {
            for (long c = 0; c < f; c++) {
                m.setFloat(1f / heads, h * f + c, c);
            }
        }
        return m;
    }

    /** Heads side by side, or their mean: {@code [n, H, F]} to {@code [n, H * F]} or {@code [n, F]}. */
    static Tensor join(Tensor y, boolean concat) {
        long heads = y.dim(1);
        long f = y.dim(2);
        Tensor rows = y.reshape(y.dim(0), heads * f);
        return concat ? rows : GraphConv.PRODUCT.forward(rows, mean(heads, f));
    }

    /** The gradient of what was joined. */
    static Tensor split(Tensor gradY, long heads, long f, boolean concat) {
        Tensor g = gradY.contiguous();
        if (!concat) {
            Tensor rows = Tensor.zeros(DType.F32, g.dim(0), heads * f);
            g = Objects.requireNonNull(GraphConv.PRODUCT
                    .backward(rows, mean(heads, f), g, true, false, false)
                    .a());
        }
        return g.reshape(g.dim(0), heads, f);
    }
}
