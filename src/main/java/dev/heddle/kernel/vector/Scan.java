package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Lanes are channels; a group of states is an array of registers. */
public final class Scan implements ScanKernels {
    // ------------------------------------------------------------------ layout

    @Override
    @Kernel
    public void gather(long from, long cs, long ns, long columns, long states, float scale, long rows) {
        for (long n = 0; n < states; n++, from += ns) {
            long x = from;
            for (long c = 0; c < columns; c++, x += cs, rows += 4) {
                ALL.set(F32, rows, scale * f32(x));
            }
            for (long c = columns; c < BLOCK; c++, rows += 4) {
                ALL.set(F32, rows, 0f);
            }
        }
    }

    @Override
    @Kernel
    public void scatter(long rows, long columns, long states, long to, long cs, long ns) {
        for (long n = 0; n < states; n++, rows += ROW, to += ns) {
            long x = to;
            for (long r = rows, end = rows + 4 * columns; r != end; r += 4, x += cs) {
                ALL.set(I32, x, ALL.get(I32, r));
            }
        }
    }

    @Override
    @Kernel
    public void copy(long from, long fs, long to, long ts, long count) {
        for (long i = 0; i < count; i++, from += fs, to += ts) {
            for (long o = 0; o != ROW; o += BYTES) {
                store(load(from + o), to + o);
            }
        }
    }

    @Override
    @Kernel
    public void zero(long rows, long count) {
        for (long end = rows + ROW * count; rows != end; rows += BYTES) {
            store(all(0f), rows);
        }
    }

    @Override
    @Kernel
    public void add(long from, long to, long count) {
        for (long end = from + ROW * count; from != end; from += BYTES, to += BYTES) {
            store(load(to).add(load(from)), to);
        }
    }

    @Override
    @Kernel
    public void largest(long rows, long count, long to) {
        for (long o = 0; o != ROW; o += BYTES) {
            FloatVector most = all(Float.NEGATIVE_INFINITY);
            for (long r = rows + o, end = r + ROW * count; r != end; r += ROW) {
                most = V.max(most, load(r));
            }
            store(most, to + o);
        }
    }

    @Override
    @Kernel
    public void sum(long from, long ps, long parts, long to, long ts, long rows, long columns) {
        long width = 4 * columns;
        for (long end = from + width * rows; from != end; from += width, to += ts) {
            for (long o = 0; o < width; o += BYTES) {
                long p = Math.min(o, width - BYTES);
                FloatVector sum = load(from + p);
                for (long r = from + p + ps, last = from + p + ps * parts; r != last; r += ps) {
                    sum = sum.add(load(r));
                }
                store(sum, to + p);
            }
        }
    }

    // ------------------------------------------------------------------ forward

    @Override
    @Kernel
    public void discretise(
            @Const boolean softplus,
            @Const boolean skip,
            long u,
            long us,
            long delta,
            long ds,
            long bias,
            long d,
            long dt,
            long stage,
            long apart,
            long steps,
            long from,
            long columns) {
        long end = from + 4 * columns;
        for (long t = dt, last = dt + ROW * steps; t != last; t += ROW, u += us, delta += ds) {
            long ut = base(u);
            long deltaT = base(delta);
            for (long i = from; i != end; i += BYTES) {
                long o = offset(i);
                long r = base(t + ScanStep.place(o, apart));
                FloatVector x = load(ut + o);
                FloatVector s = load(deltaT + o).add(load(bias + o));
                s = softplus ? VectorMath.softplus(s) : s;
                store(s, r);
                store(s.mul(x), r + stage);
                store(skip ? load(d + o).mul(x) : all(0f), r + 2 * stage);
            }
        }
    }

    @Override
    @Kernel
    public void states(
            @Const({1, 4}) int group,
            @Const Decay decay,
            @Const Factor bFactor,
            @Const Output output,
            long a,
            long h,
            long b,
            long bs,
            long c,
            long cs,
            long dt,
            long du,
            long y,
            long groups,
            long steps,
            long columns) {
        FloatVector[] as = new FloatVector[group];
        FloatVector[] hs = new FloatVector[group];
        for (long o = 0; o != 4 * columns; o += BYTES) {
            long bn = bFactor == Factor.OWN ? b + o : b;
            long cn = output == Output.OWN ? c + o : c;
            long hn = h + o;
            for (long an = a + o, end = an + ROW * group * groups; an != end; an += ROW * group) {
                for (int g = 0; g < group; g++) {
                    as[g] = decay == Decay.GIVEN ? all(0f) : load(an + ROW * g);
                    hs[g] = load(hn + ROW * g);
                }
                long bt = bn;
                long ct = cn;
                long dut = du + o;
                long yt = y + o;
                for (long t = dt + o, last = t + ROW * steps; t != last; t += ROW) {
                    long br = base(bt);
                    long cr = base(ct);
                    long yr = base(yt);
                    FloatVector s = load(base(t));
                    FloatVector x = load(base(dut));
                    FloatVector sum = output == Output.NONE ? x : load(yr);
                    for (int g = 0; g < group; g++) {
                        hs[g] = ScanStep.decay(decay, s, as[g]).fma(hs[g], x.mul(ScanStep.factor(bFactor, br, g)));
                        sum = output == Output.NONE
                                ? sum
                                : hs[g].fma(ScanStep.factor(ScanStep.factor(output), cr, g), sum);
                    }
                    if (output != Output.NONE) {
                        store(sum, yr);
                    }
                    dut += ROW;
                    yt += ROW;
                    bt += bFactor == Factor.SHARED ? bs : 0;
                    ct += output == Output.SHARED ? cs : 0;
                }
                for (int g = 0; g < group; g++) {
                    store(hs[g], hn + ROW * g);
                }
                hn += ROW * group;
                bn += (bFactor == Factor.SHARED ? 4 : ROW) * group;
                cn += (output == Output.SHARED ? 4 : ROW) * group;
            }
        }
    }

    @Override
    @Kernel
    public void gate(
            @Const boolean gated,
            @Const boolean add,
            long y,
            long apart,
            long z,
            long zs,
            long out,
            long os,
            long steps,
            long from,
            long columns) {
        long end = from + 4 * columns;
        for (long t = y, last = y + ROW * steps; t != last; t += ROW, z += zs, out += os) {
            long zt = base(z);
            long outT = base(out);
            for (long i = from; i != end; i += BYTES) {
                long o = offset(i);
                FloatVector v = load(t + ScanStep.place(o, apart));
                v = add ? load(outT + o).add(v) : v;
                store(gated ? v.mul(VectorMath.silu(load(zt + o))) : v, outT + o);
            }
        }
    }
}
