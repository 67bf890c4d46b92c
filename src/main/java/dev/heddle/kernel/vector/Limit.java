package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.LimitKernels;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** The machine's own limits. */
public final class Limit implements LimitKernels {
    @Override
    @Kernel
    public void fma(long rounds, long out) {
        FloatVector[] acc = new FloatVector[ACCUMULATORS];
        FloatVector seed = load(out);
        for (int t = 0; t < acc.length; t++) {
            acc[t] = seed.add(all((float) t));
        }
        FloatVector half = all(0.5f);
        for (long i = 0; i != rounds; i++) {
            for (int t = 0; t < acc.length; t++) {
                acc[t] = acc[t].fma(half, seed);
            }
        }
        for (int t = 1; t < acc.length; t++) {
            acc[0] = acc[0].add(acc[t]);
        }
        store(acc[0], out);
    }
}
