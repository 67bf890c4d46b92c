package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Sees to it that the receiver of a vector's method is fresh: of a class that C2 knows without a profile.
 * Methods of vectors are virtual. The class of a vector that a loop carries is only known once that of the loop's result is, so C2
 * must take it from the profile of the method, which all kernels and widths share; with the profile missing or mixed, the call stays
 * a call, and every vector about it an object.
 *
 * <p>Sums and products of a carried {@code sum} and a fresh {@code x} are turned round: {@code sum.add(x)} becomes
 * {@code x.add(sum)}. Where that leaves a carried receiver, its local holds ints, and reading it is {@code zero.or(local)} with a
 * fresh {@code zero}, which C2 knows to be {@code local}: no instruction remains of it, nor of the change between floats and ints.
 * The bits are the same.
 */
final class FreshReceivers {
    private static final MethodTypeDesc BROADCAST =
            MethodTypeDesc.of(Lane.INT.vector(), LanesField.SPECIES, ConstantDescs.CD_int);
    private static final MethodTypeDesc OR =
            MethodTypeDesc.of(Lane.INT.vector(), ClassDesc.of("jdk.incubator.vector.Vector"));

    /** Methods whose two operands may change places. (Of two NaNs either may come out.) */
    private static final Set<String> OF_FLOATS = Set.of("add", "mul");

    private static final Set<String> OF_INTS = Set.of("add", "mul", "and", "or", "max", "min");

    private final List<Item> items;
    private final int width;
    private final IdentityHashMap<Item, BitSet> carried;
    private final Set<Label> targets = new HashSet<>();
    private final Set<Integer> retyped = new HashSet<>();

    FreshReceivers(List<Item> items, int width) {
        this.items = items;
        this.width = width;
        this.carried = Carried.loads(items);
        for (Item item : items) {
            targets.addAll(Tidy.targets(item));
        }
    }

    /** The locals that hold ints now. */
    Set<Integer> retyped() {
        return retyped;
    }

    /** The items, with fresh receivers. */
    List<Item> run() {
        List<Item> turned = new ArrayList<>(items);
        Map<Integer, Lane> lanes = laneOfLocals(turned);
        for (int i = 0; i < turned.size(); i++) {
            if (turned.get(i) instanceof Item.Call c && isVectorMethod(c)) {
                int load = receiver(turned, i);
                if (load < 0) {
                    continue;
                }
                if (commutes(c)) {
                    turned.add(i - 1, turned.remove(load));
                    load = receiver(turned, i);
                }
                if (load >= 0) {
                    origins(turned.get(load)).stream()
                            .filter(slot -> lanes.get(slot) == Lane.FLOAT || lanes.get(slot) == Lane.INT)
                            .forEach(retyped::add);
                }
            }
        }
        return retype(turned, lanes);
    }

    private List<Item> retype(List<Item> list, Map<Integer, Lane> lanes) {
        List<Item> result = new ArrayList<>(list.size());
        Item species = ((LanesField.Replacement.Field) LanesField.of("SI", width)).get();
        for (Item item : list) {
            int slot = Carried.slot(item);
            if (!retyped.contains(slot)) {
                result.add(item);
                continue;
            }
            boolean floats = lanes.get(slot) == Lane.FLOAT;
            if (item instanceof Item.Other(StoreInstruction _)) {
                if (floats) {
                    result.add(virtual(Lane.FLOAT, "reinterpretAsInts", MethodTypeDesc.of(Lane.INT.vector())));
                }
                result.add(item);
            } else {
                result.add(species);
                result.add(new Item.Push(0));
                result.add(new Item.Call(Opcode.INVOKESTATIC, Lane.INT.vector(), "broadcast", BROADCAST, false));
                result.add(item);
                result.add(virtual(Lane.INT, "or", OR));
                if (floats) {
                    result.add(virtual(Lane.INT, "reinterpretAsFloats", MethodTypeDesc.of(Lane.FLOAT.vector())));
                }
            }
        }
        return result;
    }

    private static Item virtual(Lane owner, String name, MethodTypeDesc type) {
        return new Item.Call(Opcode.INVOKEVIRTUAL, owner.vector(), name, type, false);
    }

    /** The kind of vector that each local holds; {@code MASK} where that is not known, or not one kind. */
    private static Map<Integer, Lane> laneOfLocals(List<Item> list) {
        Map<Integer, Lane> result = new HashMap<>();
        Map<Integer, Set<Integer>> copies = new HashMap<>();
        Item last = null;
        for (Item item : list) {
            if (item instanceof Item.Other(StoreInstruction s)) {
                if (last instanceof Item.Other(LoadInstruction l)) {
                    copies.computeIfAbsent(s.slot(), _ -> new HashSet<>()).add(l.slot());
                } else {
                    Lane lane = last instanceof Item.Call c ? Lane.of(c.type().returnType()) : null;
                    merge(result, s.slot(), lane == null ? Lane.MASK : lane);
                }
            }
            if (!(item instanceof Item.Other(LineNumber _))) {
                last = item;
            }
        }
        boolean changed;
        do {
            changed = false;
            for (var copy : copies.entrySet()) {
                for (int from : copy.getValue()) {
                    Lane lane = result.get(from);
                    changed |= lane != null && merge(result, copy.getKey(), lane);
                }
            }
        } while (changed);
        return result;
    }

    private static boolean merge(Map<Integer, Lane> lanes, int slot, Lane lane) {
        Lane before = lanes.get(slot);
        return lanes.merge(slot, lane, (x, y) -> x == y ? x : Lane.MASK) != before;
    }

    private BitSet origins(Item load) {
        return carried.getOrDefault(load, new BitSet());
    }

    private static boolean isVectorMethod(Item.Call c) {
        return c.opcode() == Opcode.INVOKEVIRTUAL && Lane.of(c.owner()) != null;
    }

    private static boolean commutes(Item.Call c) {
        return (c.owner().equals(Lane.INT.vector()) ? OF_INTS : OF_FLOATS).contains(c.name())
                && c.type().parameterCount() == 1
                && Lane.isVectorApi(c.type().parameterType(0));
    }

    /**
     * The position of the load of a call's receiver, if a loop carries it, and it is not assigned while the arguments are made;
     * else -1. (An argument may take assignments: those of what was a helper's parameters.)
     */
    private int receiver(List<Item> list, int call) {
        int wanted = Slots.of(((Item.Call) list.get(call)).type()); // on the stack, whose making is still to be passed
        Set<Integer> assigned = new HashSet<>();
        for (int i = call - 1; i >= 0; i--) {
            Item item = list.get(i);
            if (item instanceof Item.Other(LineNumber _)
                    || (item instanceof Item.Bind(Label label) && !targets.contains(label))) {
                continue;
            }
            if (item instanceof Item.Other(StoreInstruction s)) {
                assigned.add(s.slot());
                wanted += s.typeKind().slotSize();
                continue;
            }
            if (wanted == 0) {
                return carried.containsKey(item) && !assigned.contains(Carried.slot(item)) ? i : -1;
            }
            int pushed = Slots.pushed(item);
            if (pushed <= 0 || pushed > wanted) {
                return -1;
            }
            wanted += Slots.popped(item) - pushed;
        }
        return -1;
    }
}
