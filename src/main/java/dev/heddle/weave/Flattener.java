package dev.heddle.weave;

import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Instruction;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.classfile.instruction.LookupSwitchInstruction;
import java.lang.classfile.instruction.ReturnInstruction;
import java.lang.classfile.instruction.SwitchCase;
import java.lang.classfile.instruction.TableSwitchInstruction;
import java.lang.classfile.instruction.ThrowInstruction;
import java.lang.constant.ClassDesc;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes one flat method of a kernel: evaluates it, as far as that can be done now, over its helpers.
 *
 * <p>One linear walk over javac's structured code keeps a {@link State}, which is what is known about each operand-stack
 * entry and local, and copies the instructions to the {@link Tape}. On the way helpers and lambdas are walked where they
 * are called, branches and switches on known values are followed instead of copied, loops whose exit test is known are
 * unrolled, and arrays of known length become locals. Knowledge is only ever additional, since the copied code computes
 * the same values: where two paths meet, what differs is forgotten, and at the head of a loop that stays one, whatever the
 * loop assigns.
 */
final class Flattener {
    private static final int MAX_ITERATIONS = 64;

    final Tape tape;
    final Classes classes;
    final Naming naming;
    final Target target;
    final Substitutes substitutes;

    private final Instructions instructions;
    private final Calls calls;
    private final Frame kernel;

    /** The first local that is free. */
    private int top;

    private int inlined;

    /** Labels of the woven code that control reaches. */
    private final Set<Label> reached = new HashSet<>();

    /** Locals that held, at some time, what exists only while weaving. */
    private final Set<Integer> virtualSlots = new HashSet<>();

    Flattener(CodeBuilder out, Body body, Classes classes, Naming naming, Target target) {
        this.tape = new Tape(out);
        this.classes = classes;
        this.naming = naming;
        this.target = target;
        this.substitutes = new Substitutes(classes, target);
        this.instructions = new Instructions(this);
        this.calls = new Calls(this, instructions);
        this.kernel = Frame.ofKernel(body);
    }

    /**
     * Writes the flat method, given what is known of the arguments.
     *
     * @return how many calls were inlined
     */
    int run(Map<Integer, Fact> arguments) {
        top = kernel.locals();
        State start = new State();
        arguments.forEach((slot, fact) -> start.setLocal(slot, new State.Local(fact, null)));
        walk(kernel, kernel.scope, 0, kernel.body.code.size(), start);
        describeLocals(tape.flush(kernel.scope.labels(), target.lanes()));
        return inlined;
    }

    /** Debug information: the kernel's own variables, those of helpers being gone. */
    private void describeLocals(Tape.Written written) {
        Set<Integer> incomplete = new HashSet<>(virtualSlots);
        incomplete.addAll(written.droppedSlots());
        for (CodeElement e : kernel.body.code) {
            if (e instanceof LocalVariable v && !incomplete.contains(v.slot())) {
                Label from = kernel.scope.known(v.startScope());
                Label to = kernel.scope.known(v.endScope());
                if (from != null
                        && reached.contains(from)
                        && to != null
                        && written.labels().containsAll(List.of(from, to))) {
                    describe(v, from, to);
                }
            }
        }
    }

    private void describe(LocalVariable v, Label from, Label to) {
        ClassDesc type = v.typeSymbol();
        Lane lane = substitutes.lane(type);
        if (lane != null && !lane.isWide()) {
            tape.describe(v, lane.scalar(), from, to);
        } else if (naming.canName(type) && !(target.oneLane() && Lane.isVectorApi(Naming.element(type)))) {
            tape.describe(v, naming.name(type), from, to);
        }
    }

    /** Reserves locals. */
    int reserve(int slots) {
        int first = top;
        top += slots;
        return first;
    }

    /** A frame for a helper, above the locals that are taken. */
    Frame frame(Frame caller, Body helper) {
        Frame frame = Frame.ofHelper(caller, helper, top, tape.newLabel());
        top += frame.locals();
        return frame;
    }

    void noteVirtual(int slot) {
        virtualSlots.add(slot);
    }

    ClassDesc kernelClass() {
        return kernel.body.owner.thisClass().asSymbol();
    }

    /** Whether this is a kernel, in which no call of our own code may be left, and not just some method with helpers. */
    boolean isKernel() {
        return Classes.isKernel(kernel.body.method);
    }

    /** Walks a helper whose arguments are in the locals of its frame already; its result is left on the stack. */
    @Nullable
    State enter(Frame helper, State state) {
        inlined++;
        int line = tape.line();
        State after = walk(helper, helper.scope, 0, helper.body.code.size(), state);
        Label end = helper.end;
        if (end == null) {
            throw new IllegalStateException();
        }
        tape.bind(end);
        after = helper.scope.reach(end, after);
        if (after != null && !(returnsSomething(helper) && after.stack.getLast().isVirtual())) {
            after.forgetFrom(helper.base); // nothing points to the helper's locals any more
            top = helper.base;
        }
        if (after != null) {
            tape.line(line);
        }
        return after;
    }

    private static boolean returnsSomething(Frame helper) {
        return !helper.body.method.methodType().stringValue().endsWith(")V");
    }

    /** Walks the code from one position to another; the state is null where no control gets. */
    private @Nullable State walk(Frame f, Scope scope, int from, int to, @Nullable State state) {
        for (int i = from; i < to; i++) {
            try {
                switch (f.body.code.get(i)) {
                    case LabelTarget t -> {
                        Scope home = scope.holding(i);
                        Label label = home.label(t.label(), tape);
                        tape.bind(label);
                        state = home.reach(t.label(), state);
                        if (state != null) {
                            reached.add(label);
                        }
                        int end = f.body.loopEnd(i);
                        if (end > i && state != null) {
                            if (unroll(f, scope, i, end, state)) {
                                state = null;
                                i = end;
                            } else {
                                keepLoop(f, i, end, state);
                            }
                        }
                    }
                    case LineNumber n -> {
                        f.line = n.line();
                        if (state != null && isKernelsFile(f.body)) {
                            tape.line(n.line());
                        }
                    }
                    case Instruction ins -> state = state == null ? null : step(f, scope, ins, state);
                    default -> {}
                }
            } catch (Refusal r) {
                throw r.at(f.position());
            }
        }
        return state;
    }

    private boolean isKernelsFile(Body body) {
        Body own = kernel.body;
        String pkg = body.owner.thisClass().asSymbol().packageName();
        return body.file.equals(own.file)
                && pkg.equals(own.owner.thisClass().asSymbol().packageName());
    }

    // ---- loops

    /** Writes a copy of the loop for each iteration, if it is known how many there are; says whether it was. */
    private boolean unroll(Frame f, Scope scope, int head, int end, State entry) {
        if (!hasKnownTest(f, scope, head, end, entry)) {
            return false;
        }
        Undo undo = new Undo(scope);
        State state = new State(entry);
        for (int k = 0; k <= MAX_ITERATIONS && state != null; k++) {
            Scope iteration = new Scope(scope, head, end + 1);
            Label source = ((LabelTarget) f.body.code.get(head)).label();
            state = walk(f, iteration, head + 1, end + 1, state);
            tape.bind(iteration.label(source, tape));
            state = iteration.reach(source, state);
        }
        if (state != null) {
            undo.run();
        }
        return state == null;
    }

    /** Whether the loop starts with an exit test whose outcome is known. */
    private boolean hasKnownTest(Frame f, Scope scope, int head, int end, State entry) {
        Undo undo = new Undo(scope);
        try {
            State state = new State(entry);
            for (int i = head + 1; i <= end && state != null; i++) {
                switch (f.body.code.get(i)) {
                    case BranchInstruction b -> {
                        return Fold.operands(b.opcode()) > 0
                                && f.body.position(b.target()) > end
                                && taken(b, state) != null;
                    }
                    case LabelTarget _, TableSwitchInstruction _, LookupSwitchInstruction _ -> {
                        return false;
                    }
                    case Instruction ins -> state = step(f, scope, ins, state);
                    default -> {}
                }
            }
            return false;
        } finally {
            undo.run();
        }
    }

    /** Goes on into a loop that stays one: what it assigns is not known at its head. */
    private static void keepLoop(Frame f, int head, int end, State state) {
        if (state.stack.stream().anyMatch(v -> v.slots() > 0)) {
            throw new Refusal("HotSpot cannot enter a loop while the operand stack holds values (OSR):"
                    + " assign the result of a helper with a loop to a variable first");
        }
        f.body.assigned(head, end + 1).forEach(local -> state.forget(f.base + local));
    }

    /** A moment in the walk to come back to. */
    private final class Undo {
        private final Tape.Mark mark = tape.mark();
        private final int savedTop = top;
        private final int savedInlined = inlined;
        private final Scope scope;
        private final List<Map<Label, State>> jumps;

        Undo(Scope scope) {
            this.scope = scope;
            this.jumps = scope.save();
        }

        void run() {
            tape.undo(mark);
            scope.restore(jumps);
            top = savedTop;
            inlined = savedInlined;
        }
    }

    // ---- instructions

    private @Nullable State step(Frame f, Scope scope, Instruction ins, State state) {
        switch (ins) {
            case BranchInstruction b -> {
                return branch(f, scope, b, state);
            }
            case TableSwitchInstruction s -> {
                return choose(f, scope, state, s.defaultTarget(), s.cases());
            }
            case LookupSwitchInstruction s -> {
                return choose(f, scope, state, s.defaultTarget(), s.cases());
            }
            case ReturnInstruction r -> {
                leave(f, r, state);
                return null;
            }
            case ThrowInstruction t -> {
                state.operand();
                tape.add(t);
                return null;
            }
            case InvokeInstruction x -> {
                return calls.invoke(f, state, x);
            }
            case InvokeDynamicInstruction x -> calls.invokeDynamic(f, state, x);
            default -> instructions.run(f, state, ins);
        }
        return state;
    }

    private static @Nullable Boolean taken(BranchInstruction b, State state) {
        List<Value> stack = state.stack;
        int size = stack.size();
        if (b.opcode() == Opcode.IFNULL || b.opcode() == Opcode.IFNONNULL) {
            if (stack.getLast().lane() != null) {
                return b.opcode() == Opcode.IFNONNULL; // a scalar
            }
        }
        Fact y = stack.get(size - 1).fact();
        Fact x = Fold.operands(b.opcode()) == 2 ? stack.get(size - 2).fact() : null;
        return Fold.taken(b.opcode(), x, y);
    }

    private @Nullable State branch(Frame f, Scope scope, BranchInstruction b, State state) {
        int operands = Fold.operands(b.opcode());
        if (operands == 0) {
            jump(f, scope, b.target(), state, Opcode.GOTO);
            return null;
        }
        Boolean taken = taken(b, state);
        for (int i = 0; i < operands; i++) {
            if (taken != null) {
                instructions.drop(state.pop());
            } else {
                state.operand();
            }
        }
        if (taken == null) {
            jump(f, scope, b.target(), state, b.opcode());
        } else if (taken) {
            jump(f, scope, b.target(), state, Opcode.GOTO);
            return null;
        }
        return state;
    }

    private void jump(Frame f, Scope scope, Label target, State state, Opcode opcode) {
        tape.jump(opcode, arrive(f, scope, target, state));
    }

    private Label arrive(Frame f, Scope scope, Label target, State state) {
        Scope home = scope.holding(f.body.position(target));
        home.arrive(target, state);
        return home.label(target, tape);
    }

    private @Nullable State choose(Frame f, Scope scope, State state, Label otherwise, List<SwitchCase> cases) {
        Value v = state.pop();
        if (v.fact() instanceof Fact.Constant(Integer k)) {
            instructions.drop(v);
            Label target = cases.stream()
                    .filter(c -> c.caseValue() == k)
                    .map(SwitchCase::target)
                    .findFirst()
                    .orElse(otherwise);
            jump(f, scope, target, state, Opcode.GOTO);
            return null;
        }
        List<SwitchCase> woven = new ArrayList<>();
        for (SwitchCase c : v.fact() instanceof Fact.CaseOf(var map) ? onOrdinals(map, cases) : cases) {
            woven.add(SwitchCase.of(c.caseValue(), arrive(f, scope, c.target(), state)));
        }
        tape.add(LookupSwitchInstruction.of(arrive(f, scope, otherwise, state), woven));
        return null;
    }

    /** A switch over case numbers, as one over the ordinals that have these numbers. */
    private List<SwitchCase> onOrdinals(Fact.SwitchMap map, List<SwitchCase> cases) {
        List<SwitchCase> onOrdinals = new ArrayList<>();
        new SwitchMaps(classes)
                .caseNumbers(map)
                .forEach((ordinal, number) -> cases.stream()
                        .filter(c -> c.caseValue() == number)
                        .forEach(c -> onOrdinals.add(SwitchCase.of(ordinal, c.target()))));
        return onOrdinals;
    }

    private void leave(Frame f, ReturnInstruction r, State state) {
        if (f.end == null) {
            if (r.opcode() != Opcode.RETURN) {
                state.operand();
            }
            tape.add(r);
        } else {
            tape.jump(Opcode.GOTO, f.end);
            f.scope.arrive(f.end, state);
        }
    }
}
