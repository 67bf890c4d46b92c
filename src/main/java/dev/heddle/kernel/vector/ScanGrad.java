package dev.heddle.kernel.vector;

import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.ScanGradKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Back through time; lanes are channels, a group of states is an array of registers. */
public final class ScanGrad implements ScanGradKernels {
    private static final float LN2 = 0x1.62e43p-1f;

    @Override
    @Kernel
    public void gateGradient(
            @Const boolean gated, long gy, long gys, long z, long zs, long g, long steps, long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            long zt = z + o;
            long gyt = gy + o;
            for (long t = g + o, end = t + ROW * steps; t != end; t += ROW, zt += zs, gyt += gys) {
                FloatVector v = load(gyt);
                store(gated ? v.mul(VectorMath.silu(load(zt))) : v, t);
            }
        }
    }

    @Override
    @Kernel
    public void record(
            @Const({1, 4}) int group,
            @Const Decay decay,
            @Const Factor bFactor,
            @Const Output output,
            long a,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long y,
            long hs,
            long es,
            long steps,
            long columns) {
        FloatVector[] as = new FloatVector[group];
        FloatVector[] h = new FloatVector[group];
        for (long o = 0; o != 4 * columns; o += BYTES) {
            for (int g = 0; g < group; g++) {
                as[g] = decay == Decay.GIVEN ? all(0f) : load(a + o + ROW * g);
                h[g] = load(hs + o + ROW * g);
            }
            long bt = bFactor == Factor.OWN ? b + o : b;
            long ct = output == Output.OWN ? c + o : c;
            long dut = du + o;
            long yt = y + o;
            long ht = hs + o;
            long et = es + o;
            for (long t = dt + o, end = t + ROW * steps; t != end; t += ROW) {
                FloatVector s = load(t);
                FloatVector x = load(dut);
                FloatVector sum = output == Output.NONE ? x : load(yt);
                ht += ROW * group;
                for (int g = 0; g < group; g++) {
                    FloatVector e = ScanStep.decay(decay, s, as[g]);
                    h[g] = e.fma(h[g], x.mul(ScanStep.factor(bFactor, bt, g)));
                    if (decay != Decay.GIVEN) {
                        store(e, et + ROW * g);
                    }
                    store(h[g], ht + ROW * g);
                    sum = output == Output.NONE ? sum : h[g].fma(ScanStep.factor(ScanStep.factor(output), ct, g), sum);
                }
                if (output != Output.NONE) {
                    store(sum, yt);
                }
                dut += ROW;
                yt += ROW;
                et += ROW * group;
                bt += bFactor == Factor.SHARED ? bs : 0;
                ct += output == Output.SHARED ? cs : 0;
            }
        }
    }

    @Override
    @Kernel
    public void sweep(
            @Const({1, 4}) int group,
            @Const boolean given,
            @Const Factor bFactor,
            @Const Factor cFactor,
            long a,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long gy,
            long hs,
            long es,
            long carry,
            long ga,
            long gb,
            long gc,
            long s1,
            long s2,
            long steps,
            long columns) {
        FloatVector[] as = new FloatVector[group];
        FloatVector[] g = new FloatVector[group];
        FloatVector[] h = new FloatVector[group];
        FloatVector[] aSum = new FloatVector[group];
        FloatVector[] bSum = new FloatVector[group];
        FloatVector[] cSum = new FloatVector[group];
        long back = steps - 1;
        for (long o = 0; o != 4 * columns; o += BYTES) {
            long ht = hs + o + ROW * group * steps;
            for (int i = 0; i < group; i++) {
                as[i] = given ? all(0f) : load(a + o + ROW * i);
                g[i] = load(carry + o + ROW * i);
                h[i] = load(ht + ROW * i);
                aSum[i] = all(0f);
                bSum[i] = all(0f);
                cSum[i] = all(0f);
            }
            long bt = bFactor == Factor.OWN ? b + o : b + bs * back;
            long ct = cFactor == Factor.OWN ? c + o : c + cs * back;
            long step = ROW * back + o;
            long rows = ROW * group * back + o;
            for (long t = dt + step, end = dt + o - ROW; t != end; t -= ROW) {
                FloatVector s = load(t);
                FloatVector x = load(du + step);
                FloatVector y = load(gy + step);
                FloatVector sum1 = load(s1 + step);
                FloatVector sum2 = load(s2 + step);
                for (int i = 0; i < group; i++) {
                    long r = rows + ROW * i;
                    FloatVector gi = y.fma(ScanStep.factor(cFactor, ct, i), g[i]);
                    if (cFactor == Factor.SHARED) {
                        store(y.fma(h[i], load(gc + r)), gc + r);
                    } else {
                        cSum[i] = y.fma(h[i], cSum[i]);
                    }
                    if (bFactor == Factor.SHARED) {
                        store(gi.fma(x, load(gb + r)), gb + r);
                    } else {
                        bSum[i] = gi.fma(x, bSum[i]);
                    }
                    sum1 = gi.fma(ScanStep.factor(bFactor, bt, i), sum1);
                    g[i] = gi.mul(given ? s : load(es + r));
                    h[i] = load(hs + r);
                    if (given) {
                        sum2 = g[i].fma(h[i], sum2);
                    } else {
                        FloatVector q = g[i].mul(h[i]);
                        sum2 = q.fma(as[i], sum2);
                        aSum[i] = q.fma(s, aSum[i]);
                    }
                }
                store(sum1, s1 + step);
                store(sum2, s2 + step);
                step -= ROW;
                rows -= ROW * group;
                bt -= bFactor == Factor.SHARED ? bs : 0;
                ct -= cFactor == Factor.SHARED ? cs : 0;
            }
            for (int i = 0; i < group; i++) {
                long r = o + ROW * i;
                store(g[i], carry + r);
                if (!given) {
                    store(load(ga + r).add(aSum[i]), ga + r);
                }
                if (bFactor == Factor.OWN) {
                    store(load(gb + r).add(bSum[i]), gb + r);
                }
                if (cFactor == Factor.OWN) {
                    store(load(gc + r).add(cSum[i]), gc + r);
                }
            }
        }
    }

    @Override
    @Kernel
    public void halve(long rows, @Const({8, 4, 2, 1}) int half, long count) {
        for (long end = rows + ROW * count; rows != end; rows += BYTES) {
            store(load(rows).add(load(rows + 4L * half)), rows);
        }
    }

    @Override
    @Kernel
    public void collect(long rows, @Const({1, 4}) int group, long to, long ts, long steps) {
        for (long end = rows + ROW * group * steps; rows != end; rows += ROW * group, to += ts) {
            for (int g = 0; g < group; g++) {
                ALL.set(I32, to + 4L * g, ALL.get(I32, rows + ROW * g));
            }
        }
    }

    @Override
    @Kernel
    public void finish(
            @Const boolean softplus,
            @Const boolean skip,
            @Const boolean add,
            long u,
            long us,
            long delta,
            long ds,
            long bias,
            long d,
            long dt,
            long gy,
            long s1,
            long s2,
            long gu,
            long gus,
            long gdelta,
            long gds,
            long gbias,
            long gd,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector b = load(bias + o);
            FloatVector weight = skip ? load(d + o) : all(0f);
            FloatVector biasSum = all(0f);
            FloatVector skipSum = all(0f);
            long ut = u + o;
            long deltaT = delta + o;
            long gut = gu + o;
            long gdt = gdelta + o;
            long step = o;
            for (long t = dt + o, end = t + ROW * steps; t != end; t += ROW) {
                FloatVector x = load(ut);
                FloatVector g = load(gy + step);
                FloatVector sum1 = load(s1 + step);
                FloatVector direct = load(t).mul(sum1);
                direct = skip ? g.fma(weight, direct) : direct;
                store(add ? load(gut).add(direct) : direct, gut);
                FloatVector slope = x.fma(sum1, load(s2 + step).mul(LN2));
                if (softplus) {
                    slope = slope.mul(VectorMath.sigmoid(load(deltaT).add(b)));
                }
                store(slope, gdt);
                biasSum = biasSum.add(slope);
                skipSum = skip ? g.fma(x, skipSum) : skipSum;
                ut += us;
                deltaT += ds;
                gut += gus;
                gdt += gds;
                step += ROW;
            }
            store(load(gbias + o).add(biasSum), gbias + o);
            store(load(gd + o).add(skipSum), gd + o);
        }
    }

    @Override
    @Kernel
    public void gateBackward(
            @Const boolean add,
            long gy,
            long gys,
            long y,
            long z,
            long zs,
            long gz,
            long gzs,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            long gyt = gy + o;
            long zt = z + o;
            long gzt = gz + o;
            for (long t = y + o, end = t + ROW * steps; t != end; t += ROW, gyt += gys, zt += zs, gzt += gzs) {
                FloatVector g = load(gyt).mul(load(t)).mul(VectorMath.siluDerivative(load(zt)));
                store(add ? load(gzt).add(g) : g, gzt);
            }
        }
    }
}
