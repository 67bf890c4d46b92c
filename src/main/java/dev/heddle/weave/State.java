package dev.heddle.weave;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What is known at one point of the woven code: about the operand stack, and about each local. */
final class State {
    /** What is known about a local; about most, nothing. */
    record Local(@Nullable Fact fact, @Nullable Lane lane) {
        static final Local PLAIN = new Local(null, null);

        boolean isVirtual() {
            return fact != null && fact.isVirtual();
        }
    }

    private static final String ONE_ON_EVERY_PATH =
            "a local array, a lambda or an enum of the templates' package must be the same one on every path";
    private static final String VECTOR_ON_EVERY_PATH =
            "a vector variable is null, or of another type, on some path to here; start it with a vector (all(0f))";

    final List<Value> stack;
    private final Map<Integer, Local> locals;

    State() {
        stack = new ArrayList<>();
        locals = new HashMap<>();
    }

    State(State other) {
        stack = new ArrayList<>(other.stack);
        locals = new HashMap<>(other.locals);
    }

    void push(Value v) {
        stack.add(v);
    }

    /** Takes the top of the stack, whatever it is. */
    Value pop() {
        Value v = stack.removeLast();
        if (v.fact() instanceof Fact.Lost lost) {
            throw new Refusal(lost.why());
        }
        return v;
    }

    /** Takes the top of the stack as an operand of an instruction that is copied. */
    Value operand() {
        Value v = pop();
        if (v.isVirtual()) {
            throw new Refusal("a local array may only be indexed and passed to helpers, a lambda called and passed");
        }
        if (v.fact() instanceof Fact.CaseOf) {
            throw new Refusal("a switch map used outside a switch");
        }
        return v;
    }

    Local local(int slot) {
        return locals.getOrDefault(slot, Local.PLAIN);
    }

    void setLocal(int slot, Local known) {
        if (known.equals(Local.PLAIN)) {
            locals.remove(slot);
        } else {
            locals.put(slot, known);
        }
    }

    /** Forgets the value of a local that a loop assigns. */
    void forget(int slot) {
        Local known = local(slot);
        setLocal(
                slot,
                known.isVirtual() ? new Local(new Fact.Lost(ONE_ON_EVERY_PATH), null) : new Local(null, known.lane()));
    }

    /** Forgets the locals of a helper that has ended. */
    void forgetFrom(int slot) {
        locals.keySet().removeIf(s -> s >= slot);
    }

    /** Keeps what is known on both of two paths that meet. */
    static State merge(State a, @Nullable State b) {
        if (b == null) {
            return a;
        }
        if (a.stack.size() != b.stack.size()) {
            throw new Refusal("paths meet with different operand stacks");
        }
        State both = new State();
        for (int i = 0; i < a.stack.size(); i++) {
            both.push(merge(a.stack.get(i), b.stack.get(i)));
        }
        Set<Integer> slots = new HashSet<>(a.locals.keySet());
        slots.addAll(b.locals.keySet());
        for (int slot : slots) {
            both.setLocal(slot, merge(a.local(slot), b.local(slot)));
        }
        return both;
    }

    private static Value merge(Value a, Value b) {
        Local known = merge(a.local(), b.local());
        if (known.fact() instanceof Fact.Lost lost) {
            throw new Refusal(lost.why());
        }
        List<Tape.Node> makers = Objects.equals(a.makers(), b.makers()) ? a.makers() : null;
        return new Value(a.size(), known.fact(), makers, known.lane());
    }

    private static Local merge(Local a, Local b) {
        if (a.equals(b)) {
            return a;
        }
        if (a.isVirtual() || b.isVirtual()) {
            return new Local(new Fact.Lost(ONE_ON_EVERY_PATH), null);
        }
        if (a.lane() != b.lane()) {
            return new Local(new Fact.Lost(VECTOR_ON_EVERY_PATH), null);
        }
        return new Local(Objects.equals(a.fact(), b.fact()) ? a.fact() : null, a.lane());
    }
}
