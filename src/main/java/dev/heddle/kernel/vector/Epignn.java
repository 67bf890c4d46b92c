package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.kernel.EpignnKernels;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Bilinear forms of short vectors: a result's vector stays in a register while what it sums goes by. */
public final class Epignn implements EpignnKernels {
    @Override
    @Kernel
    public void trilinear(
            long a, long as, long b, long bs, long t, long y, long ys, long facets, long h, long row, long rowEnd) {
        long n = 4 * h;
        for (long r = row; r != rowEnd; r++) {
            for (long f = 0; f != facets; f++) {
                long ar = a + as * r + n * f;
                long br = b + bs * r + n * f;
                long tf = t + n * h * h * f;
                for (long c = 0; c < n; c += BYTES) {
                    long o = Math.min(c, n - BYTES);
                    FloatVector sum = all(0f);
                    long q = tf + o;
                    for (long i = ar; i != ar + n; i += 4) {
                        FloatVector inner = all(0f);
                        for (long j = br; j != br + n; j += 4, q += n) {
                            inner = load(q).fma(splat(j), inner);
                        }
                        sum = inner.fma(splat(i), sum);
                    }
                    store(sum, y + ys * r + n * f + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void trilinearGrad(long a, long as, long b, long bs, long c, long cs, long y, long h, long rows) {
        long n = 4 * h;
        for (long i = 0; i != n; i += 4) {
            for (long j = 0; j != n; j += 4, y += n) {
                for (long k = 0; k < n; k += BYTES) {
                    long o = Math.min(k, n - BYTES);
                    FloatVector sum = all(0f);
                    long ar = a + i;
                    long br = b + j;
                    for (long cr = c + o, end = cr + cs * rows; cr != end; cr += cs, ar += as, br += bs) {
                        sum = load(cr).fma(splat(ar).mul(splat(br)), sum);
                    }
                    store(sum, y + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void messages(
            long nodes,
            long types,
            long x,
            long xs,
            long w,
            long ws,
            long m,
            long ms,
            long facets,
            long h,
            long edge,
            long edgeEnd) {
        long n = 4 * h;
        for (long e = edge; e != edgeEnd; e++) {
            long xr = x + xs * i32(nodes + 4 * e);
            long wr = w + ws * i32(types + 4 * e);
            for (long f = 0; f != facets; f++, xr += n, wr += n * h) {
                for (long c = 0; c < n; c += BYTES) {
                    long o = Math.min(c, n - BYTES);
                    FloatVector sum = all(0f);
                    long q = wr + o;
                    for (long i = xr; i != xr + n; i += 4, q += n) {
                        sum = load(q).fma(splat(i), sum);
                    }
                    store(sum, m + ms * e + n * f + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void messagesGrad(
            long edges, long count, long nodes, long x, long xs, long gm, long ms, long gw, long facets, long h) {
        long n = 4 * h;
        for (long f = 0; f != n * facets; f += n) {
            for (long i = 0; i != n; i += 4, gw += n) {
                for (long c = 0; c < n; c += BYTES) {
                    long o = Math.min(c, n - BYTES);
                    FloatVector sum = all(0f);
                    for (long q = edges; q != edges + 4 * count; q += 4) {
                        long e = i32(q);
                        FloatVector v = splat(x + xs * i32(nodes + 4 * e) + f + i);
                        sum = load(gm + ms * e + f + o).fma(v, sum);
                    }
                    store(sum, gw + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void normalize(long v, long y, float least, long h, long vector, long vectorEnd) {
        for (long a = v + 4 * h * vector, end = v + 4 * h * vectorEnd; a != end; ) {
            float sum = 0f;
            for (long q = a; q != a + 4 * h; q += 4) {
                sum += f32(q) + least;
            }
            for (long stop = a + 4 * h; a != stop; a += 4) {
                ALL.set(F32, y + (a - v), (f32(a) + least) / sum);
            }
        }
    }

    @Override
    @Kernel
    public void normalizeGrad(long v, long y, long gy, long gv, float least, long h, long vector, long vectorEnd) {
        for (long a = 4 * h * vector, end = 4 * h * vectorEnd; a != end; ) {
            float sum = 0f;
            float dot = 0f;
            for (long q = a; q != a + 4 * h; q += 4) {
                sum += f32(v + q) + least;
                dot += f32(gy + q) * f32(y + q);
            }
            for (long stop = a + 4 * h; a != stop; a += 4) {
                ALL.set(F32, gv + a, (f32(gy + a) - dot) / sum);
            }
        }
    }
}
