package dev.heddle.kernel.vector;

import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;

import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;
import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** What every step of a state is made of. */
@Inline
final class ScanStep {
    private ScanStep() {}

    private static final float MAGIC = 0x1.8p23f;
    private static final int MAGIC_BITS = 0x4B40_0000;
    private static final float BIASED = MAGIC + 127;

    /** Where the scratch of the channels {@code o} bytes into a run starts, if blocks are {@code apart}. */
    static long place(long o, long apart) {
        return o / ROW * apart + o % ROW;
    }

    /** The factor of state {@code g} of a group: a value beside the others, or a row. */
    static FloatVector factor(Factor f, long a, int g) {
        return f == Factor.SHARED ? splat(a + 4L * g) : load(a + ROW * g);
    }

    static Factor factor(Output o) {
        return o == Output.OWN ? Factor.OWN : Factor.SHARED;
    }

    /**
     * 2<sup>dt a</sup>, and exactly 0 below 2<sup>-125.5</sup>. The product is never rounded: the fused multiply-add takes
     * its integer part off it. FALLING adds the exponent; ANY multiplies, and so reaches infinity.
     */
    static FloatVector decay(Decay decay, FloatVector dt, FloatVector a) {
        if (decay == Decay.GIVEN) {
            return dt;
        }
        float magic = decay == Decay.FALLING ? MAGIC : BIASED;
        FloatVector t = dt.fma(a, all(magic));
        if (decay == Decay.ANY) {
            t = t.reinterpretAsInts().min(MAGIC_BITS + 255).reinterpretAsFloats();
        }
        FloatVector r = dt.fma(a, all(magic).sub(t));
        FloatVector p = r.fma(0x1.416b5ep-13f, 0x1.5f082ep-10f);
        p = p.fma(r, all(0x1.3b2dep-7f));
        p = p.fma(r, all(0x1.c6af7cp-5f));
        p = p.fma(r, all(0x1.ebfbdcp-3f));
        p = p.fma(r, all(0x1.62e43p-1f));
        p = p.fma(r, all(1f));
        var exponent = t.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
        p = decay == Decay.FALLING
                ? p.reinterpretAsInts().add(exponent).reinterpretAsFloats()
                : p.mul(exponent.reinterpretAsFloats());
        return p.blend(0f, t.compare(VectorOperators.LT, magic - 125f));
    }
}
