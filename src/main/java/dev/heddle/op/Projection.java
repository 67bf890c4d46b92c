package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;

/** A product of rows with the transpose of a weight, without a bias: {@code y = x w^T}. */
interface Projection {
    Matmul MATMUL = Matmul.builder().transposeB(true).build();

    void apply(Tensor x, Tensor y, Workspace scratch);

    /** Of a weight as it lies. */
    static Projection of(Tensor weight) {
        return (x, y, scratch) -> MATMUL.forward(x, weight, null, y, scratch);
    }

    /** Of a packed copy, which a single row goes through at the speed of memory; the bits are the same. */
    static Projection packed(Tensor weight) {
        PackedWeight packed = PackedWeight.of(weight, PackedWeight.Storage.F32);
        Linear linear = Linear.builder().build();
        return (x, y, scratch) -> linear.forward(x, packed, null, y, scratch);
    }
}
