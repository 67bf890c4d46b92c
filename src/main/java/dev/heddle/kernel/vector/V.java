package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.Lanes.LE;
import static dev.heddle.kernel.vector.Lanes.S;
import static dev.heddle.kernel.vector.Lanes.SI;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Loads, stores and constants: the vocabulary in which kernels are written. Addresses are absolute, strides in bytes. */
@Inline
final class V {
    private V() {}

    /**
     * No address reaches beyond these bits; that said, the compiler drops the check of each access against the end of
     * {@link dev.heddle.memory.Raw#ALL}, and with it a branch, a constant's register, and all that is kept alive for the
     * branch to leave the method.
     */
    private static final long ADDRESS = (1L << 62) - 1;

    private static final long BASE = (1L << 60) - 1;

    /** The start of a row: accesses at constant offsets from it then cost nothing but themselves. */
    static long base(long a) {
        return a & BASE;
    }

    /** An offset, not negative, that is as good as a constant one. */
    static long offset(long bytes) {
        return bytes & BASE;
    }

    static FloatVector load(long a) {
        return FloatVector.fromMemorySegment(S, ALL, a & ADDRESS, LE);
    }

    static void store(FloatVector v, long a) {
        v.intoMemorySegment(ALL, a & ADDRESS, LE);
    }

    static IntVector loadInts(long a) {
        return IntVector.fromMemorySegment(SI, ALL, a & ADDRESS, LE);
    }

    static void store(IntVector v, long a) {
        v.intoMemorySegment(ALL, a & ADDRESS, LE);
    }

    static FloatVector all(float x) {
        return FloatVector.broadcast(S, x);
    }

    static IntVector all(int x) {
        return IntVector.broadcast(SI, x);
    }

    /** The number of each lane. */
    static IntVector lane() {
        return LANES == 1 ? all(0) : all(0).addIndex(1);
    }

    static FloatVector splat(long a) {
        return FloatVector.broadcast(S, ALL.get(F32, a & ADDRESS));
    }

    static float f32(long a) {
        return ALL.get(F32, a & ADDRESS);
    }

    static int i32(long a) {
        return ALL.get(I32, a & ADDRESS);
    }

    static long i64(long a) {
        return ALL.get(I64, a & ADDRESS);
    }

    /** The larger lane; {@code a} where either is NaN (unlike Math.max, and one instruction instead of five). */
    static FloatVector max(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    static FloatVector min(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.LT, a));
    }

    /** Ints chosen by a mask of floats. */
    static IntVector blend(IntVector a, IntVector b, VectorMask<Float> m) {
        return a.blend(b, m.cast(SI));
    }

    /** Floats chosen by a mask of ints. */
    static FloatVector blend(FloatVector a, FloatVector b, VectorMask<Integer> m) {
        return a.blend(b, m.cast(S));
    }
}
