package dev.heddle.weave;

import java.lang.classfile.Label;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where labels of the source code are resolved: a whole body, or one copy of a loop that is being unrolled. Remembers for
 * each label that was jumped to and not reached yet what is known there.
 */
final class Scope {
    private final @Nullable Scope outer;
    private final int from;
    private final int to;
    private final Map<Label, Label> labels = new HashMap<>();
    private Map<Label, State> pending = new HashMap<>();

    /** Resolves the labels at the positions [from, to), and leaves others to {@code outer}. */
    Scope(@Nullable Scope outer, int from, int to) {
        this.outer = outer;
        this.from = from;
        this.to = to;
    }

    /** The innermost scope around this one that holds a position. */
    Scope holding(int position) {
        Scope s = this;
        while (s.outer != null && (position < s.from || position >= s.to)) {
            s = s.outer;
        }
        return s;
    }

    /** The label of the woven code for one of the source code. */
    Label label(Label source, Tape tape) {
        return labels.computeIfAbsent(source, _ -> tape.newLabel());
    }

    /** The label of the woven code, if it was made. */
    @Nullable
    Label known(Label source) {
        return labels.get(source);
    }

    /** The labels of the woven code made so far. */
    Set<Label> labels() {
        return Set.copyOf(labels.values());
    }

    /** Notes that a jump goes to a label. */
    void arrive(Label source, State state) {
        pending.put(source, State.merge(new State(state), pending.get(source)));
    }

    /** What is known where a label is, given what is known if control falls into it. */
    @Nullable
    State reach(Label source, @Nullable State falling) {
        State jumped = pending.remove(source);
        return falling == null ? jumped : State.merge(falling, jumped);
    }

    /** The jumps noted so far in this scope and those around it, to come back to. */
    List<Map<Label, State>> save() {
        List<Map<Label, State>> saved = new ArrayList<>();
        for (Scope s = this; s != null; s = s.outer) {
            saved.add(new HashMap<>(s.pending));
        }
        return saved;
    }

    void restore(List<Map<Label, State>> saved) {
        Scope s = this;
        for (Map<Label, State> jumps : saved) {
            if (s != null) {
                s.pending = jumps;
                s = s.outer;
            }
        }
    }
}
