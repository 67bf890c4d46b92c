package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.PrefixGradKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
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
            @Const boolean whole,
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
        FloatVector[] sums = new FloatVector[!whole ? 0 : tile < parts() ? tile : parts()];
        long overlap = offset(last);
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
                long vr = base(i32(c) == Prefix.SKIPPED ? zeros : vh);
                long yr = base(yh);
                long gwr = base(gwh);
                long dr = base(dh);
                FloatVector e = splat(c);
                FloatVector r = splat(c + plane);
                FloatVector inverse = all(1f / f32(c + 2 * plane)); // one division instead of one per vector
                long gr = base(gh);
                long lr = base(later);
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, whole, overlap);
                    FloatVector carried = load(gwr + o);
                    gs[t] = load(gr + o).fma(inverse, carried);
                    ds[t] = carried.fma(load(lr + o).sub(load(yr + o)), load(dr + o));
                }
                VectorMask<Integer> skipped = all(i32(c)).compare(VectorOperators.EQ, Prefix.SKIPPED);
                long gvr = base(gvh);
                long pr = base(ph);
                for (int j = 0; j < sums.length; j++) {
                    sums[j] = load(pr + (long) j * BYTES);
                }
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, whole, overlap);
                    FloatVector term = gs[t].fma(load(vr + o).sub(load(yr + o)), ds[t].neg());
                    if (whole) {
                        sums[t % parts()] = sums[t % parts()].add(term);
                    } else {
                        store(term, pr + o);
                    }
                    store(V.blend(gs[t].mul(e), all(0f), skipped), gvr + o);
                    store(gs[t].mul(r), gwr + o);
                    store(ds[t].mul(r), dr + o);
                }
                for (int j = 0; j < sums.length; j++) {
                    store(sums[j], pr + (long) j * BYTES);
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
                gs[t] = load(later + at(t, tile, whole, overlap));
            }
            for (int t = 0; t < tile; t++) {
                store(gs[t], yLater + at(t, tile, whole, overlap));
            }
        }
    }

    /** Vectors of the 16 partial sums of a row. */
    @Inline
    private static int parts() {
        return EdgeDot.WIDTH / LANES;
    }

    /** Where vector {@code t} of a tile starts: side by side; but for the last, if the columns do not fill it. */
    @Inline
    private static long at(int t, int tile, boolean whole, long last) {
        return whole || t < tile - 1 ? (long) t * BYTES : last;
    }

    @Override
    @Kernel
    public void partials(long p, long pHead, long pStep, long heads, long steps, long sums) {
        FloatVector[] acc = new FloatVector[parts()];
        for (long end = sums + heads * steps * EdgeDot.SPAN; sums != end; p += pStep) {
            long ph = p;
            for (long stepEnd = sums + heads * EdgeDot.SPAN; sums != stepEnd; sums += EdgeDot.SPAN) {
                EdgeDot.zero(acc);
                for (long rowEnd = ph + pHead; ph != rowEnd; ph += EdgeDot.SPAN) {
                    EdgeDot.terms(acc, ph);
                }
                for (int i = 0; i < acc.length; i++) {
                    store(acc[i], sums + (long) i * BYTES);
                }
            }
        }
    }

    @Override
    @Kernel
    public void gradScores(long sums, long gs, long gsStep, long gsHead, long coef, long heads, long steps) {
        FloatVector[] x = new FloatVector[LANES];
        FloatVector[] acc = new FloatVector[parts()];
        long rows = heads * steps;
        long made = (rows + LANES - 1) / LANES * LANES;
        long out = sums;
        for (long row = sums, end = sums + made * EdgeDot.SPAN; row != end; coef += BYTES, out += BYTES) {
            for (int k = 0; k < LANES; k++, row += EdgeDot.SPAN) {
                for (int i = 0; i < acc.length; i++) {
                    acc[i] = load(row + (long) i * BYTES);
                }
                for (int h = acc.length / 2; h >= 1; h /= 2) {
                    for (int i = 0; i < h; i++) {
                        acc[i] = acc[i].add(acc[i + h]);
                    }
                }
                x[k] = acc[0];
            }
            // the sums of these rows have been read: they may be overwritten
            FloatVector e = load(coef);
            FloatVector product = e.mul(Fold.sums(x));
            store(V.blend(product, all(0f), e.reinterpretAsInts().compare(VectorOperators.EQ, Prefix.SKIPPED)), out);
        }
        for (long end = sums + 4 * rows; sums != end; gs += gsStep) {
            long to = gs;
            for (long stepEnd = sums + 4 * heads; sums != stepEnd; sums += 4, to += gsHead) {
                EdgeDot.put(to, f32(sums));
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
