package dev.heddle.weave;

import java.lang.classfile.Annotation;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassBuilder;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.FieldModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.attribute.RuntimeInvisibleAnnotationsAttribute;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.classfile.instruction.LineNumber;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Weaves template classes for one target. A woven class is its template under the same simple name in the target's
 * package, with the {@link Kernel} methods flattened, the helpers gone and the rest copied.
 */
public final class Weaver {
    /** HotSpot compiles no method of 8000 bytes or more. */
    static final int HUGE = 8000;

    /** From about here on HotSpot's C1 gives up, and the kernel runs in the interpreter until C2 has compiled it. */
    static final int LARGE = 1900;

    /** A flat method: what it is called, what went into it and how many bytes came out. */
    public record Report(String target, String method, int inlined, int bytes) {
        boolean isLarge() {
            return bytes > LARGE;
        }
    }

    private final Classes classes;
    private final Target target;
    private final Naming naming;
    private final ClassFile file;
    private final List<Report> reports = new ArrayList<>();
    private int kernels;

    /**
     * A weaver for one target.
     *
     * @param source the bytes of a class by its internal name, or null if it is unknown
     * @param templates the package of the templates, in internal form
     */
    public Weaver(Function<String, byte @Nullable []> source, String templates, Target target) {
        this.classes = new Classes(source);
        this.target = target;
        this.naming = new Naming(classes, templates, target);
        this.file = ClassFile.of(ClassFile.ClassHierarchyResolverOption.of(ClassHierarchyResolver.ofResourceParsing(
                        (ClassDesc d) -> classes.stream(naming.template(Classes.internal(d))))
                .orElse(ClassHierarchyResolver.defaultResolver())));
    }

    /** The flat methods made so far. */
    public List<Report> reports() {
        return List.copyOf(reports);
    }

    /** How many kernels were woven so far. */
    public int kernels() {
        return kernels;
    }

    /** The package of the woven classes, in internal form. */
    public String wovenPackage() {
        return naming.wovenPackage();
    }

    /**
     * Weaves a template class, given by its internal name.
     *
     * @return the woven class, or null if the class has no kernels
     * @throws WeaveException if something in it cannot be woven
     */
    public byte @Nullable [] weave(String name) {
        ClassModel template = classes.find(name);
        if (template == null || !Classes.hasKernels(template)) {
            return null;
        }
        Map<String, Integer> inlined = new HashMap<>();
        byte[] woven;
        try {
            ClassDesc self = naming.name(template.thisClass().asSymbol());
            woven = file.build(self, out -> build(out, template, self, inlined));
        } catch (Refusal | IllegalArgumentException e) {
            throw new WeaveException(name.replace('/', '.') + ": " + e.getMessage() + " [" + target.name() + "]");
        }
        List<VerifyError> errors = file.verify(woven);
        if (!errors.isEmpty()) {
            throw new WeaveException(
                    name.replace('/', '.') + " does not verify: " + errors + " [" + target.name() + "]");
        }
        ClassModel result = ClassFile.of().parse(woven);
        checkNothingLeft(result);
        report(result, inlined);
        return woven;
    }

    private void build(ClassBuilder out, ClassModel template, ClassDesc self, Map<String, Integer> inlined) {
        out.withVersion(template.majorVersion(), template.minorVersion());
        out.withFlags(template.flags().flagsMask());
        template.superclass().ifPresent(s -> out.withSuperclass(naming.name(s.asSymbol())));
        out.withInterfaceSymbols(template.interfaces().stream()
                .map(i -> naming.name(i.asSymbol()))
                .toList());
        template.findAttribute(Attributes.sourceFile()).ifPresent(out::with);
        for (FieldModel f : template.fields()) {
            out.withField(f.fieldName().stringValue(), naming.name(f.fieldTypeSymbol()), field -> {
                field.withFlags(f.flags().flagsMask());
                f.findAttribute(Attributes.constantValue()).ifPresent(field::with);
            });
        }
        Copier copier = new Copier(template, classes, naming, target);
        Set<MethodModel> copied = copier.methods();
        for (MethodModel m : template.methods()) {
            try {
                if (Classes.isKernel(m)) {
                    kernel(out, m, self, inlined);
                } else if (copied.contains(m) && copier.callsHelper(m)) {
                    MethodTypeDesc type = naming.name(m.methodTypeSymbol());
                    out.withMethodBody(
                            m.methodName().stringValue(),
                            type,
                            m.flags().flagsMask(),
                            code -> flattener(code, classes.body(m)).run(Map.of()));
                } else if (copied.contains(m)) {
                    copy(out, m, copier);
                }
            } catch (Refusal r) {
                throw new WeaveException(position(template, m) + ": " + r.getMessage() + " [" + target.name() + "]");
            }
        }
    }

    private static String position(ClassModel template, MethodModel m) {
        int line = 0;
        for (CodeElement e : m.code().isPresent() ? m.code().get() : List.<CodeElement>of()) {
            if (e instanceof LineNumber n) {
                line = n.line();
                break;
            }
        }
        String source = template.findAttribute(Attributes.sourceFile())
                .map(s -> s.sourceFile().stringValue())
                .orElse("unknown source");
        String name = template.thisClass().asInternalName().replace('/', '.');
        return name + "." + m.methodName() + " (" + source + ":" + line + ")";
    }

    private void copy(ClassBuilder out, MethodModel m, Copier copier) {
        MethodTypeDesc type = naming.name(m.methodTypeSymbol());
        out.withMethod(
                m.methodName().stringValue(),
                type,
                m.flags().flagsMask(),
                method -> m.code().ifPresent(code -> method.transformCode(code, copier::copy)));
    }

    private void kernel(ClassBuilder out, MethodModel m, ClassDesc self, Map<String, Integer> inlined) {
        kernels++;
        Body body = classes.body(m);
        checkSignature(m);
        Variants variants = new Variants(body, classes, target.lanes() == 1);
        MethodTypeDesc type = naming.name(m.methodTypeSymbol());
        String name = m.methodName().stringValue();
        if (variants.exist()) {
            int modifiers =
                    ClassFile.ACC_PRIVATE | ClassFile.ACC_SYNTHETIC | (body.isStatic() ? ClassFile.ACC_STATIC : 0);
            for (Variants.Variant v : variants.all()) {
                out.withMethodBody(
                        v.name(),
                        type,
                        modifiers,
                        code -> inlined.put(
                                v.name() + type.descriptorString(),
                                flattener(code, body).run(v.arguments())));
            }
        }
        out.withMethod(name, type, m.flags().flagsMask(), method -> {
            method.with(RuntimeInvisibleAnnotationsAttribute.of(
                    Annotation.of(Kernel.class.describeConstable().orElseThrow())));
            method.withCode(code -> {
                if (variants.exist()) {
                    variants.dispatch(code, self, type);
                } else {
                    inlined.put(
                            name + type.descriptorString(),
                            flattener(code, body).run(Map.of()));
                }
            });
        });
    }

    private static void checkSignature(MethodModel m) {
        MethodTypeDesc type = m.methodTypeSymbol();
        if (Lane.isVectorApi(type.returnType()) || type.parameterList().stream().anyMatch(Lane::isVectorApi)) {
            throw new Refusal("a kernel can neither take nor return vectors");
        }
    }

    private Flattener flattener(java.lang.classfile.CodeBuilder code, Body body) {
        return new Flattener(code, body, classes, naming, target);
    }

    /** A last look: a woven class must not lead back to the templates, nor a scalar one to the incubator module. */
    private void checkNothingLeft(ClassModel woven) {
        for (PoolEntry e : woven.constantPool()) {
            if (e instanceof Utf8Entry u && isForbidden(u.stringValue())) {
                throw new WeaveException(
                        woven.thisClass().asInternalName().replace('/', '.') + " still mentions " + u.stringValue());
            }
        }
    }

    private boolean isForbidden(String s) {
        return s.contains(naming.templates() + "/") || (target.oneLane() && s.contains("jdk/incubator/vector"));
    }

    private void report(ClassModel woven, Map<String, Integer> inlined) {
        String owner = simpleName(woven.thisClass());
        for (MethodModel m : woven.methods()) {
            String name = m.methodName().stringValue();
            Integer calls = inlined.get(name + m.methodType());
            if (calls != null || Classes.isKernel(m)) {
                CodeAttribute code = m.findAttribute(Attributes.code()).orElseThrow();
                Report r = new Report(target.name(), owner + "." + name, calls == null ? 0 : calls, code.codeLength());
                if (r.bytes >= HUGE) {
                    throw new WeaveException(woven.thisClass().asInternalName().replace('/', '.') + "." + name + " is "
                            + r.bytes + " bytes: HotSpot compiles no method of " + HUGE + " or more");
                }
                reports.add(r);
            }
        }
    }

    private static String simpleName(ClassEntry c) {
        return c.asInternalName().substring(c.asInternalName().lastIndexOf('/') + 1);
    }
}
