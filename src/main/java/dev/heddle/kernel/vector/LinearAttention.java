package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static jdk.incubator.vector.VectorOperators.GT;

import dev.heddle.kernel.LinearAttentionKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** The sums stay in the caches; a step passes over them once. */
public final class LinearAttention implements LinearAttentionKernels {
    @Override
    @Kernel
    public void scan(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            @Const Decay decay,
            long s,
            long sStep,
            long pitch,
            long rows,
            long d,
            long dStep,
            long x,
            long xStep,
            long v,
            long vStep,
            long w,
            long wStep,
            float scale,
            long y,
            long yStep,
            long last,
            long steps) {
        FloatVector[] vs = new FloatVector[tile];
        FloatVector[] ds = new FloatVector[tile];
        FloatVector[] sum = new FloatVector[tile];
        for (long t = 0; t != steps; t++, d += dStep, x += xStep, v += vStep, w += wStep, y += yStep) {
            for (int i = 0; i < tile; i++) {
                vs[i] = load(v + Prefix.at(i, tile, last));
                ds[i] = decay == Decay.COLUMNS ? load(d + Prefix.at(i, tile, last)) : all(1f);
                sum[i] = all(0f);
            }
            long row = s;
            for (long r = 0; r != 4 * rows; r += 4, row += pitch) {
                FloatVector xr = splat(x + r);
                FloatVector wr = splat(w + r);
                FloatVector dr = decay == Decay.ROWS ? splat(d + r) : all(1f);
                FloatVector[] next = new FloatVector[tile];
                for (int i = 0; i < tile; i++) {
                    FloatVector old = load(row + Prefix.at(i, tile, last));
                    if (decay == Decay.ROWS) {
                        old = old.mul(dr);
                    } else if (decay == Decay.COLUMNS) {
                        old = old.mul(ds[i]);
                    }
                    next[i] = xr.fma(vs[i], old);
                    sum[i] = next[i].fma(wr, sum[i]);
                }
                for (int i = 0; i < tile; i++) {
                    store(next[i], row + sStep + Prefix.at(i, tile, last));
                }
            }
            for (int i = 0; i < tile; i++) {
                store(sum[i].mul(scale), y + Prefix.at(i, tile, last));
            }
            s += sStep;
        }
    }

    @Override
    @Kernel
    public void columnDots(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            long a,
            long aStep,
            long b,
            long bStep,
            long pitch,
            long rows,
            long out,
            long outStep,
            long last,
            long steps) {
        FloatVector[] sum = new FloatVector[tile];
        for (long t = 0; t != steps; t++, a += aStep, b += bStep, out += outStep) {
            for (int i = 0; i < tile; i++) {
                sum[i] = all(0f);
            }
            long ar = a;
            long br = b;
            for (long end = a + rows * pitch; ar != end; ar += pitch, br += pitch) {
                for (int i = 0; i < tile; i++) {
                    long o = Prefix.at(i, tile, last);
                    sum[i] = load(ar + o).fma(load(br + o), sum[i]);
                }
            }
            for (int i = 0; i < tile; i++) {
                store(sum[i], out + Prefix.at(i, tile, last));
            }
        }
    }

    @Inline
    static FloatVector elu(boolean gradient, FloatVector x, FloatVector old) {
        FloatVector e = VectorMath.exp(x);
        if (gradient) {
            return old.mul(e.blend(1f, x.compare(GT, 0f)));
        }
        return e.blend(x.add(1f), x.compare(GT, 0f));
    }

    @Override
    @Kernel
    public void elu(@Const boolean gradient, long x, long step, long to, long toStep, long columns, long rows) {
        for (long r = 0; r != rows; r++, x += step, to += toStep) {
            long a = x;
            long o = to;
            for (long end = x + 4 * columns; a != end; a += BYTES, o += BYTES) {
                store(elu(gradient, load(a), load(o)), o);
            }
        }
    }

    @Override
    @Kernel
    public void divide(long n, long nStep, float eps, long y, long yStep, long columns, long rows) {
        long rest = columns % LANES;
        for (long r = 0; r != rows; r++, n += nStep, y += yStep) {
            float divisor = f32(n + 4 * columns) + eps;
            long a = n;
            long o = y;
            for (long whole = n + 4 * (columns - rest); a != whole; a += BYTES, o += BYTES) {
                store(load(a).div(all(divisor)), o);
            }
            for (long end = a + 4 * rest; a != end; a += 4, o += 4) {
                EdgeDot.put(o, f32(a) / divisor);
            }
        }
    }

    @Override
    @Kernel
    public void divideGradient(
            long gy, long gyStep, long n, long nStep, float eps, long gn, long gnStep, long columns, long rows) {
        for (long r = 0; r != rows; r++, gy += gyStep, n += nStep, gn += gnStep) {
            float divisor = f32(n + 4 * columns) + eps;
            float sum = 0;
            for (long o = 0; o != 4 * columns; o += 4) {
                float g = f32(gy + o) / divisor;
                sum = Math.fma(g, f32(n + o) / divisor, sum);
                EdgeDot.put(gn + o, g);
            }
            EdgeDot.put(gn + 4 * columns, -sum);
        }
    }

    @Override
    @Kernel
    public void scale(float factor, long a, long count) {
        for (long whole = a + 4 * (count - count % LANES); a != whole; a += BYTES) {
            store(load(a).mul(factor), a);
        }
        for (long end = a + 4 * (count % LANES); a != end; a += 4) {
            EdgeDot.put(a, f32(a) * factor);
        }
    }
}
