package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.CausalConvKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Row after row, along each row, so that memory is read in a stream; a row's predecessors are still in the cache. */
public final class CausalConv implements CausalConvKernels {
    /** Steps that are taken at once, so that each weight is read once for all of them, and each row of x once for its taps. */
    private static final int TOGETHER = 4;

    @Override
    @Kernel
    public void forward(
            @Const({0, 2, 3, 4}) int taps,
            @Const boolean silu,
            long count,
            long x,
            long xs,
            long w,
            long ws,
            long bias,
            long y,
            long ys,
            long steps,
            long columns) {
        long width = 4 * columns;
        FloatVector[] sums = new FloatVector[TOGETHER];
        long alone = taps == 0 ? steps : steps % TOGETHER;
        for (long t = alone; t != steps; t += TOGETHER, x += TOGETHER * xs, y += TOGETHER * ys) {
            for (long o = 0; o < width; o += BYTES) {
                long p = Math.min(o, width - BYTES);
                long xr = x + p;
                FloatVector start = load(bias + p);
                for (int j = 0; j < TOGETHER; j++) {
                    sums[j] = start;
                }
                for (int k = 0; k < taps + TOGETHER - 1; k++, xr += xs) {
                    FloatVector v = load(xr);
                    for (int j = 0; j < TOGETHER; j++) {
                        sums[j] = k < j || k - j >= taps
                                ? sums[j]
                                : load(w + p + (k - j) * ws).fma(v, sums[j]);
                    }
                }
                long yr = y + p;
                for (int j = 0; j < TOGETHER; j++, yr += ys) {
                    store(silu ? VectorMath.silu(sums[j]) : sums[j], yr);
                }
            }
        }
        for (long t = 0; t != alone; t++, x += xs, y += ys) {
            for (long o = 0; o < width; o += BYTES) {
                long p = Math.min(o, width - BYTES);
                FloatVector v = sum(taps, count, x + p, xs, w + p, ws, load(bias + p));
                store(silu ? VectorMath.silu(v) : v, y + p);
            }
        }
    }

    @Override
    @Kernel
    public void slope(
            @Const({0, 2, 3, 4}) int taps,
            @Const boolean silu,
            long count,
            long x,
            long xs,
            long w,
            long ws,
            long bias,
            long gy,
            long gys,
            long g,
            long gs,
            long steps,
            long columns) {
        long width = 4 * columns;
        for (long t = 0; t != steps; t++, x += xs, gy += gys, g += gs) {
            for (long o = 0; o < width; o += BYTES) {
                long p = Math.min(o, width - BYTES);
                FloatVector v = load(gy + p);
                if (silu) {
                    FloatVector sum = sum(taps, count, x + p, xs, w + p, ws, load(bias + p));
                    v = v.mul(VectorMath.siluDerivative(sum));
                }
                store(v, g + p);
            }
        }
    }

    @Override
    @Kernel
    public void weights(
            @Const({0, 2, 3, 4}) int taps,
            long count,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long gbias,
            long steps,
            long columns) {
        FloatVector[] sums = new FloatVector[taps];
        for (long end = g + 4 * columns; g != end; g += BYTES, x += BYTES, gw += BYTES, gbias += BYTES) {
            FloatVector total = all(0f);
            for (int k = 0; k < taps; k++) {
                sums[k] = all(0f);
            }
            long xt = x;
            long gt = g;
            for (long t = 0; t != steps; t++, xt += xs, gt += gs) {
                FloatVector v = load(gt);
                total = total.add(v);
                for (int k = 0; k < taps; k++) {
                    sums[k] = v.fma(load(xt + k * xs), sums[k]);
                }
            }
            store(load(gbias).add(total), gbias);
            for (int k = 0; k < taps; k++) {
                store(load(gw + k * gws).add(sums[k]), gw + k * gws);
            }
            if (taps == 0) {
                long to = gw;
                long from = x;
                for (long k = 0; k != count; k++, to += gws, from += xs) {
                    FloatVector sum = products(from, xs, g, gs, steps);
                    store(load(to).add(sum), to);
                }
            }
        }
    }

    @Override
    @Kernel
    public void add(long from, long to, long columns) {
        for (long end = from + 4 * columns; from != end; from += BYTES, to += BYTES) {
            store(load(to).add(load(from)), to);
        }
    }

    @Override
    @Kernel
    public void zero(long to, long count) {
        long width = 4 * count;
        for (long o = 0; o < width; o += BYTES) {
            store(all(0f), to + Math.min(o, width - BYTES));
        }
    }

    @Override
    @Kernel
    public void copy(long from, long fs, long to, long ts, long rows, long columns) {
        long width = 4 * columns;
        for (long r = 0; r != rows; r++, from += fs, to += ts) {
            for (long o = 0; o < width; o += BYTES) {
                long p = Math.min(o, width - BYTES);
                store(load(from + p), to + p);
            }
        }
    }

    @Override
    @Kernel
    public void transpose(long from, long cs, long ks, long to, long ts, long taps, long columns) {
        for (long k = 0; k != taps; k++, from += ks, to += ts) {
            long f = from;
            for (long a = to, end = to + 4 * columns; a != end; a += 4, f += cs) {
                ALL.set(I32, a, ALL.get(I32, f));
            }
        }
    }

    /** {@code start + sum over k of w[k] x[k]}, the oldest first. */
    @Inline
    private static FloatVector sum(int taps, long count, long x, long xs, long w, long ws, FloatVector start) {
        FloatVector v = start;
        for (int k = 0; k < taps; k++) {
            v = load(w + k * ws).fma(load(x + k * xs), v);
        }
        if (taps == 0) {
            for (long k = 0; k != count; k++, w += ws, x += xs) {
                v = load(w).fma(load(x), v);
            }
        }
        return v;
    }

    @Inline
    private static FloatVector products(long x, long xs, long g, long gs, long steps) {
        FloatVector sum = all(0f);
        for (long t = 0; t != steps; t++, x += xs, g += gs) {
            sum = load(g).fma(load(x), sum);
        }
        return sum;
    }
}
