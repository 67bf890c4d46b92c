package dev.heddle.weave;

import java.lang.classfile.Opcode;
import java.lang.classfile.instruction.StackInstruction;
import java.util.ArrayList;
import java.util.List;

/** The pop, dup and swap family, on a stack some of whose entries exist only while weaving. */
final class StackShuffle {
    private final Instructions instructions;
    private final Tape tape;

    StackShuffle(Instructions instructions, Tape tape) {
        this.instructions = instructions;
        this.tape = tape;
    }

    void run(State state, StackInstruction x) {
        switch (x.opcode()) {
            case POP -> instructions.drop(state.pop());
            case POP2 -> take(state, 2).reversed().forEach(instructions::drop);
            case SWAP -> swap(state);
            case DUP -> duplicate(state, 1, 0);
            case DUP_X1 -> duplicate(state, 1, 1);
            case DUP_X2 -> duplicate(state, 1, 2);
            case DUP2 -> duplicate(state, 2, 0);
            case DUP2_X1 -> duplicate(state, 2, 1);
            default -> duplicate(state, 2, 2);
        }
    }

    /** Takes the values in so many slots (of the source code) off the stack; the top is last. */
    private static List<Value> take(State state, int slots) {
        List<Value> taken = new ArrayList<>();
        for (int left = slots; left > 0; left -= taken.getFirst().size()) {
            taken.addFirst(state.pop());
        }
        return taken;
    }

    /** Inserts a copy of the top slots below as many slots as given. */
    private void duplicate(State state, int slots, int below) {
        List<Value> top = take(state, slots);
        List<Value> under = take(state, below);
        if (under.isEmpty() && top.stream().allMatch(Value::isFree)) {
            state.stack.addAll(top);
            top.forEach(v -> instructions.pushAgain(state, v));
            return;
        }
        int physical = slots(top);
        if (physical > 0) {
            tape.add(StackInstruction.of(duplication(physical, slots(under))));
        }
        List<Value> pinned = top.stream().map(Value::pinned).toList();
        state.stack.addAll(pinned);
        under.forEach(v -> state.push(v.pinned()));
        state.stack.addAll(pinned);
    }

    private static int slots(List<Value> values) {
        return values.stream().mapToInt(Value::slots).sum();
    }

    private static Opcode duplication(int slots, int below) {
        return switch (10 * slots + below) {
            case 10 -> Opcode.DUP;
            case 11 -> Opcode.DUP_X1;
            case 12 -> Opcode.DUP_X2;
            case 20 -> Opcode.DUP2;
            case 21 -> Opcode.DUP2_X1;
            case 22 -> Opcode.DUP2_X2;
            default -> throw new Refusal("too deep an expression of wide lanes: assign its parts to variables");
        };
    }

    private void swap(State state) {
        Value a = state.pop().pinned();
        Value b = state.pop().pinned();
        if (a.slots() == 1 && b.slots() == 1) {
            tape.add(StackInstruction.of(Opcode.SWAP));
        } else if (a.slots() > 0 && b.slots() > 0) {
            throw new Refusal("a swap of wide lanes");
        }
        state.push(a);
        state.push(b);
    }
}
