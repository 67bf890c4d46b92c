package dev.heddle.weave;

import java.lang.classfile.ClassModel;
import java.lang.classfile.FieldModel;
import java.lang.classfile.Instruction;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.ArrayLoadInstruction;
import java.lang.classfile.instruction.ArrayStoreInstruction;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.ConvertInstruction;
import java.lang.classfile.instruction.FieldInstruction;
import java.lang.classfile.instruction.IncrementInstruction;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.NewObjectInstruction;
import java.lang.classfile.instruction.NewPrimitiveArrayInstruction;
import java.lang.classfile.instruction.NewReferenceArrayInstruction;
import java.lang.classfile.instruction.NopInstruction;
import java.lang.classfile.instruction.OperatorInstruction;
import java.lang.classfile.instruction.StackInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.reflect.AccessFlag;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The instructions that neither branch nor call: what each does to the state, and what of it is left to do at run time. */
final class Instructions {
    private final Flattener flattener;
    private final Tape tape;
    private final Classes classes;

    Instructions(Flattener flattener) {
        this.flattener = flattener;
        this.tape = flattener.tape;
        this.classes = flattener.classes;
    }

    void run(Frame f, State state, Instruction ins) {
        switch (ins) {
            case ConstantInstruction c -> constant(state, c);
            case LoadInstruction l -> load(f, state, l.typeKind(), l.slot());
            case StoreInstruction s -> store(f, state, s.typeKind(), s.slot());
            case IncrementInstruction x -> increment(f, state, x);
            case OperatorInstruction o -> operator(state, o);
            case ConvertInstruction c -> convert(state, c);
            case ArrayLoadInstruction x -> element(state, x);
            case ArrayStoreInstruction x -> setElement(state, x);
            case NewReferenceArrayInstruction x -> {
                Lane lane = flattener.substitutes.lane(x.componentType().asSymbol());
                array(state, lane == null ? TypeKind.REFERENCE : lane.kind.asLoadable(), lane);
            }
            case NewPrimitiveArrayInstruction x -> array(state, x.typeKind().asLoadable(), null);
            case FieldInstruction x -> field(state, x);
            case TypeCheckInstruction x -> check(state, x);
            case NewObjectInstruction x -> {
                ClassDesc type = flattener.naming.name(x.className().asSymbol());
                tape.add(new Tape.Item.New(type));
                state.push(Value.plain(1));
            }
            case StackInstruction x -> new StackShuffle(this, tape).run(state, x);
            case NopInstruction _ -> {}
            default -> throw new Refusal("cannot weave " + ins.opcode().name().toLowerCase(java.util.Locale.ROOT));
        }
    }

    // ---- constants and locals

    private void constant(State state, ConstantInstruction c) {
        ConstantDesc value = c.constantValue();
        if (value instanceof Number n) {
            push(state, n);
        } else if (c.opcode() == Opcode.ACONST_NULL) {
            state.push(new Value(1, new Fact.Null(), List.of(tape.push(null)), null));
        } else {
            Tape.Node made = tape.push(flattener.naming.name(value));
            state.push(new Value(c.typeKind().slotSize(), null, List.of(made), null));
        }
    }

    /** Pushes a number. */
    void push(State state, Number n) {
        int size = n instanceof Long || n instanceof Double ? 2 : 1;
        state.push(new Value(size, new Fact.Constant(n), List.of(tape.push((ConstantDesc) n)), null));
    }

    /** Pushes a value that {@link Value#isFree} once more. */
    void pushAgain(State state, Value v) {
        if (v.fact() instanceof Fact.Constant(Number n)) {
            state.push(new Value(v.size(), v.fact(), List.of(tape.push((ConstantDesc) n)), v.lane()));
        } else {
            state.push(v);
        }
    }

    /** Removes a value from the woven code; it was taken off the abstract stack before. */
    void drop(Value v) {
        if (v.isVirtual()) {
            return;
        }
        if (v.makers() != null) {
            v.makers().forEach(tape::kill);
        } else {
            tape.add(StackInstruction.of(v.slots() == 2 ? Opcode.POP2 : Opcode.POP));
        }
    }

    private void load(Frame f, State state, TypeKind kind, int local) {
        State.Local known = state.local(f.base + local);
        read(state, known, kind, f.slot(local, known.lane()));
    }

    /** Pushes what is known of a local, whose value is in {@code slot} of the woven code. */
    void read(State state, State.Local known, TypeKind kind, int slot) {
        Value v = new Value(kind.slotSize(), known.fact(), null, known.lane());
        if (known.fact() instanceof Fact.Lost(String why)) {
            throw new Refusal(why);
        }
        if (v.isFree()) {
            pushAgain(state, v);
        } else {
            TypeKind physical = v.lane() == null ? kind : v.lane().kind.asLoadable();
            state.push(new Value(v.size(), v.fact(), List.of(tape.load(physical, slot)), v.lane()));
        }
    }

    void store(Frame f, State state, TypeKind kind, int local) {
        Lane lane = kind == TypeKind.REFERENCE ? state.stack.getLast().lane() : null;
        write(state, kind, f.base + local, f.slot(local, lane));
    }

    /** Takes the top of the stack into {@code slot} of the woven code, and notes what is known of it under {@code key}. */
    void write(State state, TypeKind kind, int key, int slot) {
        Value v = state.pop();
        if (v.fact() instanceof Fact.CaseOf) {
            throw new Refusal("a switch map used outside a switch");
        }
        Lane lane = kind == TypeKind.REFERENCE ? v.lane() : null;
        if (v.isVirtual()) {
            flattener.noteVirtual(slot);
        } else {
            tape.store(lane == null ? kind : lane.kind.asLoadable(), slot, v.makers());
        }
        state.setLocal(key, new State.Local(v.fact(), lane));
    }

    private void increment(Frame f, State state, IncrementInstruction x) {
        int slot = f.base + x.slot();
        tape.add(IncrementInstruction.of(slot, x.constant()));
        Fact known = state.local(slot).fact() instanceof Fact.Constant(Number n)
                ? new Fact.Constant(n.intValue() + x.constant())
                : null;
        state.setLocal(slot, new State.Local(known, null));
    }

    // ---- arithmetic

    private void operator(State state, OperatorInstruction o) {
        switch (o.opcode()) {
            case ARRAYLENGTH -> {
                Value v = state.pop();
                if (v.fact() instanceof Fact.Array a) {
                    push(state, a.length());
                } else {
                    state.push(v);
                    state.operand();
                    copy(state, o, 1);
                }
            }
            case INEG, LNEG, FNEG, DNEG -> {
                Value a = state.operand();
                Number known = Fold.unary(o.opcode(), a.fact());
                if (known == null) {
                    copy(state, o, a.size());
                } else {
                    drop(a);
                    push(state, known);
                }
            }
            default -> {
                Value b = state.operand();
                Value a = state.operand();
                Number known = Fold.binary(o.opcode(), a.fact(), b.fact());
                if (known == null) {
                    boolean comparison = switch (o.opcode()) {
                        case LCMP, FCMPL, FCMPG, DCMPL, DCMPG -> true;
                        default -> false;
                    };
                    copy(state, o, comparison ? 1 : a.size());
                } else {
                    drop(b);
                    drop(a);
                    push(state, known);
                }
            }
        }
    }

    private void convert(State state, ConvertInstruction c) {
        Value a = state.operand();
        Number known = Fold.convert(c.fromType(), c.toType(), a.fact());
        if (known == null) {
            copy(state, c, c.toType().slotSize());
        } else {
            drop(a);
            push(state, known);
        }
    }

    private void copy(State state, Instruction ins, int resultSize) {
        tape.add(ins);
        state.push(Value.plain(resultSize));
    }

    private void check(State state, TypeCheckInstruction x) {
        Value v = state.operand();
        if (v.lane() != null && x.opcode() == Opcode.CHECKCAST) {
            state.push(v); // a scalar has no class to check
            return;
        }
        tape.add(TypeCheckInstruction.of(
                x.opcode(), flattener.naming.name(x.type().asSymbol())));
        state.push(x.opcode() == Opcode.CHECKCAST ? v.pinned() : Value.plain(1));
    }

    // ---- arrays

    /** A new array becomes so many locals, zeroed. */
    private void array(State state, TypeKind kind, @Nullable Lane lane) {
        Value length = state.operand();
        if (!(length.fact() instanceof Fact.Constant(Integer n))) {
            throw new Refusal("the length of a local array must be known when weaving");
        }
        if (n < 0) {
            throw new Refusal("an array of length " + n);
        }
        drop(length);
        Fact.Array a = new Fact.Array(flattener.reserve(n * kind.slotSize()), n, kind, lane);
        for (int i = 0; i < n; i++) {
            tape.push(zero(kind));
            tape.store(kind, a.slot(i));
        }
        state.push(Value.virtual(a));
    }

    private static @Nullable ConstantDesc zero(TypeKind kind) {
        return switch (kind) {
            case REFERENCE -> null;
            case LONG -> 0L;
            case FLOAT -> 0f;
            case DOUBLE -> 0d;
            default -> 0;
        };
    }

    private void element(State state, ArrayLoadInstruction x) {
        Value index = state.operand();
        Value array = state.pop();
        switch (array.fact()) {
            case Fact.Array a -> {
                int slot = a.slot(index(a, index));
                drop(index);
                Tape.Node made = tape.load(a.kind(), slot);
                int size = a.lane() == null ? a.kind().slotSize() : 1;
                state.push(new Value(size, null, List.of(made), a.lane()));
            }
            case Fact.SwitchMap map
            when index.fact() instanceof Fact.Constant(Integer ordinal) -> {
                drop(index);
                push(state, new SwitchMaps(classes).caseNumbers(map).getOrDefault(ordinal, 0));
            }
            case Fact.SwitchMap map -> state.push(new Value(1, new Fact.CaseOf(map), null, null));
            case null, default -> {
                state.push(array);
                state.operand();
                copy(state, x, x.typeKind().slotSize());
            }
        }
    }

    private void setElement(State state, ArrayStoreInstruction x) {
        Value v = state.operand();
        Value index = state.operand();
        Value array = state.pop();
        if (!(array.fact() instanceof Fact.Array a)) {
            state.push(array);
            state.operand();
            tape.add(x);
            return;
        }
        if (v.lane() != a.lane()) {
            throw new Refusal("an array of vectors can only hold vectors of its own type, and no null");
        }
        tape.store(a.kind(), a.slot(index(a, index)));
        drop(index);
    }

    private static int index(Fact.Array a, Value index) {
        if (!(index.fact() instanceof Fact.Constant(Integer i))) {
            throw new Refusal("the index of a local array must be known when weaving");
        }
        if (i < 0 || i >= a.length()) {
            throw new Refusal("index " + i + " of a local array of " + a.length());
        }
        return i;
    }

    // ---- fields

    private void field(State state, FieldInstruction x) {
        ClassDesc owner = x.owner().asSymbol();
        String name = x.name().stringValue();
        Fact virtual = x.opcode() == Opcode.GETSTATIC ? virtual(owner, name, x.typeSymbol()) : null;
        if (virtual != null) {
            state.push(Value.virtual(virtual));
        } else if (flattener.naming.isLanes(owner)) {
            lanesField(state, name);
        } else if (x.typeSymbol().equals(LanesField.SPECIES)) {
            throw new Refusal("a species must be one of Lanes, not " + owner.displayName() + "." + name);
        } else {
            copyField(state, x);
        }
    }

    /** What a static field holds, if that need not exist in the woven code. */
    private @Nullable Fact virtual(ClassDesc owner, String name, ClassDesc type) {
        if (SwitchMaps.isSwitchMap(name)) {
            return new Fact.SwitchMap(Classes.internal(owner), name);
        }
        Fact.EnumConstant e = enumConstant(owner, name, type);
        return e != null && e.hidden() ? e : flattener.substitutes.token(owner, name, type);
    }

    private void lanesField(State state, String name) {
        switch (LanesField.of(name, flattener.target.lanes())) {
            case LanesField.Replacement.Int(int value) -> push(state, value);
            case LanesField.Replacement.Field(var get)
            when flattener.target.oneLane() -> state.push(Value.virtual(new Fact.Token("")));
            case LanesField.Replacement.Field(var get) -> state.push(new Value(1, null, List.of(tape.add(get)), null));
        }
    }

    private void copyField(State state, FieldInstruction x) {
        ClassDesc owner = x.owner().asSymbol();
        String name = x.name().stringValue();
        boolean put = x.opcode() == Opcode.PUTFIELD || x.opcode() == Opcode.PUTSTATIC;
        boolean instance = x.opcode() == Opcode.GETFIELD || x.opcode() == Opcode.PUTFIELD;
        if (put) {
            state.operand();
        }
        if (instance) {
            state.operand();
        }
        FieldModel field = classes.field(owner, name);
        if (field != null) {
            flattener.naming.checkAccess(flattener.kernelClass(), owner, name, field.flags());
        }
        ClassDesc type = flattener.naming.name(x.typeSymbol());
        Tape.Node made = tape.add(new Tape.Item.Field(x.opcode(), flattener.naming.name(owner), name, type));
        if (!put) {
            int size = TypeKind.from(type).slotSize();
            state.push(new Value(
                    size, instance ? null : enumConstant(owner, name, type), instance ? null : List.of(made), null));
        }
    }

    private Fact.@Nullable EnumConstant enumConstant(ClassDesc owner, String name, ClassDesc type) {
        ClassModel c = type.equals(owner) ? classes.find(owner) : null;
        if (c == null || !c.flags().has(AccessFlag.ENUM)) {
            return null;
        }
        int ordinal = classes.enumConstants(c).indexOf(name);
        return ordinal < 0 ? null : new Fact.EnumConstant(owner, name, ordinal, !flattener.naming.canName(owner));
    }
}
