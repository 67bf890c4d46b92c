package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.loom.Weft;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One source, five classes, the same bits: unwoven, and woven for 1, 4, 8 and 16 lanes, with and without checks. */
class TwinsTest {
    private static final List<Target> TARGETS =
            Stream.concat(Target.PLAIN.stream(), Target.CHECKED.stream()).toList();
    private static final Workshop WORKSHOP = new Workshop();

    static {
        TARGETS.forEach(t -> WORKSHOP.weave(t, "Waves", "Family"));
    }

    /** A kernel, given its class and where to write. */
    private interface Run {
        void on(Class<?> kernels, long out) throws ReflectiveOperationException;
    }

    private static void assertSameBits(String name, Memory memory, int outputs, Run run)
            throws ReflectiveOperationException {
        long expected = memory.unwritten(outputs);
        run.on(WORKSHOP.template(name), expected);
        for (Target target : TARGETS) {
            long actual = memory.unwritten(outputs);
            run.on(WORKSHOP.woven(name, target), actual);
            assertArrayEquals(Memory.bits(expected, outputs), Memory.bits(actual, outputs), target.name());
        }
    }

    private static void call(Class<?> kernels, String name, Object... arguments) throws ReflectiveOperationException {
        for (Method m : kernels.getMethods()) {
            if (m.getName().equals(name)) {
                m.invoke(null, arguments);
                return;
            }
        }
        throw new AssertionError(name);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void scan(boolean special) throws ReflectiveOperationException {
        Memory memory = new Memory(1);
        int columns = 32;
        int steps = 9;
        long x = memory.floats(columns * steps, special);
        long decay = memory.floats(4 * columns, special);
        long feed = memory.floats(4, special);
        assertSameBits("Waves", memory, columns * steps, (k, y) -> call(k, "scan", x, decay, feed, y, columns, steps));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void mean(boolean special) throws ReflectiveOperationException {
        Memory memory = new Memory(2);
        int columns = 48;
        int steps = 7;
        long k = memory.floats(columns * steps, special);
        long v = memory.floats(columns * steps, special);
        assertSameBits("Waves", memory, columns * steps, (c, y) -> call(c, "mean", k, v, y, columns, steps));
    }

    /** A tile is two vectors wide, so its rows depend on the width: compared is each element with its own sum. */
    @Test
    void tile() throws ReflectiveOperationException {
        Memory memory = new Memory(3);
        int depth = 5;
        long a = memory.floats(6 * depth, false);
        for (Target target : TARGETS) {
            int width = 2 * target.lanes();
            long b = memory.floats(depth * width, false);
            long c = memory.unwritten(6 * width);
            call(WORKSHOP.woven("Waves", target), "tile", a, b, c, depth);
            int[] expected = new int[6 * width];
            for (int i = 0; i < 6; i++) {
                for (int j = 0; j < width; j++) {
                    float sum = 0;
                    for (int k = 0; k < depth; k++) {
                        sum = Math.fma(f32(a, 6 * k + i), f32(b, k * width + j), sum);
                    }
                    expected[i * width + j] = Float.floatToRawIntBits(sum);
                }
            }
            assertArrayEquals(expected, Memory.bits(c, 6 * width), target.name());
        }
    }

    private static float f32(long a, int i) {
        return dev.heddle.memory.Raw.ALL.get(dev.heddle.memory.Raw.F32, a + 4L * i);
    }

    // ---- a family: instances, constants, lambdas

    private static Weft weft(Class<?> c) throws ReflectiveOperationException {
        return (Weft) c.getDeclaredConstructor().newInstance();
    }

    @Test
    void combinations() throws ReflectiveOperationException {
        Memory memory = new Memory(4);
        int n = 32;
        long a = memory.floats(n, true);
        long b = memory.floats(n, true);
        for (Weft.Op op : Weft.Op.values()) {
            for (boolean negate : new boolean[] {false, true}) {
                for (int scale : new int[] {1, 2, -3}) {
                    assertSameBits("Family", memory, n, (c, y) -> weft(c).combine(op, negate, scale, a, b, y, n));
                }
            }
        }
    }

    @Test
    void gather() throws ReflectiveOperationException {
        Memory memory = new Memory(5);
        int columns = 64;
        long ptr = memory.ints(0, 3, 3, 5, 9);
        long idx = memory.ints(0, 2, 1, 4, 4, 0, 1, 2, 3);
        long w = memory.floats(9, false);
        long x = memory.floats(5 * columns, true);
        assertSameBits("Family", memory, 4 * columns, (c, y) -> weft(c).gather(ptr, idx, w, x, y, 4, columns));
    }

    @Test
    void plainMethodsKnowTheWidth() throws ReflectiveOperationException {
        List<Integer> columns = new ArrayList<>();
        for (Target target : Target.PLAIN) {
            columns.add(weft(WORKSHOP.woven("Family", target)).columns());
        }
        assertEquals(List.of(2, 16, 32, 64), columns);
    }

    @Test
    void valuesThatWereNotWovenAreNamed() throws ReflectiveOperationException {
        Weft weft = weft(WORKSHOP.woven("Family", Workshop.target(4)));
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> weft.combine(Weft.Op.ADD, true, 7, 0, 0, 0, 0));
        assertEquals("dev.heddle.loom.vector128.Family.combine was not woven for scale = 7", e.getMessage());
    }

    @Test
    @SuppressWarnings("NullAway") // that is the point
    void nullIsNoConstantOfAnEnum() throws ReflectiveOperationException {
        Weft weft = weft(WORKSHOP.woven("Family", Workshop.target(4)));
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> weft.combine(null, true, 1, 0, 0, 0, 0));
        assertEquals("dev.heddle.loom.vector128.Family.combine was not woven for op = null", e.getMessage());
    }

    @Test
    void eachCombinationHasItsMethod() {
        Set<String> variants = parse(Workshop.target(8), "Family").methods().stream()
                .map(m -> m.methodName().stringValue())
                .filter(n -> n.matches("combine\\$\\w+\\$\\w+\\$-?\\d+"))
                .collect(Collectors.toSet());
        assertEquals(3 * 2 * 3, variants.size());
        assertTrue(variants.contains("combine$MAX$false$-3"), variants::toString);
    }

    // ---- what is left in the class files

    private static ClassModel parse(Target target, String name) {
        return ClassFile.of().parse(WORKSHOP.woven(target, name));
    }

    private static Set<String> pool(ClassModel c) {
        Set<String> strings = new java.util.HashSet<>();
        for (PoolEntry e : c.constantPool()) {
            if (e instanceof Utf8Entry u) {
                strings.add(u.stringValue());
            }
        }
        return strings;
    }

    /** How often a kernel casts a receiver. */
    private static long casts(Target target, String kernel) {
        return parse(target, "Waves").methods().stream()
                .filter(m -> m.methodName().equalsString(kernel))
                .flatMap(m -> m.code().orElseThrow().elementStream())
                .filter(e -> e instanceof InvokeInstruction i
                        && i.owner().asInternalName().equals("java/lang/Class")
                        && i.name().equalsString("cast"))
                .count();
    }

    @Test
    void receiversAreOfAKnownClass() {
        for (int lanes : List.of(4, 8, 16)) {
            Target target = Workshop.target(lanes);
            assertEquals(8, casts(target, "mean"), "what was loaded, broadcast, reinterpreted, or carried by the loop");
            assertEquals(18, casts(target, "tile"), "6 factors, and 12 sums where they are stored");
        }
        assertEquals(0, casts(Workshop.target(1), "mean"));
    }

    @Test
    void scalarTwinsDoNotMentionTheIncubatorModule() {
        for (String name : List.of("Waves", "Family")) {
            for (String s : pool(parse(Workshop.target(1), name))) {
                assertFalse(s.contains("incubator") || s.contains("OneLane") || s.contains("loom/vector"), s);
            }
        }
    }

    @Test
    void helpersAndTheirLambdasAreGone() {
        for (MethodModel m : parse(Workshop.target(16), "Family").methods()) {
            String name = m.methodName().stringValue();
            assertFalse(Set.of("apply", "rows", "vectors").contains(name), name);
            assertFalse(name.startsWith("lambda$gather"), name);
        }
    }

    @Test
    void localVariablesAreDescribed() {
        MethodModel scan = parse(Workshop.target(1), "Waves").methods().stream()
                .filter(m -> m.methodName().equalsString("mean"))
                .findFirst()
                .orElseThrow();
        Set<String> names = new java.util.HashSet<>();
        for (var e : scan.code().orElseThrow()) {
            if (e instanceof java.lang.classfile.instruction.LocalVariable v) {
                names.add(v.name().stringValue() + ":" + v.type().stringValue());
            }
        }
        assertTrue(names.containsAll(Set.of("k:J", "steps:I", "num:F", "kk:F")), names::toString);
    }
}
