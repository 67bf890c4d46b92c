package dev.heddle.weave;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Writes random kernel classes that use only what the weaver supports, and that compute the same for every lane count: a
 * kernel first computes with scalars and returns a hash of them, then works on columns, each of its own.
 */
final class Programs {
    private enum Type {
        INT("int"),
        LONG("long"),
        FLOAT("float"),
        BOOL("boolean"),
        FLOATS("FloatVector"),
        INTS("IntVector"),
        MASK("VectorMask<Float>");

        final String name;

        Type(String name) {
            this.name = name;
        }

        boolean isVector() {
            return ordinal() >= FLOATS.ordinal();
        }
    }

    /** A variable: whether it may be assigned from here on, and whether it never was, so that lambdas can capture it. */
    private record Var(Type type, String name, boolean assignable, boolean isFinal) {
        Var(Type type, String name, boolean assignable) {
            this(type, name, assignable, !assignable);
        }
    }

    private record Array(Type element, String name, int length, boolean assignable) {}

    private record Helper(
            String name,
            Type result,
            List<Type> parameters,
            @Nullable String lambda,
            boolean loops) {}

    @SuppressWarnings("InlineFormatString") // too long for that
    private static final String SHELL = """
            public final class %s {
                interface Step { FloatVector of(FloatVector a, FloatVector b); }
                enum Mode { A, B, C }
                @Inline static IntVector bits(FloatVector v) {
                    return v.blend(0f, v.test(VectorOperators.IS_NAN)).reinterpretAsInts();
                }
                @Inline static int clamp(int x, int lo, int hi) {
                    if (x < lo) return lo;
                    if (x > hi) return hi;
                    return x;
                }
                @Inline static int weigh(Mode m, int x) {
                    return switch (m) { case A -> x; case B -> x * 3; case C -> { if (x > 5) yield 5; yield -x; } };
                }
                @Inline static int total(int[] a) {
                    int s = 0;
                    for (int i = 0; i < a.length; i++) s = s * 31 + a[i];
                    return s;
                }
                @Inline static FloatVector sum(FloatVector[] a, Step f) {
                    FloatVector s = a[0];
                    for (int i = 1; i < a.length; i++) s = f.of(s, a[i]);
                    return s;
                }
                @Inline static Step swap(Step f) { return (a, b) -> f.of(b, a); }
            %s}
            """;

    private final Random random;
    private final StringBuilder out = new StringBuilder();
    private final List<Helper> helpers = new ArrayList<>();

    // what is in scope where the text is being written
    private List<Var> vars = new ArrayList<>();
    private List<Array> arrays = new ArrayList<>();
    private List<Var> indices =
            new ArrayList<>(); // counters of loops that will be unrolled; below the length of any array
    private List<String> lambdas = new ArrayList<>();
    private List<String> steps = new ArrayList<>();
    private Type result = Type.LONG;
    private boolean vectors;
    private boolean looping;
    private int loops;
    private int indent;
    private int names;

    private Programs(long seed) {
        random = new Random(seed);
    }

    /** The declaration of a class with kernels {@code long k0..(long in, long out, int n, int p, int q)}. */
    static String write(String name, long seed, int kernels) {
        Programs p = new Programs(seed);
        p.indent = 1;
        for (int i = 0; i < 5; i++) {
            p.helper(i);
        }
        for (int i = 0; i < kernels; i++) {
            p.kernel(i);
        }
        return SHELL.formatted(name, p.out);
    }

    // ---- methods

    private void helper(int number) {
        reset();
        vectors = random.nextInt(3) > 0;
        looping = random.nextInt(3) == 0;
        result = vectors ? pick(Type.FLOATS, Type.FLOATS, Type.INTS) : pick(Type.INT, Type.LONG, Type.FLOAT);
        List<Type> types = new ArrayList<>();
        for (int i = random.nextInt(4); i >= 0; i--) {
            types.add(vectors ? anyType() : pick(Type.INT, Type.LONG, Type.FLOAT, Type.BOOL));
        }
        if (vectors) {
            types.add(Type.FLOATS);
        }
        List<String> parameters = new ArrayList<>();
        for (Type t : types) {
            vars.add(new Var(t, "p" + parameters.size(), random.nextBoolean()));
            parameters.add(t.name + " p" + parameters.size());
        }
        String lambda = random.nextInt(3) > 0 ? null : vectors ? "Step" : "IntBinaryOperator";
        if (lambda != null) {
            parameters.add(lambda + " f");
            (vectors ? steps : lambdas).add("f");
        }
        Helper h = new Helper("h" + number, result, types, lambda, looping);
        open("@Inline static " + result.name + " " + h.name + "(" + String.join(", ", parameters) + ")");
        statements(2 + random.nextInt(3), 2);
        line("return " + expression(result, 3) + ";");
        close();
        helpers.add(h);
    }

    private void kernel(int number) {
        reset();
        looping = true;
        boolean constant = random.nextInt(3) == 0;
        open("@Kernel public static long k" + number + "(long in, long out, int n, "
                + (constant ? "@Const({0, 1, 5}) " : "") + "int p, int q)");
        vars.add(new Var(Type.INT, "p", false));
        vars.add(new Var(Type.INT, "q", true));
        statements(3 + random.nextInt(4), 3);
        String hash = IntStream.range(0, 3)
                .mapToObj(i -> "31 * (" + expression(Type.LONG, 2) + ")")
                .reduce("0L", (a, b) -> "(" + a + " + " + b + ")");
        String r = declare(Type.LONG, hash, false);
        open("for (int c = 0; c < n; c += LANES)");
        line("long a = in + 4L * c;");
        vectors = true;
        for (int row = 0; row < 3; row++) {
            declare(Type.FLOATS, "load(a + " + 4 * row + "L * n)", random.nextBoolean());
        }
        vars.replaceAll(v -> v.type.isVector() ? v : new Var(v.type, v.name, false, v.isFinal));
        arrays.replaceAll(a -> new Array(a.element, a.name, a.length, false)); // else columns would depend on others
        result = Type.BOOL; // no return from within
        statements(3 + random.nextInt(5), 3);
        line("store(" + expression(Type.FLOATS, 3) + ", out + 4L * c);");
        line("store(" + expression(Type.INTS, 3) + ", out + 4L * (n + c));");
        close();
        line("return " + r + ";");
        close();
    }

    private void reset() {
        vars = new ArrayList<>();
        arrays = new ArrayList<>();
        indices = new ArrayList<>();
        lambdas = new ArrayList<>();
        steps = new ArrayList<>();
        result = Type.LONG;
        vectors = false;
        loops = 0;
        names = 0;
    }

    // ---- statements

    private void statements(int count, int depth) {
        for (int i = 0; i < count; i++) {
            statement(depth);
        }
    }

    private void block(int depth) {
        int v = vars.size();
        int a = arrays.size();
        int l = lambdas.size();
        int s = steps.size();
        indent++;
        statements(1 + random.nextInt(3), depth - 1);
        indent--;
        vars.subList(v, vars.size()).clear();
        arrays.subList(a, arrays.size()).clear();
        lambdas.subList(l, lambdas.size()).clear();
        steps.subList(s, steps.size()).clear();
    }

    private void statement(int depth) {
        int kind = random.nextInt(depth > 0 ? 16 : 7);
        switch (kind) {
            case 0, 1 -> declare(anyType(), null, random.nextInt(3) > 0);
            case 2, 3 -> assign();
            case 4 -> elementAssignment();
            case 5 -> callStatement();
            case 6 -> increment();
            case 7 -> array();
            case 8 -> lambda();
            case 9, 10 -> branch(depth);
            case 11, 12 -> unrolled(depth);
            case 13 -> loop(depth);
            case 14 -> choice(depth);
            default -> leave();
        }
    }

    private String declare(Type type, @Nullable String value, boolean assignable) {
        String name = "v" + names++;
        line((assignable ? "" : "final ") + type.name + " " + name + " = "
                + (value == null ? expression(type, 3) : value) + ";");
        vars.add(new Var(type, name, assignable));
        return name;
    }

    private void assign() {
        List<Var> candidates = vars.stream().filter(Var::assignable).toList();
        if (!candidates.isEmpty()) {
            Var v = candidates.get(random.nextInt(candidates.size()));
            line(v.name + " = " + expression(v.type, 3) + ";");
        }
    }

    private void increment() {
        List<Var> candidates =
                vars.stream().filter(v -> v.assignable && v.type == Type.INT).toList();
        if (!candidates.isEmpty()) {
            String name = candidates.get(random.nextInt(candidates.size())).name;
            line(pick(name + "++;", name + " += " + (random.nextInt(600) - 300) + ";", name + "--;"));
        }
    }

    private void elementAssignment() {
        List<Array> candidates = arrays.stream().filter(Array::assignable).toList();
        if (!candidates.isEmpty()) {
            Array a = candidates.get(random.nextInt(candidates.size()));
            String operator = a.element.isVector() || random.nextBoolean() ? " = " : " += ";
            line(a.name + "[" + index(a) + "]" + operator + expression(a.element, 2) + ";");
        }
    }

    /** A call that may contain a loop, and so must be all there is. */
    private void callStatement() {
        List<Helper> candidates = helpers.stream()
                .filter(h -> (!h.loops || looping) && (vectors || !isVectorial(h)))
                .toList();
        if (!candidates.isEmpty()) {
            Helper h = candidates.get(random.nextInt(candidates.size()));
            declare(h.result, call(h, 2), random.nextBoolean());
        }
    }

    private static boolean isVectorial(Helper h) {
        return h.result.isVector() || h.parameters.stream().anyMatch(Type::isVector);
    }

    private void array() {
        int length = 2 + random.nextInt(3);
        String name = "a" + names++;
        Type element = vectors ? Type.FLOATS : pick(Type.INT, Type.INT, Type.LONG, Type.FLOAT);
        line(element.name + "[] " + name + " = new " + element.name + "[" + length + "];");
        if (vectors || random.nextBoolean()) {
            String i = "i" + names++;
            line("for (int " + i + " = 0; " + i + " < " + length + "; " + i + "++) " + name + "[" + i + "] = "
                    + expression(element, 2) + ";");
        }
        arrays.add(new Array(element, name, length, true));
    }

    private void lambda() {
        String name = "f" + names++;
        List<Var> all = vars;
        List<Array> allArrays = arrays;
        List<Var> allIndices = indices;
        vars = new ArrayList<>(vars.stream().filter(Var::isFinal).toList());
        indices = new ArrayList<>();
        arrays = new ArrayList<>();
        if (vectors) {
            vars.add(new Var(Type.FLOATS, "x", false));
            vars.add(new Var(Type.FLOATS, "y", false));
            line("Step " + name + " = (x, y) -> " + expression(Type.FLOATS, 3) + ";");
            steps.add(name);
        } else {
            vars.add(new Var(Type.INT, "x", false));
            vars.add(new Var(Type.INT, "y", false));
            line("IntBinaryOperator " + name + " = (x, y) -> " + expression(Type.INT, 3) + ";");
            lambdas.add(name);
        }
        vars = all;
        arrays = allArrays;
        indices = allIndices;
    }

    private void branch(int depth) {
        open("if (" + expression(Type.BOOL, 2) + ")");
        indent--;
        block(depth);
        indent++;
        if (random.nextBoolean()) {
            indent--;
            line("} else {");
            block(depth);
            indent++;
        }
        close();
    }

    /** A loop that will be unrolled, so that its counter can be an index. */
    private void unrolled(int depth) {
        String i = "i" + names++;
        int n = 1 + random.nextInt(3);
        open("for (int " + i + " = 0; " + i + " < " + n + "; " + i + "++)");
        indices.add(new Var(Type.INT, i, false));
        body(depth);
        indices.removeLast();
        close();
    }

    private void loop(int depth) {
        if (!looping || depth < 2) {
            return;
        }
        String n = "n" + names++;
        line("int " + n + " = (" + expression(Type.INT, 2) + ") & 3;");
        switch (random.nextInt(3)) {
            case 0 -> open("while (" + n + "-- > 0)");
            case 1 -> open("for (int %1$s = 0; %1$s < %2$s; %1$s++)".formatted("j" + names++, n));
            default -> open("for (; " + n + " > 0; " + n + "--)");
        }
        body(depth);
        close();
    }

    private void body(int depth) {
        loops++;
        indent--;
        block(depth);
        indent++;
        loops--;
    }

    private void choice(int depth) {
        open("switch ((" + expression(Type.INT, 2) + ") & 3)");
        for (String label : List.of("case 0:", "case 2:", "default:")) {
            line(label + " {");
            block(depth);
            line("}");
            if (random.nextInt(4) > 0) {
                line("break;");
            }
        }
        close();
    }

    /** Leaves a loop, the helper, or nothing at all, under a condition. */
    private void leave() {
        String condition = "if (" + expression(Type.BOOL, 2) + ") ";
        if (loops > 0 && random.nextBoolean()) {
            line(condition + pick("break;", "continue;"));
        } else if (result != Type.BOOL) {
            line(condition + "return " + expression(result, 2) + ";");
        }
    }

    // ---- expressions

    private Type anyType() {
        return vectors
                ? pick(Type.FLOATS, Type.FLOATS, Type.FLOATS, Type.INTS, Type.MASK, Type.INT, Type.FLOAT)
                : pick(Type.INT, Type.INT, Type.LONG, Type.FLOAT, Type.BOOL);
    }

    private String expression(Type type, int depth) {
        List<String> leaves = leaves(type);
        if (depth <= 0 || random.nextInt(5) == 0) {
            return leaves.get(random.nextInt(leaves.size()));
        }
        if (random.nextInt(8) == 0) {
            String call = callOf(type, depth);
            if (call != null) {
                return call;
            }
        }
        if (random.nextInt(8) == 0) {
            return "(" + expression(Type.BOOL, depth - 1) + " ? " + expression(type, depth - 1) + " : "
                    + expression(type, depth - 1) + ")";
        }
        return switch (type) {
            case INT -> intExpression(depth - 1);
            case LONG -> longExpression(depth - 1);
            case FLOAT -> floatExpression(depth - 1);
            case BOOL -> boolExpression(depth - 1);
            case FLOATS -> floatsExpression(depth - 1);
            case INTS -> intsExpression(depth - 1);
            case MASK -> maskExpression(depth - 1);
        };
    }

    private List<String> leaves(Type type) {
        List<String> leaves = new ArrayList<>();
        vars.stream().filter(v -> v.type == type).forEach(v -> leaves.add(v.name));
        arrays.stream().filter(a -> a.element == type).forEach(a -> leaves.add(a.name + "[" + index(a) + "]"));
        if (type == Type.INT) {
            indices.forEach(v -> leaves.add(v.name));
            arrays.forEach(a -> leaves.add(a.name + ".length"));
        }
        leaves.add(
                switch (type) {
                    case INT -> String.valueOf(pick(0, 1, 2, -1, 7, 31, 1000, 70000, Integer.MIN_VALUE));
                    case LONG -> pick("0L", "1L", "-5L", "123456789012L");
                    case FLOAT -> pick("0f", "-0f", "1f", "2.5f", "-3e38f", "1e-40f", "Float.NaN");
                    case BOOL -> pick("true", "false");
                    case FLOATS -> "all(" + pick("0f", "1f", "-2f", "0.5f") + ")";
                    case INTS -> "all(" + pick("0", "1", "-7", "12345") + ")";
                    case MASK -> "all(1f).compare(VectorOperators.LT, " + pick("0f", "2f") + ")";
                });
        return leaves;
    }

    private String index(Array a) {
        List<Var> small = indices.stream().filter(_ -> a.length >= 3).toList(); // counters stay below 3
        if (!small.isEmpty() && random.nextBoolean()) {
            String i = small.get(random.nextInt(small.size())).name;
            return random.nextBoolean() ? i : (a.length - 1) + " - " + i;
        }
        return String.valueOf(random.nextInt(a.length));
    }

    private @Nullable String callOf(Type type, int depth) {
        List<Helper> candidates = helpers.stream()
                .filter(h -> h.result == type && !h.loops && (vectors || !isVectorial(h)))
                .toList();
        return candidates.isEmpty() ? null : call(candidates.get(random.nextInt(candidates.size())), depth - 1);
    }

    private String call(Helper h, int depth) {
        List<String> arguments = new ArrayList<>();
        for (Type t : h.parameters) {
            arguments.add(expression(t, depth - 1));
        }
        if (h.lambda != null) {
            arguments.add(h.lambda.equals("Step") ? step() : function());
        }
        return h.name + "(" + String.join(", ", arguments) + ")";
    }

    private String step() {
        String simple = steps.isEmpty() || random.nextInt(3) == 0
                ? pick("(u, w) -> u.mul(w)", "FloatVector::sub", "V::max", "(u, w) -> w.fma(u, u)")
                : steps.get(random.nextInt(steps.size()));
        return random.nextInt(4) == 0 ? "swap(" + simple + ")" : simple;
    }

    private String function() {
        return lambdas.isEmpty() || random.nextInt(3) == 0
                ? pick("(u, w) -> u - w", "Math::max", "Integer::sum", "(u, w) -> clamp(u, w, 5)")
                : lambdas.get(random.nextInt(lambdas.size()));
    }

    private String intExpression(int d) {
        return switch (random.nextInt(12)) {
            case 0, 1, 2 ->
                "(" + expression(Type.INT, d) + pick(" + ", " - ", " * ", " & ", " | ", " ^ ") + expression(Type.INT, d)
                        + ")";
            case 3 -> "(" + expression(Type.INT, d) + pick(" << ", " >> ", " >>> ") + expression(Type.INT, d) + ")";
            case 4 -> "(" + expression(Type.INT, d) + pick(" / ", " % ") + pick(3, 7, -5) + ")";
            case 5 -> pick("-", "~") + "(" + expression(Type.INT, d) + ")";
            case 6 -> "(" + pick("int", "byte", "short", "char") + ") (" + expression(Type.LONG, d) + ")";
            case 7 -> "(int) (" + expression(Type.FLOAT, d) + ")";
            case 8 -> "clamp(" + expression(Type.INT, d) + ", " + expression(Type.INT, d) + ", 9)";
            case 9 -> "weigh(Mode." + pick("A", "B", "C") + ", " + expression(Type.INT, d) + ")";
            case 10 -> {
                List<Array> ints =
                        arrays.stream().filter(a -> a.element == Type.INT).toList();
                yield ints.isEmpty()
                        ? "Float.floatToIntBits(" + expression(Type.FLOAT, d) + ")"
                        : "total(" + ints.get(random.nextInt(ints.size())).name + ")";
            }
            default ->
                lambdas.isEmpty()
                        ? "Math.max(" + expression(Type.INT, d) + ", " + expression(Type.INT, d) + ")"
                        : lambdas.get(random.nextInt(lambdas.size())) + ".applyAsInt(" + expression(Type.INT, d) + ", "
                                + expression(Type.INT, d) + ")";
        };
    }

    private String longExpression(int d) {
        return switch (random.nextInt(5)) {
            case 0, 1 ->
                "(" + expression(Type.LONG, d) + pick(" + ", " - ", " * ", " & ", " | ", " ^ ")
                        + expression(Type.LONG, d) + ")";
            case 2 -> "(" + expression(Type.LONG, d) + pick(" << ", " >> ", " >>> ") + expression(Type.INT, d) + ")";
            case 3 -> "(long) (" + expression(Type.FLOAT, d) + ")";
            default -> "(long) (" + expression(Type.INT, d) + ")";
        };
    }

    private String floatExpression(int d) {
        return switch (random.nextInt(5)) {
            case 0, 1 ->
                "(" + expression(Type.FLOAT, d) + pick(" + ", " - ", " * ", " / ") + expression(Type.FLOAT, d) + ")";
            case 2 -> "-(" + expression(Type.FLOAT, d) + ")";
            case 3 -> "Math.abs(" + expression(Type.FLOAT, d) + ")";
            default -> "(float) (" + expression(Type.INT, d) + ")";
        };
    }

    private String boolExpression(int d) {
        return switch (random.nextInt(6)) {
            case 0, 1 ->
                "(" + expression(Type.INT, d) + pick(" < ", " >= ", " == ", " != ", " > ") + expression(Type.INT, d)
                        + ")";
            case 2 -> "(" + expression(Type.LONG, d) + pick(" < ", " == ", " >= ") + expression(Type.LONG, d) + ")";
            case 3 -> "(" + expression(Type.FLOAT, d) + pick(" < ", " == ", " >= ") + expression(Type.FLOAT, d) + ")";
            case 4 -> "(" + expression(Type.BOOL, d) + pick(" && ", " || ") + expression(Type.BOOL, d) + ")";
            default -> "!" + "(" + expression(Type.BOOL, d) + ")";
        };
    }

    private String floatsExpression(int d) {
        String v = "(" + expression(Type.FLOATS, d) + ")";
        return switch (random.nextInt(13)) {
            case 0, 1, 2 ->
                v + "." + pick("add", "sub", "mul", "div", "min", "max") + "(" + expression(Type.FLOATS, d) + ")";
            case 3 -> v + "." + pick("add", "sub", "mul", "div") + "(" + expression(Type.FLOAT, d) + ")";
            case 4 -> v + ".fma(" + expression(Type.FLOATS, d) + ", " + expression(Type.FLOATS, d) + ")";
            case 5 -> v + "." + pick("neg", "abs", "sqrt") + "()";
            case 6 ->
                v + ".blend(" + expression(pick(Type.FLOATS, Type.FLOAT), d) + ", " + expression(Type.MASK, d) + ")";
            case 7 -> "((FloatVector) (" + expression(Type.INTS, d) + ").convert(VectorOperators.I2F, 0))";
            case 8 -> "(" + expression(Type.INTS, d) + ").reinterpretAsFloats()";
            case 9 ->
                v + ".lanewise(VectorOperators." + pick("ADD", "MIN", "DIV") + ", " + expression(Type.FLOATS, d) + ")";
            case 10 -> {
                List<Array> some =
                        arrays.stream().filter(a -> a.element == Type.FLOATS).toList();
                yield some.isEmpty()
                        ? "max(" + v + ", " + expression(Type.FLOATS, d) + ")"
                        : "sum(" + some.get(random.nextInt(some.size())).name + ", " + step() + ")";
            }
            case 11 ->
                steps.isEmpty()
                        ? "all(" + expression(Type.FLOAT, d) + ")"
                        : steps.get(random.nextInt(steps.size())) + ".of(" + v + ", " + expression(Type.FLOATS, d)
                                + ")";
            default -> "exp2(" + v + ")";
        };
    }

    private String intsExpression(int d) {
        String v = "(" + expression(Type.INTS, d) + ")";
        return switch (random.nextInt(9)) {
            case 0, 1 ->
                v + "." + pick("add", "sub", "mul", "min", "max", "and", "or") + "(" + expression(Type.INTS, d) + ")";
            case 2 ->
                v + "." + pick("add", "sub", "mul", "min", "max", "and", "or") + "(" + expression(Type.INT, d) + ")";
            case 3 -> v + ".lanewise(VectorOperators." + pick("LSHL", "ASHR", "LSHR") + ", " + pick(1, 5, 23) + ")";
            case 4 ->
                v + ".lanewise(VectorOperators." + pick("XOR", "AND_NOT", "LSHL") + ", " + expression(Type.INTS, d)
                        + ")";
            case 5 -> v + "." + pick("neg", "abs", "not") + "()";
            case 6 ->
                v + ".blend(" + expression(pick(Type.INTS, Type.INT), d) + ", (" + expression(Type.MASK, d)
                        + ").cast(SI))";
            case 7 -> "bits(" + expression(Type.FLOATS, d) + ")";
            default -> "((IntVector) (" + expression(Type.FLOATS, d) + ").convertShape(VectorOperators.F2I, SI, 0))";
        };
    }

    private String maskExpression(int d) {
        return switch (random.nextInt(6)) {
            case 0, 1 ->
                "(" + expression(Type.FLOATS, d) + ").compare(VectorOperators."
                        + pick("LT", "LE", "GT", "GE", "EQ", "NE") + ", " + expression(pick(Type.FLOATS, Type.FLOAT), d)
                        + ")";
            case 2 ->
                "(" + expression(Type.INTS, d) + ").compare(VectorOperators." + pick("LT", "GE", "EQ", "ULT") + ", "
                        + expression(Type.INTS, d) + ").cast(S)";
            case 3 ->
                "(" + expression(Type.MASK, d) + ")." + pick("and", "or", "andNot") + "(" + expression(Type.MASK, d)
                        + ")";
            case 4 -> "(" + expression(Type.MASK, d) + ").not()";
            default -> "(" + expression(Type.FLOATS, d) + ").test(VectorOperators." + pick("IS_NAN", "IS_FINITE") + ")";
        };
    }

    // ---- text

    @SafeVarargs
    private <T> T pick(T... values) {
        return values[random.nextInt(values.length)];
    }

    private void open(String head) {
        line(head + " {");
        indent++;
    }

    private void close() {
        indent--;
        line("}");
    }

    private void line(String text) {
        out.append("    ".repeat(indent)).append(text).append('\n');
    }
}
