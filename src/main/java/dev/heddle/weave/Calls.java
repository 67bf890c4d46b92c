package dev.heddle.weave;

import java.lang.classfile.MethodModel;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.reflect.AccessFlag;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Calls: helpers and lambdas are walked in place, others replaced by their substitutes or copied. */
final class Calls {
    private static final String NULL_VECTOR =
            "a vector that may be null has no one-lane form; start the variable with a vector (all(0f))";

    private final Flattener flattener;
    private final Instructions instructions;
    private final Tape tape;

    Calls(Flattener flattener, Instructions instructions) {
        this.flattener = flattener;
        this.instructions = instructions;
        this.tape = flattener.tape;
    }

    @Nullable
    State invoke(Frame f, State state, InvokeInstruction x) {
        Tape.Item.Call call = new Tape.Item.Call(
                x.opcode(), x.owner().asSymbol(), x.name().stringValue(), x.typeSymbol(), x.isInterface());
        int first = state.stack.size() - call.type().parameterCount();
        if (x.opcode() != Opcode.INVOKESTATIC) {
            first--;
            Fact receiver = state.stack.get(first).fact();
            if (receiver instanceof Fact.Lambda lambda) {
                return invokeLambda(f, state, lambda, call, first);
            }
            if (receiver instanceof Fact.EnumConstant e && call.name().equals("ordinal")) {
                instructions.drop(state.pop());
                instructions.push(state, e.ordinal());
                return state;
            }
        }
        return dispatch(f, state, call, first);
    }

    /** A call, other than of a lambda, whose receiver and arguments are the stack from {@code first} on. */
    private @Nullable State dispatch(Frame f, State state, Tape.Item.Call call, int first) {
        MethodModel m =
                flattener.classes.method(call.owner(), call.name(), call.type().descriptorString());
        if (m != null && Classes.isHelper(m)) {
            return inline(f, state, m, null);
        }
        if (flattener.substitutes.concerns(call.owner(), call.name())) {
            return substitute(f, state, call, first);
        }
        copy(state, call, m, first);
        return state;
    }

    private void copy(State state, Tape.Item.Call call, @Nullable MethodModel m, int first) {
        if (m != null) {
            flattener.naming.checkAccess(flattener.kernelClass(), call.owner(), call.name(), m.flags());
            if (flattener.isKernel() && flattener.naming.isWoven(call.owner()) && !Classes.isKernel(m)) {
                throw new Refusal(call.name() + " is neither @Inline nor @Kernel");
            }
        }
        while (state.stack.size() > first) {
            state.operand();
        }
        ClassDesc owner = flattener.naming.name(call.owner());
        MethodTypeDesc type = flattener.naming.name(call.type());
        tape.add(new Tape.Item.Call(call.opcode(), owner, call.name(), type, call.isInterface()));
        TypeKind result = TypeKind.from(type.returnType());
        if (result != TypeKind.VOID) {
            state.push(Value.plain(result.slotSize()));
        }
    }

    private @Nullable State substitute(Frame f, State state, Tape.Item.Call call, int first) {
        boolean isStatic = call.opcode() == Opcode.INVOKESTATIC;
        List<ClassDesc> types = new ArrayList<>(call.type().parameterList());
        if (!isStatic) {
            types.addFirst(call.owner());
        }
        StringBuilder operators = new StringBuilder();
        List<ClassDesc> parameters = new ArrayList<>();
        for (int i = 0; i < types.size(); i++) {
            Value v = state.stack.get(first + i);
            if (v.fact() instanceof Fact.Token(String operator)) {
                operators.append(operator);
            } else {
                parameters.add(parameter(v, types.get(i)));
            }
        }
        Lane lane = isStatic || !flattener.target.oneLane()
                ? Lane.of(call.owner())
                : state.stack.get(first).lane();
        String name = Substitutes.name(call.name(), operators.toString());
        MethodModel m = flattener.substitutes.find(call.owner(), lane, name, parameters);
        state.stack.subList(first, state.stack.size()).removeIf(v -> v.fact() instanceof Fact.Token);

        Lane result = flattener.substitutes.resultLane(call.type().returnType(), m);
        if (!Classes.isHelper(m)) {
            ClassDesc owner = m.parent().orElseThrow().thisClass().asSymbol();
            String id = m.methodName().stringValue();
            copy(state, new Tape.Item.Call(Opcode.INVOKESTATIC, owner, id, m.methodTypeSymbol(), false), null, first);
            return state;
        }
        State after = inline(f, state, m, null);
        if (after != null && result != null) {
            Value v = after.pop();
            after.push(new Value(1, v.fact(), v.makers(), result));
        }
        return after;
    }

    /** The type of an argument in the signature of a substitute. */
    private ClassDesc parameter(Value v, ClassDesc type) {
        if (v.lane() != null) {
            return v.lane().scalar();
        }
        if (flattener.target.oneLane() && Lane.isVectorApi(type)) {
            throw new Refusal(NULL_VECTOR);
        }
        return type;
    }

    // ---- lambdas

    void invokeDynamic(Frame f, State state, InvokeDynamicInstruction x) {
        String factory = x.bootstrapMethod().owner().displayName();
        List<ConstantDesc> args = x.bootstrapArgs();
        if (factory.equals("LambdaMetafactory")
                && args.get(0) instanceof MethodTypeDesc erased
                && args.get(1) instanceof DirectMethodHandleDesc implementation
                && args.get(2) instanceof MethodTypeDesc actual) {
            List<TypeKind> captured =
                    x.typeSymbol().parameterList().stream().map(TypeKind::from).toList();
            int base = flattener.reserve(2 * captured.size());
            for (int i = captured.size() - 1; i >= 0; i--) {
                instructions.write(state, captured.get(i), base + 2 * i, base + 2 * i);
            }
            String method = x.name().stringValue();
            state.push(Value.virtual(new Fact.Lambda(implementation, method, erased, actual, base, captured)));
        } else if (factory.equals("StringConcatFactory")) {
            x.typeSymbol().parameterList().forEach(_ -> state.operand());
            flattener.naming.name(x.typeSymbol());
            tape.add(x);
            state.push(Value.plain(1));
        } else {
            throw new Refusal("cannot weave what javac compiles to " + factory + " (switch over patterns?)");
        }
    }

    /** The lambda is the entry {@code at} of the stack, its arguments are above. */
    private @Nullable State invokeLambda(Frame f, State state, Fact.Lambda lambda, Tape.Item.Call call, int at) {
        if (!call.name().equals(lambda.method()) || !call.type().equals(lambda.erased())) {
            throw new Refusal("a default method of a functional interface: " + call.name());
        }
        DirectMethodHandleDesc target = lambda.implementation();
        checkAdaptation(lambda);
        state.stack.remove(at);
        MethodModel m = flattener.classes.method(target.owner(), target.methodName(), target.lookupDescriptor());
        if (m != null && (m.flags().has(AccessFlag.SYNTHETIC) || Classes.isHelper(m))) {
            return inline(f, state, m, lambda);
        }
        if (!lambda.captured().isEmpty()) {
            throw new Refusal("a bound method reference: write it as a lambda");
        }
        Opcode opcode = switch (target.kind()) {
            case STATIC, INTERFACE_STATIC -> Opcode.INVOKESTATIC;
            case VIRTUAL -> Opcode.INVOKEVIRTUAL;
            case INTERFACE_VIRTUAL -> Opcode.INVOKEINTERFACE;
            default -> throw new Refusal("a method reference to a constructor or private method");
        };
        MethodTypeDesc type = MethodTypeDesc.ofDescriptor(target.lookupDescriptor());
        return dispatch(
                f,
                state,
                new Tape.Item.Call(opcode, target.owner(), target.methodName(), type, target.isOwnerInterface()),
                at);
    }

    /** The JDK would box, unbox or widen between the interface's method and a method reference; we do not. */
    private static void checkAdaptation(Fact.Lambda lambda) {
        MethodTypeDesc target = lambda.implementation().invocationType();
        int captured = lambda.captured().size();
        boolean same = kind(target.returnType()) == kind(lambda.erased().returnType())
                && target.parameterCount() - captured == lambda.erased().parameterCount();
        for (int i = 0; same && i < lambda.erased().parameterCount(); i++) {
            same = kind(target.parameterType(captured + i))
                    == kind(lambda.erased().parameterType(i));
        }
        if (!same) {
            throw new Refusal("a method reference that boxes, widens or drops a value: write it as a lambda");
        }
    }

    private static TypeKind kind(ClassDesc type) {
        return TypeKind.from(type).asLoadable();
    }

    // ---- inlining

    /** Walks a helper in place: its arguments, on the stack, become locals above the caller's. */
    private @Nullable State inline(Frame caller, State state, MethodModel m, Fact.@Nullable Lambda lambda) {
        Body body = flattener.classes.body(m);
        Frame helper = flattener.frame(caller, body);
        List<TypeKind> kinds = body.arguments();
        int captured = lambda == null ? 0 : lambda.captured().size();
        int local = kinds.stream().mapToInt(TypeKind::slotSize).sum();
        for (int i = kinds.size() - 1; i >= captured; i--) {
            local -= kinds.get(i).slotSize();
            if (lambda != null) {
                cast(state, lambda, i - captured);
            }
            instructions.store(helper, state, kinds.get(i), local);
        }
        local = 0;
        for (int i = 0; i < captured && lambda != null; i++) {
            int slot = lambda.base() + 2 * i;
            instructions.read(state, state.local(slot), kinds.get(i), slot);
            instructions.store(helper, state, kinds.get(i), local);
            local += kinds.get(i).slotSize();
        }
        return flattener.enter(helper, state);
    }

    /** The cast that generics hide: the lambda's own type may be narrower than that of the interface's method. */
    private void cast(State state, Fact.Lambda lambda, int parameter) {
        ClassDesc actual = lambda.actual().parameterType(parameter);
        Value v = state.stack.getLast();
        if (!actual.equals(lambda.erased().parameterType(parameter)) && !v.isVirtual() && v.lane() == null) {
            tape.add(TypeCheckInstruction.of(Opcode.CHECKCAST, flattener.naming.name(actual)));
            state.push(state.pop().pinned());
        }
    }
}
