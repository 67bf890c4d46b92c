package dev.heddle.weave;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.lang.classfile.Annotation;
import java.lang.classfile.AttributedElement;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.FieldModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.LineNumber;
import java.lang.constant.ClassDesc;
import java.lang.reflect.AccessFlag;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Our own classes, as javac wrote them: by internal name, parsed once. The JDK's are not asked for. */
final class Classes {
    private final Function<String, byte @Nullable []> source;
    private final Map<String, ClassModel> models = new HashMap<>();
    private final Map<String, Map<String, MethodModel>> methods = new HashMap<>();
    private final Map<String, Body> bodies = new HashMap<>();

    Classes(Function<String, byte @Nullable []> source) {
        this.source = source;
    }

    static String internal(ClassDesc type) {
        String s = type.descriptorString();
        return s.substring(1, s.length() - 1);
    }

    static ClassDesc desc(String internal) {
        return ClassDesc.ofInternalName(internal);
    }

    /** Null for a class of the JDK, and one that is unknown. */
    @Nullable
    ClassModel find(String internal) {
        if (internal.startsWith("java/") || internal.startsWith("jdk/") || internal.startsWith("[")) {
            return null;
        }
        ClassModel known = models.get(internal);
        if (known == null) {
            byte[] bytes = source.apply(internal);
            if (bytes != null) {
                known = ClassFile.of().parse(bytes);
                models.put(internal, known);
            }
        }
        return known;
    }

    @Nullable
    ClassModel find(ClassDesc type) {
        return type.isClassOrInterface() ? find(internal(type)) : null;
    }

    ClassModel get(String internal) {
        ClassModel c = find(internal);
        if (c == null) {
            throw new Refusal("class " + internal.replace('/', '.') + " is missing");
        }
        return c;
    }

    @Nullable
    InputStream stream(String internal) {
        byte[] bytes = source.apply(internal);
        return bytes == null ? null : new ByteArrayInputStream(bytes);
    }

    @Nullable
    MethodModel method(ClassDesc owner, String name, String type) {
        ClassModel c = find(owner);
        return c == null ? null : methods(c).get(name + type);
    }

    /** The methods of a class by name and descriptor. */
    private Map<String, MethodModel> methods(ClassModel c) {
        return methods.computeIfAbsent(c.thisClass().asInternalName(), _ -> {
            Map<String, MethodModel> byId = new HashMap<>();
            c.methods().forEach(m -> byId.put(id(m), m));
            return byId;
        });
    }

    static String id(MethodModel m) {
        return m.methodName().stringValue() + m.methodType().stringValue();
    }

    @Nullable
    FieldModel field(ClassDesc owner, String name) {
        ClassModel c = find(owner);
        if (c != null) {
            for (FieldModel f : c.fields()) {
                if (f.fieldName().equalsString(name)) {
                    return f;
                }
            }
        }
        return null;
    }

    Body body(MethodModel method) {
        ClassModel owner = method.parent().orElseThrow();
        String key = owner.thisClass().asInternalName() + "." + id(method);
        Body known = bodies.get(key);
        if (known == null) {
            known = new Body(owner, method);
            bodies.put(key, known);
        }
        return known;
    }

    /** A method with its file and first line. */
    String position(MethodModel m) {
        int line = 0;
        for (CodeElement e : m.code().isPresent() ? m.code().get() : List.<CodeElement>of()) {
            if (e instanceof LineNumber n && line == 0) {
                line = n.line();
            }
        }
        ClassModel owner = m.parent().orElseThrow();
        String name = owner.thisClass().asInternalName().replace('/', '.');
        return name + "." + m.methodName() + " (" + file(owner) + ":" + line + ")";
    }

    static String file(ClassModel c) {
        return c.findAttribute(Attributes.sourceFile())
                .map(f -> f.sourceFile().stringValue())
                .orElse("unknown source");
    }

    /** The constants of an enum, in order. */
    List<String> enumConstants(ClassModel c) {
        return c.fields().stream()
                .filter(f -> f.flags().has(AccessFlag.ENUM))
                .map(f -> f.fieldName().stringValue())
                .toList();
    }

    static boolean isEnum(ClassModel c) {
        return c.flags().has(AccessFlag.ENUM);
    }

    static boolean isKernel(MethodModel m) {
        return has(m, Kernel.class);
    }

    /** Whether a method is a helper: static, and annotated itself or through its class. */
    static boolean isHelper(MethodModel m) {
        return m.flags().has(AccessFlag.STATIC)
                && !m.methodName().equalsString("<clinit>")
                && !isKernel(m)
                && (has(m, Inline.class) || has(m.parent().orElseThrow(), Inline.class));
    }

    static boolean hasKernels(ClassModel c) {
        return c.methods().stream().anyMatch(Classes::isKernel);
    }

    static boolean has(AttributedElement e, Class<?> annotation) {
        return e.findAttribute(Attributes.runtimeInvisibleAnnotations()).stream()
                .flatMap(a -> a.annotations().stream())
                .anyMatch(a -> is(a, annotation));
    }

    static boolean is(Annotation a, Class<?> annotation) {
        return a.classSymbol().descriptorString().equals(annotation.descriptorString());
    }
}
