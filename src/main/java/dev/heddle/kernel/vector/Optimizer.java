package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.OptimizerKernels;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Parameter updates. */
public final class Optimizer implements OptimizerKernels {
    @Override
    @Kernel
    public void adam(
            long p, long g, long m, long v, float beta1, float beta2, float rate, float scale, float eps, long n) {
        FloatVector b1 = all(beta1);
        FloatVector b2 = all(beta2);
        FloatVector c1 = all(1 - beta1);
        FloatVector c2 = all(1 - beta2);
        FloatVector minusRate = all(-rate);
        for (long end = p + 4 * n; p != end; p += BYTES, g += BYTES, m += BYTES, v += BYTES) {
            FloatVector gg = load(g);
            FloatVector mm = gg.fma(c1, load(m).mul(b1));
            FloatVector vv = gg.mul(gg).fma(c2, load(v).mul(b2));
            store(mm, m);
            store(vv, v);
            FloatVector step = mm.div(vv.sqrt().fma(all(scale), all(eps)));
            store(step.fma(minusRate, load(p)), p);
        }
    }
}
