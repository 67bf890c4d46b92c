package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.Wkv4Kernels;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * RWKV-4 with its state in registers. Of two exponentials relative to the larger exponent one is 1, so each pair costs one
 * exponential and two blends.
 */
public final class Wkv4 implements Wkv4Kernels {
    @Override
    @Kernel
    public void forward(
            long k,
            long ks,
            long v,
            long vs,
            long y,
            long ys,
            long w,
            long u,
            long state,
            long plane,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector decay = load(w + o);
            FloatVector bonus = load(u + o);
            long s = state + o;
            FloatVector pp = load(s + 2 * plane);
            FloatVector aa = occupied(load(s), pp);
            FloatVector bb = occupied(load(s + plane), pp);
            long vt = v + o;
            long yt = y + o;
            for (long kt = k + o, end = kt + ks * steps; kt != end; kt += ks, vt += vs, yt += ys) {
                FloatVector key = load(kt);
                FloatVector value = load(vt);
                FloatVector d = pp.sub(bonus.add(key));
                FloatVector t = smaller(d);
                FloatVector f1 = left(d, t);
                FloatVector f2 = right(d, t);
                store(f1.fma(aa, f2.mul(value)).div(f1.fma(bb, f2)), yt);
                pp = pp.add(decay);
                d = pp.sub(key);
                t = smaller(d);
                f1 = left(d, t);
                f2 = right(d, t);
                aa = f1.fma(aa, f2.mul(value));
                bb = f1.fma(bb, f2);
                pp = larger(pp, key);
            }
            store(aa, s);
            store(bb, s + plane);
            store(pp, s + 2 * plane);
        }
    }

    @Override
    @Kernel
    public void advance(
            long k,
            long ks,
            long v,
            long vs,
            long w,
            long state,
            long plane,
            long to,
            long toPlane,
            long steps,
            long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector decay = load(w + o);
            long s = state + o;
            FloatVector pp = load(s + 2 * plane);
            FloatVector aa = occupied(load(s), pp);
            FloatVector bb = occupied(load(s + plane), pp);
            long vt = v + o;
            for (long kt = k + o, end = kt + ks * steps; kt != end; kt += ks, vt += vs) {
                FloatVector key = load(kt);
                pp = pp.add(decay);
                FloatVector d = pp.sub(key);
                FloatVector t = smaller(d);
                FloatVector e1 = left(d, t);
                FloatVector e2 = right(d, t);
                aa = e1.fma(aa, e2.mul(load(vt)));
                bb = e1.fma(bb, e2);
                pp = larger(pp, key);
            }
            store(aa, to + o);
            store(bb, to + o + toPlane);
            store(pp, to + o + 2 * toPlane);
        }
    }

    @Override
    @Kernel
    public void backward(
            long k,
            long ks,
            long v,
            long vs,
            long gy,
            long gys,
            long gk,
            long gks,
            long gv,
            long gvs,
            long w,
            long u,
            float last,
            long state,
            long plane,
            long carry,
            long carryPlane,
            long scratch,
            long steps,
            long columns) {
        long scratchEnd = scratch + ROWS * ROW * steps;
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector decay = load(w + o);
            FloatVector bonus = load(u + o);
            long s = state + o;
            FloatVector pp = load(s + 2 * plane);
            FloatVector aa = occupied(load(s), pp);
            FloatVector bb = occupied(load(s + plane), pp);
            long kt = k + o;
            long vt = v + o;
            for (long at = scratch; at != scratchEnd; at += ROWS * ROW, kt += ks, vt += vs) {
                long r = base(at);
                FloatVector key = load(kt);
                store(aa, r);
                store(bb, r + ROW);
                store(pp, r + 2 * ROW);
                pp = pp.add(decay);
                FloatVector d = pp.sub(key);
                FloatVector t = smaller(d);
                store(t, r + 3 * ROW);
                FloatVector e1 = left(d, t);
                FloatVector e2 = right(d, t);
                aa = e1.fma(aa, e2.mul(load(vt)));
                bb = e1.fma(bb, e2);
                pp = larger(pp, key);
            }
            long c = carry + o;
            FloatVector ga = load(c);
            FloatVector gb = load(c + carryPlane);
            FloatVector gp = ga.fma(aa, gb.mul(bb)).fma(all(last), load(c + 2 * carryPlane));
            FloatVector gw = all(0f);
            FloatVector gu = all(0f);
            long gyt = gy + o + gys * steps;
            long gkt = gk + o + gks * steps;
            long gvt = gv + o + gvs * steps;
            for (long at = scratchEnd; at != scratch; ) {
                at -= ROWS * ROW;
                kt -= ks;
                vt -= vs;
                gyt -= gys;
                gkt -= gks;
                gvt -= gvs;
                long r = base(at);
                FloatVector key = load(kt);
                FloatVector value = load(vt);
                aa = load(r);
                bb = load(r + ROW);
                pp = load(r + 2 * ROW);
                FloatVector d = pp.sub(bonus.add(key));
                FloatVector t = smaller(d);
                FloatVector f1 = left(d, t);
                FloatVector f2 = right(d, t);
                FloatVector reciprocal = all(1f).div(f1.fma(bb, f2));
                FloatVector y = f1.fma(aa, f2.mul(value)).mul(reciprocal);
                FloatVector g = load(gyt).mul(reciprocal);
                FloatVector g1 = f1.mul(g);
                FloatVector g2 = f2.mul(g);
                // v - y, without what would cancel
                FloatVector own = g2.mul(f1.mul(reciprocal)).mul(bb.fma(value, aa.neg()));
                // of the two parts of gp, those of the old state and of k, the larger is what the smaller leaves:
                // summed by itself it would cancel
                VectorMask<Float> old = isLeft(pp.add(decay).sub(key));
                t = load(r + 3 * ROW);
                FloatVector part = t.mul(ga.fma(aa.blend(value, old), gb.mul(bb.blend(1f, old))));
                FloatVector rest = gp.sub(part);
                FloatVector ofOld = part.blend(rest, old);
                FloatVector e1 = t.blend(1f, old);
                FloatVector e2 = all(1f).blend(t, old);
                gu = gu.add(own);
                gw = gw.add(ofOld);
                store(e2.fma(ga, g2), gvt);
                store(rest.blend(part, old).add(own), gkt);
                gp = ofOld.sub(own);
                ga = e1.fma(ga, g1);
                gb = e1.fma(gb, g1.mul(y).neg());
            }
            store(ga, c);
            store(gb, c + carryPlane);
            store(gp, c + 2 * carryPlane);
            store(load(c + 3 * carryPlane).add(gw), c + 3 * carryPlane);
            store(load(c + 4 * carryPlane).add(gu), c + 4 * carryPlane);
        }
    }

    /** Sums of a state that may be empty. */
    @Inline
    static FloatVector occupied(FloatVector sum, FloatVector pp) {
        return sum.blend(0f, pp.compare(VectorOperators.LE, EMPTY));
    }

    /** The smaller of two exponentials relative to the larger, of the difference of their exponents. */
    @Inline
    static FloatVector smaller(FloatVector d) {
        return VectorMath.expNonPositive(d.abs().neg());
    }

    @Inline
    static FloatVector left(FloatVector d, FloatVector t) {
        return t.blend(1f, isLeft(d));
    }

    @Inline
    static FloatVector right(FloatVector d, FloatVector t) {
        return all(1f).blend(t, isLeft(d));
    }

    @Inline
    static VectorMask<Float> isLeft(FloatVector d) {
        return d.compare(VectorOperators.GE, 0f);
    }

    /** The maximum; NaN if either is. */
    @Inline
    static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a).or(b.compare(VectorOperators.NE, b)));
    }
}
