package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
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
            long gyt = gy + o;
            for (long r = scratch; r != scratchEnd; r += ROWS * ROW, kt += ks, vt += vs, gyt += gys) {
                FloatVector key = load(kt);
                FloatVector value = load(vt);
                FloatVector d = pp.sub(bonus.add(key));
                FloatVector t = smaller(d);
                FloatVector f1 = left(d, t);
                FloatVector f2 = right(d, t);
                FloatVector reciprocal = all(1f).div(f1.fma(bb, f2));
                FloatVector g = load(gyt).mul(reciprocal);
                FloatVector g2 = f2.mul(g);
                store(f1.fma(aa, f2.mul(value)).mul(reciprocal), r);
                store(f1.mul(g), r + ROW);
                store(g2, r + 2 * ROW);
                store(aa, r + 3 * ROW);
                store(bb, r + 4 * ROW);
                // v - y, without what would cancel
                store(g2.mul(f1.mul(reciprocal)).mul(bb.fma(value, aa.neg())), r + 7 * ROW);
                pp = pp.add(decay);
                d = pp.sub(key);
                t = smaller(d);
                f1 = left(d, t);
                f2 = right(d, t);
                store(f1, r + 5 * ROW);
                store(f2, r + 6 * ROW);
                aa = f1.fma(aa, f2.mul(value));
                bb = f1.fma(bb, f2);
                pp = larger(pp, key);
            }
            long c = carry + o;
            FloatVector ga = load(c);
            FloatVector gb = load(c + carryPlane);
            FloatVector gp = ga.fma(aa, gb.mul(bb)).fma(all(last), load(c + 2 * carryPlane));
            FloatVector gw = all(0f);
            FloatVector gu = all(0f);
            long gkt = gk + o + gks * steps;
            long gvt = gv + o + gvs * steps;
            for (long r = scratchEnd; r != scratch; ) {
                r -= ROWS * ROW;
                vt -= vs;
                gkt -= gks;
                gvt -= gvs;
                FloatVector value = load(vt);
                FloatVector y = load(r);
                FloatVector g1 = load(r + ROW);
                FloatVector g2 = load(r + 2 * ROW);
                FloatVector e1 = load(r + 5 * ROW);
                FloatVector e2 = load(r + 6 * ROW);
                FloatVector own = load(r + 7 * ROW);
                // of the two parts of gp, those of the old state and of k, the larger is what the smaller leaves:
                // summed
                // by itself it would cancel
                VectorMask<Float> old = e1.compare(VectorOperators.GE, e2);
                FloatVector x = load(r + 3 * ROW).blend(value, old);
                FloatVector b = load(r + 4 * ROW).blend(1f, old);
                FloatVector part = e1.blend(e2, old).mul(ga.fma(x, gb.mul(b)));
                FloatVector rest = gp.sub(part);
                FloatVector ofOld = part.blend(rest, old);
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
