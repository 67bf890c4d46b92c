package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Prefix.at;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.Wkv7Kernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** RWKV-7: one sweep over the state for each step, in which the next step's product with it is made too. */
public final class Wkv7 implements Wkv7Kernels {
    @Override
    @Kernel
    public void dot(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            long a,
            long state,
            long stateRow,
            long rows,
            long last,
            long out) {
        FloatVector[] sum = new FloatVector[tile];
        for (int t = 0; t < tile; t++) {
            sum[t] = all(0f);
        }
        long far = offset(last);
        for (long end = a + 4 * rows; a != end; a += 4, state += stateRow) {
            long s = base(state);
            FloatVector aj = splat(a);
            for (int t = 0; t < tile; t++) {
                sum[t] = aj.fma(load(s + at(t, tile, far)), sum[t]);
            }
        }
        for (int t = 0; t < tile; t++) {
            store(sum[t], out + at(t, tile, last));
        }
    }

    @Override
    @Kernel
    public void scan(
            @Const(
                            value = {1, 2, 3, 4},
                            oneLane = {1, 4})
                    int tile,
            long w,
            long ws,
            long b,
            long bs,
            long k,
            long ks,
            long r,
            long rs,
            long a,
            long as,
            long v,
            long vs,
            long y,
            long ys,
            long sa,
            long next,
            long nexts,
            long state,
            long stateRow,
            long rows,
            long last,
            long steps) {
        FloatVector[] row = new FloatVector[tile];
        FloatVector[] value = new FloatVector[tile];
        FloatVector[] old = new FloatVector[tile];
        FloatVector[] sum = new FloatVector[tile];
        FloatVector[] ahead = new FloatVector[tile];
        for (int t = 0; t < tile; t++) {
            ahead[t] = load(sa + at(t, tile, last));
        }
        long far = offset(last);
        for (long end = v + vs * steps; v != end; v += vs, y += ys, next += nexts) {
            for (int t = 0; t < tile; t++) {
                old[t] = ahead[t];
                value[t] = load(v + at(t, tile, last));
                sum[t] = all(0f);
                ahead[t] = all(0f);
            }
            long wt = base(w);
            long bt = base(b);
            long kt = base(k);
            long rt = base(r);
            long at = base(a);
            long s = state;
            for (long j = 0; j != 4 * rows; j += 4, s += stateRow) {
                long rowStart = base(s);
                long o = offset(j);
                FloatVector wj = splat(wt + o);
                FloatVector bj = splat(bt + o);
                FloatVector kj = splat(kt + o);
                FloatVector rj = splat(rt + o);
                FloatVector aj = splat(at + o);
                for (int t = 0; t < tile; t++) {
                    FloatVector decayed = load(rowStart + at(t, tile, far)).mul(wj);
                    row[t] = kj.fma(value[t], bj.fma(old[t], decayed));
                    sum[t] = rj.fma(row[t], sum[t]);
                    ahead[t] = aj.fma(row[t], ahead[t]);
                }
                // after all loads: the last vector may overlap the one before it
                for (int t = 0; t < tile; t++) {
                    store(row[t], rowStart + at(t, tile, far));
                }
            }
            for (int t = 0; t < tile; t++) {
                store(sum[t], y + at(t, tile, last));
                store(ahead[t], next + at(t, tile, last));
            }
            w += ws;
            b += bs;
            k += ks;
            r += rs;
            a += as;
        }
    }

    @Override
    @Kernel
    public void rows(
            @Const({1, 2}) int tile,
            @Const({1, 2}) int rows,
            @Const boolean keep,
            long w,
            long ws,
            long b,
            long bs,
            long k,
            long ks,
            long sa,
            long sas,
            long v,
            long vs,
            long gy,
            long gys,
            long gr,
            long grs,
            long state,
            long to,
            long stateRow,
            long last,
            long kept,
            long steps) {
        FloatVector[] s = new FloatVector[rows * tile];
        FloatVector[] decay = new FloatVector[tile];
        FloatVector[] bt = new FloatVector[tile];
        FloatVector[] key = new FloatVector[tile];
        FloatVector[] ofR = new FloatVector[tile];
        Wkv6.loadTile(s, rows, tile, state, stateRow, last);
        for (long end = v + vs * steps; v != end; v += vs, sa += sas, gy += gys, gr += grs) {
            for (int t = 0; t < tile; t++) {
                decay[t] = load(w + at(t, tile, last));
                bt[t] = load(b + at(t, tile, last));
                key[t] = load(k + at(t, tile, last));
                ofR[t] = keep ? key[t] : load(gr + at(t, tile, last));
            }
            for (int i = 0; i < rows; i++) {
                FloatVector sai = splat(sa + 4L * i);
                FloatVector vi = splat(v + 4L * i);
                FloatVector gyi = keep ? vi : splat(gy + 4L * i);
                for (int t = 0; t < tile; t++) {
                    int n = i * tile + t;
                    if (keep) {
                        store(s[n], kept + (long) SLOT * n);
                    }
                    s[n] = vi.fma(key[t], sai.fma(bt[t], s[n].mul(decay[t])));
                    if (!keep) {
                        ofR[t] = gyi.fma(s[n], ofR[t]);
                    }
                }
            }
            if (!keep) {
                for (int t = 0; t < tile; t++) {
                    store(ofR[t], gr + at(t, tile, last));
                }
            }
            kept += (long) SLOT * rows * tile;
            w += ws;
            b += bs;
            k += ks;
        }
        if (!keep) {
            Wkv6.storeTile(s, rows, tile, to, stateRow, last);
        }
    }

    @Override
    @Kernel
    public void sweep(
            @Const({1, 2}) int tile,
            @Const({1, 2}) int rows,
            long w,
            long ws,
            long a,
            long as,
            long r,
            long rs,
            long sa,
            long sas,
            long gsa,
            long gsas,
            long v,
            long vs,
            long gy,
            long gys,
            long more,
            long moreStep,
            long mores,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps) {
        FloatVector[] g = new FloatVector[rows * tile];
        FloatVector[] decay = new FloatVector[tile];
        FloatVector[] at = new FloatVector[tile];
        FloatVector[] receptance = new FloatVector[tile];
        FloatVector[] ofK = new FloatVector[tile];
        FloatVector[] ofB = new FloatVector[tile];
        FloatVector[] ofW = new FloatVector[tile];
        FloatVector[] ofA = new FloatVector[tile];
        Wkv6.loadTile(g, rows, tile, state, stateRow, last);
        long slots = (long) SLOT * rows * tile;
        kept += slots * steps;
        for (long end = v - vs * steps; v != end; v -= vs, gy -= gys, sa -= sas, gsa -= gsas, more -= mores) {
            kept -= slots;
            for (int t = 0; t < tile; t++) {
                long o = at(t, tile, last);
                decay[t] = load(w + o);
                at[t] = load(a + o);
                receptance[t] = load(r + o);
                ofK[t] = load(more + o);
                ofB[t] = load(more + moreStep + o);
                ofW[t] = load(more + 2 * moreStep + o);
                ofA[t] = load(more + 3 * moreStep + o);
            }
            for (int i = 0; i < rows; i++) {
                FloatVector vi = splat(v + 4L * i);
                FloatVector gyi = splat(gy + 4L * i);
                FloatVector sai = splat(sa + 4L * i);
                FloatVector gsai = splat(gsa + 4L * i);
                for (int t = 0; t < tile; t++) {
                    int n = i * tile + t;
                    FloatVector old = load(kept + (long) SLOT * n);
                    FloatVector gn = gyi.fma(receptance[t], g[n]);
                    ofK[t] = vi.fma(gn, ofK[t]);
                    ofB[t] = sai.fma(gn, ofB[t]);
                    ofW[t] = old.fma(gn, ofW[t]);
                    ofA[t] = gsai.fma(old, ofA[t]);
                    g[n] = gsai.fma(at[t], gn.mul(decay[t]));
                }
            }
            for (int t = 0; t < tile; t++) {
                long o = at(t, tile, last);
                store(ofK[t], more + o);
                store(ofB[t], more + moreStep + o);
                store(ofW[t], more + 2 * moreStep + o);
                store(ofA[t], more + 3 * moreStep + o);
            }
            w -= ws;
            a -= as;
            r -= rs;
        }
        Wkv6.storeTile(g, rows, tile, state, stateRow, last);
    }
}
