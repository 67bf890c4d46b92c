package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Gives each variable that refers to an object a local of its own. Compilers let variables share a local that are not alive at the
 * same time, whatever their types; nothing could be said of such a local.
 *
 * <p>A variable is what stores and loads make up that may meet: a load belongs to all stores that can reach it.
 */
final class OwnSlots {
    private final List<Item> items;
    private final List<StoreInstruction> stores = new ArrayList<>();
    private final Map<Integer, BitSet> ofSlot = new HashMap<>(); // the stores to it
    private final IdentityHashMap<Item, Integer> variables = new IdentityHashMap<>(); // a store of the same one
    private final List<Integer> joined = new ArrayList<>(); // by store, another one of the same variable or itself
    private final Set<Integer> taken = new HashSet<>(); // by numbers
    private final Set<Integer> shared = new HashSet<>();

    OwnSlots(List<Item> items) {
        this.items = items;
        for (Item item : items) {
            if (item instanceof Item.Other(StoreInstruction s)) {
                if (s.typeKind() == TypeKind.REFERENCE) {
                    int number = stores.size();
                    stores.add(s);
                    joined.add(number);
                    variables.put(item, number);
                    ofSlot.computeIfAbsent(s.slot(), _ -> new BitSet()).set(number);
                } else {
                    taken.add(s.slot());
                    taken.add(lastSlot(item));
                }
            }
        }
    }

    /** The locals that variables shared. */
    Set<Integer> shared() {
        return shared;
    }

    /** The items, with as many more locals as it takes. */
    List<Item> run() {
        walk();
        int free = 1 + items.stream().mapToInt(OwnSlots::lastSlot).max().orElse(0);
        Map<Integer, Integer> slots = new HashMap<>(); // by the first store of a variable
        for (int i = 0; i < stores.size(); i++) {
            int slot = stores.get(i).slot();
            if (root(i) != i) {
                continue;
            }
            if (taken.add(slot)) {
                slots.put(i, slot);
            } else {
                shared.add(slot);
                slots.put(i, free++);
            }
        }
        return items.stream().map(item -> renamed(item, slots)).toList();
    }

    private Item renamed(Item item, Map<Integer, Integer> slots) {
        Integer variable = variables.get(item);
        if (variable == null) {
            return item;
        }
        int slot = Objects.requireNonNull(slots.get(root(variable)));
        return new Item.Other(
                item instanceof Item.Other(StoreInstruction _)
                        ? StoreInstruction.of(TypeKind.REFERENCE, slot)
                        : LoadInstruction.of(TypeKind.REFERENCE, slot));
    }

    /** Which stores reach each load, until nothing changes. */
    private void walk() {
        Map<Label, BitSet> at = new HashMap<>();
        boolean stale = true;
        while (stale) {
            stale = false;
            BitSet reaching = new BitSet();
            for (Item item : items) {
                switch (item) {
                    case Item.Bind(Label label) -> reaching.or(at.getOrDefault(label, new BitSet()));
                    case Item.Other(StoreInstruction s)
                    when s.typeKind() == TypeKind.REFERENCE -> {
                        reaching.andNot(ofSlot.get(s.slot()));
                        reaching.set(Objects.requireNonNull(variables.get(item)));
                    }
                    case Item.Other(LoadInstruction l)
                    when l.typeKind() == TypeKind.REFERENCE && ofSlot.containsKey(l.slot()) -> {
                        BitSet mine = (BitSet) ofSlot.get(l.slot()).clone();
                        mine.and(reaching);
                        mine.stream().forEach(store -> join(item, store));
                    }
                    default -> {}
                }
                for (Label target : Tidy.targets(item)) {
                    BitSet known = at.computeIfAbsent(target, _ -> new BitSet());
                    int before = known.cardinality();
                    known.or(reaching);
                    stale |= known.cardinality() > before;
                }
                if (Tidy.endsFlow(item)) {
                    reaching.clear();
                }
            }
        }
    }

    private void join(Item load, int store) {
        Integer other = variables.putIfAbsent(load, store);
        if (other != null) {
            int a = root(other);
            int b = root(store);
            joined.set(Math.max(a, b), Math.min(a, b));
        }
    }

    private int root(int store) {
        int root = store;
        while (joined.get(root) != root) {
            root = joined.get(root);
        }
        return root;
    }

    private static int lastSlot(Item item) {
        return switch (item) {
            case Item.Other(LoadInstruction l) -> l.slot() + l.typeKind().slotSize() - 1;
            case Item.Other(StoreInstruction s) -> s.slot() + s.typeKind().slotSize() - 1;
            default -> -1;
        };
    }
}
