package dev.heddle.cli;

import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** How an operator of the contract is called on a golden case: what is in the file goes in, what it expects comes out. */
@FunctionalInterface
interface GoldenOp {
    void run(GoldenCase c, Outputs out);

    /** Results and gradients, under the names of the file without {@code out.}; what is absent (null) is left out. */
    final class Outputs {
        private final Map<String, Tensor> tensors = new TreeMap<>();

        Outputs put(String name, @Nullable Tensor t) {
            if (t != null) {
                tensors.put(name, t);
            }
            return this;
        }

        @Nullable
        Tensor get(String name) {
            return tensors.get(name);
        }
    }
}
