package dev.heddle.weave;

import dev.heddle.memory.LiveRanges;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loads and stores that verify their addresses, which must be absolute: an address sanitizer for kernels. A checked kernel
 * calls these instead of the originals; an access to memory that has no checked form here cannot be woven.
 */
public final class Checked {
    private Checked() {}

    private static long load(long address, long bytes) {
        LiveRanges.check(address, bytes, false);
        return address;
    }

    private static long store(long address, long bytes) {
        LiveRanges.check(address, bytes, true);
        return address;
    }

    /** Single elements. */
    public static final class OfSegment {
        private OfSegment() {}

        public static byte get(MemorySegment m, ValueLayout.OfByte layout, long a) {
            return m.get(layout, load(a, Byte.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfByte layout, long a, byte value) {
            m.set(layout, store(a, Byte.BYTES), value);
        }

        public static short get(MemorySegment m, ValueLayout.OfShort layout, long a) {
            return m.get(layout, load(a, Short.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfShort layout, long a, short value) {
            m.set(layout, store(a, Short.BYTES), value);
        }

        public static int get(MemorySegment m, ValueLayout.OfInt layout, long a) {
            return m.get(layout, load(a, Integer.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfInt layout, long a, int value) {
            m.set(layout, store(a, Integer.BYTES), value);
        }

        public static long get(MemorySegment m, ValueLayout.OfLong layout, long a) {
            return m.get(layout, load(a, Long.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfLong layout, long a, long value) {
            m.set(layout, store(a, Long.BYTES), value);
        }

        public static float get(MemorySegment m, ValueLayout.OfFloat layout, long a) {
            return m.get(layout, load(a, Float.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfFloat layout, long a, float value) {
            m.set(layout, store(a, Float.BYTES), value);
        }

        public static double get(MemorySegment m, ValueLayout.OfDouble layout, long a) {
            return m.get(layout, load(a, Double.BYTES));
        }

        public static void set(MemorySegment m, ValueLayout.OfDouble layout, long a, double value) {
            m.set(layout, store(a, Double.BYTES), value);
        }
    }

    /** Vectors of float. */
    public static final class OfFloat {
        private OfFloat() {}

        public static FloatVector fromMemorySegment(VectorSpecies<Float> s, MemorySegment m, long a, ByteOrder order) {
            return FloatVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(FloatVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }

    /** Vectors of int. */
    public static final class OfInt {
        private OfInt() {}

        public static IntVector fromMemorySegment(VectorSpecies<Integer> s, MemorySegment m, long a, ByteOrder order) {
            return IntVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(IntVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }

    /** Vectors of short. */
    public static final class OfShort {
        private OfShort() {}

        public static ShortVector fromMemorySegment(VectorSpecies<Short> s, MemorySegment m, long a, ByteOrder order) {
            return ShortVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(ShortVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }

    /** Vectors of byte. */
    public static final class OfByte {
        private OfByte() {}

        public static ByteVector fromMemorySegment(VectorSpecies<Byte> s, MemorySegment m, long a, ByteOrder order) {
            return ByteVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(ByteVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }

    /** Vectors of long. */
    public static final class OfLong {
        private OfLong() {}

        public static LongVector fromMemorySegment(VectorSpecies<Long> s, MemorySegment m, long a, ByteOrder order) {
            return LongVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(LongVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }

    /** Vectors of double. */
    public static final class OfDouble {
        private OfDouble() {}

        public static DoubleVector fromMemorySegment(
                VectorSpecies<Double> s, MemorySegment m, long a, ByteOrder order) {
            return DoubleVector.fromMemorySegment(s, m, load(a, s.vectorByteSize()), order);
        }

        public static void intoMemorySegment(DoubleVector v, MemorySegment m, long a, ByteOrder order) {
            v.intoMemorySegment(m, store(a, v.byteSize()), order);
        }
    }
}
