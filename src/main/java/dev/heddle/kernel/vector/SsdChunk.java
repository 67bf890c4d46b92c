package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.kernel.SsdChunkKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Lanes are the steps j for decays, else channels. */
public final class SsdChunk implements SsdChunkKernels {
    @Override
    @Kernel
    public void decays(long dt, long dts, float a, long g, long m, long end, long start, long steps) {
        for (long j = 0; j < steps; j += LANES) {
            long o = 4 * j;
            FloatVector sum = all(0f);
            FloatVector decay = all(1f);
            long dtt = dt + j * dts;
            long gt = g + j * ROW + o;
            long mt = m + j * ROW + o;
            for (long i = j; i != steps; i++) {
                FloatVector more = sum.add(f32(dtt) * a);
                sum = V.blend(sum, more, V.lane().compare(VectorOperators.LT, (int) (i - j)));
                decay = VectorMath.exp2(sum);
                store(load(gt).mul(decay), mt);
                dtt += dts;
                gt += ROW;
                mt += ROW;
            }
            store(decay, end + o);
        }
        float sum = 0;
        long dtt = dt;
        for (long s = start, last = start + 4 * steps; s != last; s += 4, dtt += dts) {
            sum += f32(dtt) * a;
            ALL.set(F32, s, sum);
        }
        for (long s = start, last = start + 4 * steps; s < last; s += BYTES) {
            store(VectorMath.exp2(load(s)), s);
        }
    }

    @Override
    @Kernel
    public void inputs(
            @Const boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            long start,
            long d,
            long du,
            long y,
            long steps,
            long columns) {
        long width = 4 * columns;
        for (long last = start + 4 * steps; start != last; start += 4, x += xs, dt += dts, du += width, y += width) {
            FloatVector s = splat(dt);
            FloatVector e = splat(start);
            for (long o = 0; o != width; o += BYTES) {
                FloatVector v = load(x + o);
                store(s.mul(v), du + o);
                FloatVector before = e.mul(load(y + o));
                store(skip ? v.fma(load(d + o), before) : before, y + o);
            }
        }
    }

    @Override
    @Kernel
    public void scale(long rows, long factors, long fs, long count, long columns) {
        long width = 4 * columns;
        for (long last = rows + width * count; rows != last; rows += width, factors += fs) {
            FloatVector f = splat(factors);
            for (long o = 0; o != width; o += BYTES) {
                store(f.mul(load(rows + o)), rows + o);
            }
        }
    }

    @Override
    @Kernel
    public void outputs(@Const boolean gated, long y, long z, long zs, long out, long os, long steps, long columns) {
        long width = 4 * columns;
        for (long last = y + width * steps; y != last; y += width, z += zs, out += os) {
            for (long o = 0; o != width; o += BYTES) {
                FloatVector v = load(y + o);
                store(gated ? v.mul(VectorMath.silu(load(z + o))) : v, out + o);
            }
        }
    }
}
