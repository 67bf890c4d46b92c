package dev.heddle.weave;

import dev.heddle.kernel.Fma;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the Vector API means for one lane: the whole table. Weaving for one lane replaces a call by the method here that has
 * its name (an operator's, if it is {@code lanewise}; followed by an operator's, if it compares, tests or converts) and
 * its receiver and arguments, each vector now one lane and each mask a boolean, species and byte orders left out. It is
 * looked up in the class named after the receiver's type; a call without such a method cannot be woven. These are helpers,
 * and so flattened like any other.
 */
@Inline
final class OneLane {
    private OneLane() {}

    /** One lane converts to one lane: there is no second part. */
    static void first(int part) {
        if (part != 0) {
            throw new IndexOutOfBoundsException(part);
        }
    }

    /** One lane of a {@code FloatVector}. */
    @Inline
    static final class OfFloat {
        private OfFloat() {}

        static float fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_FLOAT_UNALIGNED, a);
        }

        static void intoMemorySegment(float v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_FLOAT_UNALIGNED, a, v);
        }

        static float broadcast(float x) {
            return x;
        }

        static float broadcast(long x) {
            return (float) x;
        }

        static float zero() {
            return 0;
        }

        static float add(float a, float b) {
            return a + b;
        }

        static float sub(float a, float b) {
            return a - b;
        }

        static float mul(float a, float b) {
            return a * b;
        }

        static float div(float a, float b) {
            return a / b;
        }

        static float fma(float a, float b, float c) {
            return Fma.fma(a, b, c);
        }

        static float neg(float a) {
            return -a;
        }

        static float abs(float a) {
            return Math.abs(a);
        }

        static float sqrt(float a) {
            return (float) Math.sqrt(a);
        }

        static float min(float a, float b) {
            return Math.min(a, b);
        }

        static float max(float a, float b) {
            return Math.max(a, b);
        }

        static boolean compareLT(float a, float b) {
            return a < b;
        }

        static boolean compareLE(float a, float b) {
            return a <= b;
        }

        static boolean compareGT(float a, float b) {
            return a > b;
        }

        static boolean compareGE(float a, float b) {
            return a >= b;
        }

        static boolean compareEQ(float a, float b) {
            return a == b;
        }

        static boolean compareNE(float a, float b) {
            return a != b;
        }

        static boolean compareLT(float a, long b) {
            return a < (float) b;
        }

        static boolean compareLE(float a, long b) {
            return a <= (float) b;
        }

        static boolean compareGT(float a, long b) {
            return a > (float) b;
        }

        static boolean compareGE(float a, long b) {
            return a >= (float) b;
        }

        static boolean compareEQ(float a, long b) {
            return a == (float) b;
        }

        static boolean compareNE(float a, long b) {
            return a != (float) b;
        }

        static boolean testIS_NAN(float a) {
            return Float.isNaN(a);
        }

        static boolean testIS_FINITE(float a) {
            return Float.isFinite(a);
        }

        static boolean testIS_INFINITE(float a) {
            return Float.isInfinite(a);
        }

        static float blend(float a, float b, boolean m) {
            return m ? b : a;
        }

        static float blend(float a, long b, boolean m) {
            return m ? (float) b : a;
        }

        static float reinterpretAsFloats(float a) {
            return a;
        }

        static int reinterpretAsInts(float a) {
            return Float.floatToRawIntBits(a);
        }

        static int convertF2I(float a, int part) {
            first(part);
            return (int) a;
        }

        static long convertF2L(float a, int part) {
            first(part);
            return (long) a;
        }

        static double convertF2D(float a, int part) {
            first(part);
            return a;
        }
    }

    /** One lane of an {@code IntVector}. */
    @Inline
    static final class OfInt {
        private OfInt() {}

        static int fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_INT_UNALIGNED, a);
        }

        static void intoMemorySegment(int v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_INT_UNALIGNED, a, v);
        }

        static int broadcast(int x) {
            return x;
        }

        static int broadcast(long x) {
            return (int) x;
        }

        static int zero() {
            return 0;
        }

        static int add(int a, int b) {
            return a + b;
        }

        static int sub(int a, int b) {
            return a - b;
        }

        static int mul(int a, int b) {
            return a * b;
        }

        static int and(int a, int b) {
            return a & b;
        }

        static int or(int a, int b) {
            return a | b;
        }

        static int xor(int a, int b) {
            return a ^ b;
        }

        static int andNot(int a, int b) {
            return a & ~b;
        }

        static int not(int a) {
            return ~a;
        }

        static int neg(int a) {
            return -a;
        }

        static int abs(int a) {
            return Math.abs(a);
        }

        static int min(int a, int b) {
            return Math.min(a, b);
        }

        static int max(int a, int b) {
            return Math.max(a, b);
        }

        static int lshl(int a, int n) {
            return a << n;
        }

        static int ashr(int a, int n) {
            return a >> n;
        }

        static int lshr(int a, int n) {
            return a >>> n;
        }

        static boolean compareLT(int a, int b) {
            return a < b;
        }

        static boolean compareLE(int a, int b) {
            return a <= b;
        }

        static boolean compareGT(int a, int b) {
            return a > b;
        }

        static boolean compareGE(int a, int b) {
            return a >= b;
        }

        static boolean compareEQ(int a, int b) {
            return a == b;
        }

        static boolean compareNE(int a, int b) {
            return a != b;
        }

        static boolean compareULT(int a, int b) {
            return Integer.compareUnsigned(a, b) < 0;
        }

        static boolean compareULE(int a, int b) {
            return Integer.compareUnsigned(a, b) <= 0;
        }

        static boolean compareUGT(int a, int b) {
            return Integer.compareUnsigned(a, b) > 0;
        }

        static boolean compareUGE(int a, int b) {
            return Integer.compareUnsigned(a, b) >= 0;
        }

        static int blend(int a, int b, boolean m) {
            return m ? b : a;
        }

        static int reinterpretAsInts(int a) {
            return a;
        }

        static float reinterpretAsFloats(int a) {
            return Float.intBitsToFloat(a);
        }

        static byte convertI2B(int a, int part) {
            first(part);
            return (byte) a;
        }

        static short convertI2S(int a, int part) {
            first(part);
            return (short) a;
        }

        static long convertI2L(int a, int part) {
            first(part);
            return a;
        }

        static float convertI2F(int a, int part) {
            first(part);
            return a;
        }

        static double convertI2D(int a, int part) {
            first(part);
            return a;
        }

        static long convertZERO_EXTEND_I2L(int a, int part) {
            first(part);
            return a & 0xFFFFFFFFL;
        }
    }

    /** One lane of a {@code ShortVector}. */
    @Inline
    static final class OfShort {
        private OfShort() {}

        static short fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_SHORT_UNALIGNED, a);
        }

        static void intoMemorySegment(short v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_SHORT_UNALIGNED, a, v);
        }

        static short broadcast(short x) {
            return x;
        }

        static short broadcast(long x) {
            return (short) x;
        }

        static short zero() {
            return 0;
        }

        static short add(short a, short b) {
            return (short) (a + b);
        }

        static short sub(short a, short b) {
            return (short) (a - b);
        }

        static short mul(short a, short b) {
            return (short) (a * b);
        }

        static short and(short a, short b) {
            return (short) (a & b);
        }

        static short or(short a, short b) {
            return (short) (a | b);
        }

        static short xor(short a, short b) {
            return (short) (a ^ b);
        }

        static short andNot(short a, short b) {
            return (short) (a & ~b);
        }

        static short not(short a) {
            return (short) ~a;
        }

        static short neg(short a) {
            return (short) -a;
        }

        static short abs(short a) {
            return (short) Math.abs(a);
        }

        static short min(short a, short b) {
            return (short) Math.min(a, b);
        }

        static short max(short a, short b) {
            return (short) Math.max(a, b);
        }

        static short lshl(short a, short n) {
            return (short) (a << (n & 15));
        }

        static short lshl(short a, long n) {
            return (short) (a << (n & 15));
        }

        static short ashr(short a, short n) {
            return (short) (a >> (n & 15));
        }

        static short ashr(short a, long n) {
            return (short) (a >> (n & 15));
        }

        static short lshr(short a, short n) {
            return (short) ((a & 0xFFFF) >>> (n & 15));
        }

        static short lshr(short a, long n) {
            return (short) ((a & 0xFFFF) >>> (n & 15));
        }

        static boolean compareLT(short a, short b) {
            return a < b;
        }

        static boolean compareLE(short a, short b) {
            return a <= b;
        }

        static boolean compareGT(short a, short b) {
            return a > b;
        }

        static boolean compareGE(short a, short b) {
            return a >= b;
        }

        static boolean compareEQ(short a, short b) {
            return a == b;
        }

        static boolean compareNE(short a, short b) {
            return a != b;
        }

        static boolean compareLT(short a, long b) {
            return a < (short) b;
        }

        static boolean compareLE(short a, long b) {
            return a <= (short) b;
        }

        static boolean compareGT(short a, long b) {
            return a > (short) b;
        }

        static boolean compareGE(short a, long b) {
            return a >= (short) b;
        }

        static boolean compareEQ(short a, long b) {
            return a == (short) b;
        }

        static boolean compareNE(short a, long b) {
            return a != (short) b;
        }

        static short blend(short a, short b, boolean m) {
            return m ? b : a;
        }

        static short blend(short a, long b, boolean m) {
            return m ? (short) b : a;
        }

        static short reinterpretAsShorts(short a) {
            return a;
        }

        static byte convertS2B(short a, int part) {
            first(part);
            return (byte) a;
        }

        static int convertS2I(short a, int part) {
            first(part);
            return a;
        }

        static long convertS2L(short a, int part) {
            first(part);
            return a;
        }

        static float convertS2F(short a, int part) {
            first(part);
            return a;
        }

        static double convertS2D(short a, int part) {
            first(part);
            return a;
        }

        static int convertZERO_EXTEND_S2I(short a, int part) {
            first(part);
            return a & 0xFFFF;
        }

        static long convertZERO_EXTEND_S2L(short a, int part) {
            first(part);
            return a & 0xFFFFL;
        }
    }

    /** One lane of a {@code ByteVector}. */
    @Inline
    static final class OfByte {
        private OfByte() {}

        static byte fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_BYTE, a);
        }

        static void intoMemorySegment(byte v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_BYTE, a, v);
        }

        static byte broadcast(byte x) {
            return x;
        }

        static byte broadcast(long x) {
            return (byte) x;
        }

        static byte zero() {
            return 0;
        }

        static byte add(byte a, byte b) {
            return (byte) (a + b);
        }

        static byte sub(byte a, byte b) {
            return (byte) (a - b);
        }

        static byte mul(byte a, byte b) {
            return (byte) (a * b);
        }

        static byte and(byte a, byte b) {
            return (byte) (a & b);
        }

        static byte or(byte a, byte b) {
            return (byte) (a | b);
        }

        static byte xor(byte a, byte b) {
            return (byte) (a ^ b);
        }

        static byte andNot(byte a, byte b) {
            return (byte) (a & ~b);
        }

        static byte not(byte a) {
            return (byte) ~a;
        }

        static byte neg(byte a) {
            return (byte) -a;
        }

        static byte abs(byte a) {
            return (byte) Math.abs(a);
        }

        static byte min(byte a, byte b) {
            return (byte) Math.min(a, b);
        }

        static byte max(byte a, byte b) {
            return (byte) Math.max(a, b);
        }

        static byte lshl(byte a, byte n) {
            return (byte) (a << (n & 7));
        }

        static byte lshl(byte a, long n) {
            return (byte) (a << (n & 7));
        }

        static byte ashr(byte a, byte n) {
            return (byte) (a >> (n & 7));
        }

        static byte ashr(byte a, long n) {
            return (byte) (a >> (n & 7));
        }

        static byte lshr(byte a, byte n) {
            return (byte) ((a & 0xFF) >>> (n & 7));
        }

        static byte lshr(byte a, long n) {
            return (byte) ((a & 0xFF) >>> (n & 7));
        }

        static boolean compareLT(byte a, byte b) {
            return a < b;
        }

        static boolean compareLE(byte a, byte b) {
            return a <= b;
        }

        static boolean compareGT(byte a, byte b) {
            return a > b;
        }

        static boolean compareGE(byte a, byte b) {
            return a >= b;
        }

        static boolean compareEQ(byte a, byte b) {
            return a == b;
        }

        static boolean compareNE(byte a, byte b) {
            return a != b;
        }

        static boolean compareLT(byte a, long b) {
            return a < (byte) b;
        }

        static boolean compareLE(byte a, long b) {
            return a <= (byte) b;
        }

        static boolean compareGT(byte a, long b) {
            return a > (byte) b;
        }

        static boolean compareGE(byte a, long b) {
            return a >= (byte) b;
        }

        static boolean compareEQ(byte a, long b) {
            return a == (byte) b;
        }

        static boolean compareNE(byte a, long b) {
            return a != (byte) b;
        }

        static byte blend(byte a, byte b, boolean m) {
            return m ? b : a;
        }

        static byte blend(byte a, long b, boolean m) {
            return m ? (byte) b : a;
        }

        static byte reinterpretAsBytes(byte a) {
            return a;
        }

        static short convertB2S(byte a, int part) {
            first(part);
            return a;
        }

        static int convertB2I(byte a, int part) {
            first(part);
            return a;
        }

        static long convertB2L(byte a, int part) {
            first(part);
            return a;
        }

        static float convertB2F(byte a, int part) {
            first(part);
            return a;
        }

        static double convertB2D(byte a, int part) {
            first(part);
            return a;
        }

        static short convertZERO_EXTEND_B2S(byte a, int part) {
            first(part);
            return (short) (a & 0xFF);
        }

        static int convertZERO_EXTEND_B2I(byte a, int part) {
            first(part);
            return a & 0xFF;
        }

        static long convertZERO_EXTEND_B2L(byte a, int part) {
            first(part);
            return a & 0xFFL;
        }
    }

    /** One lane of a {@code LongVector}. */
    @Inline
    static final class OfLong {
        private OfLong() {}

        static long fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_LONG_UNALIGNED, a);
        }

        static void intoMemorySegment(long v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_LONG_UNALIGNED, a, v);
        }

        static long broadcast(long x) {
            return x;
        }

        static long zero() {
            return 0;
        }

        static long add(long a, long b) {
            return a + b;
        }

        static long sub(long a, long b) {
            return a - b;
        }

        static long mul(long a, long b) {
            return a * b;
        }

        static long and(long a, long b) {
            return a & b;
        }

        static long or(long a, long b) {
            return a | b;
        }

        static long xor(long a, long b) {
            return a ^ b;
        }

        static long andNot(long a, long b) {
            return a & ~b;
        }

        static long not(long a) {
            return ~a;
        }

        static long neg(long a) {
            return -a;
        }

        static long abs(long a) {
            return Math.abs(a);
        }

        static long min(long a, long b) {
            return Math.min(a, b);
        }

        static long max(long a, long b) {
            return Math.max(a, b);
        }

        static long lshl(long a, long n) {
            return a << n;
        }

        static long ashr(long a, long n) {
            return a >> n;
        }

        static long lshr(long a, long n) {
            return a >>> n;
        }

        static boolean compareLT(long a, long b) {
            return a < b;
        }

        static boolean compareLE(long a, long b) {
            return a <= b;
        }

        static boolean compareGT(long a, long b) {
            return a > b;
        }

        static boolean compareGE(long a, long b) {
            return a >= b;
        }

        static boolean compareEQ(long a, long b) {
            return a == b;
        }

        static boolean compareNE(long a, long b) {
            return a != b;
        }

        static long blend(long a, long b, boolean m) {
            return m ? b : a;
        }

        static long reinterpretAsLongs(long a) {
            return a;
        }

        static double reinterpretAsDoubles(long a) {
            return Double.longBitsToDouble(a);
        }

        static byte convertL2B(long a, int part) {
            first(part);
            return (byte) a;
        }

        static short convertL2S(long a, int part) {
            first(part);
            return (short) a;
        }

        static int convertL2I(long a, int part) {
            first(part);
            return (int) a;
        }

        static float convertL2F(long a, int part) {
            first(part);
            return a;
        }

        static double convertL2D(long a, int part) {
            first(part);
            return a;
        }
    }

    /** One lane of a {@code DoubleVector}. */
    @Inline
    static final class OfDouble {
        private OfDouble() {}

        static double fromMemorySegment(MemorySegment s, long a) {
            return s.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, a);
        }

        static void intoMemorySegment(double v, MemorySegment s, long a) {
            s.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, a, v);
        }

        static double broadcast(double x) {
            return x;
        }

        static double broadcast(long x) {
            return (double) x;
        }

        static double zero() {
            return 0;
        }

        static double add(double a, double b) {
            return a + b;
        }

        static double sub(double a, double b) {
            return a - b;
        }

        static double mul(double a, double b) {
            return a * b;
        }

        static double div(double a, double b) {
            return a / b;
        }

        static double fma(double a, double b, double c) {
            return Math.fma(a, b, c);
        }

        static double neg(double a) {
            return -a;
        }

        static double abs(double a) {
            return Math.abs(a);
        }

        static double sqrt(double a) {
            return Math.sqrt(a);
        }

        static double min(double a, double b) {
            return Math.min(a, b);
        }

        static double max(double a, double b) {
            return Math.max(a, b);
        }

        static boolean compareLT(double a, double b) {
            return a < b;
        }

        static boolean compareLE(double a, double b) {
            return a <= b;
        }

        static boolean compareGT(double a, double b) {
            return a > b;
        }

        static boolean compareGE(double a, double b) {
            return a >= b;
        }

        static boolean compareEQ(double a, double b) {
            return a == b;
        }

        static boolean compareNE(double a, double b) {
            return a != b;
        }

        static boolean testIS_NAN(double a) {
            return Double.isNaN(a);
        }

        static boolean testIS_FINITE(double a) {
            return Double.isFinite(a);
        }

        static boolean testIS_INFINITE(double a) {
            return Double.isInfinite(a);
        }

        static double blend(double a, double b, boolean m) {
            return m ? b : a;
        }

        static double reinterpretAsDoubles(double a) {
            return a;
        }

        static long reinterpretAsLongs(double a) {
            return Double.doubleToRawLongBits(a);
        }

        static float convertD2F(double a, int part) {
            first(part);
            return (float) a;
        }

        static int convertD2I(double a, int part) {
            first(part);
            return (int) a;
        }

        static long convertD2L(double a, int part) {
            first(part);
            return (long) a;
        }
    }

    /** One lane of a {@code VectorMask}; no operand is skipped, as none is there. */
    @Inline
    @SuppressWarnings("ShortCircuitBoolean")
    static final class OfMask {
        private OfMask() {}

        static boolean and(boolean a, boolean b) {
            return a & b;
        }

        static boolean or(boolean a, boolean b) {
            return a | b;
        }

        static boolean xor(boolean a, boolean b) {
            return a ^ b;
        }

        static boolean andNot(boolean a, boolean b) {
            return a & !b;
        }

        static boolean not(boolean a) {
            return !a;
        }

        static boolean cast(boolean a) {
            return a;
        }

        static long toLong(boolean a) {
            return a ? 1 : 0;
        }

        static boolean anyTrue(boolean a) {
            return a;
        }

        static boolean allTrue(boolean a) {
            return a;
        }
    }
}
