package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.ConvertInstruction;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.OperatorInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.MethodTypeDesc;

/** What instructions do to the stack, counted in slots. Straight ones take some, push something, and go on to the next. */
final class Slots {
    private Slots() {}

    /** How many slots an instruction pushes; 0 if it is none of the straight kind. */
    static int pushed(Item item) {
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

    /** How many it pops, if it is of the straight kind. */
    static int popped(Item item) {
        return switch (item) {
            case Item.Field f when f.opcode() == Opcode.GETFIELD -> 1;
            case Item.Call c -> of(c.type()) + (c.opcode() == Opcode.INVOKESTATIC ? 0 : 1);
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

    /** The slots of a method's arguments. */
    static int of(MethodTypeDesc type) {
        return type.parameterList().stream()
                .mapToInt(p -> TypeKind.from(p).slotSize())
                .sum();
    }
}
