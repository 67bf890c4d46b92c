package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.PrefixGradKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Gradients of prefix attention: the scan backwards, the values in vectors. */
public final class PrefixGrad implements PrefixGradKernels {
    @Override
    @Kernel
    public void gradients(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            long v,
            long vStep,
            long vHead,
            long y,
            long yStep,
            long yHead,
            long g,
            long gStep,
            long gHead,
            long gv,
            long gvStep,
            long gvHead,
            long p,
            long pStep,
            long pHead,
            long gw,
            long d,
            long yLater,
            long stateHead,
            long last,
            long coef,
            long plane,
            long heads,
            long steps,
            long zeros) {
        FloatVector[] gs = new FloatVector[tile];
        FloatVector[] ds = new FloatVector[tile];
        long later = yLater;
        long laterHead = stateHead;
        for (long c = coef + 4 * (heads * steps - 1), end = coef - 4; c != end; ) {
            long vh = v;
            long yh = y;
            long gh = g;
            long gvh = gv;
            long ph = p;
            long dh = d;
            long gwh = gw;
            for (long rowEnd = c - 4 * heads; c != rowEnd; c -= 4) {
                long from = i32(c) == Prefix.SKIPPED ? zeros : vh;
                VectorMask<Integer> skipped = all(i32(c)).compare(VectorOperators.EQ, Prefix.SKIPPED);
                FloatVector e = splat(c);
                FloatVector r = splat(c + plane);
                FloatVector inverse = all(1f / f32(c + 2 * plane)); // one division instead of one per vector
                for (int t = 0; t < tile; t++) {
                    long o = Prefix.at(t, tile, last);
                    FloatVector carried = load(gwh + o);
                    gs[t] = load(gh + o).fma(inverse, carried);
                    ds[t] = carried.fma(load(later + o).sub(load(yh + o)), load(dh + o));
                }
                for (int t = 0; t < tile; t++) {
                    long o = Prefix.at(t, tile, last);
                    store(V.blend(gs[t].mul(e), all(0f), skipped), gvh + o);
                    store(gs[t].fma(load(from + o).sub(load(yh + o)), ds[t].neg()), ph + o);
                    store(gs[t].mul(r), gwh + o);
                    store(ds[t].mul(r), dh + o);
                }
                later -= laterHead;
                vh -= vHead;
                yh -= yHead;
                gh -= gHead;
                gvh -= gvHead;
                ph -= pHead;
                dh -= stateHead;
                gwh -= stateHead;
            }
            later = y;
            laterHead = yHead;
            v -= vStep;
            y -= yStep;
            g -= gStep;
            gv -= gvStep;
            p -= pStep;
        }
        for (long h = 0; h < heads; h++, later -= laterHead, yLater -= stateHead) {
            for (int t = 0; t < tile; t++) {
                gs[t] = load(later + Prefix.at(t, tile, last));
            }
            for (int t = 0; t < tile; t++) {
                store(gs[t], yLater + Prefix.at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void gradScores(
            long p,
            long pHead,
            long pStep,
            long gs,
            long gsStep,
            long gsHead,
            long coef,
            long heads,
            long steps,
            long fold) {
        FloatVector[] acc = new FloatVector[EdgeDot.WIDTH / LANES];
        long rows = fold + heads * steps * 2 * BYTES;
        long f = fold;
        for (long t = 0; t != steps; t++, p += pStep) {
            long ph = p;
            for (long h = 0; h != heads; h++, f += 2L * BYTES) {
                EdgeDot.zero(acc);
                for (long pEnd = ph + pHead; ph != pEnd; ph += EdgeDot.SPAN) {
                    EdgeDot.terms(acc, ph);
                }
                for (int i = acc.length / 2; i >= 1; i /= 2) {
                    for (int j = 0; j < i; j++) {
                        acc[j] = acc[j].add(acc[j + i]);
                    }
                }
                store(acc[0], f);
            }
        }
        // halves of all rows together: what one row stored is in the cache when it is loaded again
        for (int i = LANES / 2; i >= 1; i /= 2) {
            for (f = fold; f != rows; f += 2L * BYTES) {
                store(load(f).add(load(f + 4L * i)), f);
            }
        }
        f = fold;
        for (long t = 0; t != steps; t++, gs += gsStep) {
            long out = gs;
            for (long h = 0; h != heads; h++, out += gsHead, coef += 4, f += 2L * BYTES) {
                EdgeDot.put(out, i32(coef) == Prefix.SKIPPED ? 0f : f32(coef) * f32(f));
            }
        }
    }

    @Override
    @Kernel
    public void gradDots(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            long gs,
            long gsStep,
            long gsHead,
            float scale,
            long q,
            long qHead,
            long k,
            long kStep,
            long kHead,
            long gk,
            long gkStep,
            long gkHead,
            long gq,
            long gqHead,
            long last,
            long heads,
            long steps,
            long zeros) {
        FloatVector[] qs = new FloatVector[tile];
        FloatVector[] sum = new FloatVector[tile];
        for (long h = 0; h < heads; h++) {
            for (int t = 0; t < tile; t++) {
                qs[t] = load(q + Prefix.at(t, tile, last));
                sum[t] = all(0f);
            }
            long ks = k;
            long gks = gk;
            for (long a = gs, end = gs + steps * gsStep; a != end; a += gsStep, ks += kStep, gks += gkStep) {
                float c = scale * f32(a);
                long from = c == 0f ? zeros : ks;
                for (int t = 0; t < tile; t++) {
                    long o = Prefix.at(t, tile, last);
                    sum[t] = load(from + o).fma(all(c), sum[t]);
                    store(qs[t].mul(all(c)), gks + o);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(sum[t], gq + Prefix.at(t, tile, last));
            }
            gs += gsHead;
            q += qHead;
            k += kHead;
            gk += gkHead;
            gq += gqHead;
        }
    }
}
