package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.LookupSwitchInstruction;
import java.lang.classfile.instruction.ReturnInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.TableSwitchInstruction;
import java.lang.classfile.instruction.ThrowInstruction;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Finds the loads of values that loops carry: of locals that the loop assigns, but has not yet assigned in this turn, and of
 * copies of them.
 */
final class Carried {
    private final List<Item> items;
    private final int slots;
    private final IdentityHashMap<Item, BitSet> origins = new IdentityHashMap<>();

    private Carried(List<Item> items) {
        this.items = items;
        this.slots = 1 + items.stream().mapToInt(Carried::slot).max().orElse(0);
    }

    /** For each load of a carried value, by identity, the locals in which loops carry it. */
    static IdentityHashMap<Item, BitSet> loads(List<Item> items) {
        Carried carried = new Carried(items);
        Map<Label, Integer> heads = new HashMap<>();
        Map<Integer, Integer> ends = new TreeMap<>(); // of loops, by their heads
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i) instanceof Item.Bind(Label label)) {
                heads.put(label, i);
            }
            for (Label target : Tidy.targets(items.get(i))) {
                Integer head = heads.get(target);
                if (head != null) {
                    ends.put(head, i);
                }
            }
        }
        ends.forEach(carried::walk);
        return carried.origins;
    }

    /** The local that an item reads or assigns; -1 if none. */
    static int slot(Item item) {
        return switch (item) {
            case Item.Other(LoadInstruction l) -> l.slot();
            case Item.Other(StoreInstruction s) -> s.slot();
            default -> -1;
        };
    }

    /** Walks a loop from its head to its last jump back. Bit {@code slot * slots + origin}: may hold what {@code origin} carried. */
    private void walk(int head, int end) {
        BitSet start = new BitSet();
        for (Item item : items.subList(head, end + 1)) {
            if (item instanceof Item.Other(StoreInstruction s) && s.typeKind() == TypeKind.REFERENCE) {
                start.set(s.slot() * slots + s.slot());
            }
        }
        Map<Label, BitSet> at = new HashMap<>();
        boolean stale = true;
        while (stale) {
            stale = false;
            BitSet held = (BitSet) start.clone();
            Deque<BitSet> stack = new ArrayDeque<>(); // what its upper slots hold
            for (int i = head; i <= end; i++) {
                Item item = items.get(i);
                switch (item) {
                    case Item.Bind(Label label) -> {
                        held.or(at.getOrDefault(label, new BitSet()));
                        stack.clear();
                    }
                    case Item.Other(LoadInstruction l)
                    when l.typeKind() == TypeKind.REFERENCE -> {
                        BitSet read = held.get(l.slot() * slots, (l.slot() + 1) * slots);
                        stack.push(read);
                        if (!read.isEmpty()) {
                            origins.computeIfAbsent(item, _ -> new BitSet()).or(read);
                        }
                    }
                    case Item.Other(StoreInstruction s)
                    when s.typeKind() == TypeKind.REFERENCE -> {
                        held.clear(s.slot() * slots, (s.slot() + 1) * slots);
                        if (!stack.isEmpty()) {
                            stack.pop().stream().forEach(origin -> held.set(s.slot() * slots + origin));
                        }
                    }
                    default -> Slots.apply(item, stack, new BitSet());
                }
                for (Label target : Tidy.targets(item)) {
                    BitSet known = at.computeIfAbsent(target, _ -> new BitSet());
                    int before = known.cardinality();
                    known.or(held);
                    stale |= known.cardinality() > before;
                }
                if (endsFlow(item)) {
                    held.clear();
                }
            }
        }
    }

    private static boolean endsFlow(Item item) {
        return item instanceof Item.Other(var element)
                && switch (element) {
                    case BranchInstruction b -> b.opcode() == Opcode.GOTO || b.opcode() == Opcode.GOTO_W;
                    case TableSwitchInstruction _, LookupSwitchInstruction _, ReturnInstruction _, ThrowInstruction _ ->
                        true;
                    default -> false;
                };
    }
}
