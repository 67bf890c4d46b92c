package dev.heddle.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.kernel.ElementaryKernels.Function;
import dev.heddle.memory.Block;
import dev.heddle.reference.Erf64;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The elementary functions against double: a sample of arguments, one from each 256 neighbours where the functions bend and
 * from each 4096 elsewhere, or all 2^32 with {@code -Dheddle.exhaustive=true}. The bounds are those of the Javadoc.
 */
class VectorMathTest {
    private static final boolean EXHAUSTIVE = Boolean.getBoolean("heddle.exhaustive");
    private static final int BLOCKS = 256;
    private static final int BATCH = 1 << 14;
    private static final float INFINITY = Float.POSITIVE_INFINITY;
    private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

    /**
     * What a function should give, and how well.
     *
     * @param ulp the bound for results of at least {@code floor} in magnitude, in spacings of floats
     * @param absolute the bound for smaller ones, times max(1, |x|)
     */
    private record Spec(DoubleUnaryOperator exact, float from, float to, double ulp, double floor, double absolute) {
        /** Relative accuracy for normal results. */
        static Spec relative(double ulp, DoubleUnaryOperator exact) {
            return new Spec(exact, -INFINITY, INFINITY, ulp, Float.MIN_NORMAL, Float.MIN_NORMAL);
        }

        static Spec absolute(double absolute, DoubleUnaryOperator exact) {
            return new Spec(exact, -INFINITY, INFINITY, 0, INFINITY, absolute);
        }

        Spec within(float from, float to) {
            return new Spec(exact, from, to, ulp, floor, absolute);
        }

        Spec above(double floor, double absolute) {
            return new Spec(exact, from, to, ulp, floor, absolute);
        }

        /** Error over bound. */
        double excess(float x, float got, double want) {
            if (Double.isNaN(want)) {
                return Float.isNaN(got) ? 0 : INFINITY;
            }
            if (Math.abs(want) >= 0x1.ffffffp127) { // what rounds to infinity is as good as infinity
                return got == Math.copySign(INFINITY, want) ? 0 : INFINITY;
            }
            double error = Math.abs(got - want);
            if (Math.abs(want) < floor) {
                return error / (absolute * Math.max(1, Math.abs(x)));
            }
            return error / Math.scalb(ulp, Math.getExponent(want) - 23);
        }
    }

    private static final Map<Function, Spec> SPECS = specs();

    private static Map<Function, Spec> specs() {
        Map<Function, Spec> m = new EnumMap<>(Function.class);
        m.put(Function.EXP, Spec.relative(1.05, Math::exp));
        m.put(Function.EXP_NON_POSITIVE, Spec.relative(1.05, Math::exp).within(-INFINITY, 0));
        m.put(Function.EXP2, Spec.relative(1.1, x -> Math.pow(2, x)));
        m.put(Function.EXP2_FAST, Spec.relative(2.5, x -> x < 127.5 ? Math.pow(2, x) : x + INFINITY));
        m.put(Function.EXPM1, Spec.relative(1.56, Math::expm1));
        m.put(Function.LOG, Spec.relative(0.84, Math::log));
        m.put(Function.LOG1P, Spec.relative(1.44, Math::log1p));
        m.put(Function.SIGMOID, Spec.relative(2.6, VectorMathTest::sigmoid));
        m.put(Function.SIGMOID_DERIVATIVE, Spec.relative(4.1, x -> sigmoid(x) * sigmoid(-x)));
        m.put(Function.SOFTPLUS, Spec.relative(2.8, x -> Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))));
        m.put(Function.SILU, Spec.relative(2.6, x -> x * sigmoid(x)).above(5e-37, 5e-38));
        m.put(Function.SILU_DERIVATIVE, Spec.absolute(1.3e-7, VectorMathTest::siluDerivative));
        m.put(Function.TANH, Spec.relative(2.0, Math::tanh));
        m.put(Function.TANH_DERIVATIVE, Spec.relative(4.1, x -> 4 * sigmoid(2 * x) * sigmoid(-2 * x)));
        m.put(Function.ERF, Spec.relative(1.5, Erf64::erf));
        m.put(Function.GELU_ERF, Spec.absolute(1.2e-7, x -> x / 2 * Erf64.erfc(-x / Math.sqrt(2))));
        m.put(Function.GELU_ERF_DERIVATIVE, Spec.absolute(1.7e-7, VectorMathTest::geluErfDerivative));
        m.put(Function.GELU_TANH, Spec.absolute(1.4e-7, x -> x * sigmoid(cubic(x))));
        m.put(Function.GELU_TANH_DERIVATIVE, Spec.absolute(1.3e-7, VectorMathTest::geluTanhDerivative));
        m.put(Function.SIN, Spec.relative(2.0, Math::sin).within(-0x1p20f, 0x1p20f));
        m.put(Function.COS, Spec.relative(2.1, Math::cos).within(-0x1p20f, 0x1p20f));
        m.put(Function.RELU, Spec.relative(0.01, x -> Math.max(x, 0)));
        m.put(Function.RECIPROCAL_SQRT, Spec.relative(1.5, x -> 1 / Math.sqrt(x)));
        return m;
    }

    private static double sigmoid(double x) {
        return x > 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
    }

    /** s' for s = x sigmoid(u(x)), at the infinities its limits. */
    private static double gated(double x, double u, double slope) {
        double both = sigmoid(u) * sigmoid(-u);
        return sigmoid(u) + (both == 0 ? 0 : x * slope * both);
    }

    private static double siluDerivative(double x) {
        return gated(x, x, 1);
    }

    private static double cubic(double x) {
        return 2 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x);
    }

    private static double geluTanhDerivative(double x) {
        return gated(x, cubic(x), 2 * SQRT_2_OVER_PI * (1 + 3 * 0.044715 * x * x));
    }

    private static double geluErfDerivative(double x) {
        double density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
        return Erf64.erfc(-x / Math.sqrt(2)) / 2 + (density == 0 ? 0 : x * density);
    }

    private static final List<Backend> BACKENDS = Backends.usable();
    private static final List<ElementaryKernels> KERNELS = BACKENDS.stream()
            .map(b -> TestWeaving.instance(ElementaryKernels.class, "Elementary", b))
            .toList();

    /** The widest: they all give the same bits. */
    private static void apply(Function f, MemorySegment x, MemorySegment y, int n) {
        KERNELS.getLast().apply(f, x.address(), y.address(), n);
    }

    private record Worst(double excess, float x, float got, double want) {
        static Worst of(Worst a, Worst b) {
            return b.excess > a.excess ? b : a;
        }
    }

    @ParameterizedTest
    @EnumSource
    void accuracy(Function f) {
        Spec spec = SPECS.get(f);
        warm(f);
        Worst worst = IntStream.range(0, BLOCKS)
                .parallel()
                .mapToObj(block -> worst(f, spec, block))
                .reduce(new Worst(0, 0, 0, 0), Worst::of);
        String report = String.format(
                "%s: at most %.4f of %s, at %s (%a): %s, exactly %s",
                f,
                worst.excess,
                spec.ulp > 0 ? spec.ulp + " ulp" : spec.absolute + " max(1, |x|)",
                worst.x,
                worst.x,
                worst.got,
                worst.want);
        if (EXHAUSTIVE) {
            System.out.println(report);
        }
        assertTrue(worst.excess <= 1, report);
    }

    /** On one thread: two that find the kernel cold would both run it cold for long. */
    private static void warm(Function f) {
        Block block = new Block(8L * BATCH, true);
        MemorySegment x = block.segment().asSlice(0, 4L * BATCH);
        MemorySegment y = block.segment().asSlice(4L * BATCH, 4L * BATCH);
        for (int i = 0; i < 400; i++) {
            apply(f, x, y, 256);
        }
        block.free();
    }

    private static Worst worst(Function f, Spec spec, int number) {
        int exponent = 2 * (number & 0x7F) - 127; // that and the next
        int step = EXHAUSTIVE ? 1 : exponent >= -27 && exponent <= 21 ? 256 : 4096;
        SplittableRandom random = new SplittableRandom(number);
        Block block = new Block(8L * BATCH, true);
        MemorySegment x = block.segment().asSlice(0, 4L * BATCH);
        MemorySegment y = block.segment().asSlice(4L * BATCH, 4L * BATCH);
        Worst worst = new Worst(0, 0, 0, 0);
        int end = 1 << 24;
        for (int first = 0; first < end; ) {
            int count = Math.min(BATCH, (end - first) / step);
            for (int i = 0; i < count; i++, first += step) {
                int bits = number << 24 | (step == 1 ? first : first + random.nextInt(step));
                x.setAtIndex(ValueLayout.JAVA_INT, i, bits);
            }
            apply(f, x, y, count);
            for (int i = 0; i < count; i++) {
                float v = x.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                float got = y.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                if ((v >= spec.from && v <= spec.to) || Float.isNaN(v)) {
                    double want = spec.exact.applyAsDouble(v);
                    double excess = spec.excess(v, got, want);
                    if (excess > worst.excess) {
                        worst = new Worst(excess, v, got, want);
                    }
                }
            }
        }
        block.free();
        return worst;
    }

    private static float[] at(Function f, float... x) {
        return run(KERNELS.getLast(), BACKENDS.getLast().lanes(), f, x);
    }

    private static float[] run(ElementaryKernels kernels, int lanes, Function f, float[] x) {
        int n = (x.length + lanes - 1) / lanes * lanes;
        Block block = new Block(8L * n, true);
        MemorySegment s = block.segment();
        MemorySegment.copy(x, 0, s, ValueLayout.JAVA_FLOAT, 0, x.length);
        kernels.apply(f, s.address(), s.address() + 4L * n, n);
        float[] y = s.asSlice(4L * n, 4L * x.length).toArray(ValueLayout.JAVA_FLOAT);
        block.free();
        return y;
    }

    @ParameterizedTest
    @EnumSource
    void nanGivesNan(Function f) {
        int[] bits = {0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FC0_0155};
        for (int b : bits) {
            assertTrue(Float.isNaN(at(f, Float.intBitsToFloat(b))[0]), f + " of NaN " + Integer.toHexString(b));
        }
    }

    @Test
    void specialValues() {
        float inf = INFINITY;
        float nan = Float.NaN;
        float max = Float.MAX_VALUE;
        check(Function.EXP, new float[] {-inf, -max, -0f, 0, max, inf}, new float[] {0, 0, 1, 1, inf, inf});
        check(Function.EXP, new float[] {88.72284f, -87.33656f}, new float[] {inf, 0});
        check(Function.EXP_NON_POSITIVE, new float[] {-inf, -max, -88, -0f, 0}, new float[] {0, 0, 0, 1, 1});
        for (Function f : List.of(Function.EXP2, Function.EXP2_FAST)) {
            check(f, new float[] {-inf, -max, -127, -1, 0, 10, 128, max, inf}, new float[] {
                0, 0, 0, 0.5f, 1, 1024, inf, inf, inf
            });
        }
        check(Function.EXP2, new float[] {-126, 127}, new float[] {Float.MIN_NORMAL, 0x1p127f});
        check(Function.EXPM1, new float[] {-inf, -max, -0f, 0, 1e-42f, max, inf}, new float[] {
            -1, -1, -0f, 0, 1e-42f, inf, inf
        });
        check(Function.LOG, new float[] {-inf, -1e-42f, -0f, 0, 1, inf}, new float[] {nan, nan, -inf, -inf, 0, inf});
        check(Function.LOG, new float[] {Float.MIN_VALUE, Float.MIN_NORMAL}, new float[] {-103.27893f, -87.33655f});
        check(Function.LOG1P, new float[] {-inf, -2, -1, 0, 1e-42f, inf}, new float[] {nan, nan, -inf, 0, 1e-42f, inf});
        check(Function.LOG1P, new float[] {max, -1e-42f}, new float[] {88.72284f, -1e-42f});
        check(Function.SIGMOID, new float[] {-inf, -max, 0, max, inf}, new float[] {0, 0, 0.5f, 1, 1});
        check(Function.SIGMOID_DERIVATIVE, new float[] {-inf, -max, 0, max, inf}, new float[] {0, 0, 0.25f, 0, 0});
        check(Function.SOFTPLUS, new float[] {-inf, -max, 0, max, inf}, new float[] {0, 0, 0.6931472f, max, inf});
        for (Function f : List.of(Function.SILU, Function.GELU_ERF, Function.GELU_TANH)) {
            check(f, new float[] {-inf, -max, -0f, 0, max, inf}, new float[] {nan, -0f, -0f, 0, max, inf});
        }
        for (Function f :
                List.of(Function.SILU_DERIVATIVE, Function.GELU_ERF_DERIVATIVE, Function.GELU_TANH_DERIVATIVE)) {
            check(f, new float[] {-inf, -max, max, inf}, new float[] {0, 0, 1, 1});
        }
        for (Function f : List.of(Function.TANH, Function.ERF)) {
            check(f, new float[] {-inf, -max, -0f, 0, max, inf}, new float[] {-1, -1, -0f, 0, 1, 1});
        }
        check(Function.TANH, new float[] {1e-42f, -1e-42f, 0x1p-126f}, new float[] {1e-42f, -1e-42f, 0x1p-126f});
        check(Function.TANH_DERIVATIVE, new float[] {-inf, -max, 0, max, inf}, new float[] {0, 0, 1, 0, 0});
        check(Function.SIN, new float[] {-inf, -max, 0, 2e6f, inf}, new float[] {nan, 0, 0, 0, nan});
        check(Function.COS, new float[] {-inf, -max, -0f, 0, 2e6f, inf}, new float[] {nan, 1, 1, 1, 1, nan});
        check(Function.RELU, new float[] {-inf, -1, 0, 1, inf}, new float[] {0, 0, 0, 1, inf});
        check(Function.RECIPROCAL_SQRT, new float[] {-inf, -1, 0, 4, inf}, new float[] {nan, nan, inf, 0.5f, 0});
    }

    private static void check(Function f, float[] x, float[] want) {
        float[] got = at(f, x);
        for (int i = 0; i < x.length; i++) {
            assertEquals(want[i], got[i], f + " of " + x[i]);
        }
    }

    /** Where one piece of a function meets the next, it must not turn back by more than the pieces' errors. */
    @Test
    void piecesMeet() {
        meets(Function.EXP, -87.33655f, 1);
        meets(Function.EXP_NON_POSITIVE, -88, 1);
        meets(Function.EXP2, -126, 1);
        meets(Function.EXP2_FAST, -127, 1);
        meets(Function.EXPM1, -40, 1);
        meets(Function.EXPM1, 0.34657f, 2);
        meets(Function.LOG, Float.MIN_NORMAL, 1);
        meets(Function.LOG1P, 1, 2);
        meets(Function.SIGMOID, 40, 1);
        meets(Function.SIGMOID, -88.37f, 4);
        meets(Function.SOFTPLUS, -88, 1);
        meets(Function.TANH, 10, 1);
        meets(Function.ERF, 0.88388f, 2);
        meets(Function.ERF, 4.2426f, 1);
    }

    private static void meets(Function f, float where, int ulps) {
        float[] x = new float[2001];
        int middle = Float.floatToRawIntBits(where);
        for (int i = 0; i < x.length; i++) {
            int bits = middle + (where < 0 ? 1000 - i : i - 1000);
            x[i] = Float.intBitsToFloat(bits);
        }
        float[] y = at(f, x);
        for (int i = 1; i < y.length; i++) {
            assertTrue(y[i] >= y[i - 1] - ulps * Math.ulp(y[i - 1]), f + " falls from " + x[i - 1] + " to " + x[i]);
        }
    }

    @Test
    void rangesAndSymmetries() {
        float[] x = arguments(1 << 16);
        float[] minus = x.clone();
        for (int i = 0; i < x.length; i++) {
            minus[i] = -x[i];
        }
        for (Function f : List.of(Function.TANH, Function.ERF, Function.SIN)) {
            float[] y = at(f, x);
            float[] z = at(f, minus);
            for (int i = 0; i < x.length; i++) {
                assertTrue(y[i] == -z[i] || Float.isNaN(y[i]), f + " is odd, at " + x[i]);
                assertTrue(!(Math.abs(y[i]) > 1), f + " of " + x[i]);
            }
        }
        for (Function f : List.of(Function.COS, Function.SIGMOID_DERIVATIVE, Function.TANH_DERIVATIVE)) {
            float[] y = at(f, x);
            float[] z = at(f, minus);
            for (int i = 0; i < x.length; i++) {
                assertEquals(y[i], z[i], f + " is even, at " + x[i]);
                assertTrue(f != Function.COS || !(Math.abs(y[i]) > 1), f + " of " + x[i]);
            }
        }
        for (Function f : List.of(Function.SIGMOID, Function.EXP, Function.SOFTPLUS)) {
            float[] y = at(f, x);
            for (int i = 0; i < x.length; i++) {
                assertTrue(!(y[i] < 0), f + " of " + x[i]);
                assertTrue(f != Function.SIGMOID || !(y[i] > 1), f + " of " + x[i]);
                assertTrue(f != Function.SOFTPLUS || !(y[i] < x[i]), f + " of " + x[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void sameBitsAtEveryWidth(Function f) {
        float[] x = arguments(1 << 16);
        float[] scalar = run(KERNELS.getFirst(), 1, f, x);
        for (int b = 1; b < BACKENDS.size(); b++) {
            float[] y = run(KERNELS.get(b), BACKENDS.get(b).lanes(), f, x);
            for (int i = 0; i < x.length; i++) {
                // floatToIntBits: one NaN like another, but zeros by sign
                assertEquals(
                        Float.floatToIntBits(scalar[i]),
                        Float.floatToIntBits(y[i]),
                        f + " of " + x[i] + " on " + BACKENDS.get(b));
            }
        }
    }

    /** Special values, the surroundings of all limits, any bits at all, and numbers of ordinary size. */
    private static float[] arguments(int n) {
        float[] limits = {
            0,
            Float.MIN_VALUE,
            Float.MIN_NORMAL,
            0.1f,
            0.34657f,
            0.70710677f,
            0.9f,
            1,
            2,
            10,
            13.26f,
            40,
            44.7f,
            87.33655f,
            88,
            88.37f,
            88.72284f,
            103.98f,
            126,
            127,
            127.5f,
            128,
            0x1p20f,
            1e9f,
            Float.MAX_VALUE,
            INFINITY,
            Float.NaN
        };
        SplittableRandom random = new SplittableRandom(1);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            float limit = limits[random.nextInt(limits.length)];
            x[i] = switch (i % 4) {
                case 0 -> Float.intBitsToFloat(Float.floatToRawIntBits(limit) + random.nextInt(9) - 4);
                case 1 -> Float.intBitsToFloat(random.nextInt());
                case 2 -> (float) random.nextGaussian();
                default -> 200 * (float) random.nextDouble();
            };
            x[i] = random.nextBoolean() ? x[i] : -x[i];
        }
        return x;
    }
}
