package dev.heddle.weave;

import java.lang.classfile.AccessFlags;
import java.lang.classfile.ClassModel;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.MethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.reflect.AccessFlag;
import java.util.HashMap;
import java.util.Map;

/** Gives the classes that have kernels their names in the package of a target, and knows what a woven class may mention. */
final class Naming {
    private final Classes classes;
    private final String templates;
    private final String woven;
    private final Map<ClassDesc, Boolean> wovenTemplates = new HashMap<>();

    /** @param templates the package of the templates, in internal form */
    Naming(Classes classes, String templates, Target target) {
        this.classes = classes;
        this.templates = templates;
        this.woven = target.packageFor(templates);
    }

    /** The package that the woven classes go to. */
    String wovenPackage() {
        return woven;
    }

    String templates() {
        return templates;
    }

    boolean isTemplate(ClassDesc type) {
        return type.isClassOrInterface() && packageOf(Classes.internal(type)).equals(templates);
    }

    /** Whether a class is re-emitted in the target's package. */
    boolean isWoven(ClassDesc type) {
        return isTemplate(type)
                && wovenTemplates.computeIfAbsent(type, t -> {
                    ClassModel c = classes.find(t);
                    return c != null && Classes.hasKernels(c);
                });
    }

    boolean isLanes(ClassDesc type) {
        return type.equals(Classes.desc(templates + "/Lanes"));
    }

    /** Whether woven code may mention a type. */
    boolean canName(ClassDesc type) {
        return isWoven(element(type)) || !isTemplate(element(type));
    }

    /** The type itself, or that of the elements of an array, however deep. */
    static ClassDesc element(ClassDesc type) {
        ClassDesc element = type;
        for (ClassDesc c = type; c != null; c = c.componentType()) {
            element = c;
        }
        return element;
    }

    /** Refuses a member that woven code, which is of another package and nest than the template, cannot reach. */
    void checkAccess(ClassDesc user, ClassDesc owner, String member, AccessFlags flags) {
        boolean reachable = isTemplate(owner)
                ? owner.equals(user) || !flags.has(AccessFlag.PRIVATE)
                : flags.has(AccessFlag.PUBLIC)
                        && classes.get(Classes.internal(owner)).flags().has(AccessFlag.PUBLIC);
        if (!reachable) {
            throw new Refusal(
                    owner.displayName() + "." + member + " cannot be reached from woven code: make it public");
        }
    }

    ClassDesc name(ClassDesc type) {
        if (type.isArray()) {
            return name(type.componentType()).arrayType();
        }
        if (isWoven(type)) {
            return Classes.desc(woven + Classes.internal(type).substring(templates.length()));
        }
        if (isTemplate(type)) {
            throw new Refusal("woven code cannot use " + type.displayName() + ", which has no kernels and so stays in "
                    + type.packageName() + "; move it to another package, or see that weaving folds it away");
        }
        return type;
    }

    MethodTypeDesc name(MethodTypeDesc type) {
        return MethodTypeDesc.of(
                name(type.returnType()),
                type.parameterList().stream().map(this::name).toList());
    }

    ConstantDesc name(ConstantDesc constant) {
        return switch (constant) {
            case ClassDesc c -> name(c);
            case MethodTypeDesc t -> name(t);
            case DirectMethodHandleDesc h ->
                MethodHandleDesc.of(h.kind(), name(h.owner()), h.methodName(), nameDescriptor(h.lookupDescriptor()));
            default -> constant;
        };
    }

    private String nameDescriptor(String descriptor) {
        return descriptor.startsWith("(")
                ? name(MethodTypeDesc.ofDescriptor(descriptor)).descriptorString()
                : name(ClassDesc.ofDescriptor(descriptor)).descriptorString();
    }

    /** The template of a woven class, or the name itself if it is none; both internal. */
    String template(String internal) {
        return packageOf(internal).equals(woven) ? templates + internal.substring(woven.length()) : internal;
    }

    private static String packageOf(String internal) {
        return internal.substring(0, Math.max(0, internal.lastIndexOf('/')));
    }
}
