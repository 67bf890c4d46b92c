package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.heddle.memory.Raw;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import jdk.incubator.vector.Vector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each method of {@link OneLane} does to a scalar what the call of the Vector API that it stands for does to each lane, on
 * all combinations of special values. The call is found by name, in all the ways it can be written.
 */
class OneLaneTest {
    private static final long[] INTEGERS = {
        0,
        1,
        7,
        -1,
        33,
        127,
        -128,
        200,
        -32768,
        65535,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        Long.MIN_VALUE,
        0x123456789AL
    };

    private static final Map<List<Object>, List<Method>> METHODS = new HashMap<>();

    /** A method of one nested class. */
    record Case(String type, Method method) {
        @Override
        public String toString() {
            List<String> types = Arrays.stream(method.getParameterTypes())
                    .map(Class::getSimpleName)
                    .toList();
            return type + "." + method.getName() + types;
        }
    }

    static Stream<Case> cases() {
        return Arrays.stream(OneLane.class.getDeclaredClasses())
                .filter(c -> Modifier.isStatic(c.getModifiers()))
                .flatMap(c -> Arrays.stream(c.getDeclaredMethods())
                        .filter(m -> !m.getName().endsWith("MemorySegment"))
                        .map(m -> new Case(c.getSimpleName().substring("Of".length()), m)))
                .sorted(Comparator.comparing(Case::toString));
    }

    @Test
    void everyTypeOfVectorHasItsClass() {
        assertEquals(
                Stream.of(Lane.values()).map(l -> "Of" + l.label).sorted().toList(),
                Arrays.stream(OneLane.class.getDeclaredClasses())
                        .map(Class::getSimpleName)
                        .sorted()
                        .toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"Float", "Int", "Short", "Byte", "Long", "Double"})
    void sameMemory(String type) throws ReflectiveOperationException {
        VectorSpecies<?> species = species(type);
        Class<?> lane = species.elementType();
        Class<?> one = Class.forName("dev.heddle.weave.OneLane$Of" + type);
        Method from = one.getDeclaredMethod("fromMemorySegment", MemorySegment.class, long.class);
        Method into = one.getDeclaredMethod("intoMemorySegment", lane, MemorySegment.class, long.class);
        from.setAccessible(true);
        into.setAccessible(true);
        Memory memory = new Memory(0);
        long a = memory.bytes(species.vectorByteSize() + 1) + 1; // at an odd address
        long last = a + species.vectorByteSize() - species.elementSize() / 8;
        for (Object v : values(lane)) {
            invoke(all(type, v), Vector.class, "intoMemorySegment", Raw.ALL, a, ByteOrder.LITTLE_ENDIAN);
            assertEquals(canonical(v), canonical(from.invoke(null, Raw.ALL, a)));
            assertEquals(canonical(v), canonical(from.invoke(null, Raw.ALL, last)));
        }
        for (Object v : values(lane)) {
            into.invoke(null, v, Raw.ALL, last);
            Object loaded =
                    invoke(null, vectorClass(type), "fromMemorySegment", species, Raw.ALL, a, ByteOrder.LITTLE_ENDIAN);
            assertEquals(canonical(v), canonical(lane(loaded)));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void sameAsEachLane(Case c) throws ReflectiveOperationException {
        List<Call> calls = calls(c);
        assertEquals(false, calls.isEmpty(), "the Vector API has no such call");
        c.method.setAccessible(true);
        for (Object[] arguments : arguments(c.method)) {
            if (Arrays.stream(arguments).anyMatch(a -> isLongThatDoesNotFit(a, laneType(c)))) {
                continue;
            }
            Object expected = c.method.invoke(null, arguments);
            for (Call call : calls) {
                Object actual = call.on(arguments);
                assertEquals(canonical(expected), canonical(actual), () -> c + Arrays.toString(arguments));
            }
        }
    }

    private static Class<?> laneType(Case c) {
        return c.type.equals("Mask") ? boolean.class : species(c.type).elementType();
    }

    /** One way to write the call for vectors, each argument in every lane; the result is that of the last lane. */
    private interface Call {
        Object on(Object[] arguments) throws ReflectiveOperationException;
    }

    private static List<Call> calls(Case c) {
        String name = c.method.getName();
        List<Call> calls = new ArrayList<>();
        if (c.type.equals("Mask")) {
            calls.add(a -> mask(name, a));
        } else if (name.equals("broadcast")) {
            calls.add(a -> lane(invoke(null, vectorClass(c.type), "broadcast", species(c.type), a[0])));
        } else if (name.equals("zero")) {
            calls.add(a -> lane(invoke(null, vectorClass(c.type), "zero", species(c.type))));
        } else if (name.startsWith("compare")) {
            withOperator(calls, c, "compare", name.substring("compare".length()));
        } else if (name.startsWith("test")) {
            withOperator(calls, c, "test", name.substring("test".length()));
        } else if (name.startsWith("convert")) {
            Object operator = Objects.requireNonNull(operator(name.substring("convert".length())));
            VectorSpecies<?> to = species(c.method.getReturnType());
            calls.add(a -> lane(invoke(all(c.type, a[0]), Vector.class, "convertShape", operator, to, 0)));
        } else {
            plain(calls, c, name);
            withOperator(calls, c, "lanewise", name.replaceAll("([A-Z])", "_$1").toUpperCase(Locale.ROOT));
        }
        return calls;
    }

    /** {@code v.name(...)}, with vectors and, where there is such a method, with scalars as arguments. */
    private static void plain(List<Call> calls, Case c, String name) {
        for (boolean scalars : new boolean[] {false, true}) {
            if (method(vectorClass(c.type), name, operands(c, sample(c.method), scalars)) != null) {
                calls.add(a -> lane(invoke(all(c.type, a[0]), vectorClass(c.type), name, operands(c, a, scalars))));
            }
        }
    }

    /** {@code v.name(OPERATOR, ...)}, likewise. */
    private static void withOperator(List<Call> calls, Case c, String name, String constant) {
        Object operator = operator(constant);
        if (operator == null) {
            return;
        }
        for (boolean scalars : new boolean[] {false, true}) {
            Object[] sample = prepend(operator, operands(c, sample(c.method), scalars));
            if (method(vectorClass(c.type), name, sample) != null) {
                calls.add(a -> lane(invoke(
                        all(c.type, a[0]), vectorClass(c.type), name, prepend(operator, operands(c, a, scalars)))));
            }
        }
    }

    /** The arguments after the receiver: vectors if they are of its lane type, masks for booleans. */
    private static Object[] operands(Case c, Object[] arguments, boolean scalars) {
        Object[] operands = new Object[arguments.length - 1];
        for (int i = 0; i < operands.length; i++) {
            Object a = arguments[i + 1];
            boolean own = c.method.getParameterTypes()[i + 1] == c.method.getParameterTypes()[0];
            operands[i] = a instanceof Boolean b
                    ? VectorMask.fromLong(species(c.type), b ? -1 : 0)
                    : own && !scalars ? all(c.type, a) : a;
        }
        return operands;
    }

    private static Object mask(String name, Object[] a) throws ReflectiveOperationException {
        VectorSpecies<?> species = species("Float");
        Object[] masks = Arrays.stream(a)
                .map(b -> VectorMask.fromLong(species, (Boolean) b ? -1 : 0))
                .toArray();
        Object[] rest =
                name.equals("cast") ? new Object[] {species("Int")} : Arrays.copyOfRange(masks, 1, masks.length);
        Object result = invoke(masks[0], VectorMask.class, name, rest);
        return switch (result) {
            case VectorMask<?> m -> m.laneIsSet(species.length() - 1);
            case Long bits -> bits >>> (species.length() - 1);
            default -> result;
        };
    }

    // ---- values

    private static List<Object[]> arguments(Method m) {
        List<Object[]> all = new ArrayList<>();
        all.add(new Object[0]);
        for (Class<?> type : m.getParameterTypes()) {
            List<Object[]> next = new ArrayList<>();
            boolean part = m.getName().startsWith("convert") && all.getFirst().length == 1;
            for (Object[] a : all) {
                List<Object> values = part ? List.of(0) : values(type);
                int step = m.getParameterCount() == 3 && type != boolean.class ? 3 : 1; // a third of each, for speed
                for (int i = 0; i < values.size(); i += step) {
                    next.add(append(a, values.get(i)));
                }
            }
            all = next;
        }
        return all;
    }

    private static Object[] sample(Method m) {
        return arguments(m).getFirst();
    }

    private static List<Object> values(Class<?> type) {
        List<Object> values = new ArrayList<>();
        if (type == boolean.class) {
            values.addAll(List.of(false, true));
        } else if (type == float.class) {
            for (float f : Memory.SPECIALS) {
                values.add(f);
            }
        } else if (type == double.class) {
            for (float f : Memory.SPECIALS) {
                values.add((double) f * 1.0000000001);
            }
            values.addAll(List.of(Double.MIN_VALUE, -Double.MAX_VALUE, 9.3e18));
        } else {
            for (long v : INTEGERS) {
                values.add(box(type, v));
            }
        }
        return values;
    }

    private static Object box(Class<?> type, long v) {
        return switch (type.getName()) {
            case "int" -> (int) v;
            case "short" -> (short) v;
            case "byte" -> (byte) v;
            case "float" -> (float) v;
            case "double" -> (double) v;
            default -> v;
        };
    }

    /** The Vector API refuses a long that is not a value of the lane type. */
    private static boolean isLongThatDoesNotFit(Object argument, Class<?> lane) {
        return argument instanceof Long l && ((Number) box(lane, l)).longValue() != l;
    }

    private static Object canonical(Object v) {
        return v instanceof Float f && f.isNaN() ? "NaN" : v instanceof Double d && d.isNaN() ? "NaN" : v;
    }

    // ---- the Vector API by name

    private static VectorSpecies<?> species(String type) {
        return species(
                switch (type) {
                    case "Float" -> float.class;
                    case "Int" -> int.class;
                    case "Short" -> short.class;
                    case "Byte" -> byte.class;
                    case "Long" -> long.class;
                    default -> double.class;
                });
    }

    /** Eight lanes of a type; all types have a species of so many. */
    private static VectorSpecies<?> species(Class<?> lane) {
        int bits =
                lane == byte.class ? 8 : lane == short.class ? 16 : lane == int.class || lane == float.class ? 32 : 64;
        return VectorSpecies.of(lane, VectorShape.forBitSize(8 * bits));
    }

    private static Class<?> vectorClass(String type) {
        try {
            return Class.forName("jdk.incubator.vector." + type + "Vector");
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    private static @Nullable Object operator(String constant) {
        try {
            Field f = VectorOperators.class.getField(constant);
            return f.get(null);
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private static Object all(String type, Object value) {
        try {
            return invoke(null, vectorClass(type), "broadcast", species(type), value);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    private static Object lane(Object result) throws ReflectiveOperationException {
        return switch (result) {
            case VectorMask<?> m -> m.laneIsSet(m.length() - 1);
            case Vector<?> v -> invoke(v, v.getClass().getSuperclass(), "lane", v.length() - 1);
            default -> result;
        };
    }

    private static Object invoke(@Nullable Object receiver, Class<?> owner, String name, Object... arguments)
            throws ReflectiveOperationException {
        Method m = method(owner, name, arguments);
        assertNotNull(m, () -> owner.getSimpleName() + "." + name + Arrays.toString(arguments));
        try {
            return m.invoke(receiver, arguments);
        } catch (InvocationTargetException e) {
            throw new AssertionError(name + Arrays.toString(arguments), e.getCause());
        }
    }

    /** The public method that takes these arguments, without converting a primitive. */
    private static @Nullable Method method(Class<?> owner, String name, Object... arguments) {
        List<Method> named = METHODS.computeIfAbsent(
                List.of(owner, name),
                _ -> Arrays.stream(owner.getMethods())
                        .filter(m -> m.getName().equals(name))
                        .toList());
        for (Method m : named) {
            if (accepts(m.getParameterTypes(), arguments)) {
                return m;
            }
        }
        return null;
    }

    private static boolean accepts(Class<?>[] types, Object[] arguments) {
        if (types.length != arguments.length) {
            return false;
        }
        for (int i = 0; i < types.length; i++) {
            if (!MethodType.methodType(types[i]).wrap().returnType().isInstance(arguments[i])) {
                return false;
            }
        }
        return true;
    }

    private static Object[] prepend(Object first, Object[] rest) {
        return Stream.concat(Stream.of(first), Arrays.stream(rest)).toArray();
    }

    private static Object[] append(Object[] front, Object last) {
        Object[] all = Arrays.copyOf(front, front.length + 1);
        all[front.length] = last;
        return all;
    }
}
