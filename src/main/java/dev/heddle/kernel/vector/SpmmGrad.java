package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.Spmm.at;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.SpmmGradKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Gradients of gather-reduce: a gather over the transposed rows for x, dots along edges for the weights. */
public final class SpmmGrad implements SpmmGradKernels {
    @Override
    @Kernel
    public void gradX(
            @Const Scale scale,
            @Const(
                            value = {1, 2, 3, 4, 5, 6, 7, 8},
                            oneLane = {1, 8})
                    int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        long out = gx + gxs * row;
        long p = tptr + 8 * row;
        long e = tindices + 4 * i64(p);
        long permuted = tperm - tindices;
        for (long pEnd = tptr + 8 * rowEnd; p != pEnd; out += gxs) {
            p += 8;
            long end = e + 4 * (i64(p) - i64(p - 8));
            for (int t = 0; t < tile; t++) {
                acc[t] = all(0f);
            }
            for (; e != end; e += 4) {
                long i = i32(e);
                long gr = base(g + gs * i);
                FloatVector s = all(scale(scale, w + ws * i32(e + permuted), indptr + 8 * i));
                for (int t = 0; t < tile; t++) {
                    acc[t] = scaled(scale, load(gr + at(t, tile, last)), s, acc[t]);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], out + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void fullGradX(
            @Const boolean mean,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        long out = gx + gxs * row;
        long p = tptr + 8 * row;
        long e = tindices + 4 * i64(p);
        long pe = tperm + 4 * i64(p);
        for (long pEnd = tptr + 8 * rowEnd; p != pEnd; out += gxs) {
            p += 8;
            long end = tindices + 4 * i64(p);
            for (int t = 0; t < tile; t++) {
                acc[t] = all(0f);
            }
            for (; e != end; e += 4, pe += 4) {
                long i = i32(e);
                long gr = g + gs * i;
                long wr = w + ws * i32(pe);
                FloatVector s = all(mean ? 1f / degree(indptr + 8 * i) : 1f);
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    FloatVector v = mean ? load(gr + o).mul(s) : load(gr + o);
                    acc[t] = v.fma(load(wr + o), acc[t]);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], out + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void argGradX(
            @Const boolean weighted,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        long out = gx + gxs * row;
        long p = tptr + 8 * row;
        long e = tindices + 4 * i64(p);
        long pe = tperm + 4 * i64(p);
        for (long pEnd = tptr + 8 * rowEnd; p != pEnd; out += gxs) {
            p += 8;
            long end = tindices + 4 * i64(p);
            for (int t = 0; t < tile; t++) {
                acc[t] = all(0f);
            }
            for (; e != end; e += 4, pe += 4) {
                long gr = gs * i32(e);
                int edge = i32(pe);
                FloatVector weight = weighted ? splat(w + ws * edge) : all(1f);
                for (int t = 0; t < tile; t++) {
                    long o = gr + at(t, tile, last);
                    FloatVector v = taken(load(g + o), loadInts(arg + o), edge);
                    acc[t] = weighted ? v.fma(weight, acc[t]) : acc[t].add(v);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], out + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void fullArgGradX(
            @Const(
                            value = {1, 2},
                            oneLane = {1})
                    int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        long out = gx + gxs * row;
        long p = tptr + 8 * row;
        long e = tindices + 4 * i64(p);
        long pe = tperm + 4 * i64(p);
        for (long pEnd = tptr + 8 * rowEnd; p != pEnd; out += gxs) {
            p += 8;
            long end = tindices + 4 * i64(p);
            for (int t = 0; t < tile; t++) {
                acc[t] = all(0f);
            }
            for (; e != end; e += 4, pe += 4) {
                long gr = gs * i32(e);
                int edge = i32(pe);
                long wr = w + ws * edge;
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    FloatVector v = taken(load(g + gr + o), loadInts(arg + gr + o), edge);
                    acc[t] = v.fma(load(wr + o), acc[t]);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], out + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void gradW(
            @Const boolean multiplied,
            @Const boolean mean,
            @Const(
                            value = {0, 2, 4, 8},
                            oneLane = {0})
                    int blocks,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[EdgeDot.WIDTH / LANES];
        FloatVector[] own = new FloatVector[blocks * (EdgeDot.WIDTH / LANES)];
        long whole = EdgeDot.whole(columns);
        long rest = EdgeDot.rest(columns);
        long rows = scratch + EdgeDot.ROWS;
        long p = indptr + 8 * row - 8;
        long e = indices + 4 * i64(p + 8);
        long end = e;
        long last = indices + 4 * i64(indptr + 8 * rowEnd);
        long gr = g + gs * row - gs;
        long out = gw + gws * i64(p + 8);
        float degree = 1f;
        while (e != last) { // a block of edges, whosever they are
            long at = rows;
            long full = rows + BYTES * Math.min(EdgeDot.BLOCK, (last - e) / 4);
            long degrees = scratch + EdgeDot.DEGREES;
            while (at != full) {
                while (e == end) {
                    p += 8;
                    gr += gs;
                    end = e + 4 * (i64(p + 8) - i64(p));
                    degree = (float) (i64(p + 8) - i64(p));
                    EdgeDot.pad(gr, whole, columns, scratch + EdgeDot.PAD_A);
                }
                long n = Math.min(end - e, (full - at) / LANES);
                long own0 = base(gr);
                for (int i = 0; i < own.length; i++) {
                    own[i] = load(own0 + (long) i * BYTES);
                }
                for (long stop = e + n; e != stop; e += 4, at += BYTES) {
                    long xr = base(x + xs * i32(e));
                    EdgeDot.zero(acc);
                    if (blocks > 0) {
                        for (int b = 0; b < own.length; b += acc.length) {
                            for (int i = 0; i < acc.length; i++) {
                                acc[i] = load(xr + (long) (b + i) * BYTES).fma(own[b + i], acc[i]);
                            }
                        }
                    } else if (multiplied) {
                        EdgeDot.pad(xr, whole, columns, scratch + EdgeDot.PAD_B);
                        EdgeDot.wholeProducts(acc, gr, xr, whole);
                    } else {
                        for (long o = 0; o != whole; o += EdgeDot.SPAN) {
                            EdgeDot.terms(acc, gr + o);
                        }
                    }
                    for (long o = 0; o != rest; o += EdgeDot.SPAN) {
                        gradTerms(multiplied, acc, scratch + EdgeDot.PAD_A, scratch + EdgeDot.PAD_B);
                    }
                    EdgeDot.keep(acc, at);
                }
                if (mean) {
                    for (long stop = degrees + n; degrees != stop; degrees += 4) {
                        EdgeDot.put(degrees, degree);
                    }
                }
            }
            EdgeDot.foldRows(rows, full);
            degrees = scratch + EdgeDot.DEGREES;
            long sums = rows;
            for (long stop = out + gws * ((full - rows) / BYTES); out != stop; out += gws, sums += EdgeDot.folded()) {
                EdgeDot.put(out, mean ? f32(sums) / f32(degrees) : f32(sums));
                degrees += 4;
            }
        }
    }

    @Override
    @Kernel
    public void argGradW(
            @Const boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[EdgeDot.WIDTH / LANES];
        long whole = EdgeDot.whole(columns);
        long rest = EdgeDot.rest(columns);
        long gr = gs * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, gr += gs) {
            long first = i64(p);
            long e = indices + 4 * first;
            long end = indices + 4 * i64(p + 8);
            long out = gw + gws * first;
            int edge = (int) first;
            EdgeDot.pad(g + gr, whole, columns, scratch + EdgeDot.PAD_A);
            EdgeDot.pad(arg + gr, whole, columns, scratch + EdgeDot.PAD_ARG);
            for (; e != end; e += 4, out += gws, edge++) {
                long xr = x + xs * i32(e);
                if (multiplied) {
                    EdgeDot.pad(xr, whole, columns, scratch + EdgeDot.PAD_B);
                }
                EdgeDot.zero(acc);
                for (long o = 0; o != whole; o += EdgeDot.SPAN) {
                    takenTerms(multiplied, acc, g + gr + o, arg + gr + o, xr + o, edge);
                }
                for (long o = 0; o != rest; o += EdgeDot.SPAN) {
                    takenTerms(
                            multiplied,
                            acc,
                            scratch + EdgeDot.PAD_A,
                            scratch + EdgeDot.PAD_ARG,
                            scratch + EdgeDot.PAD_B,
                            edge);
                }
                EdgeDot.put(out, EdgeDot.fold(acc, scratch));
            }
        }
    }

    @Override
    @Kernel
    public void fullGradW(
            @Const boolean multiplied,
            @Const boolean mean,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd) {
        long gr = g + gs * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, gr += gs) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            long e = indices + 4 * first;
            long out = gw + gws * first;
            for (long end = e + 4 * count; e != end; e += 4, out += gws) {
                long xr = x + xs * i32(e);
                for (long c = 0; c < 4 * columns; c += BYTES) {
                    long o = Math.min(c, 4 * columns - BYTES);
                    FloatVector v = load(gr + o);
                    v = multiplied ? v.mul(load(xr + o)) : v;
                    store(mean ? v.div(all((float) count)) : v, out + o);
                }
            }
        }
    }

    @Override
    @Kernel
    public void fullArgGradW(
            @Const boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd) {
        long gr = gs * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, gr += gs) {
            long first = i64(p);
            long e = indices + 4 * first;
            long end = indices + 4 * i64(p + 8);
            long out = gw + gws * first;
            int edge = (int) first;
            for (; e != end; e += 4, out += gws, edge++) {
                long xr = x + xs * i32(e);
                for (long c = 0; c < 4 * columns; c += BYTES) {
                    long o = Math.min(c, 4 * columns - BYTES);
                    FloatVector v = load(g + gr + o);
                    v = multiplied ? v.mul(load(xr + o)) : v;
                    store(taken(v, loadInts(arg + gr + o), edge), out + o);
                }
            }
        }
    }

    @Inline
    static float degree(long p) {
        return i64(p + 8) - i64(p);
    }

    @Inline
    static float scale(Scale scale, long w, long p) {
        return switch (scale) {
            case ONE -> 1f;
            case WEIGHT -> f32(w);
            case MEAN -> 1f / degree(p);
            case WEIGHT_MEAN -> f32(w) / degree(p);
        };
    }

    @Inline
    static FloatVector scaled(Scale scale, FloatVector g, FloatVector s, FloatVector acc) {
        return scale == Scale.ONE ? acc.add(g) : g.fma(s, acc);
    }

    /** The gradient where this edge was taken, 0 elsewhere. */
    @Inline
    static FloatVector taken(FloatVector g, IntVector arg, int edge) {
        return V.blend(all(0f), g, arg.compare(VectorOperators.EQ, all(edge)));
    }

    @Inline
    static void gradTerms(boolean multiplied, FloatVector[] acc, long g, long x) {
        if (multiplied) {
            EdgeDot.products(acc, g, x);
        } else {
            EdgeDot.terms(acc, g);
        }
    }

    @Inline
    static void takenTerms(boolean multiplied, FloatVector[] acc, long g, long arg, long x, int edge) {
        for (int i = 0; i < acc.length; i++) {
            FloatVector v = taken(load(g + (long) i * BYTES), loadInts(arg + (long) i * BYTES), edge);
            acc[i] = multiplied ? v.fma(load(x + (long) i * BYTES), acc[i]) : acc[i].add(v);
        }
    }
}
