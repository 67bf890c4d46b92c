package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.Prefix.at;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.Wkv6Kernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Tiles of a state in registers, a block of steps at a time. */
public final class Wkv6 implements Wkv6Kernels {
    @Override
    @Kernel
    public void scan(
            @Const({1, 2}) int tile,
            @Const({1, 4}) int rows,
            @Const boolean lanewise,
            long r,
            long rs,
            long k,
            long ks,
            long w,
            long ws,
            long v,
            long vs,
            long y,
            long ys,
            long state,
            long to,
            long stateRow,
            long last,
            long steps) {
        FloatVector[] s = new FloatVector[rows * tile];
        FloatVector[] value = new FloatVector[tile];
        FloatVector[] sum = new FloatVector[tile];
        FloatVector[] decay = new FloatVector[tile];
        long end = offset(last);
        loadTile(s, rows, tile, state, stateRow, end);
        for (long rEnd = r + rs * steps; r != rEnd; r += rs, k += ks, w += ws, v += vs, y += ys) {
            long rt = base(r);
            long kt = base(k);
            long wt = base(w);
            long vt = base(v);
            long yt = base(y);
            for (int t = 0; t < tile; t++) {
                value[t] = load(vt + at(t, tile, end));
                sum[t] = load(yt + at(t, tile, end));
                decay[t] = lanewise ? load(wt + at(t, tile, end)) : value[t];
            }
            for (int i = 0; i < rows; i++) {
                FloatVector ri = splat(rt + 4L * i);
                FloatVector ki = splat(kt + 4L * i);
                FloatVector wi = lanewise ? ri : splat(wt + 4L * i);
                for (int t = 0; t < tile; t++) {
                    int n = i * tile + t;
                    sum[t] = ri.fma(s[n], sum[t]);
                    s[n] = ki.fma(value[t], s[n].mul(lanewise ? decay[t] : wi));
                }
            }
            for (int t = 0; t < tile; t++) {
                store(sum[t], yt + at(t, tile, end));
            }
        }
        storeTile(s, rows, tile, to, stateRow, end);
    }

    @Override
    @Kernel
    public void replay(
            @Const({1, 2}) int tile,
            @Const({1, 4}) int rows,
            long k,
            long ks,
            long w,
            long ws,
            long v,
            long vs,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps) {
        FloatVector[] s = new FloatVector[rows * tile];
        FloatVector[] value = new FloatVector[tile];
        FloatVector[] decay = new FloatVector[tile];
        long end = offset(last);
        loadTile(s, rows, tile, state, stateRow, end);
        for (long kEnd = k + ks * steps; k != kEnd; k += ks, w += ws, v += vs, kept += (long) SLOT * rows * tile) {
            long kt = base(k);
            long wt = base(w);
            long vt = base(v);
            long slots = base(kept);
            for (int t = 0; t < tile; t++) {
                value[t] = load(vt + at(t, tile, end));
                decay[t] = load(wt + at(t, tile, end));
            }
            for (int i = 0; i < rows; i++) {
                FloatVector ki = splat(kt + 4L * i);
                for (int t = 0; t < tile; t++) {
                    int n = i * tile + t;
                    store(s[n], slots + (long) SLOT * n);
                    s[n] = ki.fma(value[t], s[n].mul(decay[t]));
                }
            }
        }
    }

    @Override
    @Kernel
    public void sweep(
            @Const({1, 2}) int tile,
            @Const({1, 4}) int rows,
            long v,
            long vs,
            long gy,
            long gys,
            long w,
            long ws,
            long r,
            long rs,
            long gk,
            long gks,
            long gw,
            long gws,
            long state,
            long stateRow,
            long last,
            long kept,
            long steps) {
        FloatVector[] g = new FloatVector[rows * tile];
        FloatVector[] receptance = new FloatVector[tile];
        FloatVector[] decay = new FloatVector[tile];
        FloatVector[] ofK = new FloatVector[tile];
        FloatVector[] ofW = new FloatVector[tile];
        long end = offset(last);
        loadTile(g, rows, tile, state, stateRow, end);
        long step = (long) SLOT * rows * tile;
        kept += step * steps;
        for (long vEnd = v - vs * steps; v != vEnd; v -= vs, gy -= gys, w -= ws, r -= rs, gk -= gks, gw -= gws) {
            kept -= step;
            long slots = base(kept);
            long vt = base(v);
            long gyt = base(gy);
            long wt = base(w);
            long rt = base(r);
            long gkt = base(gk);
            long gwt = base(gw);
            for (int t = 0; t < tile; t++) {
                receptance[t] = load(rt + at(t, tile, end));
                decay[t] = load(wt + at(t, tile, end));
                ofK[t] = load(gkt + at(t, tile, end));
                ofW[t] = load(gwt + at(t, tile, end));
            }
            for (int i = 0; i < rows; i++) {
                FloatVector vi = splat(vt + 4L * i);
                FloatVector gyi = splat(gyt + 4L * i);
                for (int t = 0; t < tile; t++) {
                    int n = i * tile + t;
                    ofK[t] = vi.fma(g[n], ofK[t]);
                    ofW[t] = g[n].fma(load(slots + (long) SLOT * n), ofW[t]);
                    g[n] = gyi.fma(receptance[t], g[n].mul(decay[t]));
                }
            }
            for (int t = 0; t < tile; t++) {
                store(ofK[t], gkt + at(t, tile, end));
                store(ofW[t], gwt + at(t, tile, end));
            }
        }
        storeTile(g, rows, tile, state, stateRow, end);
    }

    @Override
    @Kernel
    public void dots(
            @Const boolean weighted,
            long a,
            long as,
            long b,
            long bs,
            long u,
            long columns,
            long out,
            long steps,
            long pads) {
        FloatVector[] acc = new FloatVector[EdgeDot.WIDTH / LANES];
        long whole = EdgeDot.whole(columns);
        long end = whole + EdgeDot.rest(columns);
        if (weighted) {
            EdgeDot.pad(u, whole, columns, pads + EdgeDot.PAD_ARG);
        }
        for (long to = out + 4 * steps; out != to; out += 4, a += as, b += bs) {
            EdgeDot.pad(a, whole, columns, pads + EdgeDot.PAD_A);
            EdgeDot.pad(b, whole, columns, pads + EdgeDot.PAD_B);
            EdgeDot.zero(acc);
            for (long c = 0; c != end; c += EdgeDot.SPAN) {
                long x = c == whole ? pads + EdgeDot.PAD_A : a + c;
                long y = c == whole ? pads + EdgeDot.PAD_B : b + c;
                long z = c == whole ? pads + EdgeDot.PAD_ARG : u + c;
                for (int i = 0; i < acc.length; i++) {
                    FloatVector left = load(x + (long) i * BYTES);
                    FloatVector p = weighted ? left.mul(load(z + (long) i * BYTES)) : left;
                    acc[i] = p.fma(load(y + (long) i * BYTES), acc[i]);
                }
            }
            float sum = EdgeDot.fold(acc, pads);
            EdgeDot.put(out, sum);
        }
    }

    @Override
    @Kernel
    public void scale(
            @Const boolean weighted, long c, long x, long xs, long u, long y, long ys, long steps, long columns) {
        for (long end = c + 4 * steps; c != end; c += 4, x += xs, y += ys) {
            FloatVector factor = splat(c);
            for (long i = 0; i < 4 * columns; i += BYTES) {
                long o = Math.min(i, 4 * columns - BYTES);
                FloatVector v = load(x + o);
                store(factor.mul(weighted ? v.mul(load(u + o)) : v), y + o);
            }
        }
    }

    @Override
    @Kernel
    public void sum(long c, long a, long as, long b, long bs, long out, long steps, long columns) {
        for (long i = 0; i < 4 * columns; i += BYTES) {
            long o = Math.min(i, 4 * columns - BYTES);
            FloatVector acc = all(0f);
            long at = a + o;
            long bt = b + o;
            for (long t = c, end = c + 4 * steps; t != end; t += 4, at += as, bt += bs) {
                acc = splat(t).mul(load(at)).fma(load(bt), acc);
            }
            store(acc, out + o);
        }
    }

    /** A tile of a state. */
    @Inline
    static void loadTile(FloatVector[] s, int rows, int tile, long state, long stateRow, long last) {
        for (int i = 0; i < rows; i++) {
            for (int t = 0; t < tile; t++) {
                s[i * tile + t] = load(state + stateRow * i + at(t, tile, last));
            }
        }
    }

    @Inline
    static void storeTile(FloatVector[] s, int rows, int tile, long state, long stateRow, long last) {
        for (int i = 0; i < rows; i++) {
            for (int t = 0; t < tile; t++) {
                store(s[i * tile + t], state + stateRow * i + at(t, tile, last));
            }
        }
    }
}
