package dev.heddle.weave;

import java.lang.classfile.Annotation;
import java.lang.classfile.AnnotationElement;
import java.lang.classfile.AnnotationValue;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.classfile.instruction.SwitchCase;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The {@link Const} parameters of a kernel, and the combinations of their values: a flat method is made for each. */
final class Variants {
    private static final int MAX_VARIANTS = 1024;

    /** One value of a parameter; {@code key} is the int that a switch tests. */
    private record Choice(int key, String label, Fact fact) {}

    private record Parameter(String name, ClassDesc type, int slot, List<Choice> choices) {
        boolean isEnum() {
            return !type.isPrimitive();
        }
    }

    /** A combination of values: the name of its method, and what is known of the kernel's arguments. */
    record Variant(String name, Map<Integer, Fact> arguments) {}

    private final Body body;
    private final List<Parameter> parameters;

    Variants(Body body, Classes classes, boolean oneLane) {
        this.body = body;
        this.parameters = parameters(body, classes, oneLane);
    }

    /** How many parameters there are. */
    int depth() {
        return parameters.size();
    }

    /** The combinations of the values of the first parameters, as many as given. */
    List<Variant> combinations(int depth) {
        List<Variant> variants = List.of(new Variant(body.method.methodName().stringValue(), Map.of()));
        for (Parameter p : parameters.subList(0, depth)) {
            List<Variant> next = new ArrayList<>();
            for (Variant v : variants) {
                for (Choice c : p.choices) {
                    Map<Integer, Fact> arguments = new HashMap<>(v.arguments);
                    arguments.put(p.slot, c.fact);
                    next.add(new Variant(v.name + "$" + c.label, arguments));
                }
            }
            if (next.size() > MAX_VARIANTS) {
                throw new Refusal("more than " + MAX_VARIANTS + " combinations of @Const parameters");
            }
            variants = next;
        }
        return variants;
    }

    // ---- parameters

    private static List<Parameter> parameters(Body body, Classes classes, boolean oneLane) {
        MethodModel m = body.method;
        List<List<Annotation>> annotations = m.findAttribute(Attributes.runtimeInvisibleParameterAnnotations())
                .map(a -> a.parameterAnnotations())
                .orElse(List.of());
        List<ClassDesc> types = m.methodTypeSymbol().parameterList();
        List<Parameter> parameters = new ArrayList<>();
        int slot = body.isStatic() ? 0 : 1;
        for (int i = 0; i < types.size(); i++) {
            for (Annotation a : i < annotations.size() ? annotations.get(i) : List.<Annotation>of()) {
                if (Classes.is(a, Const.class)) {
                    String name = parameterName(body, slot, i);
                    List<Choice> choices = choices(name, types.get(i), values(a, oneLane), classes);
                    parameters.add(new Parameter(name, types.get(i), slot, choices));
                }
            }
            slot += TypeKind.from(types.get(i)).slotSize();
        }
        return parameters;
    }

    private static String parameterName(Body body, int slot, int index) {
        for (CodeElement e : body.code) {
            if (e instanceof LocalVariable v && v.slot() == slot) {
                return v.name().stringValue();
            }
        }
        return "parameter " + (index + 1);
    }

    private static List<Integer> values(Annotation constant, boolean oneLane) {
        List<Integer> narrow = oneLane ? ints(constant, "oneLane") : List.of();
        return narrow.isEmpty() ? ints(constant, "value") : narrow;
    }

    private static List<Integer> ints(Annotation constant, String element) {
        for (AnnotationElement e : constant.elements()) {
            if (e.name().equalsString(element) && e.value() instanceof AnnotationValue.OfArray a) {
                return a.values().stream()
                        .map(v -> ((AnnotationValue.OfInt) v).intValue())
                        .distinct()
                        .toList();
            }
        }
        return List.of();
    }

    private static List<Choice> choices(String name, ClassDesc type, List<Integer> listed, Classes classes) {
        ClassModel c = classes.find(type);
        boolean isInt = type.equals(ConstantDescs.CD_int);
        boolean isBoolean = type.equals(ConstantDescs.CD_boolean);
        if (!isInt && !isBoolean && (c == null || !Classes.isEnum(c))) {
            throw new Refusal("@Const " + name + ": only int, boolean and enum parameters can be constant");
        }
        if (isInt == listed.isEmpty()) {
            throw new Refusal("@Const " + name + ": an int lists its values, a boolean or enum takes all it has");
        }
        List<Choice> choices = new ArrayList<>();
        if (isInt) {
            listed.forEach(v -> choices.add(new Choice(v, String.valueOf(v), new Fact.Constant(v))));
        } else if (isBoolean) {
            choices.add(new Choice(0, "false", new Fact.Constant(0)));
            choices.add(new Choice(1, "true", new Fact.Constant(1)));
        } else if (c != null) {
            for (String constant : classes.enumConstants(c)) {
                int ordinal = choices.size();
                choices.add(new Choice(ordinal, constant, new Fact.EnumConstant(type, constant, ordinal, false)));
            }
        }
        return choices;
    }

    // ---- dispatch

    /**
     * Writes the body of a method that switches over one parameter, the values of those before it being known: for the
     * first, that of the kernel itself. One method for all would be large, and so not be compiled for a long time.
     */
    void dispatch(CodeBuilder out, ClassDesc self, MethodTypeDesc type, String name, int depth) {
        Parameter p = parameters.get(depth);
        Label bad = out.newLabel();
        if (p.isEnum()) {
            out.aload(p.slot).ifnull(bad);
            out.aload(p.slot).invokevirtual(p.type, "ordinal", MethodTypeDesc.of(ConstantDescs.CD_int));
        } else {
            out.iload(p.slot);
        }
        Map<Integer, Label> labels = new TreeMap<>();
        p.choices.forEach(c -> labels.put(c.key, out.newLabel()));
        List<SwitchCase> cases = labels.entrySet().stream()
                .map(e -> SwitchCase.of(e.getKey(), e.getValue()))
                .toList();
        out.lookupswitch(bad, cases);
        for (Choice c : p.choices) {
            out.labelBinding(labels.get(c.key));
            call(out, self, type, name + "$" + c.label);
        }
        out.labelBinding(bad);
        reject(out, p, self);
    }

    private void call(CodeBuilder out, ClassDesc self, MethodTypeDesc type, String name) {
        int slot = 0;
        for (TypeKind kind : body.arguments()) {
            out.loadLocal(kind, slot);
            slot += kind.slotSize();
        }
        if (body.isStatic()) {
            out.invokestatic(self, name, type);
        } else {
            out.invokespecial(self, name, type);
        }
        out.return_(TypeKind.from(type.returnType()));
    }

    private void reject(CodeBuilder out, Parameter p, ClassDesc self) {
        ClassDesc exception = ClassDesc.of("java.lang.IllegalArgumentException");
        ClassDesc shown = p.isEnum() ? ConstantDescs.CD_Object : ConstantDescs.CD_int;
        String kernel = Classes.internal(self).replace('/', '.') + "." + body.method.methodName();
        out.new_(exception)
                .dup()
                .loadConstant(kernel + " was not woven for " + p.name + " = ")
                .loadLocal(TypeKind.from(shown), p.slot)
                .invokestatic(ConstantDescs.CD_String, "valueOf", MethodTypeDesc.of(ConstantDescs.CD_String, shown))
                .invokevirtual(
                        ConstantDescs.CD_String,
                        "concat",
                        MethodTypeDesc.of(ConstantDescs.CD_String, ConstantDescs.CD_String))
                .invokespecial(
                        exception,
                        ConstantDescs.INIT_NAME,
                        MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_String))
                .athrow();
    }
}
