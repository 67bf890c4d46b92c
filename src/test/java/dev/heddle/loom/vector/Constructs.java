package dev.heddle.loom.vector;

import dev.heddle.loom.Weft;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import java.util.function.BinaryOperator;
import java.util.function.IntBinaryOperator;
import java.util.function.IntUnaryOperator;
import java.util.function.LongFunction;
import java.util.function.UnaryOperator;

/** A kernel for each construct that helpers may use; each is a function of an int, and woven it must be the same one. */
@SuppressWarnings({
    "AssignmentExpression",
    "ComplexBooleanConstant",
    "EqualsNaN",
    "IntLongMath",
    "NullAway",
    "StatementSwitchToExpressionSwitch"
}) // what is unusual is here on purpose
public final class Constructs {
    private Constructs() {}

    private enum Mode {
        A,
        B,
        C {
            @Override
            public String toString() {
                return "c";
            }
        }
    }

    // ---- returns and branches

    @Inline
    private static int clamp(int x, int lo, int hi) {
        if (x < lo) {
            return lo;
        }
        if (x > hi) {
            return hi;
        }
        return x;
    }

    @Inline
    private static void nothing(int x) {
        if (x > 3) {
            return;
        }
        clamp(x, 0, 1);
    }

    @Inline
    private static int thrower(int x) {
        if (x == -100) {
            throw new IllegalArgumentException("bad " + x);
        }
        return x;
    }

    @Kernel
    public static long earlyReturns(int x) {
        nothing(x);
        return clamp(x, 3, 9) + 10L * clamp(clamp(x, -5, 5), x - 1, x + 1) + thrower(x & 7);
    }

    @Kernel
    public static long ternaries(int x) {
        boolean p = x > 2;
        int r = p ? clamp(x, 1, 6) : x < -2 ? -x : 7;
        return r + (p ? 1 : 2) * (long) (x > 4 ? clamp(x, 1, 6) : 4) * (5 > 3 ? 1 : 100);
    }

    @Kernel
    public static long knownConditions(int x) {
        boolean yes = true;
        boolean no = false;
        int r = 0;
        if ((yes && !no) || x > 3) {
            r += 5;
        }
        if (no) {
            r += 1000;
        }
        while (no) {
            r++;
        }
        float alpha = 1f;
        long big = 1L << 40;
        if (alpha == 1f && big > 7 && Float.NaN != alpha) {
            r += 3;
        }
        return r + (yes ? x : -x) - (Mode.A == Mode.B ? 1 : 2);
    }

    @Kernel
    public static long nullChecks(int x) {
        return optional(x, null) + optional(x, v -> v * 3);
    }

    @Inline
    private static int optional(int x, IntUnaryOperator f) {
        return f == null ? x : f.applyAsInt(x);
    }

    // ---- loops

    @Inline
    private static int collatz(int n) {
        int count = 0;
        while (n != 1) {
            if (count > 200) {
                break;
            }
            n = (n & 1) == 0 ? n / 2 : 3 * n + 1;
            count++;
        }
        return count;
    }

    @Kernel
    public static long whileLoops(int x) {
        int a = collatz(Math.abs(x % 30) + 1);
        int b = collatz(7);
        return a * 1000L + b;
    }

    @Inline
    private static long sumTo(long n, boolean odd) {
        long s = 0;
        for (long i = 0; i < n; i++) {
            if (odd && (i & 1) == 0) {
                continue;
            }
            s += i;
        }
        return s;
    }

    @Kernel
    public static long longCounters(int x) {
        long a = sumTo(x & 63, true);
        long b = sumTo(x & 31, false);
        long c = sumTo(5, true);
        return a * 31 + b + 7 * c;
    }

    @Inline
    private static int doWhile(int x) {
        int s = 0;
        do {
            s += x;
            x -= 3;
            if (x == 5) {
                continue;
            }
            s ^= x;
        } while (x > 0);
        return s;
    }

    @Kernel
    public static long doWhileLoops(int x) {
        int a = doWhile(x & 31);
        int b = doWhile(8);
        return a + 100L * b;
    }

    @Inline
    private static int nested(int n, int width) {
        int s = 0;
        outer:
        for (int i = 0; i < n; i++) {
            for (int t = 0; t < width; t++) {
                if (((i + t) & 7) == 7) {
                    continue outer;
                }
                if (i * t > 90) {
                    break outer;
                }
                s += i * t + (t == 2 ? 100 : 1);
            }
            s <<= 1;
        }
        return s;
    }

    @Kernel
    public static long labelledLoops(int x) {
        int a = nested(x & 15, 4);
        int b = nested(6, 3);
        int c = nested(x & 7, x & 3);
        return a + 3L * b + 7L * c;
    }

    @Kernel
    public static long unrolledLoops(int x) {
        int r = 0;
        final int n = 3;
        for (int i = n; i > 0; i--) {
            for (int j = i; j < n; j += 2) {
                r = r * 3 + i * j + (x > i ? 1 : 0);
            }
        }
        for (int i = 0; i < 64; i++) {
            if ((x + i) % 17 == 0) {
                break;
            }
            if (((x >> (i & 3)) & 1) == 0) {
                continue;
            }
            r += i;
        }
        return r;
    }

    @Kernel
    public static long loopsTooLongToUnroll(int x) {
        int r = x;
        int last = 0;
        for (int i = 0; i < 65; i++) {
            r = r * 31 + i;
            last = i;
        }
        for (int i = 0, step = 1; i < 1000; i += step) {
            r ^= i;
            step = 3;
        }
        return r + last;
    }

    @Kernel
    public static long endlessLoops(int x) {
        int r = 0;
        int i = 0;
        while (true) {
            if (i >= (x & 3)) {
                break;
            }
            i++;
            r += i;
        }
        for (; ; ) {
            if (r-- < 0) {
                return i * 10L + r;
            }
        }
    }

    @Kernel
    public static long unrolledInsideLoops(int x) {
        long s = 0;
        for (int i = 0; i < (x & 15); i++) {
            int k = 1;
            for (int j = 0; j < 3; j++) {
                k = k * (j + i) + 1;
                if (k > 40) {
                    break;
                }
            }
            s = s * 7 + k;
        }
        return s;
    }

    // ---- switches

    @Inline
    private static int pick(Mode mode, int x) {
        return switch (mode) {
            case A -> x + 1;
            case B -> {
                int y = x * 3;
                if (y > 50) {
                    yield y - 50;
                }
                yield y;
            }
            case C -> clamp(x, 3, 9);
        };
    }

    @Kernel
    public static long enumSwitches(int x) {
        return pick(Mode.A, x) + 3L * pick(Mode.B, x) + 5L * pick(Mode.C, x);
    }

    @Inline
    private static int apply(Weft.Op op, int a, int b) {
        return switch (op) {
            case MUL -> a * b;
            case ADD -> a + b;
            default -> Math.max(a, b);
        };
    }

    @Kernel
    public static long switchesOverUnknownEnums(int x) {
        Weft.Op op = x < 0 ? Weft.Op.MAX : x % 2 == 0 ? Weft.Op.ADD : Weft.Op.MUL;
        int r = apply(op, x, 7) + (op == Weft.Op.MAX ? 1000 : 0) + apply(Weft.Op.MUL, x, 3) + op.ordinal();
        switch (op) {
            case MAX:
                r++;
                break;
            case ADD:
                return r;
            default:
        }
        return r * 5L;
    }

    @Inline
    @SuppressWarnings("fallthrough")
    private static int oldSwitch(int k, int x) {
        int r = 0;
        switch (k) {
            case 1:
                r += x;
            // falls through
            case 2:
                r += 2 * x;
                break;
            case 100:
                r = -x;
                break;
            default:
                r = 7;
        }
        return r;
    }

    @Kernel
    public static long intSwitches(int x) {
        return oldSwitch(1, x)
                + oldSwitch(2, x) * 3L
                + oldSwitch(100, x) * 5L
                + oldSwitch(9, x) * 7L
                + oldSwitch(x & 3, x) * 11L;
    }

    @Inline
    private static int text(String s) {
        return switch (s) {
            case "x" -> 1;
            case "yy" -> 2;
            default -> s.length();
        };
    }

    @Kernel
    public static long stringSwitches(int x) {
        return text(x > 5 ? "x" : x > 2 ? "yy" : "zzzz") + 10L * text("yy");
    }

    // ---- lambdas

    @Inline
    private static int twice(int x, IntUnaryOperator f) {
        return f.applyAsInt(x) + f.applyAsInt(x + 1);
    }

    @Inline
    private static int fold(int n, int start, IntBinaryOperator f) {
        int a = start;
        for (int i = 1; i <= n; i++) {
            a = f.applyAsInt(a, i);
        }
        return a;
    }

    @Kernel
    public static long lambdas(int x) {
        int y = x * 5;
        int a = twice(x, v -> v * y + x);
        int b = twice(x, v -> twice(v, w -> w - y));
        int c = fold(5, x, (s, i) -> s * 31 + i);
        int d = fold(x & 7, 1, Math::max);
        int e = fold(3, x, Integer::sum);
        return a * 3L + b + c + d + e;
    }

    @Inline
    private static IntUnaryOperator compose(IntUnaryOperator f, IntUnaryOperator g) {
        return v -> f.applyAsInt(g.applyAsInt(v));
    }

    @Kernel
    public static long returnedLambdas(int x) {
        IntUnaryOperator f = compose(v -> v + x, v -> v * 3);
        int r = f.applyAsInt(x);
        for (int i = 0; i < (x & 3); i++) {
            int k = i;
            r += compose(f, v -> v - k).applyAsInt(r);
        }
        return r + twice(2, compose(f, f));
    }

    @Inline
    private static <T> T times(int n, T start, UnaryOperator<T> f) {
        T t = start;
        for (int i = 0; i < n; i++) {
            t = f.apply(t);
        }
        return t;
    }

    @Inline
    private static <T> T join(T a, T b, BinaryOperator<T> f) {
        return f.apply(a, b);
    }

    @Kernel
    public static long genericLambdas(int x) {
        String s = times(3, "a", t -> t + x);
        String u = times(x & 3, s, t -> t.concat("b"));
        String w = join(u, "cc", String::concat);
        return s.length() * 100L + u.length() + w.hashCode();
    }

    @Kernel
    public static long wideCaptures(int x) {
        long a = x * 3L;
        double d = x * 0.5;
        float g = x;
        LongFunction<Double> f = v -> v * d + a - g;
        return (long) (f.apply(a) * 8) + f.apply(7).hashCode();
    }

    // ---- arrays

    @Inline
    private static int[] make(int n, int v) {
        int[] a = new int[n];
        for (int i = 0; i < n; i++) {
            a[i] = v + i;
        }
        return a;
    }

    @Inline
    private static int total(int[] a) {
        int s = 0;
        for (int i = 0; i < a.length; i++) {
            s += a[i];
        }
        return s;
    }

    @Kernel
    public static long arrays(int x) {
        int[] a = make(5, x);
        int[] b = make(3, 2);
        a[2] += b[1];
        b[0]++;
        a[4] -= a[0]++;
        int c = a[1] = b[2] = x * 2;
        return total(a) * 100L + total(b) + a.length + c;
    }

    @Kernel
    public static long arraysInLoops(int x) {
        long s = 0;
        for (int i = 0; i < (x & 15); i++) {
            int[] t = make(4, i);
            t[0] *= 3;
            s += total(t);
            for (int j = 0; j < 3; j++) {
                t[j] = t[j + 1];
            }
            s = s * 3 + t[2] + total(t);
        }
        return s;
    }

    @Inline
    private static long fibonacci(int n) {
        long[] f = new long[2];
        f[1] = 1;
        for (int i = 0; i < n; i++) {
            long t = f[0] + f[1];
            f[0] = f[1];
            f[1] = t % 1000003;
        }
        return f[0];
    }

    @Kernel
    public static long longArrays(int x) {
        long a = fibonacci(x & 31);
        long b = fibonacci(10);
        long[] w = new long[2];
        w[0] = a;
        long y = w[1] = b + x;
        w[0] += w[1]++;
        return w[0] * 3 + w[1] + y;
    }

    @Kernel
    public static long otherArrays(int x) {
        double[] w = new double[3];
        float[] v = new float[2];
        boolean[] z = new boolean[2];
        byte[] b = new byte[2];
        char[] c = new char[1];
        short[] h = new short[1];
        String[] s = new String[2];
        for (int i = 0; i < 3; i++) {
            w[i] = i * x * 0.5;
        }
        v[1] += x;
        z[1] = x > 2;
        b[0] = (byte) (x * 77);
        b[0]++;
        c[0] = (char) (x * 1001);
        h[0] = (short) (x * 70000);
        s[1] = "s" + x;
        double sum = 0;
        for (double d : w) {
            sum += d;
        }
        return (long) (sum * 8 + v[1] + v[0] + (z[1] ? 3 : z[0] ? 9 : 4)) + b[0] + c[0] + h[0] + s[1].length();
    }

    @Kernel
    public static long knownElements(int x) {
        int[] index = {2, 0, 1};
        int r = 0;
        for (int i = 0; i < index.length; i++) {
            r = r * 10 + index[i] * x;
        }
        return r;
    }

    // ---- types and objects

    @Inline
    private static double mix(int i, long l, float f, double d, byte b, char c, short s, boolean z) {
        return z ? i + l * f - d : b + c * (double) s;
    }

    @Kernel
    public static long allTypes(int x) {
        return (long) mix(x, x * 3L, x, 2.5, (byte) x, (char) x, (short) x, x > 5)
                + (long) mix(1, 2L, 3f, 4d, (byte) 5, 'c', (short) 7, false)
                + Double.doubleToLongBits(mix(x, 2L, 3f, x, (byte) 5, 'c', (short) 7, true));
    }

    @Kernel
    public static long conversions(int x) {
        int big = 300;
        long l = 1L << 33;
        return (byte) big
                + (short) (big * 300)
                + (char) -big
                + (int) l
                + (int) (l >>> 30)
                + (long) (float) x
                + (int) (x * 1.5f)
                + (int) 2.9f
                + (x & 3) % 2
                + big / 7 % 5
                - ~big
                + (big ^ 77)
                + (-big >>> 28);
    }

    @Kernel
    public static long objects(int x) {
        StringBuilder s = new StringBuilder();
        for (int i = 0; i < 3; i++) {
            s.append(i * x).append(x > i ? "p" : "q");
        }
        Object o = s;
        return s.length() * 1000L + (o instanceof StringBuilder b ? b.charAt(0) : 0) + Math.floorMod(x, 3);
    }

    @Kernel
    public static long incrementsAndShadows(int x) {
        int i = x;
        int a = i++ + ++i;
        i += 1000;
        long l = i--;
        l++;
        l <<= 3;
        int k = 5;
        k++;
        k += 2;
        {
            int t = k * 2;
            a += t;
        }
        {
            long t = k * 3L;
            a += (int) t;
        }
        return a + l * 3 + k;
    }

    @Kernel
    public static long kernelsCallKernels(int x) {
        return longCounters(x) + Constructs.longArrays(x + 1);
    }
}
