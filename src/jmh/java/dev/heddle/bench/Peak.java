package dev.heddle.bench;

import dev.heddle.memory.Raw;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** What the machine can do at most, as far as the JVM can make it: arithmetic in registers, and reading memory. */
public final class Peak {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int CHAINS = 12;

    private Peak() {}

    /** Makes {@code count} multiply-adds of numbers, in twelve chains of vectors; returns what comes out. */
    public static float multiplyAdds(long count) {
        FloatVector m = FloatVector.broadcast(S, 0.999f);
        FloatVector a = FloatVector.broadcast(S, 1);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector e = a;
        FloatVector f = a;
        FloatVector g = a;
        FloatVector h = a;
        FloatVector i = a;
        FloatVector j = a;
        FloatVector k = a;
        FloatVector l = a;
        for (long n = count / ((long) CHAINS * S.length()); n > 0; n--) {
            a = a.fma(m, m);
            b = b.fma(m, m);
            c = c.fma(m, m);
            d = d.fma(m, m);
            e = e.fma(m, m);
            f = f.fma(m, m);
            g = g.fma(m, m);
            h = h.fma(m, m);
            i = i.fma(m, m);
            j = j.fma(m, m);
            k = k.fma(m, m);
            l = l.fma(m, m);
        }
        FloatVector low = a.add(b).add(c).add(d).add(e).add(f);
        return low.add(g).add(h).add(i).add(j).add(k).add(l).lane(0);
    }

    /** Reads memory from one end to the other, and returns something of it. {@code bytes} is a multiple of 4 vectors. */
    public static float read(long address, long bytes) {
        FloatVector a = FloatVector.zero(S);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int step = S.vectorByteSize();
        for (long p = address, end = address + bytes; p != end; p += 4L * step) {
            a = a.add(FloatVector.fromMemorySegment(S, Raw.ALL, p, LE));
            b = b.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + step, LE));
            c = c.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + 2L * step, LE));
            d = d.add(FloatVector.fromMemorySegment(S, Raw.ALL, p + 3L * step, LE));
        }
        return a.add(b).add(c).add(d).lane(0);
    }
}
