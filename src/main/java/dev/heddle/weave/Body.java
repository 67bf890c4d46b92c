package dev.heddle.weave;

import java.lang.classfile.Attributes;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.TypeKind;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.IncrementInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.constant.ClassDesc;
import java.lang.reflect.AccessFlag;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The code of a method as a list, with the position of each label and the end of each loop. */
final class Body {
    final ClassModel owner;
    final MethodModel method;
    final List<CodeElement> code;
    final int maxLocals;
    final String file;

    /** Whether there may be vectors here of which one lane takes two slots. */
    final boolean wide;

    private final Map<Label, Integer> positions = new HashMap<>();
    private final Map<Integer, Integer> loopEnds = new HashMap<>();

    Body(ClassModel owner, MethodModel method) {
        this.owner = owner;
        this.method = method;
        CodeModel model = method.code().orElseThrow(() -> new Refusal(method.methodName() + " has no code"));
        if (!model.exceptionHandlers().isEmpty()) {
            throw new Refusal("try, catch and synchronized cannot be woven (" + method.methodName() + ")");
        }
        this.code = model.elementList();
        this.maxLocals = method.findAttribute(Attributes.code()).orElseThrow().maxLocals();
        this.file = Classes.file(owner);
        this.wide = mentions(owner, Lane.LONG) || mentions(owner, Lane.DOUBLE);
        for (int i = 0; i < code.size(); i++) {
            if (code.get(i) instanceof LabelTarget t) {
                positions.put(t.label(), i);
            }
        }
        for (int i = 0; i < code.size(); i++) {
            if (code.get(i) instanceof BranchInstruction b && position(b.target()) < i) {
                loopEnds.put(position(b.target()), i);
            }
        }
    }

    private static boolean mentions(ClassModel c, Lane lane) {
        String type = lane.vector().descriptorString();
        String name = type.substring(1, type.length() - 1);
        for (PoolEntry e : c.constantPool()) {
            if (e instanceof Utf8Entry u && u.stringValue().contains(name)) {
                return true;
            }
        }
        return false;
    }

    int position(Label label) {
        return positions.getOrDefault(label, -1);
    }

    /** The position of the last jump back to a label at a position, or -1 if there is none. */
    int loopEnd(int head) {
        return loopEnds.getOrDefault(head, -1);
    }

    /** The local variables that the code between two positions assigns. */
    Set<Integer> assigned(int from, int to) {
        Set<Integer> slots = new HashSet<>();
        for (CodeElement e : code.subList(from, to)) {
            switch (e) {
                case StoreInstruction s -> slots.add(s.slot());
                case IncrementInstruction s -> slots.add(s.slot());
                default -> {}
            }
        }
        return slots;
    }

    boolean isStatic() {
        return method.flags().has(AccessFlag.STATIC);
    }

    /** The kinds of the arguments, the receiver's included. */
    List<TypeKind> arguments() {
        List<TypeKind> kinds = new ArrayList<>();
        if (!isStatic()) {
            kinds.add(TypeKind.REFERENCE);
        }
        for (ClassDesc type : method.methodTypeSymbol().parameterList()) {
            kinds.add(TypeKind.from(type));
        }
        return kinds;
    }

    /** The class and method, as in a stack trace. */
    String id() {
        return owner.thisClass().asInternalName().replace('/', '.') + "." + method.methodName();
    }
}
