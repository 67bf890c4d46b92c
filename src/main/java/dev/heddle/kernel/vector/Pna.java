package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Spmm.at;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static jdk.incubator.vector.VectorOperators.LE;

import dev.heddle.kernel.PnaKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/**
 * Sum, maximum and minimum in one pass over a row's edges; the variance about the mean in a second, while the sources are in
 * the cache.
 */
public final class Pna implements PnaKernels {
    @Override
    @Kernel
    public void aggregate(
            @Const boolean std,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long x,
            long xs,
            long y,
            long ys,
            long list,
            long kinds,
            long factors,
            long scalers,
            long columns,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] sum = new FloatVector[tile];
        FloatVector[] max = new FloatVector[tile];
        FloatVector[] min = new FloatVector[tile];
        FloatVector[] nan = new FloatVector[tile];
        long span = (long) tile * BYTES;
        long yr = y + ys * row;
        long factor = factors + 4 * scalers * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd;
                p != pEnd;
                p += 8, yr += ys, factor += 4 * scalers) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            long e = indices + 4 * first;
            long end = e + 4 * count;
            FloatVector degree = all((float) Math.max(count, 1));
            for (long c = 0; c < 4 * columns; c += span) {
                long start = tile == 1 ? Math.min(c, 4 * columns - BYTES) : c;
                long last = Math.min(c + (long) (tile - 1) * BYTES, 4 * columns - BYTES) - start;
                long xc = x + start;
                for (int t = 0; t < tile; t++) {
                    sum[t] = all(0f);
                    max[t] = all(count == 0 ? 0f : Float.NEGATIVE_INFINITY);
                    min[t] = all(count == 0 ? 0f : Float.POSITIVE_INFINITY);
                }
                for (long q = e; q != end; q += 4) {
                    long xr = base(xc + xs * i32(q));
                    for (int t = 0; t < tile; t++) {
                        FloatVector v = load(xr + at(t, tile, last));
                        sum[t] = sum[t].add(v);
                        max[t] = V.max(max[t], v);
                        min[t] = V.min(min[t], v);
                    }
                }
                // Comparing drops NaN, but the sum tells that there may have been one: then the row is walked again for
                // it.
                for (int t = 0; t < tile; t++) {
                    nan[t] = all(0f);
                }
                for (long q = end - 4 * count * Spmm.suspects(sum); q != end; q += 4) {
                    long xr = base(xc + xs * i32(q));
                    for (int t = 0; t < tile; t++) {
                        FloatVector v = load(xr + at(t, tile, last));
                        nan[t] = nan[t].blend(v, Spmm.isNan(v));
                    }
                }
                for (int t = 0; t < tile; t++) {
                    long o = scratch + (long) t * BYTES;
                    store(max[t].blend(nan[t], Spmm.isNan(nan[t])), o + MAX * span);
                    store(min[t].blend(nan[t], Spmm.isNan(nan[t])), o + MIN * span);
                    store(sum[t], o + SUM * span);
                    sum[t] = sum[t].div(degree);
                    store(sum[t], o + MEAN * span);
                    max[t] = all(0f);
                }
                if (std) {
                    for (long q = e; q != end; q += 4) {
                        long xr = base(xc + xs * i32(q));
                        for (int t = 0; t < tile; t++) {
                            FloatVector d = load(xr + at(t, tile, last)).sub(sum[t]);
                            max[t] = d.fma(d, max[t]);
                        }
                    }
                    for (int t = 0; t < tile; t++) {
                        store(deviation(max[t].div(degree)), scratch + (long) t * BYTES + STD * span);
                    }
                }
                long out = yr;
                for (long s = factor, sEnd = factor + 4 * scalers; s != sEnd; s += 4) {
                    FloatVector f = splat(s);
                    for (long k = list, kEnd = list + 8 * kinds; k != kEnd; k += 8, out += 4 * columns) {
                        long from = scratch + span * i64(k);
                        for (int t = 0; t < tile; t++) {
                            store(load(from + (long) t * BYTES).mul(f), out + start + at(t, tile, last));
                        }
                    }
                }
            }
        }
    }

    @Override
    @Kernel
    public void squares(
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long x,
            long xs,
            long sum,
            float degree,
            long out,
            long os,
            long columns,
            long row,
            long rowEnd) {
        FloatVector[] mean = new FloatVector[tile];
        FloatVector[] acc = new FloatVector[tile];
        long outRow = out + os * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, outRow += os) {
            long e = indices + 4 * i64(p);
            long end = indices + 4 * i64(p + 8);
            for (long c = 0; c < 4 * columns; c += (long) tile * BYTES) {
                long start = tile == 1 ? Math.min(c, 4 * columns - BYTES) : c;
                long last = Math.min(c + (long) (tile - 1) * BYTES, 4 * columns - BYTES) - start;
                long xc = x + start;
                for (int t = 0; t < tile; t++) {
                    mean[t] = load(sum + start + at(t, tile, last)).div(all(degree));
                    acc[t] = all(0f);
                }
                for (long q = e; q != end; q += 4) {
                    long xr = base(xc + xs * i32(q));
                    for (int t = 0; t < tile; t++) {
                        FloatVector d = load(xr + at(t, tile, last)).sub(mean[t]);
                        acc[t] = d.fma(d, acc[t]);
                    }
                }
                for (int t = 0; t < tile; t++) {
                    store(acc[t], outRow + start + at(t, tile, last));
                }
            }
        }
    }

    @Override
    @Kernel
    public void finish(
            long folded,
            float degree,
            long list,
            long kinds,
            long factor,
            long scalers,
            long y,
            long columns,
            long scratch) {
        for (long c = 0; c < 4 * columns; c += BYTES) {
            long o = Math.min(c, 4 * columns - BYTES);
            FloatVector sum = load(folded + FOLDED_SUM * columns + o);
            store(sum, scratch + (long) SUM * BYTES);
            store(sum.div(all(degree)), scratch + (long) MEAN * BYTES);
            store(load(folded + FOLDED_MAX * columns + o), scratch + (long) MAX * BYTES);
            store(load(folded + FOLDED_MIN * columns + o), scratch + (long) MIN * BYTES);
            FloatVector variance = load(folded + FOLDED_SQUARES * columns + o).div(all(degree));
            store(deviation(variance), scratch + (long) STD * BYTES);
            long out = y + o;
            for (long s = factor, sEnd = factor + 4 * scalers; s != sEnd; s += 4) {
                FloatVector f = splat(s);
                for (long k = list, kEnd = list + 8 * kinds; k != kEnd; k += 8, out += 4 * columns) {
                    store(load(scratch + BYTES * i64(k)).mul(f), out);
                }
            }
        }
    }

    @Override
    @Kernel
    public void collect(
            long gy,
            long gys,
            long step,
            long factors,
            long scalers,
            long g,
            long gs,
            long columns,
            long row,
            long rowEnd) {
        for (long r = row; r != rowEnd; r++) {
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = Math.min(c, 4 * columns - BYTES);
                FloatVector sum = all(0f);
                long from = gy + gys * r + o;
                for (long s = factors + 4 * scalers * r, end = s + 4 * scalers; s != end; s += 4, from += step) {
                    sum = load(from).fma(splat(s), sum);
                }
                store(sum, g + gs * r + o);
            }
        }
    }

    @Override
    @Kernel
    public void deviations(
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long mean,
            long scale,
            long columns,
            long row,
            long rowEnd) {
        for (long r = row; r != rowEnd; r++) {
            long first = i64(indptr + 8 * r);
            long count = i64(indptr + 8 * r + 8) - first;
            long e = indices + 4 * first;
            long end = e + 4 * count;
            FloatVector degree = all((float) Math.max(count, 1));
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = Math.min(c, 4 * columns - BYTES);
                FloatVector sum = all(0f);
                for (long q = e; q != end; q += 4) {
                    sum = sum.add(load(x + xs * i32(q) + o));
                }
                FloatVector m = sum.div(degree);
                FloatVector squares = all(0f);
                for (long q = e; q != end; q += 4) {
                    FloatVector d = load(x + xs * i32(q) + o).sub(m);
                    squares = d.fma(d, squares);
                }
                FloatVector variance = squares.div(degree);
                FloatVector f = load(g + gs * r + o).div(variance.sqrt().mul(degree));
                store(m, mean + gs * r + o);
                store(f.blend(0f, variance.compare(LE, LEAST_VARIANCE)), scale + gs * r + o);
            }
        }
    }

    @Override
    @Kernel
    public void stdGrad(
            long tptr,
            long tindices,
            long x,
            long xs,
            long mean,
            long scale,
            long ms,
            long gx,
            long gxs,
            long columns,
            long row,
            long rowEnd) {
        for (long r = row; r != rowEnd; r++) {
            long e = tindices + 4 * i64(tptr + 8 * r);
            long end = tindices + 4 * i64(tptr + 8 * r + 8);
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = Math.min(c, 4 * columns - BYTES);
                FloatVector v = load(x + xs * r + o);
                FloatVector sum = all(0f);
                for (long q = e; q != end; q += 4) {
                    long i = ms * i32(q) + o;
                    sum = v.sub(load(mean + i)).fma(load(scale + i), sum);
                }
                store(sum, gx + gxs * r + o);
            }
        }
    }

    @Inline
    private static FloatVector deviation(FloatVector variance) {
        return variance.sqrt().blend(0f, variance.compare(LE, LEAST_VARIANCE));
    }
}
