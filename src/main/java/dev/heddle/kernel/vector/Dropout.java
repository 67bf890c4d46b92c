package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.heddle.kernel.DropoutKernels;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Philox, lanes = counters. */
public final class Dropout implements DropoutKernels {
    private static final int M0 = 0xD251_1F53;
    private static final int M1 = 0xCD9E_8D57;
    private static final int W0 = 0x9E37_79B9;
    private static final int W1 = 0xBB67_AE85;

    /** Bytes of 64 elements. */
    private static final int SPAN = BLOCK;

    @Override
    @Kernel
    public void run(
            long x, long y, long blocks, long first, long seed, long stream, int keep, float scale, int rounds) {
        IntVector lane = V.lane();
        for (long b = 0; b != blocks; b++, x += 4 * SPAN, y += 4 * SPAN) {
            long counter = 64 * (first + b);
            for (long o = x, end = x + SPAN; o != end; o += BYTES, counter += LANES) {
                IntVector c0 = lane.add((int) counter);
                IntVector c1 = all((int) (counter >>> 32));
                IntVector c2 = all((int) stream);
                IntVector c3 = all((int) (stream >>> 32));
                int k0 = (int) seed;
                int k1 = (int) (seed >>> 32);
                for (int r = 0; r != rounds; r++) {
                    IntVector high = highHalf(c0, M0);
                    IntVector low = c0.mul(M0);
                    c0 = highHalf(c2, M1).lanewise(XOR, c1).lanewise(XOR, k0);
                    c1 = c2.mul(M1);
                    c2 = high.lanewise(XOR, c3).lanewise(XOR, k1);
                    c3 = low;
                    k0 += W0;
                    k1 += W1;
                }
                long to = y + (o - x);
                drop(c0, keep, scale, o, to);
                drop(c1, keep, scale, o + SPAN, to + SPAN);
                drop(c2, keep, scale, o + 2 * SPAN, to + 2 * SPAN);
                drop(c3, keep, scale, o + 3 * SPAN, to + 3 * SPAN);
            }
        }
    }

    @Inline
    private static void drop(IntVector random, int keep, float scale, long x, long y) {
        FloatVector kept = load(x).mul(scale);
        store(V.blend(all(0f), kept, random.lanewise(LSHR, 8).compare(LT, keep)), y);
    }

    /** The upper 32 bits of the unsigned product, from products of halves. */
    @Inline
    private static IntVector highHalf(IntVector a, int m) {
        IntVector low = a.and(0xFFFF);
        IntVector high = a.lanewise(LSHR, 16);
        IntVector cross = high.mul(m & 0xFFFF).add(low.mul(m & 0xFFFF).lanewise(LSHR, 16));
        IntVector other = low.mul(m >>> 16).add(cross.and(0xFFFF));
        return high.mul(m >>> 16).add(cross.lanewise(LSHR, 16)).add(other.lanewise(LSHR, 16));
    }
}
