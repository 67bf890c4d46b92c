package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Rows of 64 scores: four parts of 16, so that a lane's partial sum is the same at every width. */
public final class Attention implements AttentionKernels {
    private static final float NOTHING = Float.NEGATIVE_INFINITY;

    /** The weight of a key that does not enter, as an int: -0. */
    private static final int SKIPPED = Integer.MIN_VALUE;

    private static final int PARTS = 4;

    /** Bytes of a part, and of a row's partial sums. */
    private static final long PART = 64;

    @Override
    @Kernel
    public void bias(long s, long rows, long info, long offset, long columns) {
        long rest = columns % LANES;
        for (long end = s + rows * PITCH; s != end; s += PITCH, info += ROW) {
            long b = i64(info + BIAS) + offset;
            long a = s;
            for (long whole = s + 4 * (columns - rest); a != whole; a += BYTES, b += BYTES) {
                FloatVector x = load(b);
                store(load(a).add(x).blend(NOTHING, x.compare(EQ, NOTHING)), a);
            }
            for (long last = a + 4 * rest; a != last; a += 4, b += 4) {
                float x = f32(b);
                EdgeDot.put(a, x == NOTHING ? x : f32(a) + x);
            }
        }
    }

    @Override
    @Kernel
    public void slope(long s, long rows, long info, int start, long numbers) {
        for (long end = s + rows * PITCH; s != end; info += ROW) {
            FloatVector position = all((float) (i32(info + POSITION) - start));
            FloatVector slope = all(-f32(info + SLOPE));
            long n = numbers;
            for (long row = s + PITCH; s != row; s += BYTES, n += BYTES) {
                store(position.sub(load(n)).abs().fma(slope, load(s)), s);
            }
        }
    }

    @Override
    @Kernel
    public void hide(long s, long rows, long info, int start, long mask, long numbers) {
        for (long end = s + rows * PITCH; s != end; info += ROW) {
            FloatVector first = all((float) (i32(info + FIRST) - start));
            FloatVector last = all((float) (i32(info + END) - start));
            long n = numbers;
            long m = mask;
            for (long row = s + PITCH; s != row; s += BYTES, n += BYTES, m += BYTES) {
                FloatVector number = load(n);
                FloatVector x = load(s).blend(NOTHING, number.compare(LT, first));
                x = x.blend(NOTHING, number.compare(GE, last));
                store(x.blend(NOTHING, load(m).compare(EQ, 0f)), s);
            }
        }
    }

    @Override
    @Kernel
    public void maxima(long s, long rows, long m, long r, long tops) {
        long t = tops;
        for (long a = s, end = s + rows * PITCH; a != end; a += PITCH, t += PART) {
            FloatVector top = all(NOTHING);
            for (long o = a; o != a + PART; o += BYTES) {
                FloatVector x = V.max(all(NOTHING), load(o)); // passes over NaN
                FloatVector y = V.max(all(NOTHING), load(o + PART));
                x = V.max(x, load(o + 2 * PART));
                y = V.max(y, load(o + 3 * PART));
                top = V.max(top, V.max(x, y));
            }
            store(top, t);
        }
        FloatVector[] x = new FloatVector[LANES];
        t = tops;
        for (long end = m + 4 * rows; m != end; t += LANES * PART, r += BYTES) {
            for (int k = 0; k < LANES; k++) {
                x[k] = load(t + k * PART);
            }
            FloatVector old = load(m);
            FloatVector now = V.max(old, Fold.largest(x));
            FloatVector d = old.sub(now);
            store(VectorMath.expNonPositive(d).blend(1f, d.compare(NE, d)), r); // infinity less itself: nothing moved
            store(now, t);
            // the maxima behind the last row may be someone else's
            long stop = m + Math.min(BYTES, end - m);
            for (long o = t; m != stop; m += 4, o += 4) {
                EdgeDot.put(m, f32(o));
            }
        }
    }

    @Override
    @Kernel
    public void softmax(long s, long rows, long m, long sums, long r) {
        for (long end = s + rows * PITCH; s != end; s += PITCH, m += 4, r += 4) {
            FloatVector max = splat(m);
            FloatVector factor = splat(r);
            for (long o = s; o != s + PART; o += BYTES, sums += BYTES) {
                FloatVector sum = weight(o, max);
                for (int k = 1; k < PARTS; k++) {
                    sum = sum.add(weight(o + k * PART, max));
                }
                store(load(sums).fma(factor, sum), sums);
            }
        }
    }

    /** A number of rows, made up to whole vectors. */
    @Inline
    static long rounded(long rows) {
        return (rows + 15) / 16 * 16;
    }

    /** Puts the weight of a score in its place. */
    @Inline
    static FloatVector weight(long a, FloatVector max) {
        FloatVector x = load(a);
        FloatVector e = VectorMath.expNonPositive(x.sub(max)).blend(-0f, x.compare(EQ, NOTHING));
        store(e, a);
        return e;
    }

    @Override
    @Kernel
    public void rescale(long y, long pitch, long rows, long columns, long r) {
        for (long end = r + 4 * rows; r != end; r += 4, y += pitch) {
            if (f32(r) != 1f) {
                FloatVector factor = splat(r);
                for (long a = y, row = y + 4 * columns; a != row; a += BYTES) {
                    store(load(a).mul(factor), a);
                }
            }
        }
    }

    @Override
    @Kernel
    public void merge(
            long m,
            long sums,
            long y,
            long m2,
            long sums2,
            long y2,
            long pitch,
            long rows,
            long columns,
            long planes,
            long plane) {
        for (long o = 0; o != 4 * rounded(rows); o += BYTES) {
            FloatVector a = load(m + o);
            FloatVector b = load(m2 + o);
            FloatVector max = V.max(a, b);
            store(a, planes + o);
            store(below(a.sub(max)), planes + plane + o);
            store(below(b.sub(max)), planes + 2 * plane + o);
            store(max, m + o);
        }
        for (long o = 0; o != 4 * rows; o += 4, sums += SUMS, sums2 += SUMS, y += pitch, y2 += pitch) {
            if (f32(m2 + o) != NOTHING) {
                FloatVector a = splat(planes + plane + o);
                FloatVector b = splat(planes + 2 * plane + o);
                boolean first = f32(planes + o) == NOTHING;
                join(sums, sums2, SUMS, a, b, first);
                join(y, y2, 4 * columns, a, b, first);
            }
        }
    }

    /** The factor of a state whose maximum is that far below the common one. */
    @Inline
    static FloatVector below(FloatVector d) {
        return VectorMath.expNonPositive(d).blend(1f, d.compare(NE, d));
    }

    @Inline
    static void join(long to, long from, long bytes, FloatVector a, FloatVector b, boolean first) {
        for (long end = to + bytes; to != end; to += BYTES, from += BYTES) {
            FloatVector x = load(from).mul(b);
            store(first ? x : load(to).fma(a, x), to);
        }
    }

    @Override
    @Kernel
    public void finish(long y, long pitch, long rows, long columns, long info, long sums, long total) {
        long rest = columns % LANES;
        for (long end = total + 4 * rows; total != end; total += 4, sums += SUMS, info += ROW, y += pitch) {
            float sum = folded(sums);
            EdgeDot.put(total, sum);
            float divisor = sum == 0f ? Float.POSITIVE_INFINITY : sum;
            long to = i64(info + RESULT);
            long a = y;
            for (long whole = y + 4 * (columns - rest); a != whole; a += BYTES, to += BYTES) {
                store(load(a).div(all(divisor)), to);
            }
            for (long last = a + 4 * rest; a != last; a += 4, to += 4) {
                EdgeDot.put(to, f32(a) / divisor);
            }
        }
    }

    @Inline
    static float folded(long sums) {
        float[] x = new float[16];
        for (int i = 0; i < 16; i++) {
            x[i] = f32(sums + 4L * i);
        }
        for (int h = 8; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                x[i] = x[i] + x[i + h];
            }
        }
        return x[0];
    }

    @Override
    @Kernel
    public void weigh(long s, long g, long rows, long r, long sums) {
        for (long end = s + rows * PITCH; s != end; s += PITCH, g += PITCH, r += 4) {
            FloatVector factor = splat(r);
            long other = g - s;
            for (long o = s; o != s + PART; o += BYTES, sums += BYTES) {
                FloatVector sum = load(sums).mul(factor);
                for (int k = 0; k < PARTS; k++) {
                    FloatVector p = load(o + k * PART);
                    FloatVector x = load(o + other + k * PART);
                    sum = p.fma(V.blend(x, all(0f), p.reinterpretAsInts().compare(EQ, SKIPPED)), sum);
                }
                store(sum, sums);
            }
        }
    }

    @Override
    @Kernel
    public void average(long rows, long sums, long means, long inverse, long d) {
        for (long end = inverse + 4 * rows; inverse != end; inverse += 4, d += 4, sums += SUMS, means += SUMS) {
            float factor = 1 / folded(sums);
            EdgeDot.put(inverse, factor);
            EdgeDot.put(d, factor * folded(means));
        }
    }

    @Override
    @Kernel
    public void gradients(long s, long g, long rows, long m, long inverse, long d) {
        for (long end = s + rows * PITCH; s != end; m += 4, inverse += 4, d += 4) {
            FloatVector max = splat(m);
            FloatVector factor = splat(inverse);
            FloatVector mean = splat(d);
            for (long row = s + PITCH; s != row; s += BYTES, g += BYTES) {
                FloatVector x = load(s);
                VectorMask<Float> skipped = x.compare(EQ, NOTHING);
                FloatVector p = VectorMath.expNonPositive(x.sub(max)).mul(factor);
                // a weight that vanished is +0, and so is its gradient
                FloatVector gs = load(g).sub(mean).mul(p).add(0f);
                store(p.blend(-0f, skipped), s);
                store(gs.blend(-0f, skipped), g);
            }
        }
    }

    @Override
    @Kernel
    public void addRows(long from, long rows, long info, long offset, long columns) {
        long rest = columns % LANES;
        for (long end = from + rows * PITCH; from != end; from += PITCH, info += ROW) {
            long to = i64(info + BIAS) + offset;
            long a = from;
            for (long whole = from + 4 * (columns - rest); a != whole; a += BYTES, to += BYTES) {
                store(load(to).add(load(a)), to);
            }
            for (long last = a + 4 * rest; a != last; a += 4, to += 4) {
                EdgeDot.put(to, f32(to) + f32(a));
            }
        }
    }

    @Override
    @Kernel
    public void product(
            long rows,
            long a,
            long as,
            long ak,
            long b,
            long bk,
            long depth,
            long columns,
            long scale,
            long from,
            long fs,
            long c,
            long cs) {
        for (long i = 0; i != rows; i++, a += as, from += fs, c += cs) {
            for (long o = 0; o != 4 * columns; o += BYTES) {
                FloatVector sum = all(0f);
                long bi = b + o;
                for (long ai = a, end = a + depth * ak; ai != end; ai += ak, bi += bk) {
                    if (i32(ai) != SKIPPED) {
                        sum = splat(ai).fma(load(bi), sum);
                    }
                }
                store(sum.fma(load(scale + o), load(from + o)), c + o);
            }
        }
    }

    @Override
    @Kernel
    public void finite(long a, long step, long rows, long columns, long out) {
        long rest = columns % LANES;
        FloatVector[] sum = new FloatVector[PARTS];
        for (int k = 0; k < PARTS; k++) {
            sum[k] = all(0f);
        }
        float last = 0;
        for (long end = a + rows * step; a != end; a += step) {
            long p = a;
            for (long whole = a + 4 * (columns - columns % (4L * LANES)); p != whole; p += 4L * BYTES) {
                for (int k = 0; k < PARTS; k++) {
                    sum[k] = load(p + (long) k * BYTES).fma(all(0f), sum[k]);
                }
            }
            for (long whole = a + 4 * (columns - rest); p != whole; p += BYTES) {
                sum[0] = load(p).fma(all(0f), sum[0]);
            }
            for (long stop = p + 4 * rest; p != stop; p += 4) {
                last += 0f * f32(p);
            }
        }
        store(sum[0].add(sum[1]).add(sum[2]).add(sum[3]), out);
        for (long o = out; o != out + BYTES; o += 4) {
            last += f32(o);
        }
        EdgeDot.put(out, last == 0f ? 0f : Float.NaN);
    }
}
