package dev.heddle.weave;

import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The woven code while it grows. Instructions can be struck out after the fact, when it turns out that nobody needs their
 * value, and everything since a mark can be undone, when an attempt fails.
 */
final class Tape {
    /** What can stand on the tape. */
    sealed interface Item {
        /** Pushes a constant, or null. */
        record Push(@Nullable ConstantDesc constant) implements Item {}

        record Bind(Label label) implements Item {}

        record Field(Opcode opcode, ClassDesc owner, String name, ClassDesc type) implements Item {}

        record Call(Opcode opcode, ClassDesc owner, String name, MethodTypeDesc type, boolean isInterface)
                implements Item {}

        record New(ClassDesc type) implements Item {}

        /** Any other instruction, or a line number. */
        record Other(CodeElement element) implements Item {}
    }

    /** One item's place on the tape. */
    static final class Node {
        final Item item;
        private final List<Node> makers;
        private boolean dead;

        private Node(Item item, List<Node> makers) {
            this.item = item;
            this.makers = makers;
        }
    }

    /** A moment to come back to. */
    record Mark(int length, int kills, int line) {}

    /** Far beyond what could be compiled, and not so far that the weaver would notice. */
    private static final int MAX_LENGTH = 200_000;

    private final CodeBuilder out;
    private final List<Node> nodes = new ArrayList<>();
    private final List<Node> killed = new ArrayList<>();
    private int line = -1;

    Tape(CodeBuilder out) {
        this.out = out;
    }

    Label newLabel() {
        return out.newLabel();
    }

    Node add(Item item) {
        return add(item, List.of());
    }

    private Node add(Item item, List<Node> makers) {
        if (nodes.size() == MAX_LENGTH) {
            throw new Refusal("unrolling its loops makes a method of more than " + MAX_LENGTH + " instructions");
        }
        Node node = new Node(item, makers);
        nodes.add(node);
        return node;
    }

    Node add(CodeElement element) {
        return add(new Item.Other(element));
    }

    Node push(@Nullable ConstantDesc constant) {
        return add(new Item.Push(constant));
    }

    Node load(TypeKind kind, int slot) {
        return add(LoadInstruction.of(kind, slot));
    }

    Node store(TypeKind kind, int slot) {
        return store(kind, slot, null);
    }

    /** Stores a value that can be removed, if nobody reads it, together with those that made it. */
    Node store(TypeKind kind, int slot, @Nullable List<Node> makers) {
        return add(new Item.Other(StoreInstruction.of(kind, slot)), makers == null ? List.of() : makers);
    }

    Node jump(Opcode opcode, Label target) {
        return add(BranchInstruction.of(opcode, target));
    }

    void bind(Label label) {
        add(new Item.Bind(label));
    }

    /** What follows comes from this line of the kernel's file. */
    void line(int number) {
        if (number != line && number >= 0) {
            line = number;
            add(LineNumber.of(number));
        }
    }

    int line() {
        return line;
    }

    void kill(Node node) {
        node.dead = true;
        killed.add(node);
    }

    Mark mark() {
        return new Mark(nodes.size(), killed.size(), line);
    }

    void undo(Mark mark) {
        nodes.subList(mark.length, nodes.size()).clear();
        List<Node> revived = killed.subList(mark.kills, killed.size());
        revived.forEach(n -> n.dead = false);
        revived.clear();
        line = mark.line;
    }

    /** Writes the tape out, tidied but for the labels given, and returns what was written; with vectors of so many lanes. */
    Written flush(Set<Label> scopes, int lanes) {
        List<Item> items = new ArrayList<>();
        IdentityHashMap<Item, List<Item>> makers = new IdentityHashMap<>();
        for (Node n : nodes) {
            if (!n.dead) {
                items.add(n.item);
                if (!n.makers.isEmpty()) {
                    makers.put(n.item, n.makers.stream().map(m -> m.item).toList());
                }
            }
        }
        Tidy tidy = new Tidy(items, makers, scopes);
        items = tidy.run();
        Set<Integer> changed = new HashSet<>(tidy.droppedSlots());
        if (lanes > 1) {
            OwnSlots own = new OwnSlots(items);
            items = new KnownReceivers(own.run(), lanes).run();
            changed.addAll(own.shared());
        }
        if (items.size() > 2 * Weaver.HUGE) {
            throw new Refusal("it has some " + items.size() + " instructions: HotSpot compiles no method of "
                    + Weaver.HUGE + " bytes or more; do less in one kernel");
        }
        Set<Label> bound = new HashSet<>();
        for (Item item : items) {
            write(item, bound);
        }
        return new Written(bound, changed);
    }

    /** The labels that were written, and the locals of which some assignment was not. */
    record Written(Set<Label> labels, Set<Integer> droppedSlots) {}

    /** Writes the debug information of a local variable. */
    void describe(LocalVariable v, ClassDesc type, Label from, Label to) {
        out.localVariable(v.slot(), v.name().stringValue(), type, from, to);
    }

    private void write(Item item, Set<Label> bound) {
        switch (item) {
            case Item.Push(ConstantDesc constant) -> {
                if (constant == null) {
                    out.aconst_null();
                } else {
                    out.loadConstant(constant);
                }
            }
            case Item.Bind(Label label) -> {
                out.labelBinding(label);
                bound.add(label);
            }
            case Item.Field f -> out.fieldAccess(f.opcode, f.owner, f.name, f.type);
            case Item.Call c -> out.invoke(c.opcode, c.owner, c.name, c.type, c.isInterface);
            case Item.New(ClassDesc type) -> out.new_(type);
            case Item.Other(CodeElement element) -> out.with(element);
        }
    }
}
