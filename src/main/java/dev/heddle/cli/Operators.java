package dev.heddle.cli;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The operators of the contract that are here: what they offer, and how each is called on a golden case. */
final class Operators {
    private Operators() {}

    /**
     * One operator.
     *
     * @param name as golden files call it
     * @param family one word
     * @param backward whether it has gradients
     * @param step whether it streams
     */
    record Operator(String name, String family, boolean backward, boolean step, GoldenOp golden) {}

    private static final Map<String, Operator> ALL = new TreeMap<>();

    static {
        List.of(
                        AttentionOps.OPERATORS,
                        DenseOps.OPERATORS,
                        GraphOps.OPERATORS,
                        SpikeOps.OPERATORS,
                        StateSpaceOps.OPERATORS)
                .forEach(family -> family.forEach(op -> ALL.put(op.name(), op)));
    }

    static Collection<Operator> all() {
        return ALL.values();
    }

    static @Nullable Operator find(String name) {
        return ALL.get(name);
    }
}
