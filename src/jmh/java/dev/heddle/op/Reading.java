package dev.heddle.op;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.Tensor;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Reads memory once, as fast as it comes. */
final class Reading {
    private Reading() {}

    private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;

    static float sum(Tensor t) {
        long bytes = S.vectorByteSize();
        FloatVector a = FloatVector.zero(S);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        long p = t.address();
        for (long end = p + 4 * t.size() / (4 * bytes) * (4 * bytes); p != end; p += 4 * bytes) {
            a = a.add(FloatVector.fromMemorySegment(S, Raw.ALL, p, ByteOrder.LITTLE_ENDIAN));
            b = b.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + bytes, ByteOrder.LITTLE_ENDIAN));
            c = c.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + 2 * bytes, ByteOrder.LITTLE_ENDIAN));
            d = d.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + 3 * bytes, ByteOrder.LITTLE_ENDIAN));
        }
        return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
    }
}
