package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.memory.LiveRanges;
import dev.heddle.memory.Raw;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The checked mode finds planted errors, in vector kernels and in their scalar twins, and says where they are. */
class CheckedTest {
    private static final int N = 64;
    private static final Workshop WORKSHOP = new Workshop();

    static {
        Target.CHECKED.forEach(t -> WORKSHOP.weave(t, "Bugs"));
    }

    private final Memory memory = new Memory(1);
    private final long x = memory.floats(N, false);
    private final long y = memory.bytes(4L * N);

    @BeforeEach
    void rangesAreRecorded() {
        assertTrue(LiveRanges.ENABLED, "tests run with -Dheddle.checked=true");
    }

    static Stream<Target> targets() {
        return Target.CHECKED.stream();
    }

    private void run(Target target, String kernel) throws ReflectiveOperationException {
        Method m = WORKSHOP.woven("Bugs", target).getMethod(kernel, long.class, long.class, int.class);
        try {
            m.invoke(null, x, y, N);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e;
        }
    }

    @ParameterizedTest
    @MethodSource("targets")
    void correctKernelsPass(Target target) throws ReflectiveOperationException {
        run(target, "correct");
        assertEquals(Raw.ALL.get(Raw.F32, x + 4L * N - 4) + 1f, Raw.ALL.get(Raw.F32, y + 4L * N - 4));
    }

    @ParameterizedTest
    @MethodSource("targets")
    void loadsTooFarAreFound(Target target) {
        assertFound(
                target, "loadsTooFar", "loads " + 4 * target.lanes() + " bytes at offset 256 of an allocation of 256");
    }

    @ParameterizedTest
    @MethodSource("targets")
    void storesBelowAreFound(Target target) {
        assertFound(
                target, "storesOneLow", "stores " + 4 * target.lanes() + " bytes at offset -4 of an allocation of 256");
    }

    @ParameterizedTest
    @MethodSource("targets")
    void singleElementsAreChecked(Target target) {
        assertFound(target, "readsOneElementTooFar", "loads 4 bytes at offset 256 of an allocation of 256");
    }

    /** The message names kernel, file and line: that of the call in the kernel, though the access is in V. */
    private void assertFound(Target target, String kernel, String what) {
        AssertionError e = assertThrows(AssertionError.class, () -> run(target, kernel));
        String id = WORKSHOP.woven("Bugs", target).getName() + "." + kernel;
        Matcher m = Pattern.compile("(.*) \\(Bugs\\.java:(\\d+)\\) (.*)").matcher(e.getMessage());
        assertTrue(m.matches(), e::getMessage);
        assertEquals(id, m.group(1));
        assertEquals(what, m.group(3));
        assertTrue(e.getStackTrace().length > 0);
    }

    @Test
    void everyKindOfElementAndVectorIsChecked() throws ReflectiveOperationException {
        String[] elements = {"byte", "short", "int", "long", "float", "double"};
        String[] layouts = {"I8", "I16", "I32", "I64", "F32", "F64"};
        StringBuilder kernels = new StringBuilder("public final class E {\n");
        for (int i = 0; i < elements.length; i++) {
            String get = "ALL.get(" + layouts[i] + ", a)";
            kernels.append("@Kernel public static void load%s(long a) { %s s = %s; }\n"
                    .formatted(elements[i], elements[i], get));
            kernels.append("@Kernel public static void store%s(long a) { ALL.set(%s, a, (%s) 1); }\n"
                    .formatted(elements[i], layouts[i], elements[i]));
        }
        String[] vectors = {"Byte", "Short", "Int", "Float"};
        String[] species = {"SB", "SS", "SI", "S"};
        for (int i = 0; i < vectors.length; i++) {
            kernels.append(
                    "@Kernel public static void load%sVector(long a) { %sVector.fromMemorySegment(%s, ALL, a, LE); }\n"
                            .formatted(vectors[i], vectors[i], species[i]));
            kernels.append(
                    "@Kernel public static void store%sVector(long a) { %sVector.zero(%s).intoMemorySegment(ALL, a, LE); }\n"
                            .formatted(vectors[i], vectors[i], species[i]));
        }
        Workshop workshop = new Workshop(kernels.append("}\n").toString());
        int found = 0;
        for (Target target : new Target[] {Target.named("checked/scalar"), Target.named("checked/vector512")}) {
            workshop.weave(target, "E");
            for (Method m : workshop.woven("E", target).getMethods()) {
                if (m.getDeclaringClass().getSimpleName().equals("E")) {
                    m.invoke(null, x);
                    InvocationTargetException e = assertThrows(
                            InvocationTargetException.class, () -> m.invoke(null, x + 4L * N), m::toString);
                    String verb = m.getName().startsWith("load") ? "loads " : "stores ";
                    String message = String.valueOf(e.getCause());
                    assertTrue(message.contains(verb), message);
                    found++;
                }
            }
        }
        assertEquals(2 * 2 * (elements.length + vectors.length), found);
    }
}
