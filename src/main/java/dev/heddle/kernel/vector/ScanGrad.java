package dev.heddle.kernel.vector;

import static dev.heddle.kernel.ScanKernels.ROW;
import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
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
            @Const boolean gated,
            long gy,
            long gys,
            long z,
            long zs,
            long g,
            long apart,
            long steps,
            long from,
            long columns) {
        long end = from + 4 * columns;
        for (long t = g, last = g + ROW * steps; t != last; t += ROW, z += zs, gy += gys) {
            long zt = base(z);
            long gyt = base(gy);
            for (long i = from; i != end; i += BYTES) {
                long o = offset(i);
                FloatVector v = load(gyt + o);
                store(gated ? v.mul(VectorMath.silu(load(zt + o))) : v, t + ScanStep.place(o, apart));
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
                long br = base(bt);
                long cr = base(ct);
                long yr = base(yt);
                long er = base(et);
                FloatVector s = load(base(t));
                FloatVector x = load(base(dut));
                FloatVector sum = output == Output.NONE ? x : load(yr);
                ht += ROW * group;
                long hr = base(ht);
                for (int g = 0; g < group; g++) {
                    FloatVector e = ScanStep.decay(decay, s, as[g]);
                    h[g] = e.fma(h[g], x.mul(ScanStep.factor(bFactor, br, g)));
                    if (decay != Decay.GIVEN) {
                        store(e, er + ROW * g);
                    }
                    store(h[g], hr + ROW * g);
                    sum = output == Output.NONE ? sum : h[g].fma(ScanStep.factor(ScanStep.factor(output), cr, g), sum);
                }
                if (output != Output.NONE) {
                    store(sum, yr);
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
                FloatVector s = load(base(t));
                FloatVector x = load(base(du + step));
                FloatVector y = load(base(gy + step));
                long step1 = base(s1 + step);
                long step2 = base(s2 + step);
                FloatVector sum1 = load(step1);
                FloatVector sum2 = load(step2);
                long br = base(bt);
                long cr = base(ct);
                long hr = base(hs + rows);
                long er = base(es + rows);
                long gbr = base(gb + rows);
                long gcr = base(gc + rows);
                for (int i = 0; i < group; i++) {
                    long r = ROW * i;
                    FloatVector gi = y.fma(ScanStep.factor(cFactor, cr, i), g[i]);
                    if (cFactor == Factor.SHARED) {
                        store(y.fma(h[i], load(gcr + r)), gcr + r);
                    } else {
                        cSum[i] = y.fma(h[i], cSum[i]);
                    }
                    if (bFactor == Factor.SHARED) {
                        store(gi.fma(x, load(gbr + r)), gbr + r);
                    } else {
                        bSum[i] = gi.fma(x, bSum[i]);
                    }
                    sum1 = gi.fma(ScanStep.factor(bFactor, br, i), sum1);
                    g[i] = gi.mul(given ? s : load(er + r));
                    h[i] = load(hr + r);
                    if (given) {
                        sum2 = g[i].fma(h[i], sum2);
                    } else {
                        FloatVector q = g[i].mul(h[i]);
                        sum2 = q.fma(as[i], sum2);
                        aSum[i] = q.fma(s, aSum[i]);
                    }
                }
                store(sum1, step1);
                store(sum2, step2);
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
            long apart,
            long gu,
            long gus,
            long gdelta,
            long gds,
            long steps,
            long from,
            long columns) {
        long end = from + 4 * columns;
        for (long t = 0; t != ROW * steps; t += ROW, u += us, delta += ds, gu += gus, gdelta += gds) {
            long ut = base(u);
            long deltaT = base(delta);
            long gut = base(gu);
            long gdt = base(gdelta);
            for (long i = from; i != end; i += BYTES) {
                long o = offset(i);
                long r = t + ScanStep.place(o, apart);
                FloatVector x = load(ut + o);
                FloatVector sum1 = load(s1 + r);
                FloatVector direct = load(dt + r).mul(sum1);
                direct = skip ? load(gy + r).fma(load(d + o), direct) : direct;
                store(add ? load(gut + o).add(direct) : direct, gut + o);
                FloatVector slope = x.fma(sum1, load(s2 + r).mul(LN2));
                if (softplus) {
                    slope = slope.mul(VectorMath.sigmoid(load(deltaT + o).add(load(bias + o))));
                }
                store(slope, gdt + o);
                store(slope, s2 + r);
            }
        }
    }

    @Override
    @Kernel
    public void finishSums(long u, long us, long gy, long gdelta, long gbias, long gd, long steps, long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector biasSum = all(0f);
            FloatVector skipSum = all(0f);
            long ut = u + o;
            long gyt = gy + o;
            for (long t = gdelta + o, last = t + ROW * steps; t != last; t += ROW, gyt += ROW, ut += us) {
                biasSum = biasSum.add(load(t));
                skipSum = load(gyt).fma(load(ut), skipSum);
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
            long apart,
            long z,
            long zs,
            long gz,
            long gzs,
            long steps,
            long from,
            long columns) {
        long end = from + 4 * columns;
        for (long t = y, last = y + ROW * steps; t != last; t += ROW, gy += gys, z += zs, gz += gzs) {
            long zt = base(z);
            long gyt = base(gy);
            long gzt = base(gz);
            for (long i = from; i != end; i += BYTES) {
                long o = offset(i);
                FloatVector g = load(gyt + o).mul(load(t + ScanStep.place(o, apart)));
                g = g.mul(VectorMath.siluDerivative(load(zt + o)));
                store(add ? load(gzt + o).add(g) : g, gzt + o);
            }
        }
    }
}
