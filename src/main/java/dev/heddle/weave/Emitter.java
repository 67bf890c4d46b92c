package dev.heddle.weave;

import java.lang.classfile.Annotation;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassBuilder;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.FieldModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.RuntimeInvisibleAnnotationsAttribute;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Writes one woven class: kernels flat, helpers not at all, everything else as it is. */
final class Emitter {
    /** A flat method: the position of its kernel, and how many calls were inlined. */
    record Flat(String kernel, int inlined) {}

    private final ClassModel template;
    private final ClassDesc self;
    private final Classes classes;
    private final Naming naming;
    private final Target target;
    private final Copier copier;
    private final Map<String, Flat> flat = new HashMap<>();
    private final List<String> problems = new ArrayList<>();
    private int kernels;

    Emitter(ClassModel template, Classes classes, Naming naming, Target target) {
        this.template = template;
        this.self = naming.name(template.thisClass().asSymbol());
        this.classes = classes;
        this.naming = naming;
        this.target = target;
        this.copier = new Copier(template, classes, naming, target);
    }

    /** The name of the woven class. */
    ClassDesc self() {
        return self;
    }

    /** What could not be woven. */
    List<String> problems() {
        return problems;
    }

    int kernels() {
        return kernels;
    }

    /** What is known of a method of the woven class, if it is a flat one. */
    @Nullable
    Flat flat(MethodModel woven) {
        return flat.get(Classes.id(woven));
    }

    /** Writes the class, without the methods that have problems. */
    void emit(ClassBuilder out) {
        out.withVersion(template.majorVersion(), template.minorVersion());
        out.withFlags(template.flags().flagsMask());
        template.superclass().ifPresent(s -> out.withSuperclass(naming.name(s.asSymbol())));
        out.withInterfaceSymbols(template.interfaces().stream()
                .map(i -> naming.name(i.asSymbol()))
                .toList());
        template.findAttribute(Attributes.sourceFile()).ifPresent(out::with);
        template.fields().forEach(f -> field(out, f));
        Set<MethodModel> copied = copier.methods();
        for (MethodModel m : template.methods()) {
            try {
                if (Classes.isKernel(m)) {
                    kernel(out, m);
                } else if (copied.contains(m)) {
                    plain(out, m);
                }
            } catch (Refusal r) {
                problems.add(r.at(classes.position(m)).describe(target));
            }
        }
    }

    private void field(ClassBuilder out, FieldModel f) {
        out.withField(f.fieldName().stringValue(), naming.name(f.fieldTypeSymbol()), field -> {
            field.withFlags(f.flags().flagsMask());
            f.findAttribute(Attributes.constantValue()).ifPresent(field::with);
        });
    }

    private void plain(ClassBuilder out, MethodModel m) {
        MethodTypeDesc type = naming.name(m.methodTypeSymbol());
        out.withMethod(m.methodName().stringValue(), type, m.flags().flagsMask(), method -> {
            if (copier.callsHelper(m)) {
                method.withCode(code -> flattener(code, m).run(Map.of()));
            } else {
                m.code().ifPresent(code -> method.transformCode(code, copier::copy));
            }
        });
    }

    private void kernel(ClassBuilder out, MethodModel m) {
        kernels++;
        MethodTypeDesc type = naming.name(m.methodTypeSymbol());
        if (Lane.isVectorApi(type.returnType()) || type.parameterList().stream().anyMatch(Lane::isVectorApi)) {
            throw new Refusal("a kernel can neither take nor return vectors");
        }
        String name = m.methodName().stringValue();
        Variants variants = new Variants(classes.body(m), classes, target.oneLane());
        int depth = variants.depth();
        out.withMethod(name, type, m.flags().flagsMask(), method -> {
            method.with(RuntimeInvisibleAnnotationsAttribute.of(
                    Annotation.of(Kernel.class.describeConstable().orElseThrow())));
            method.withCode(code -> {
                if (depth == 0) {
                    flatten(code, m, name, Map.of());
                } else {
                    variants.dispatch(code, self, type, name, 0);
                }
            });
        });
        int modifiers =
                ClassFile.ACC_PRIVATE | ClassFile.ACC_SYNTHETIC | (m.flags().flagsMask() & ClassFile.ACC_STATIC);
        for (int known = 1; known <= depth; known++) {
            int next = known;
            for (Variants.Variant v : variants.combinations(known)) {
                out.withMethodBody(v.name(), type, modifiers, code -> {
                    if (next == depth) {
                        flatten(code, m, v.name(), v.arguments());
                    } else {
                        variants.dispatch(code, self, type, v.name(), next);
                    }
                });
            }
        }
    }

    private void flatten(CodeBuilder code, MethodModel m, String name, Map<Integer, Fact> arguments) {
        int inlined = flattener(code, m).run(arguments);
        String id = name + naming.name(m.methodTypeSymbol()).descriptorString();
        flat.put(id, new Flat(classes.position(m), inlined));
    }

    private Flattener flattener(CodeBuilder code, MethodModel m) {
        return new Flattener(code, classes.body(m), classes, naming, target);
    }
}
