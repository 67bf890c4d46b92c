package dev.heddle.weave;

import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.constant.ClassDesc;
import java.util.ArrayList;
import java.util.List;
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
        Emitter emitter = new Emitter(template, classes, naming, target);
        byte[] woven;
        try {
            woven = file.build(emitter.self(), emitter::emit);
        } catch (Refusal | IllegalArgumentException e) {
            throw problem(name, String.valueOf(e.getMessage()));
        }
        if (!emitter.problems().isEmpty()) {
            throw new WeaveException(emitter.problems());
        }
        List<VerifyError> errors = file.verify(woven);
        if (!errors.isEmpty()) {
            throw problem(name, "does not verify: " + errors);
        }
        ClassModel result = ClassFile.of().parse(woven);
        checkNothingLeft(name, result);
        report(emitter, result);
        kernels += emitter.kernels();
        return woven;
    }

    private WeaveException problem(String place, String what) {
        return new WeaveException(List.of(place.replace('/', '.') + ": " + what + " [" + target.name() + "]"));
    }

    /** A last look: a woven class must not lead back to the templates, nor a scalar one to the incubator module. */
    private void checkNothingLeft(String name, ClassModel woven) {
        for (PoolEntry e : woven.constantPool()) {
            if (e instanceof Utf8Entry u && isForbidden(u.stringValue())) {
                throw problem(name, "the woven class still mentions " + u.stringValue());
            }
        }
    }

    private boolean isForbidden(String s) {
        return s.contains(naming.templates() + "/") || (target.oneLane() && s.contains("jdk/incubator/vector"));
    }

    private void report(Emitter emitter, ClassModel woven) {
        String owner = woven.thisClass().asInternalName();
        for (MethodModel m : woven.methods()) {
            Emitter.Flat flat = emitter.flat(m);
            if (flat != null) {
                int bytes = m.findAttribute(Attributes.code()).orElseThrow().codeLength();
                if (bytes >= HUGE) {
                    String what = m.methodName() + " has " + bytes + " bytes: HotSpot compiles no method of " + HUGE;
                    throw problem(flat.kernel(), what + " bytes or more; do less in one kernel");
                }
                String method = owner.substring(owner.lastIndexOf('/') + 1) + "." + m.methodName();
                reports.add(new Report(target.name(), method, flat.inlined(), bytes));
            }
        }
    }
}
