package dev.heddle.weave;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An entry of the abstract operand stack.
 *
 * @param size the slots that the source code's value takes
 * @param fact what is known about it
 * @param makers the instructions that made it, if nothing is lost by removing them together with it
 * @param lane what a vector has become, if weaving for one lane
 */
record Value(
        int size,
        @Nullable Fact fact,
        @Nullable List<Tape.Node> makers,
        @Nullable Lane lane) {
    static Value plain(int size) {
        return new Value(size, null, null, null);
    }

    static Value virtual(Fact fact) {
        return new Value(1, fact, null, null);
    }

    boolean isVirtual() {
        return fact != null && fact.isVirtual();
    }

    boolean isFree() {
        return fact != null && fact.isFree();
    }

    /** The slots that it takes on the operand stack of the woven code. */
    int slots() {
        return isVirtual() ? 0 : lane != null ? lane.kind.slotSize() : size;
    }

    /** The same after its makers have become indispensable. */
    Value pinned() {
        return new Value(size, fact, null, lane);
    }

    /** What a local knows that holds this value. */
    State.Local local() {
        return new State.Local(fact, lane);
    }
}
