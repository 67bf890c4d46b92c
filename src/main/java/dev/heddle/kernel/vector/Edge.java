package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static jdk.incubator.vector.VectorOperators.EQ;

import dev.heddle.kernel.EdgeKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/**
 * Edge by edge. Scores of the heads lie side by side, so a head's are copied out in blocks, have their exponentials taken by
 * the vector, and are copied back; sums over edges go in CSR order.
 */
public final class Edge implements EdgeKernels {
    @Override
    @Kernel
    public void sum(
            @Const boolean minus,
            long indptr,
            long indices,
            long x,
            long xs,
            long y,
            long ys,
            long z,
            long zs,
            long columns,
            long row,
            long rowEnd) {
        long yr = y + ys * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, yr += ys) {
            long first = i64(p);
            long e = indices + 4 * first;
            long end = indices + 4 * i64(p + 8);
            long zr = z + zs * first;
            for (; e != end; e += 4, zr += zs) {
                long xr = x + xs * i32(e);
                for (long c = 0; c < 4 * columns; c += BYTES) {
                    long o = Math.min(c, 4 * columns - BYTES);
                    FloatVector v = load(xr + o);
                    store(minus ? v.sub(load(yr + o)) : v.add(load(yr + o)), zr + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void softmax(
            @Const boolean part,
            long indptr,
            long scores,
            long ss,
            long alpha,
            long as,
            long stats,
            long heads,
            long scratch,
            long row,
            long rowEnd) {
        long lane = scratch + 4L * BLOCK;
        long st = stats;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != 4 * heads; h += 4) {
                long s = scores + ss * first + h;
                long a = alpha + as * first + h;
                float m = Float.NEGATIVE_INFINITY;
                for (long q = s, end = s + ss * count; q != end; q += ss) {
                    m = Math.max(m, f32(q)); // NaN stays, and makes its whole group NaN
                }
                FloatVector most = all(m);
                most = most.blend(0f, most.compare(EQ, Float.NEGATIVE_INFINITY));
                float sum = 0f;
                long to = a;
                for (long left = count; left != 0; ) {
                    long n = Math.min(left, BLOCK);
                    left -= n;
                    for (long q = scratch, end = scratch + 4 * n; q != end; q += 4, s += ss) {
                        ALL.set(F32, q, f32(s));
                    }
                    for (long q = scratch, end = scratch + 4 * n; q < end; q += BYTES) {
                        store(VectorMath.expNonPositive(load(q).sub(most)), q);
                    }
                    for (long q = scratch, end = scratch + 4 * n; q != end; q += 4, to += as) {
                        float e = f32(q);
                        sum += e;
                        ALL.set(F32, to, e);
                    }
                }
                if (part) {
                    ALL.set(F32, st + h, m);
                    ALL.set(F32, st + 4 * heads + h, sum);
                } else {
                    FloatVector total = all(sum);
                    store(all(1f).div(total.blend(1f, total.compare(EQ, 0f))), lane);
                    scaleHead(a, as, count, f32(lane));
                }
            }
            st += 8 * heads;
        }
    }

    @Override
    @Kernel
    public void scale(long indptr, long alpha, long as, long factors, long fs, long heads, long row, long rowEnd) {
        long f = factors + fs * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, f += fs) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != 4 * heads; h += 4) {
                scaleHead(alpha + as * first + h, as, count, f32(f + h));
            }
        }
    }

    @Inline
    private static void scaleHead(long a, long as, long count, float scale) {
        for (long q = a, end = a + as * count; q != end; q += as) {
            ALL.set(F32, q, f32(q) * scale);
        }
    }

    @Override
    @Kernel
    public void combine(long stats, long parts, long heads, long scratch) {
        long ss = 8 * heads;
        for (long h = stats; h != stats + 4 * heads; h += 4) {
            float m = Float.NEGATIVE_INFINITY;
            for (long q = h, end = h + ss * parts; q != end; q += ss) {
                m = Math.max(m, f32(q));
            }
            FloatVector most = all(m);
            most = most.blend(0f, most.compare(EQ, Float.NEGATIVE_INFINITY));
            FloatVector total = all(0f);
            for (long q = h, end = h + ss * parts; q != end; q += ss) {
                total = VectorMath.expNonPositive(splat(q).sub(most)).fma(splat(q + 4 * heads), total);
            }
            total = total.blend(1f, total.compare(EQ, 0f));
            for (long q = h, end = h + ss * parts; q != end; q += ss) {
                store(VectorMath.expNonPositive(splat(q).sub(most)).div(total), scratch);
                ALL.set(F32, q, f32(scratch));
            }
        }
    }

    @Override
    @Kernel
    public void softmaxGrad(
            long indptr, long alpha, long as, long g, long gs, long out, long os, long heads, long row, long rowEnd) {
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != 4 * heads; h += 4) {
                long a = alpha + as * first + h;
                long b = g + gs * first + h;
                float mean = mean(a, as, b, gs, count);
                gradHead(a, as, b, gs, out + os * first + h, os, count, mean);
            }
        }
    }

    @Override
    @Kernel
    public void softmaxMeans(
            long indptr, long alpha, long as, long g, long gs, long means, long heads, long row, long rowEnd) {
        long to = means + 4 * heads * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != 4 * heads; h += 4, to += 4) {
                float mean = mean(alpha + as * first + h, as, g + gs * first + h, gs, count);
                ALL.set(F32, to, mean);
            }
        }
    }

    @Override
    @Kernel
    public void softmaxPartGrad(
            long indptr,
            long alpha,
            long as,
            long g,
            long gs,
            long out,
            long os,
            long means,
            long heads,
            long row,
            long rowEnd) {
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != 4 * heads; h += 4) {
                gradHead(
                        alpha + as * first + h,
                        as,
                        g + gs * first + h,
                        gs,
                        out + os * first + h,
                        os,
                        count,
                        f32(means + h));
            }
        }
    }

    /** The sum of alpha times its gradient. */
    @Inline
    private static float mean(long a, long as, long g, long gs, long count) {
        float sum = 0f;
        for (long q = a, r = g, end = a + as * count; q != end; q += as, r += gs) {
            sum += f32(q) * f32(r);
        }
        return sum;
    }

    @Inline
    private static void gradHead(long a, long as, long g, long gs, long out, long os, long count, float mean) {
        long o = out;
        for (long q = a, r = g, end = a + as * count; q != end; q += as, r += gs, o += os) {
            ALL.set(F32, o, f32(q) * (f32(r) - mean));
        }
    }
}
