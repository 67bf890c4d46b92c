package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.IncrementInstruction;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.LookupSwitchInstruction;
import java.lang.classfile.instruction.ReturnInstruction;
import java.lang.classfile.instruction.StackInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.SwitchCase;
import java.lang.classfile.instruction.TableSwitchInstruction;
import java.lang.classfile.instruction.ThrowInstruction;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Removes assignments whose value nobody reads, such as those of the counters of unrolled loops, values that are stored
 * only to be loaded at once, such as the arguments of small helpers, and jumps to where control goes anyway. The JIT would do the same; but small methods
 * start faster, and the largest would not be compiled at all.
 */
final class Tidy {
    private static final BitSet NONE = new BitSet();

    private final Set<Label> scopes;
    private final Map<Label, BitSet> liveAt = new HashMap<>();
    private final Set<Integer> droppedSlots = new HashSet<>();
    private List<Item> items;
    private boolean changed;

    /** @param scopes labels to keep, whether or not anybody jumps to them */
    Tidy(List<Item> items, Set<Label> scopes) {
        this.items = items;
        this.scopes = scopes;
    }

    List<Item> run() {
        do {
            changed = false;
            items = withoutIdleItems();
            solve();
            items = sweep();
        } while (changed);
        return items;
    }

    /** The locals of which an assignment was removed. */
    Set<Integer> droppedSlots() {
        return droppedSlots;
    }

    /** Removes jumps to what follows them and labels that nobody jumps to. */
    private List<Item> withoutIdleItems() {
        List<Item> jumping = new ArrayList<>();
        Set<Label> wanted = new HashSet<>(scopes);
        for (int i = 0; i < items.size(); i++) {
            if (!isJumpToNext(i)) {
                jumping.add(items.get(i));
                wanted.addAll(targets(items.get(i)));
            }
        }
        return jumping.stream()
                .filter(item -> !(item instanceof Item.Bind(Label label)) || wanted.contains(label))
                .toList();
    }

    private boolean isJumpToNext(int position) {
        if (!(items.get(position) instanceof Item.Other(BranchInstruction b)) || b.opcode() != Opcode.GOTO) {
            return false;
        }
        for (Item item : items.subList(position + 1, items.size())) {
            if (item instanceof Item.Bind(Label label) && label == b.target()) {
                return true;
            }
            if (!(item instanceof Item.Bind) && !(item instanceof Item.Other(LineNumber _))) {
                return false;
            }
        }
        return false;
    }

    private static List<Label> targets(Item item) {
        return switch (item) {
            case Item.Other(BranchInstruction b) -> List.of(b.target());
            case Item.Other(TableSwitchInstruction s) -> targets(s.defaultTarget(), s.cases());
            case Item.Other(LookupSwitchInstruction s) -> targets(s.defaultTarget(), s.cases());
            default -> List.of();
        };
    }

    private static List<Label> targets(Label otherwise, List<SwitchCase> cases) {
        List<Label> all = new ArrayList<>(List.of(otherwise));
        cases.forEach(c -> all.add(c.target()));
        return all;
    }

    /** Finds the locals that are live at each label that is jumped to: backwards, until no loop adds any. */
    private void solve() {
        liveAt.clear();
        items.forEach(item -> targets(item).forEach(label -> liveAt.put(label, new BitSet())));
        boolean stale = true;
        while (stale) {
            stale = false;
            Set<Label> seen = new HashSet<>();
            BitSet live = new BitSet();
            for (Item item : items.reversed()) {
                goBefore(item, live);
                seen.addAll(targets(item));
                if (item instanceof Item.Bind(Label label) && liveAt.containsKey(label)) {
                    BitSet known = at(label);
                    BitSet before = (BitSet) known.clone();
                    known.or(live);
                    stale |= seen.contains(label) && !known.equals(before);
                }
            }
        }
    }

    /** Turns the locals that are live after an item into those that are before it. */
    private void goBefore(Item item, BitSet live) {
        if (!(item instanceof Item.Other(var element))) {
            return;
        }
        switch (element) {
            case LoadInstruction l -> live.set(l.slot());
            case StoreInstruction s -> live.clear(s.slot());
            case BranchInstruction b -> {
                if (Fold.operands(b.opcode()) == 0) {
                    live.clear();
                }
            }
            case TableSwitchInstruction _, LookupSwitchInstruction _, ReturnInstruction _, ThrowInstruction _ ->
                live.clear();
            default -> {}
        }
        for (Label target : targets(item)) {
            live.or(at(target));
        }
    }

    private BitSet at(Label label) {
        return liveAt.getOrDefault(label, NONE);
    }

    private List<Item> sweep() {
        List<Item> kept = new ArrayList<>();
        BitSet removed = new BitSet();
        BitSet live = new BitSet();
        for (int i = items.size() - 1; i >= 0; i--) {
            if (removed.get(i)) {
                continue;
            }
            Item item = items.get(i);
            int previous = previous(i);
            if (isDeadIncrement(item, live)) {
                changed = true;
            } else if (item instanceof Item.Other(StoreInstruction s) && !live.get(s.slot())) {
                droppedSlots.add(s.slot());
                changed = true;
                if (isPure(previous, s.typeKind().slotSize())) {
                    removed.set(previous);
                } else {
                    kept.add(pop(s.typeKind()));
                }
            } else if (item instanceof Item.Other(LoadInstruction l)
                    && !live.get(l.slot())
                    && isStore(previous, l.slot())) {
                droppedSlots.add(l.slot());
                changed = true;
                removed.set(previous);
            } else if (item instanceof Item.Other(StackInstruction s) && isPop(s, previous)) {
                changed = true;
                removed.set(previous);
            } else {
                kept.add(item);
                goBefore(item, live);
            }
        }
        return kept.reversed();
    }

    private static boolean isDeadIncrement(Item item, BitSet live) {
        return item instanceof Item.Other(IncrementInstruction x) && !live.get(x.slot());
    }

    /** The position of the instruction that always runs directly before that at a position, or -1. */
    private int previous(int position) {
        int i = position - 1;
        while (i >= 0 && isNothing(items.get(i))) {
            i--;
        }
        return i;
    }

    private boolean isNothing(Item item) {
        return item instanceof Item.Other(LineNumber _)
                || (item instanceof Item.Bind(Label label) && !liveAt.containsKey(label));
    }

    private boolean isStore(int position, int slot) {
        return position >= 0 && items.get(position) instanceof Item.Other(StoreInstruction s) && s.slot() == slot;
    }

    /** Whether all that an instruction does is to push a value of this size. */
    private boolean isPure(int position, int size) {
        if (position < 0) {
            return false;
        }
        return switch (items.get(position)) {
            case Item.Push(var constant) -> (constant instanceof Long || constant instanceof Double ? 2 : 1) == size;
            case Item.Other(LoadInstruction l) -> l.typeKind().slotSize() == size;
            default -> false;
        };
    }

    private boolean isPop(StackInstruction s, int previous) {
        return switch (s.opcode()) {
            case POP -> isPure(previous, 1);
            case POP2 -> isPure(previous, 2);
            default -> false;
        };
    }

    private static Item pop(TypeKind kind) {
        return new Item.Other(StackInstruction.of(kind.slotSize() == 2 ? Opcode.POP2 : Opcode.POP));
    }
}
