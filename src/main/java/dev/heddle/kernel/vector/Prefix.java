package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.PrefixKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Prefix attention: scalar chains for maximum and sum, their exponentials many at once, and the values in vectors. */
public final class Prefix implements PrefixKernels {
    /** The weight of a skipped step, as an int: -0. */
    static final int SKIPPED = Integer.MIN_VALUE;

    @Override
    @Kernel
    public void distances(long s, long sStep, long sHead, long heads, long steps, long m, long coef) {
        long row = 4 * heads;
        for (long h = 0; h != row; h += 4, s += sHead) {
            float max = f32(m + h);
            long d = coef + h;
            long a = s;
            for (long end = d + steps * row; d != end; d += row, a += sStep) {
                float x = f32(a);
                EdgeDot.put(d, distance(max, x));
                max = larger(max, x);
            }
            EdgeDot.put(m + h, max);
        }
    }

    @Override
    @Kernel
    public void exponentials(long coef, long plane) {
        weigh(coef, plane);
    }

    @Override
    @Kernel
    public void sums(long u, long coef, long plane, long heads, long steps) {
        long row = 4 * heads;
        for (long h = 0; h != row; h += 4) {
            float sum = f32(u + h);
            long a = coef + h;
            for (long end = a + steps * row; a != end; a += row) {
                sum = Math.fma(sum, f32(a + plane), f32(a));
                EdgeDot.put(a + 2 * plane, sum == 0f ? Float.POSITIVE_INFINITY : sum);
            }
            EdgeDot.put(u + h, sum);
        }
    }

    @Override
    @Kernel
    public void merge(long m, long u, long m2, long u2, long heads, long coef, long plane) {
        long row = 4 * heads;
        for (long h = 0; h != row; h += 4) {
            float max = f32(m + h);
            float x = f32(m2 + h);
            EdgeDot.put(coef + h, distance(max, x));
            EdgeDot.put(m + h, larger(max, x));
        }
        weigh(coef, plane);
        for (long h = 0; h != row; h += 4) {
            float e = f32(coef + h);
            float r = f32(coef + plane + h);
            // a factor of 1 is exact, so one of the two products is, and the sum is rounded once
            float sum = r == 1f
                    ? Math.fma(e, i32(coef + h) == SKIPPED ? 0f : f32(u2 + h), f32(u + h))
                    : Math.fma(r, f32(u + h), e * f32(u2 + h));
            EdgeDot.put(u + h, sum);
            EdgeDot.put(coef + 2 * plane + h, sum == 0f ? Float.POSITIVE_INFINITY : sum);
        }
    }

    /**
     * What a score means for a maximum: how far it is below (at most 0), or by how much it moves it (above 0); -infinity
     * if it does not count. NaN and +infinity give NaN.
     */
    @Inline
    static float distance(float max, float x) {
        if (x == Float.POSITIVE_INFINITY) {
            return Float.NaN;
        }
        return x == Float.NEGATIVE_INFINITY ? x : x - max;
    }

    /** NaN if either is. */
    @Inline
    static float larger(float max, float x) {
        return x > max || Float.isNaN(x) ? x : max;
    }

    /** The first two planes from the distances that lie in the first. */
    @Inline
    private static void weigh(long coef, long plane) {
        for (long a = coef, end = coef + plane; a != end; a += BYTES) {
            FloatVector d = load(a);
            FloatVector e = VectorMath.expNonPositive(d.abs().neg());
            VectorMask<Float> moved = d.compare(VectorOperators.GT, 0f);
            VectorMask<Float> skipped = d.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY);
            store(e.blend(all(1f), moved).blend(all(-0f), skipped), a);
            store(all(1f).blend(e, moved), a + plane);
        }
    }

    @Override
    @Kernel
    public void scan(
            @Const(
                            value = {1, 2, 3, 4, 8},
                            oneLane = {1, 8})
                    int tile,
            @Const boolean output,
            long v,
            long vStep,
            long vHead,
            long y,
            long yStep,
            long yHead,
            long w,
            long wHead,
            long last,
            long coef,
            long plane,
            long heads,
            long steps,
            long zeros) {
        FloatVector[] acc = new FloatVector[tile];
        long wEnd = w + heads * wHead;
        for (long end = coef + 4 * heads * steps; coef != end; v += vStep, y += yStep) {
            long vh = v;
            long yh = y;
            for (long wh = w; wh != wEnd; wh += wHead, vh += vHead, yh += yHead, coef += 4) {
                long from = i32(coef) == SKIPPED ? zeros : vh;
                FloatVector e = splat(coef);
                FloatVector r = splat(coef + plane);
                FloatVector u = splat(coef + 2 * plane);
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    acc[t] = load(from + o).fma(e, load(wh + o).mul(r));
                }
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    store(acc[t], wh + o);
                    if (output) {
                        store(acc[t].div(u), yh + o);
                    }
                }
            }
        }
    }

    @Override
    @Kernel
    public void dots(
            long a,
            long aStep,
            long aHead,
            long b,
            long bStep,
            long bHead,
            long columns,
            float scale,
            long out,
            long outStep,
            long outHead,
            long heads,
            long steps,
            long pads) {
        FloatVector[] acc = new FloatVector[EdgeDot.WIDTH / LANES];
        long whole = EdgeDot.whole(columns);
        long end = whole + EdgeDot.rest(columns);
        for (long t = 0; t < steps; t++, a += aStep, b += bStep, out += outStep) {
            long ah = a;
            long bh = b;
            long o = out;
            for (long h = 0; h < heads; h++, ah += aHead, bh += bHead, o += outHead) {
                EdgeDot.pad(ah, whole, columns, pads + EdgeDot.PAD_A);
                EdgeDot.pad(bh, whole, columns, pads + EdgeDot.PAD_B);
                EdgeDot.zero(acc);
                for (long c = 0; c != end; c += EdgeDot.SPAN) {
                    EdgeDot.products(
                            acc,
                            c == whole ? pads + EdgeDot.PAD_A : ah + c,
                            c == whole ? pads + EdgeDot.PAD_B : bh + c);
                }
                float sum = EdgeDot.fold(acc, pads);
                EdgeDot.put(o, scale * sum);
            }
        }
    }

    /** Where vector {@code t} of a tile starts: side by side, but for the last. */
    @Inline
    static long at(int t, int tile, long last) {
        return t == tile - 1 ? last : (long) t * BYTES;
    }
}
