package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The arguments of a call, to see that no output shares memory with an input or another output. Absent ones count for nothing. */
final class Apart {
    private record Named(String name, Tensor tensor) {}

    private final List<Named> seen = new ArrayList<>(8);

    /** An input; inputs may overlap each other. */
    Apart in(String name, @Nullable Tensor t) {
        if (t != null) {
            seen.add(new Named(name, t));
        }
        return this;
    }

    /** An output; it must be apart from everything named so far. */
    Apart out(String name, @Nullable Tensor t) {
        for (Named n : seen) {
            Checks.apart(name, t, n.name, n.tensor);
        }
        return in(name, t);
    }

    /**
     * The outputs of a call that carries a state: y must be apart from everything, the new state from everything but the old one, which
     * it may be.
     *
     * @param inputs all others, made anew each time
     */
    static void carried(
            Supplier<Apart> inputs,
            Tensor y,
            String stateName,
            @Nullable Tensor state,
            String nextName,
            @Nullable Tensor next) {
        inputs.get().in(stateName, state).out("y", y);
        if (next != null) {
            inputs.get().in("y", y).out(nextName, next);
            Checks.sameOrApart(nextName, next, stateName, state);
        }
    }
}
