package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.function.Consumer;

/** Adds a result to what its tensor holds, for operators whose kernels only write. */
final class Accumulate {
    private Accumulate() {}

    /** Has {@code body} write to {@code out}; or, to accumulate, to a tensor of its own that is added to {@code out}. */
    static void into(Tensor out, boolean accumulate, Workspace scratch, Consumer<Tensor> body) {
        if (!accumulate) {
            body.accept(out);
            return;
        }
        Tensor own = scratch.empty(DType.F32, out.shape().toArray());
        body.accept(own);
        Arithmetic.ADD.forward(out, own, out);
    }
}
