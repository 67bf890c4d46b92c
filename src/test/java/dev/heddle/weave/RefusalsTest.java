package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What cannot be woven stops the build with a message that names the kernel, the file, the line and the reason. */
class RefusalsTest {
    private static String refusal(int lanes, String members) {
        Workshop workshop = new Workshop("public final class K {\n" + members + "\n}\n");
        WeaveException e = assertThrows(WeaveException.class, () -> workshop.weave(Workshop.target(lanes), "K"));
        assertEquals(1, e.problems().size(), e::getMessage);
        return e.problems().getFirst();
    }

    /** Refused in every target; the first line of the members is line 2. */
    static Stream<Arguments> refusedEverywhere() {
        return Stream.of(
                // what helpers may not do
                refused("recursion", """
                        @Inline static int f(int x) { return x == 0 ? 0 : f(x - 1); }
                        @Kernel static int k(int x) { return f(x); }""", "K.k (K.java:3) > K.f (K.java:2) >", "recursion cannot be woven"),
                refused("try and catch", """
                        @Inline static int f(int x) {
                            try { return 1 / x; } catch (ArithmeticException e) { return 0; }
                        }
                        @Kernel static int k(int x) { return f(x); }""", "K.k (K.java:5)", "try, catch and synchronized cannot be woven (f)"),
                refused("synchronized", """
                        @Kernel static int k(int x) {
                            synchronized (K.class) { return x; }
                        }""", "K.k (K.java:3)", "try, catch and synchronized"),
                refused(
                        "a loop under a half-evaluated expression",
                        """
                        @Inline static int sum(int n) {
                            int s = 0;
                            for (int i = 0; i < n; i++) s += i;
                            return s;
                        }
                        @Kernel static int k(int x) {
                            return x + sum(x);
                        }""",
                        "K.k (K.java:8) > K.sum (K.java:4)",
                        "assign the result of a helper with a loop to a variable first"),
                refused("a switch over patterns", """
                        @Kernel static int k(int x) {
                            Object o = x;
                            return switch (o) { case Integer i when i > 3 -> 1; default -> 2; };
                        }""", "K.k (K.java:4)", "switch over patterns?"),
                refused(
                        "an array of arrays",
                        "@Kernel static int k(int x) { int[][] a = new int[2][3]; return a[1][2] + x; }",
                        "K.k (K.java:2)",
                        "cannot weave multianewarray"),
                refused(
                        "a default method of a functional interface",
                        """
                        @Kernel static int k(int x) {
                            IntUnaryOperator f = v -> v + 1;
                            return f.andThen(v -> v * 2).applyAsInt(x);
                        }""",
                        "K.k (K.java:4)",
                        "a default method of a functional interface: andThen"),
                refused("a bound method reference", """
                        @Kernel static int k(int x) {
                            String s = "abc";
                            IntUnaryOperator f = s::codePointAt;
                            return f.applyAsInt(x & 1);
                        }""", "K.k (K.java:5)", "a bound method reference"),
                refused("a method reference that boxes", """
                        @Kernel static int k(int x) {
                            BinaryOperator<Integer> f = Integer::sum;
                            return f.apply(x, 1);
                        }""", "K.k (K.java:4)", "boxes, widens or drops"),
                refused("a method reference that widens", """
                        @Kernel static long k(int x) {
                            IntToLongFunction f = Math::abs;
                            return f.applyAsLong(x);
                        }""", "K.k (K.java:4)", "boxes, widens or drops"),
                refused("a constructor reference", """
                        @Kernel static int k(int x) {
                            IntFunction<StringBuilder> f = StringBuilder::new;
                            return f.apply(x & 7).capacity();
                        }""", "K.k (K.java:4)", "a method reference to a constructor"),

                // local arrays and lambdas
                refused(
                        "an array of unknown length",
                        "@Kernel static int k(int x) { int[] a = new int[x]; return a.length; }",
                        "K.k (K.java:2)",
                        "the length of a local array must be known"),
                refused(
                        "an array of negative length",
                        "@Kernel static int k(int x) { int[] a = new int[3 - 4]; return a.length + x; }",
                        "an array of length -1"),
                refused(
                        "an unknown index",
                        "@Kernel static int k(int x) { int[] a = new int[4]; a[x & 3] = 1; return a[0]; }",
                        "the index of a local array must be known"),
                refused("an index out of bounds", """
                        @Kernel static int k(int x) {
                            int[] a = new int[4];
                            for (int i = 0; i <= 4; i++)
                                a[i] = x;
                            return a[0];
                        }""", "K.k (K.java:5)", "index 4 of a local array of 4"),
                refused("an array that escapes into a call", """
                        @Kernel static int k(int x) {
                            int[] a = new int[4];
                            return java.util.Arrays.hashCode(a);
                        }""", "K.k (K.java:4)", "may only be indexed"),
                refused("an array that escapes into a field", """
                        static int[] field;
                        @Kernel static void k(int x) { field = new int[4]; }""", "K.k (K.java:3)", "may only be indexed"),
                refused(
                        "an array that is returned",
                        "@Kernel static int[] k(int x) { return new int[4]; }",
                        "may only be indexed"),
                refused(
                        "a lambda that escapes",
                        "@Kernel static int k(int x) { return IntStreams.go(v -> v + x); }\n"
                                + "static class IntStreams { static int go(IntUnaryOperator f) { return f.applyAsInt(1); } }",
                        "K.k (K.java:2)",
                        "may only be indexed"),
                refused("a lambda in an array", """
                        @Kernel static int k(int x) {
                            IntUnaryOperator[] f = new IntUnaryOperator[1];
                            f[0] = v -> v + 1;
                            return f[0].applyAsInt(x);
                        }""", "K.k (K.java:4)", "may only be indexed"),
                refused("a lambda chosen at run time", """
                        @Kernel static int k(int x) {
                            IntUnaryOperator f = x > 3 ? v -> v + 1 : v -> v - 1;
                            return f.applyAsInt(x);
                        }""", "K.k (K.java:3)", "must be the same one on every path"),
                refused("a lambda assigned at run time", """
                        @Kernel static int k(int x) {
                            IntUnaryOperator f = v -> v + 1;
                            if (x > 3) {
                                f = v -> v - 1;
                            }
                            return f.applyAsInt(x);
                        }""", "K.k (K.java:7)", "must be the same one on every path"),
                refused("a lambda or null", """
                        @Kernel static int k(int x) {
                            IntUnaryOperator f = null;
                            if (x > 3) {
                                f = v -> v - 1;
                            }
                            return f.applyAsInt(x);
                        }""", "K.k (K.java:7)", "must be the same one on every path"),
                refused("a lambda that a loop changes", """
                        @Inline static IntUnaryOperator next(IntUnaryOperator f) { return v -> f.applyAsInt(v) + 1; }
                        @Kernel static int k(int x) {
                            IntUnaryOperator f = v -> v;
                            for (int i = 0; i < x; i++)
                                f = next(f);
                            return f.applyAsInt(x);
                        }""", "K.k (K.java:6)", "must be the same one on every path"),
                refused(
                        "an array of an earlier round of a loop",
                        """
                        @Kernel static int k(int x) {
                            int[] last = new int[2];
                            int s = 0;
                            for (int i = 0; i < x; i++) {
                                int[] now = new int[2];
                                now[0] = i;
                                s += last[0];
                                last = now;
                            }
                            return s;
                        }""",
                        "K.k (K.java:8)",
                        "must be the same one on every path"),
                refused("arrays compared", """
                        @Kernel static boolean k(int x) {
                            int[] a = new int[2], b = new int[2];
                            return a == b;
                        }""", "K.k (K.java:4)", "may only be indexed"),

                // names
                refused("a call of a plain method", """
                        static int plain(int x) { return x; }
                        @Kernel static int k(int x) { return plain(x); }""", "K.k (K.java:3)", "plain is neither @Inline nor @Kernel"),
                refused(
                        "a class of the package without kernels",
                        """
                        static final class Other { static int value = 3; }
                        @Kernel static int k(int x) { return x + Other.value; }""",
                        "K.k (K.java:3)",
                        "woven code cannot use K$Other, which has no kernels"),
                refused(
                        "a private member of another class",
                        """
                        static final class Other {
                            private static int secret = 3;
                            @Kernel static int k2(int x) { return x; }
                        }
                        @Kernel static int k(int x) { return x + Other.secret; }""",
                        "K.k (K.java:6)",
                        "K$Other.secret cannot be reached from woven code"),
                refused(
                        "an enum of the package, chosen at run time",
                        """
                        enum E { A, B }
                        @Kernel static int k(int x) {
                            E e = x > 3 ? E.A : E.B;
                            return e == E.A ? 1 : 2;
                        }""",
                        "K.k (K.java:4)",
                        "must be the same one on every path"),
                refused(
                        "a plain method with vectors",
                        """
                        static FloatVector plain(FloatVector x) { return x.add(Lanes.S.broadcast(1)); }
                        @Kernel static int k(int x) { return x; }""",
                        "K.plain (K.java:2)",
                        "vectors are for kernels only: Lanes.S"),
                refused(
                        "a literal species",
                        """
                        @Kernel static void k(long x) {
                            store(FloatVector.broadcast(FloatVector.SPECIES_128, 1f), x);
                        }""",
                        "K.k (K.java:3)",
                        "a species must be one of Lanes, not FloatVector.SPECIES_128"),
                refused(
                        "a vector as a parameter",
                        "@Kernel static void k(FloatVector x, long y) { store(x, y); }",
                        "K.k (K.java:2)",
                        "a kernel can neither take nor return vectors"),

                // constants
                refused(
                        "an int without values",
                        "@Kernel static int k(@Const int x) { return x; }",
                        "K.k (K.java:2)",
                        "@Const x: an int lists its values"),
                refused(
                        "an enum with values",
                        "@Kernel static int k(@Const({1, 2}) boolean x) { return x ? 1 : 2; }",
                        "@Const x: an int lists its values, a boolean or enum takes all it has"),
                refused(
                        "a long constant",
                        "@Kernel static long k(@Const({1, 2}) long x) { return x; }",
                        "@Const x: only int, boolean and enum parameters can be constant"),
                refused(
                        "too many combinations",
                        "@Kernel static int k("
                                + "@Const boolean b%d, ".repeat(10).formatted(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
                                + "@Const boolean x) { return 1; }",
                        "more than 1024 combinations"),

                // size
                refused("a huge method", """
                        @Kernel static double k(double x) {
                            for (int i = 0; i < 64; i++)
                                for (int j = 0; j < 64; j++)
                                    x = x * i + j;
                            return x;
                        }""", "K.k (K.java:3)", "HotSpot compiles no method of 8000 bytes or more"),
                refused(
                        "a somewhat too large method",
                        """
                        @Kernel static double k(double x) {
                            for (int i = 0; i < 64; i++)
                                for (int j = 0; j < 20; j++)
                                    x = x * i + j;
                            return x;
                        }""",
                        "K.k (K.java:3)",
                        "HotSpot compiles no method of 8000 bytes or more"),
                refused(
                        "an enormous method",
                        """
                        @Kernel static double k(double x) {
                            for (int i = 0; i < 64; i++)
                                for (int j = 0; j < 64; j++)
                                    for (int l = 0; l < 64; l++)
                                        x = x * i + j;
                            return x;
                        }""",
                        "K.k (K.java:5)",
                        "unrolling its loops makes a method of more than"));
    }

    private static Arguments refused(String what, String members, String... fragments) {
        return Arguments.of(what, members, fragments);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("refusedEverywhere")
    void isRefused(String what, String members, String[] fragments) {
        for (int lanes : new int[] {1, 16}) {
            String message = refusal(lanes, members);
            assertAll(Stream.of(fragments).map(f -> () -> assertTrue(message.contains(f), message)));
            assertTrue(message.endsWith(" [" + Workshop.target(lanes).name() + "]"), message);
        }
    }

    // ---- refused for one lane only

    static Stream<Arguments> refusedForOneLane() {
        return Stream.of(
                refused(
                        "a sum over lanes",
                        """
                        @Kernel static float k(long x) {
                            return load(x).reduceLanes(VectorOperators.ADD);
                        }""",
                        "K.k (K.java:3)",
                        "no one-lane form of FloatVector.reduceLanesADD(float); see OneLane"),
                refused(
                        "a call in a helper of another file",
                        "@Kernel static void k(long x) { store(load(x).lanewise(VectorOperators.EXP), x); }",
                        "K.k (K.java:2)",
                        "no one-lane form of FloatVector.exp(float)"),
                refused(
                        "a shuffle",
                        "@Kernel static void k(long x) { store(load(x).rearrange(S.iotaShuffle(1, 1, true)), x); }",
                        "no one-lane form of VectorSpecies.iotaShuffle"),
                refused("a vector that may be null", """
                        @Kernel static void k(long x, int n) {
                            FloatVector s = null;
                            for (int i = 0; i < n; i++) {
                                s = s == null ? load(x) : s.add(load(x + 4L * i));
                            }
                            store(s, x);
                        }""", "K.k (K.java:5)", "null"),
                refused(
                        "a vector that is null on one path",
                        """
                        @Kernel static void k(long x, int n) {
                            FloatVector s = null;
                            if (n > 3) {
                                s = load(x);
                            }
                            store(s, x);
                        }""",
                        "K.k (K.java:7)",
                        "a vector variable is null, or of another type, on some path"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("refusedForOneLane")
    void isRefusedForOneLane(String what, String members, String[] fragments) {
        String message = refusal(1, members);
        assertAll(Stream.of(fragments).map(f -> () -> assertTrue(message.contains(f), message)));
    }

    @Test
    void speciesThatAWidthDoesNotHaveAreRefusedThere() {
        String members = "@Kernel static void k(long x) { ByteVector.zero(SB).intoMemorySegment(ALL, x, LE); }";
        new Workshop("public final class K {\n" + members + "\n}\n")
                .weave(Workshop.target(1), "K")
                .weave(Workshop.target(8), "K")
                .weave(Workshop.target(16), "K");
        assertTrue(refusal(4, members).contains("there are no vectors of 4 lanes of 8 bits"));
    }

    @Test
    void memoryAccessWithoutACheckIsRefusedInCheckedTargets() {
        Workshop workshop = new Workshop("""
                public final class K {
                    @Kernel public static void k(long x) {
                        ALL.asSlice(x, 4).fill((byte) 1);
                    }
                }
                """);
        workshop.weave(Workshop.target(4), "K");
        WeaveException e =
                assertThrows(WeaveException.class, () -> workshop.weave(Target.named("checked/vector128"), "K"));
        String message = e.problems().getFirst();
        assertTrue(message.contains("K.k (K.java:3): no checked form of MemorySegment.asSlice"), message);
    }

    @Test
    void allKernelsWithProblemsAreNamed() {
        Workshop workshop = new Workshop("""
                public final class K {
                    @Kernel static int a(int x) { return new int[x].length; }
                    @Kernel static int b(int x) { return x; }
                    @Kernel static int c(int x) { return new int[x].length; }
                }
                """);
        WeaveException e = assertThrows(WeaveException.class, () -> workshop.weave(Workshop.target(4), "K"));
        assertEquals(2, e.problems().size(), e::getMessage);
        assertTrue(e.problems().get(1).contains("K.c (K.java:4)"), e::getMessage);
    }
}
