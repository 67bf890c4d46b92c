package dev.heddle.weave;

import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Instruction;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.ExceptionCatch;
import java.lang.classfile.instruction.FieldInstruction;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.lang.classfile.instruction.LineNumber;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.classfile.instruction.NewMultiArrayInstruction;
import java.lang.classfile.instruction.NewObjectInstruction;
import java.lang.classfile.instruction.NewReferenceArrayInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.DynamicCallSiteDesc;
import java.lang.reflect.AccessFlag;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Copies the methods that are not kernels and call no helpers: constructors, initialisers and the like. Only names change.
 */
final class Copier {
    private final Classes classes;
    private final Naming naming;
    private final Target target;
    private final ClassModel owner;

    Copier(ClassModel owner, Classes classes, Naming naming, Target target) {
        this.owner = owner;
        this.classes = classes;
        this.naming = naming;
        this.target = target;
    }

    /** The methods to copy: all but kernels, helpers and the lambdas of either. */
    Set<MethodModel> methods() {
        Set<MethodModel> copied = new LinkedHashSet<>();
        Deque<MethodModel> open = new ArrayDeque<>();
        for (MethodModel m : owner.methods()) {
            if (!Classes.isKernel(m)
                    && !Classes.isHelper(m)
                    && !(m.flags().has(AccessFlag.SYNTHETIC) && m.flags().has(AccessFlag.PRIVATE))) {
                open.add(m);
            }
        }
        while (!open.isEmpty()) {
            MethodModel m = open.remove();
            if (copied.add(m)) {
                m.code().ifPresent(code -> code.forEach(e -> open.addAll(lambdas(e))));
            }
        }
        return copied;
    }

    private Set<MethodModel> lambdas(CodeElement e) {
        Set<MethodModel> found = new LinkedHashSet<>();
        if (e instanceof InvokeDynamicInstruction x) {
            for (ConstantDesc arg : x.bootstrapArgs()) {
                if (arg instanceof DirectMethodHandleDesc h
                        && h.owner().equals(owner.thisClass().asSymbol())) {
                    MethodModel m = classes.method(h.owner(), h.methodName(), h.lookupDescriptor());
                    if (m != null && m.flags().has(AccessFlag.SYNTHETIC)) {
                        found.add(m);
                    }
                }
            }
        }
        return found;
    }

    /** Whether a method has to be flattened after all, because it calls a helper, which is not copied. */
    boolean callsHelper(MethodModel m) {
        for (CodeElement e : m.code().isPresent() ? m.code().get() : List.<CodeElement>of()) {
            if (e instanceof InvokeInstruction x) {
                MethodModel called = classes.method(
                        x.owner().asSymbol(), x.name().stringValue(), x.type().stringValue());
                if (called != null && Classes.isHelper(called)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Writes one element of a method's code. */
    void copy(CodeBuilder out, CodeElement e) {
        switch (e) {
            case FieldInstruction x -> field(out, x);
            case InvokeInstruction x -> invoke(out, x);
            case InvokeDynamicInstruction x ->
                out.invokedynamic(DynamicCallSiteDesc.of(
                        x.bootstrapMethod(),
                        x.name().stringValue(),
                        naming.name(x.typeSymbol()),
                        x.bootstrapArgs().stream().map(naming::name).toArray(ConstantDesc[]::new)));
            case NewObjectInstruction x -> out.new_(naming.name(x.className().asSymbol()));
            case NewReferenceArrayInstruction x ->
                out.anewarray(naming.name(x.componentType().asSymbol()));
            case NewMultiArrayInstruction x ->
                out.multianewarray(naming.name(x.arrayType().asSymbol()), x.dimensions());
            case TypeCheckInstruction x ->
                out.with(
                        TypeCheckInstruction.of(x.opcode(), naming.name(x.type().asSymbol())));
            case ConstantInstruction.LoadConstantInstruction x -> out.loadConstant(naming.name(x.constantValue()));
            case ExceptionCatch x ->
                out.exceptionCatch(
                        x.tryStart(),
                        x.tryEnd(),
                        x.handler(),
                        x.catchType().map(t -> out.constantPool().classEntry(naming.name(t.asSymbol()))));
            case LocalVariable v
            when naming.canName(v.typeSymbol()) ->
                out.localVariable(
                        v.slot(), v.name().stringValue(), naming.name(v.typeSymbol()), v.startScope(), v.endScope());
            case Instruction x -> out.with(x);
            case LabelTarget x -> out.with(x);
            case LineNumber x -> out.with(x);
            default -> {} // stack maps are made anew, and nothing needs annotations or signatures
        }
    }

    private void field(CodeBuilder out, FieldInstruction x) {
        ClassDesc from = x.owner().asSymbol();
        String name = x.name().stringValue();
        if (!naming.isLanes(from)) {
            out.fieldAccess(x.opcode(), naming.name(from), name, naming.name(x.typeSymbol()));
            return;
        }
        if (LanesField.of(name, target.lanes()) instanceof LanesField.Replacement.Int(int value)) {
            out.loadConstant(value);
        } else {
            throw new Refusal("vectors are for kernels only: Lanes." + name);
        }
    }

    private void invoke(CodeBuilder out, InvokeInstruction x) {
        ClassDesc on = x.owner().asSymbol();
        out.invoke(x.opcode(), naming.name(on), x.name().stringValue(), naming.name(x.typeSymbol()), x.isInterface());
    }
}
