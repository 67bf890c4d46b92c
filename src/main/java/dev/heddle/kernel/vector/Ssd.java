package dev.heddle.kernel.vector;

import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.SsdKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Lanes are heads where a step has one value a head, else channels. */
public final class Ssd implements SsdKernels {
    @Override
    @Kernel
    public void steps(
            @Const boolean softplus,
            long dt,
            long dts,
            long bias,
            long a,
            float least,
            float most,
            long to,
            long ts,
            long decay,
            long es,
            long steps,
            long heads) {
        long width = 4 * heads;
        for (long o = 0; o < width; o += BYTES) {
            long p = Math.min(o, width - BYTES);
            FloatVector b = load(bias + p);
            FloatVector as = load(a + p);
            long dtt = dt + p;
            long et = decay + p;
            for (long t = to + p, end = t + ts * steps; t != end; t += ts, dtt += dts, et += es) {
                FloatVector s = load(dtt).add(b);
                s = softplus ? VectorMath.softplus(s) : s;
                s = s.blend(least, s.compare(VectorOperators.LT, least));
                s = s.blend(most, s.compare(VectorOperators.GT, most));
                store(s, t);
                store(ScanStep.decay(Decay.ANY, s, as), et);
            }
        }
    }

    @Override
    @Kernel
    public void rows(
            @Const boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            long e,
            long es,
            long d,
            long decay,
            long du,
            long y,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector weight = skip ? load(d + o) : all(0f);
            long xt = x + o;
            long dtt = dt;
            long et = e;
            long dut = du + o;
            long yt = y + o;
            for (long t = decay + o, end = t + ROW * steps; t != end; t += ROW) {
                FloatVector v = load(xt);
                store(splat(et), t);
                store(splat(dtt).mul(v), dut);
                store(skip ? weight.mul(v) : weight, yt);
                xt += xs;
                dtt += dts;
                et += es;
                dut += ROW;
                yt += ROW;
            }
        }
    }

    @Override
    @Kernel
    public void finish(
            @Const boolean skip,
            long x,
            long xs,
            long dt,
            long dts,
            float a,
            long d,
            long gy,
            long s1,
            long s2,
            long gx,
            long gxs,
            long gdt,
            long ga,
            long gd,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector weight = skip ? load(d + o) : all(0f);
            FloatVector decaySum = all(0f);
            FloatVector skipSum = all(0f);
            long xt = x + o;
            long gxt = gx + o;
            long dtt = dt;
            long step = o;
            for (long t = gdt + o, end = t + ROW * steps; t != end; t += ROW) {
                FloatVector v = load(xt);
                FloatVector g = load(gy + step);
                FloatVector sum1 = load(s1 + step);
                FloatVector sum2 = load(s2 + step);
                FloatVector s = splat(dtt);
                FloatVector direct = s.mul(sum1);
                store(skip ? g.fma(weight, direct) : direct, gxt);
                store(load(t).add(v.fma(sum1, sum2.mul(a))), t);
                decaySum = s.fma(sum2, decaySum);
                skipSum = skip ? g.fma(v, skipSum) : skipSum;
                xt += xs;
                gxt += gxs;
                dtt += dts;
                step += ROW;
            }
            store(load(ga + o).add(decaySum), ga + o);
            store(load(gd + o).add(skipSum), gd + o);
        }
    }

    @Override
    @Kernel
    public void stepsBackward(
            @Const boolean softplus,
            long dt,
            long dts,
            long bias,
            float least,
            float most,
            long g,
            long gs,
            long to,
            long ts,
            long sum,
            long steps,
            long heads) {
        long width = 4 * heads;
        for (long o = 0; o < width; o += BYTES) {
            long p = Math.min(o, width - BYTES);
            FloatVector b = load(bias + p);
            FloatVector total = all(0f);
            long dtt = dt + p;
            long gt = g + p;
            for (long t = to + p, end = t + ts * steps; t != end; t += ts, dtt += dts, gt += gs) {
                FloatVector x = load(dtt).add(b);
                FloatVector s = softplus ? VectorMath.softplus(x) : x;
                FloatVector v = softplus ? load(gt).mul(VectorMath.sigmoid(x)) : load(gt);
                v = v.blend(0f, s.compare(VectorOperators.LT, least));
                v = v.blend(0f, s.compare(VectorOperators.GT, most));
                store(v, t);
                total = total.add(v);
            }
            store(total, sum + p);
        }
    }
}
