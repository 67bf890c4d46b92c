package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.LinearScanKernels;
import dev.heddle.weave.Kernel;

/** Step by step, and each step along its row. */
public final class LinearScan implements LinearScanKernels {
    @Override
    @Kernel
    public void scan(long a, long as, long b, long bs, long h, long hs, long before, long steps, long columns) {
        long end = 4 * columns;
        long last = end - BYTES;
        for (long t = 0; t != steps; t++, a += as, b += bs, before = h, h += hs) {
            for (long o = 0; o < end; o += BYTES) {
                long p = Math.min(o, last);
                store(load(a + p).fma(load(before + p), load(b + p)), h + p);
            }
        }
    }

    @Override
    @Kernel
    public void sweep(
            long a,
            long as,
            long gh,
            long ghs,
            long h,
            long hs,
            long ga,
            long gas,
            long g,
            long gs,
            long after,
            long gAfter,
            long steps,
            long columns) {
        long end = 4 * columns;
        long last = end - BYTES;
        for (long t = 0; t != steps; t++, after = a, a += as, gh += ghs, h += hs, ga += gas, gAfter = g, g += gs) {
            for (long o = 0; o < end; o += BYTES) {
                long p = Math.min(o, last);
                var gt = load(after + p).fma(load(gAfter + p), load(gh + p));
                store(gt, g + p);
                store(gt.mul(load(h + p)), ga + p);
            }
        }
    }

    @Override
    @Kernel
    public void copy(long from, long to, long columns) {
        long end = 4 * columns;
        long last = end - BYTES;
        for (long o = 0; o < end; o += BYTES) {
            long p = Math.min(o, last);
            store(load(from + p), to + p);
        }
    }
}
