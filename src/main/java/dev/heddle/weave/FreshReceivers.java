package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.ConvertInstruction;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.OperatorInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Turns sums and products round whose receiver is a vector that a loop carries: {@code sum.add(x)} becomes {@code x.add(sum)}.
 * Methods of vectors are virtual. The class of {@code sum} at the loop's head is only known once that of the result is, so C2 must
 * take it from the profile of {@code add}, which all kernels and widths share; with the profile missing or mixed, the call stays
 * a call, and every vector about it an object. That of a fresh {@code x} is known. The bits are the same.
 */
final class FreshReceivers {
    private final List<Item> items;
    private final Map<Integer, Integer> stores = new HashMap<>();
    private final Set<Label> targets = new HashSet<>();

    FreshReceivers(List<Item> items) {
        this.items = items;
        for (Item item : items) {
            if (item instanceof Item.Other(StoreInstruction s)) {
                stores.merge(s.slot(), 1, Integer::sum);
            } else {
                targets.addAll(Tidy.targets(item));
            }
        }
    }

    /** The items, in the better order. */
    List<Item> run() {
        List<Item> result = new ArrayList<>(items);
        for (int i = 0; i < result.size(); i++) {
            if (result.get(i) instanceof Item.Call c && commutes(c)) {
                int load = receiver(result, i);
                if (load >= 0) {
                    result.add(i - 1, result.remove(load));
                }
            }
        }
        return result;
    }

    private static boolean commutes(Item.Call c) {
        return c.opcode() == Opcode.INVOKEVIRTUAL
                && (c.name().equals("add") || c.name().equals("mul"))
                && c.type().parameterCount() == 1
                && Lane.of(c.owner()) != null
                && Lane.isVectorApi(c.type().parameterType(0));
    }

    /**
     * The position of the load of a call's receiver, if that is a local with several assignments, none of them while the argument is
     * made, else -1. (The argument may take assignments: those of what was a helper's parameters.)
     */
    private int receiver(List<Item> list, int call) {
        int wanted = 1; // slots on the stack whose making is still to be passed
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
                boolean carried = item instanceof Item.Other(LoadInstruction l)
                        && l.typeKind() == TypeKind.REFERENCE
                        && stores.getOrDefault(l.slot(), 0) > 1
                        && !assigned.contains(l.slot())
                        && !storedBefore(list, i, l.slot());
                return carried ? i : -1;
            }
            int pushed = pushed(item);
            if (pushed <= 0 || pushed > wanted) {
                return -1;
            }
            wanted += popped(item) - pushed;
        }
        return -1;
    }

    /** Whether a local is assigned between the last place that is jumped to and a position. */
    private boolean storedBefore(List<Item> list, int position, int slot) {
        for (int i = position - 1; i >= 0; i--) {
            if (list.get(i) instanceof Item.Bind(Label label) && targets.contains(label)) {
                return false;
            }
            if (list.get(i) instanceof Item.Other(StoreInstruction s) && s.slot() == slot) {
                return true;
            }
        }
        return true;
    }

    /** How many slots an instruction pushes; 0 if it is none of the straight kind. */
    private static int pushed(Item item) {
        return switch (item) {
            case Item.Push(var constant) -> constant instanceof Long || constant instanceof Double ? 2 : 1;
            case Item.Field f
            when f.opcode() == Opcode.GETSTATIC || f.opcode() == Opcode.GETFIELD ->
                TypeKind.from(f.type()).slotSize();
            case Item.Call c -> TypeKind.from(c.type().returnType()).slotSize();
            case Item.Other(LoadInstruction l) -> l.typeKind().slotSize();
            case Item.Other(ConvertInstruction c) -> c.toType().slotSize();
            case Item.Other(TypeCheckInstruction _) -> 1;
            case Item.Other(OperatorInstruction o) ->
                isComparison(o) ? 1 : o.typeKind().slotSize();
            default -> 0;
        };
    }

    private static int popped(Item item) {
        return switch (item) {
            case Item.Field f when f.opcode() == Opcode.GETFIELD -> 1;
            case Item.Call c -> slots(c.type()) + (c.opcode() == Opcode.INVOKESTATIC ? 0 : 1);
            case Item.Other(ConvertInstruction c) -> c.fromType().slotSize();
            case Item.Other(TypeCheckInstruction _) -> 1;
            case Item.Other(OperatorInstruction o) -> operands(o);
            default -> 0;
        };
    }

    private static int operands(OperatorInstruction o) {
        int size = o.typeKind().slotSize();
        return switch (o.opcode()) {
            case INEG, LNEG, FNEG, DNEG -> size;
            case ISHL, ISHR, IUSHR, LSHL, LSHR, LUSHR -> size + 1;
            case LCMP, DCMPL, DCMPG -> 4;
            case FCMPL, FCMPG -> 2;
            case ARRAYLENGTH -> 1;
            default -> 2 * size;
        };
    }

    private static boolean isComparison(OperatorInstruction o) {
        return switch (o.opcode()) {
            case LCMP, FCMPL, FCMPG, DCMPL, DCMPG, ARRAYLENGTH -> true;
            default -> false;
        };
    }

    private static int slots(MethodTypeDesc type) {
        return type.parameterList().stream()
                .mapToInt(p -> TypeKind.from(p).slotSize())
                .sum();
    }
}
