package dev.heddle.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.reflect.AccessFlag;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kernels that ship are woven, all of them, and flat. A build that forgot to weave, or wove half, is red here and not
 * forty times slower at a user's.
 */
class WovenKernelsTest {
    private static final String HOME = "dev/heddle/kernel/";
    private static final Path SOURCES = Path.of("src/main/java", HOME, "vector");

    /** What a kernel may call: nothing of ours but this, and what a checked one is checked by. */
    private static final Set<String> ALLOWED = Set.of("dev/heddle/kernel/Fma.exact", "dev/heddle/kernel/Fma.fma");

    static Stream<String> packages() {
        return Stream.of("scalar", "vector128", "vector256", "vector512")
                .flatMap(p -> Stream.of(p, "checked/" + p))
                .sorted();
    }

    /** The number of kernels in each source file that has any. */
    private static Map<String, Long> sources() throws IOException {
        Map<String, Long> kernels = new TreeMap<>();
        try (Stream<Path> files = Files.list(SOURCES)) {
            for (Path f : files.toList()) {
                try (Stream<String> lines = Files.lines(f)) {
                    long n = lines.filter(l -> l.strip().equals("@Kernel")).count();
                    if (n > 0) {
                        kernels.put(f.getFileName().toString().replace(".java", ""), n);
                    }
                }
            }
        }
        return kernels;
    }

    private static ClassModel woven(String pkg, String name) throws IOException {
        String file = "/" + HOME + pkg + "/" + name + ".class";
        try (InputStream in = WovenKernelsTest.class.getResourceAsStream(file)) {
            assertNotNull(in, () -> file + " is missing: the kernels were not woven");
            return ClassFile.of().parse(in.readAllBytes());
        }
    }

    private static boolean isKernel(MethodModel m) {
        return m.findAttribute(Attributes.runtimeInvisibleAnnotations()).stream()
                .flatMap(a -> a.annotations().stream())
                .anyMatch(a -> a.className().equalsString("Ldev/heddle/weave/Kernel;"));
    }

    @Test
    void thereAreKernels() throws IOException {
        Map<String, Long> sources = sources();
        assertTrue(sources.containsKey("Spmm") && sources.containsKey("Matmul"), sources::toString);
        assertTrue(sources.values().stream().mapToLong(n -> n).sum() >= 35, sources::toString);
    }

    @ParameterizedTest
    @MethodSource("packages")
    void everyKernelIsWoven(String pkg) throws IOException {
        Map<String, Long> woven = new TreeMap<>();
        for (String name : sources().keySet()) {
            woven.put(
                    name,
                    woven(pkg, name).methods().stream()
                            .filter(WovenKernelsTest::isKernel)
                            .count());
        }
        assertEquals(sources(), woven);
    }

    @ParameterizedTest
    @MethodSource("packages")
    void kernelsAreFlat(String pkg) throws IOException {
        for (String name : sources().keySet()) {
            ClassModel c = woven(pkg, name);
            String self = c.thisClass().asInternalName();
            Set<String> kernels = new TreeSet<>();
            c.methods().stream()
                    .filter(WovenKernelsTest::isKernel)
                    .forEach(m -> kernels.add(m.methodName().stringValue()));
            int flat = 0;
            for (MethodModel m : c.methods()) {
                String method = m.methodName().stringValue();
                if (kernels.contains(method) || kernels.contains(method.replaceFirst("\\$.*", ""))) {
                    flat++;
                    int bytes = m.findAttribute(Attributes.code()).orElseThrow().codeLength();
                    assertTrue(bytes < 8000, () -> self + "." + method + " has " + bytes + " bytes");
                    for (CodeElement e : m.code().orElseThrow()) {
                        if (e instanceof InvokeInstruction call && !isAllowed(call, self, kernels)) {
                            throw new AssertionError(self + "." + method + " calls "
                                    + call.owner().asInternalName() + "." + call.name());
                        }
                    }
                }
            }
            assertTrue(flat >= kernels.size());
        }
    }

    private static boolean isAllowed(InvokeInstruction call, String self, Set<String> kernels) {
        String owner = call.owner().asInternalName();
        String name = call.name().stringValue();
        return !owner.startsWith("dev/heddle/")
                || ALLOWED.contains(owner + "." + name)
                || (owner.startsWith("dev/heddle/weave/Checked$") && self.startsWith(HOME + "checked/"))
                || (owner.equals(self) && kernels.contains(name.replaceFirst("\\$.*", "")))
                || name.equals("ordinal");
    }

    /** The scalar kernels run where the incubator module is not, and nothing leads back to the templates. */
    @ParameterizedTest
    @MethodSource("packages")
    void nothingOfTheTemplatesIsLeft(String pkg) throws IOException {
        for (String name : sources().keySet()) {
            ClassModel c = woven(pkg, name);
            assertFalse(c.flags().has(AccessFlag.SYNTHETIC));
            for (PoolEntry e : c.constantPool()) {
                if (e instanceof Utf8Entry u) {
                    String s = u.stringValue();
                    assertFalse(s.contains(HOME + "vector/"), s);
                    assertFalse(pkg.endsWith("scalar") && s.contains("incubator"), s);
                    assertFalse(s.contains("OneLane"), s);
                }
            }
        }
    }

    /** Kernels that are gone from the sources are gone from the build. */
    @ParameterizedTest
    @MethodSource("packages")
    void nothingIsStale(String pkg) throws IOException {
        String some = sources().keySet().iterator().next();
        Path directory;
        try {
            directory = Path.of(WovenKernelsTest.class
                            .getResource("/" + HOME + pkg + "/" + some + ".class")
                            .toURI())
                    .getParent();
        } catch (java.net.URISyntaxException e) {
            throw new AssertionError(e);
        }
        try (Stream<Path> files = Files.list(directory)) {
            List<String> names = files.map(f -> f.getFileName().toString().replace(".class", ""))
                    .filter(n -> !n.contains("$"))
                    .sorted()
                    .toList();
            assertEquals(List.copyOf(sources().keySet()), names);
        }
    }
}
