package dev.heddle.weave;

import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The methods that stand in for calls of the Vector API and of {@code MemorySegment}: those of {@link OneLane} when
 * weaving for one lane, those of {@link Checked} when weaving with checks. A substitute is a static method with the name of
 * the original (followed by the names of its operators), the receiver first, in the nested class of the receiver's type.
 */
final class Substitutes {
    private static final ClassDesc SEGMENT = ClassDesc.of("java.lang.foreign.MemorySegment");

    private static final ClassDesc OPERATORS = ClassDesc.of("jdk.incubator.vector.VectorOperators");
    private static final ClassDesc BYTE_ORDER = ClassDesc.of("java.nio.ByteOrder");

    private static final Pattern UNDERSCORE = Pattern.compile("_(.)");

    private final Classes classes;
    private final Target target;

    Substitutes(Classes classes, Target target) {
        this.classes = classes;
        this.target = target;
    }

    /** Whether calls of this class mean something else in this target. */
    boolean concerns(ClassDesc owner, String name) {
        return (target.oneLane() && Lane.isVectorApi(owner)) || (target.checked() && touchesMemory(owner, name));
    }

    private static boolean touchesMemory(ClassDesc owner, String name) {
        return owner.equals(SEGMENT) || (Lane.isVectorApi(owner) && name.endsWith("MemorySegment"));
    }

    /**
     * The substitute of a call that {@link #concerns} this target.
     *
     * @param lane of the receiver, or of the class for a static method
     * @param name see {@link #name}
     * @param parameters the receiver's type first; without operators, species and byte orders if there is one lane
     */
    MethodModel find(ClassDesc owner, @Nullable Lane lane, String name, List<ClassDesc> parameters) {
        String label = owner.equals(SEGMENT) ? "Segment" : lane == null ? null : lane.label;
        Class<?> home = target.oneLane() && Lane.isVectorApi(owner) ? OneLane.class : Checked.class;
        if (label != null) {
            ClassModel c = classes.get(home.getName().replace('.', '/') + "$Of" + label);
            for (MethodModel m : c.methods()) {
                if (m.methodName().equalsString(name)
                        && m.methodTypeSymbol().parameterList().equals(parameters)) {
                    return m;
                }
            }
        }
        String types = String.join(
                ", ", parameters.stream().map(ClassDesc::displayName).toList());
        throw new Refusal("no " + (home == OneLane.class ? "one-lane" : "checked") + " form of " + owner.displayName()
                + "." + name + "(" + types + "); see " + home.getSimpleName());
    }

    /** The name that a call's substitute has, given the names of the operators among its arguments. */
    static String name(String call, String operators) {
        return switch (call) {
            case "lanewise" -> camelCase(operators);
            case "convertShape" -> "convert" + operators;
            default -> call + operators;
        };
    }

    private static String camelCase(String constant) {
        return UNDERSCORE
                .matcher(constant.toLowerCase(Locale.ROOT))
                .replaceAll(letter -> letter.group(1).toUpperCase(Locale.ROOT));
    }

    /** Whether a value of this type, in the source code, is one lane now. */
    @Nullable
    Lane lane(ClassDesc type) {
        return target.oneLane() ? Lane.of(type) : null;
    }

    /** What reading a static field becomes if there is one lane and the field is an operator or a byte order. */
    Fact.@Nullable Token token(ClassDesc owner, String name, ClassDesc type) {
        if (!target.oneLane()) {
            return null;
        }
        if (owner.equals(OPERATORS)) {
            return new Fact.Token(name);
        }
        return type.equals(BYTE_ORDER) ? new Fact.Token("") : null;
    }

    /** The kind of a method's result as a lane, if the call that it stands for returns a vector. */
    @Nullable
    Lane resultLane(ClassDesc originalResult, MethodModel substitute) {
        ClassDesc result = substitute.methodTypeSymbol().returnType();
        boolean vector = Lane.isVectorApi(originalResult) && !result.equals(ConstantDescs.CD_void);
        return target.oneLane() && vector ? Lane.of(TypeKind.from(result)) : null;
    }
}
