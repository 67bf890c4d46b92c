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
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Removes assignments whose value nobody reads, such as those of the counters of unrolled loops, values that are stored
 * only to be loaded at once, such as the arguments of small helpers, and jumps to where control goes anyway. The JIT would
 * do the same; but small methods start faster, and the largest would not be compiled at all.
 */
final class Tidy {
    private static final BitSet NONE = new BitSet();

    private final IdentityHashMap<Item, List<Item>> makers;
    private final Set<Label> scopes;
    private final Set<Integer> droppedSlots = new HashSet<>();

    /** The labels that are jumped to, and the locals that are live there. */
    private final Map<Label, BitSet> liveAt = new HashMap<>();

    private List<Item> items;
    private boolean changed;

    /**
     * @param makers for a store, what made its value and can go together with it
     * @param scopes labels to keep, whether or not anybody jumps to them
     */
    Tidy(List<Item> items, IdentityHashMap<Item, List<Item>> makers, Set<Label> scopes) {
        this.items = items;
        this.makers = makers;
        this.scopes = scopes;
    }

    List<Item> run() {
        do {
            changed = false;
            items = withoutIdleItems();
            solve();
            items = withoutDetours(withoutDeadStores());
        } while (changed);
        return items;
    }

    /** The locals of which an assignment was removed. */
    Set<Integer> droppedSlots() {
        return droppedSlots;
    }

    // ---- jumps

    /** Removes jumps to what follows them and labels that nobody jumps to. */
    private List<Item> withoutIdleItems() {
        List<Item> jumping = new ArrayList<>(items.size());
        liveAt.clear();
        for (int i = 0; i < items.size(); i++) {
            if (!isJumpToNext(i)) {
                jumping.add(items.get(i));
                targets(items.get(i)).forEach(label -> liveAt.put(label, new BitSet()));
            }
        }
        jumping.removeIf(item ->
                item instanceof Item.Bind(Label label) && !liveAt.containsKey(label) && !scopes.contains(label));
        return jumping;
    }

    private boolean isJumpToNext(int position) {
        if (!(items.get(position) instanceof Item.Other(BranchInstruction b)) || b.opcode() != Opcode.GOTO) {
            return false;
        }
        for (int i = position + 1; i < items.size(); i++) {
            Item item = items.get(i);
            if (item instanceof Item.Bind(Label label) && label == b.target()) {
                return true;
            }
            if (!(item instanceof Item.Bind) && !(item instanceof Item.Other(LineNumber _))) {
                return false;
            }
        }
        return false;
    }

    /** The labels that an item may jump to. */
    static List<Label> targets(Item item) {
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

    /** Whether what follows an item is reached by jumps only. */
    static boolean endsFlow(Item item) {
        return item instanceof Item.Other(var element)
                && switch (element) {
                    case BranchInstruction b -> Fold.operands(b.opcode()) == 0;
                    case TableSwitchInstruction _, LookupSwitchInstruction _, ReturnInstruction _, ThrowInstruction _ ->
                        true;
                    default -> false;
                };
    }

    // ---- liveness

    /** Finds the locals that are live at each label that is jumped to: backwards, until no loop adds any. */
    private void solve() {
        boolean stale = true;
        while (stale) {
            stale = false;
            Set<Label> passed = new HashSet<>();
            BitSet live = new BitSet();
            for (int i = items.size() - 1; i >= 0; i--) {
                Item item = items.get(i);
                goBefore(item, live, passed);
                if (item instanceof Item.Bind(Label label) && liveAt.containsKey(label)) {
                    BitSet known = at(label);
                    boolean looped = passed.contains(label);
                    int before = looped ? known.cardinality() : 0;
                    known.or(live);
                    stale |= looped && known.cardinality() > before;
                }
            }
        }
    }

    /** Turns the locals that are live after an item into those that are before it; notes what it jumps to. */
    private void goBefore(Item item, BitSet live, Set<Label> jumps) {
        if (!(item instanceof Item.Other(var element))) {
            return;
        }
        switch (element) {
            case LoadInstruction l -> live.set(l.slot());
            case StoreInstruction s -> live.clear(s.slot());
            default -> {
                if (endsFlow(item)) {
                    live.clear();
                }
                for (Label target : targets(item)) {
                    live.or(at(target));
                    jumps.add(target);
                }
            }
        }
    }

    private BitSet at(Label label) {
        return liveAt.getOrDefault(label, NONE);
    }

    // ---- stores

    /** What is left, last one first, and which of it are loads after which nobody reads their local. */
    private record Swept(List<Item> items, BitSet lastLoads) {}

    /** Removes assignments of locals that are not read afterwards, backwards, so that what feeds them goes, too. */
    private Swept withoutDeadStores() {
        List<Item> kept = new ArrayList<>(items.size());
        BitSet last = new BitSet();
        BitSet live = new BitSet();
        Set<Label> jumps = new HashSet<>();
        int removed = -1; // the position of an item that was removed together with one after it
        Set<Item> present = identitySet();
        present.addAll(items);
        Set<Item> doomed = identitySet();
        for (int i = items.size() - 1; i >= 0; i--) {
            Item item = items.get(i);
            if (i == removed || doomed.contains(item) || isDeadIncrement(item, live)) {
                changed = true;
            } else if (item instanceof Item.Other(StoreInstruction s) && !live.get(s.slot())) {
                changed = true;
                droppedSlots.add(s.slot());
                List<Item> made = makers.getOrDefault(item, List.of());
                if (!made.isEmpty() && present.containsAll(made)) {
                    doomed.addAll(made);
                } else {
                    removed = maker(i, s.typeKind().slotSize());
                    if (removed < 0) {
                        kept.add(pop(s.typeKind()));
                    }
                }
            } else if (item instanceof Item.Other(StackInstruction s) && maker(i, popped(s)) >= 0) {
                removed = maker(i, popped(s));
            } else {
                if (item instanceof Item.Other(LoadInstruction l) && !live.get(l.slot())) {
                    last.set(kept.size());
                }
                kept.add(item);
                goBefore(item, live, jumps);
            }
        }
        return new Swept(kept, last);
    }

    static Set<Item> identitySet() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }

    private static boolean isDeadIncrement(Item item, BitSet live) {
        return item instanceof Item.Other(IncrementInstruction x) && !live.get(x.slot());
    }

    /** The position of an instruction whose only effect is to push the value that the one at a position takes, or -1. */
    private int maker(int position, int size) {
        int i = before(items, position, liveAt.keySet());
        return i >= 0 && size > 0 && pushed(items.get(i)) == size ? i : -1;
    }

    /** The position of the item before, passing over debug information: line numbers, and labels that are no targets. */
    static int before(List<Item> items, int position, Set<Label> targets) {
        int i = position - 1;
        while (i >= 0
                && (items.get(i) instanceof Item.Other(LineNumber _)
                        || (items.get(i) instanceof Item.Bind(Label label) && !targets.contains(label)))) {
            i--;
        }
        return i;
    }

    /** The slots that an instruction pushes, if that is all that it does, else 0. */
    private static int pushed(Item item) {
        return switch (item) {
            case Item.Push(var constant) -> constant instanceof Long || constant instanceof Double ? 2 : 1;
            case Item.Other(LoadInstruction l) -> l.typeKind().slotSize();
            default -> 0;
        };
    }

    /** The slots that an instruction pops, if that is all that it does, else 0. */
    private static int popped(StackInstruction s) {
        return switch (s.opcode()) {
            case POP -> 1;
            case POP2 -> 2;
            default -> 0;
        };
    }

    private static Item pop(TypeKind kind) {
        return new Item.Other(StackInstruction.of(kind.slotSize() == 2 ? Opcode.POP2 : Opcode.POP));
    }

    /** Removes each pair of a store and the last load of it directly behind; the items are given last one first. */
    private List<Item> withoutDetours(Swept swept) {
        List<Item> kept = new ArrayList<>(swept.items.size());
        for (int i = swept.items.size() - 1; i >= 0; i--) {
            Item item = swept.items.get(i);
            int store = swept.lastLoads.get(i) ? before(kept, kept.size(), liveAt.keySet()) : -1;
            if (store >= 0
                    && item instanceof Item.Other(LoadInstruction l)
                    && kept.get(store) instanceof Item.Other(StoreInstruction s)
                    && s.slot() == l.slot()) {
                changed = true;
                droppedSlots.add(l.slot());
                kept.remove(store);
            } else {
                kept.add(item);
            }
        }
        return kept;
    }
}
