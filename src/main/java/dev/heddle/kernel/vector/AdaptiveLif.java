package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.AdaptiveLifKernels;
import dev.heddle.kernel.LifKernels.Slope;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Neurons that tire: each spike raises the threshold for a while. */
public final class AdaptiveLif implements AdaptiveLifKernels {
    @Override
    @Kernel
    public void forward(
            @Const boolean soft,
            long x,
            long xs,
            long spike,
            long ss,
            long v,
            long vs,
            long plane,
            float leak,
            float gain,
            float threshold,
            float reset,
            float rho,
            float beta,
            long steps,
            long columns) {
        for (long end = x + xs * steps; x != end; x += xs, spike += ss, v += vs) {
            for (long o = 0; o != 4 * columns; o += BYTES) {
                FloatVector a = load(v + plane + o);
                FloatVector h = Lif.charge(load(v + o), load(x + o), leak, gain, reset);
                FloatVector limit = a.fma(all(beta), all(threshold));
                VectorMask<Float> fired = h.compare(VectorOperators.GE, limit);
                FloatVector s = all(0f).blend(1f, fired);
                store(s, spike + o);
                store(soft ? h.blend(h.sub(limit), fired) : h.blend(reset, fired), v + vs + o);
                store(a.fma(all(rho), s), v + vs + plane + o);
            }
        }
    }

    @Override
    @Kernel
    public void backward(
            @Const boolean soft,
            @Const boolean detached,
            @Const Slope slope,
            long x,
            long xs,
            long v,
            long vs,
            long plane,
            long gs,
            long gss,
            long gx,
            long gxs,
            long carry,
            long carryPlane,
            float leak,
            float gain,
            float threshold,
            float reset,
            float rho,
            float beta,
            float alpha,
            long steps,
            long columns) {
        for (long t = 0; t != steps; t++) {
            for (long o = 0; o != 4 * columns; o += BYTES) {
                FloatVector h = Lif.charge(load(v + o), load(x + o), leak, gain, reset);
                FloatVector limit = load(v + plane + o).fma(all(beta), all(threshold));
                VectorMask<Float> fired = h.compare(VectorOperators.GE, limit);
                FloatVector gv = load(carry + o);
                FloatVector ga = load(carry + carryPlane + o);
                FloatVector ds = load(gs + o).add(ga);
                if (!detached) {
                    FloatVector jump = soft ? limit.neg() : all(reset).sub(h);
                    ds = gv.fma(jump, ds);
                }
                FloatVector du = ds.mul(Lif.slope(slope, h.sub(limit), alpha));
                FloatVector dh = (soft ? gv : gv.blend(0f, fired)).add(du);
                FloatVector ofLimit = du.neg();
                if (soft && !detached) {
                    ofLimit = ofLimit.blend(ofLimit.sub(gv), fired);
                }
                store(dh.mul(gain), gx + o);
                store(dh.mul(1f - leak), carry + o);
                store(ga.fma(all(rho), ofLimit.mul(beta)), carry + carryPlane + o);
            }
            x -= xs;
            v -= vs;
            gs -= gss;
            gx -= gxs;
        }
    }
}
