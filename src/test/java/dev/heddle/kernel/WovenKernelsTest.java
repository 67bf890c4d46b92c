package dev.heddle.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.weave.Kernel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.InvokeInstruction;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What was woven: everything that should be, flat, and small enough to be compiled. */
class WovenKernelsTest {
    /** HotSpot compiles no method of this size or more. */
    private static final int HUGE_METHOD = 8000;

    private static final List<String> TARGETS = List.of("scalar", "vector128", "vector256", "vector512");

    private static Path packageOf(String name) throws URISyntaxException {
        return Path.of(Backends.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .resolve("dev/heddle/kernel/" + name);
    }

    private static List<ClassModel> classes(String name) throws IOException, URISyntaxException {
        try (Stream<Path> files = Files.list(packageOf(name))) {
            return files.filter(f -> f.toString().endsWith(".class"))
                    .sorted()
                    .map(f -> {
                        try {
                            return ClassFile.of().parse(f);
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    })
                    .toList();
        }
    }

    private static boolean isKernel(MethodModel m) {
        return m.findAttribute(Attributes.runtimeInvisibleAnnotations())
                .map(a -> a.annotations().stream()
                        .anyMatch(x -> x.classSymbol().descriptorString().equals(Kernel.class.descriptorString())))
                .orElse(false);
    }

    /** The kernels of a package as Class.method. */
    private static Set<String> kernels(List<ClassModel> classes) {
        Set<String> names = new TreeSet<>();
        for (ClassModel c : classes) {
            String simple = c.thisClass().asInternalName().replaceFirst(".*/", "");
            c.methods().stream()
                    .filter(WovenKernelsTest::isKernel)
                    .forEach(m -> names.add(simple + "." + m.methodName().stringValue()));
        }
        return names;
    }

    @Test
    void everyKernelWasWovenForEveryTarget() throws Exception {
        Set<String> templates = kernels(classes("vector"));
        assertTrue(templates.size() >= 35, "found only " + templates);
        for (String target : TARGETS) {
            assertEquals(templates, kernels(classes(target)), target);
        }
    }

    @Test
    void wovenCodeCallsNoHelperAndCanBeCompiled() throws Exception {
        for (String target : TARGETS) {
            for (ClassModel c : classes(target)) {
                for (MethodModel m : c.methods()) {
                    String id = c.thisClass().asInternalName() + "." + m.methodName();
                    m.findAttribute(Attributes.code())
                            .ifPresent(code -> assertTrue(code.codeLength() < HUGE_METHOD, id + " is too large"));
                    for (CodeElement e :
                            m.code().map(code -> code.elementList()).orElse(List.of())) {
                        if (e instanceof InvokeInstruction call) {
                            String owner = call.owner().asInternalName();
                            assertFalse(owner.startsWith("dev/heddle/kernel/vector/"), id + " calls " + owner);
                            assertFalse(owner.startsWith("dev/heddle/weave/"), id + " calls " + owner);
                            assertFalse(
                                    target.equals("scalar") && owner.startsWith("jdk/incubator/"),
                                    id + " calls " + owner);
                        }
                    }
                }
            }
        }
    }
}
