package dev.heddle.loom.vector;

import static dev.heddle.loom.vector.Lanes.LE;
import static dev.heddle.loom.vector.Lanes.S;
import static dev.heddle.loom.vector.Lanes.SI;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

@Inline
final class V {
    private V() {}

    static FloatVector load(long a) {
        return FloatVector.fromMemorySegment(S, ALL, a, LE);
    }

    static void store(FloatVector v, long a) {
        v.intoMemorySegment(ALL, a, LE);
    }

    static IntVector loadInts(long a) {
        return IntVector.fromMemorySegment(SI, ALL, a, LE);
    }

    static void store(IntVector v, long a) {
        v.intoMemorySegment(ALL, a, LE);
    }

    static FloatVector all(float x) {
        return FloatVector.broadcast(S, x);
    }

    static IntVector all(int x) {
        return IntVector.broadcast(SI, x);
    }

    static FloatVector splat(long a) {
        return FloatVector.broadcast(S, ALL.get(F32, a));
    }

    static float f32(long a) {
        return ALL.get(F32, a);
    }

    static int i32(long a) {
        return ALL.get(I32, a);
    }

    static FloatVector max(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /** 2^x for |x| up to 126, else clamped there. */
    static FloatVector exp2(FloatVector x) {
        FloatVector t = x.add(12582912f);
        FloatVector r = x.sub(t.sub(12582912f));
        FloatVector p = r.fma(all(0.0013264727f), all(0.009671513f));
        p = p.fma(r, all(0.055507336f));
        p = p.fma(r, all(0.24022242f));
        p = p.fma(r, all(0.693147f));
        p = p.fma(r, all(1f));
        IntVector n = t.reinterpretAsInts().max(0x4B400000 - 126).min(0x4B400000 + 126);
        return p.reinterpretAsInts().add(n.lanewise(VectorOperators.LSHL, 23)).reinterpretAsFloats();
    }
}
