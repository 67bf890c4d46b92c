package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.SpmmKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Gather-reduce over CSR rows. A tile of a row stays in registers while the row's edges pass once; wider rows take several
 * passes. The edge loop has no branch, and an empty row takes the same path as any other.
 */
public final class Spmm implements SpmmKernels {
    /** Those of the largest float; an infinity has one more, and a NaN more than that. */
    private static final int FLOAT_MAX_BITS = 0x7f7fffff;

    @Override
    @Kernel
    public void rows(
            @Const Message message,
            @Const Reduce reduce,
            @Const(
                            value = {1, 2, 3, 4, 5, 6, 7, 8},
                            oneLane = {1, 8})
                    int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd) {
        reduce(message, false, reduce, tile, indptr, indices, w, ws, x, xs, y, ys, last, row, rowEnd);
    }

    @Override
    @Kernel
    public void fullRows(
            @Const FullMessage message,
            @Const Reduce reduce,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd) {
        reduce(broadcast(message), true, reduce, tile, indptr, indices, w, ws, x, xs, y, ys, last, row, rowEnd);
    }

    @Inline
    static void reduce(
            Message message,
            boolean full,
            Reduce reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        FloatVector[] sum = new FloatVector[isExtremum(reduce) ? tile : 0];
        long yr = y + ys * row;
        long p = indptr + 8 * row;
        long e = indices + 4 * i64(p);
        long we = w + ws * i64(p);
        for (long pEnd = indptr + 8 * rowEnd; p != pEnd; yr += ys) {
            p += 8;
            long end = e + 4 * (i64(p) - i64(p - 8)); // relative: the loop has no register for indices
            for (int t = 0; t < tile; t++) {
                acc[t] = all(start(reduce, e == end));
            }
            for (int t = 0; t < sum.length; t++) {
                sum[t] = all(0f);
            }
            for (; e != end; e += 4, we += ws) {
                long xr = base(x + xs * i32(e));
                FloatVector weight = weight(message, full, we);
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    FloatVector v = load(xr + o);
                    FloatVector u = full ? load(we + o) : weight;
                    if (isExtremum(reduce)) {
                        FloatVector m = message(message, v, u);
                        sum[t] = sum[t].add(m);
                        acc[t] = acc[t].blend(m, beyond(reduce, m, acc[t]));
                    } else {
                        acc[t] = sum(message, acc[t], v, u);
                    }
                }
            }
            long count = i64(p) - i64(p - 8); // read again, for the same reason
            if (isExtremum(reduce)) {
                // Comparing drops NaN. The plain sum tells cheaply that there may have been one, and is seldom wrong:
                // only where infinities cancel. Then the row is walked again, for its NaN alone.
                long again = count * suspects(sum);
                for (int t = 0; t < tile; t++) {
                    sum[t] = all(0f);
                }
                we -= ws * again;
                for (long r = e - 4 * again; r != e; r += 4, we += ws) {
                    long xr = base(x + xs * i32(r));
                    FloatVector weight = weight(message, full, we);
                    for (int t = 0; t < tile; t++) {
                        long o = at(t, tile, last);
                        FloatVector m = message(message, load(xr + o), full ? load(we + o) : weight);
                        sum[t] = sum[t].blend(m, isNan(m));
                    }
                }
                for (int t = 0; t < tile; t++) {
                    acc[t] = acc[t].blend(sum[t], isNan(sum[t]));
                }
            }
            for (int t = 0; t < tile; t++) {
                store(finish(reduce, acc[t], count), yr + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void finiteRows(
            @Const Message message,
            @Const Extremum reduce,
            @Const(
                            value = {1, 2, 3, 4, 5, 6, 7, 8},
                            oneLane = {1, 8})
                    int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd) {
        IntVector[] most = new IntVector[tile];
        IntVector[] least = new IntVector[tile];
        long yr = y + ys * row;
        long p = indptr + 8 * row;
        long e = indices + 4 * i64(p);
        long we = w + ws * i64(p);
        for (long pEnd = indptr + 8 * rowEnd; p != pEnd; yr += ys) {
            p += 8;
            long end = e + 4 * (i64(p) - i64(p - 8)); // relative: the loop has no register for indices
            for (int t = 0; t < tile; t++) {
                most[t] = all(e == end ? 0 : Integer.MIN_VALUE);
                least[t] = all(Integer.MAX_VALUE);
            }
            for (; e != end; e += 4, we += ws) {
                long xr = base(x + xs * i32(e));
                FloatVector weight = signed(reduce, weight(message, false, we));
                for (int t = 0; t < tile; t++) {
                    most[t] = bits(message, reduce, load(xr + at(t, tile, last)), weight)
                            .max(most[t]);
                }
            }
            // As integers, floats that are not negative are in order, and beyond all negative ones; these are in the
            // opposite order. A row with a column of nothing but negative messages, now in the cache, is walked again.
            long again = (i64(p) - i64(p - 8)) * anyNegative(most);
            we -= ws * again;
            for (long r = e - 4 * again; r != e; r += 4, we += ws) {
                long xr = base(x + xs * i32(r));
                FloatVector weight = signed(reduce, weight(message, false, we));
                for (int t = 0; t < tile; t++) {
                    least[t] = bits(message, reduce, load(xr + at(t, tile, last)), weight)
                            .min(least[t]);
                }
            }
            for (int t = 0; t < tile; t++) {
                IntVector best = most[t].blend(least[t], isNegative(most[t]));
                FloatVector v = best.reinterpretAsFloats();
                store(reduce == Extremum.MIN ? all(0f).sub(v) : v, yr + at(t, tile, last));
            }
        }
    }

    /** The bits of a message, or of its opposite if the minimum is wanted. */
    @Inline
    static IntVector bits(Message message, Extremum reduce, FloatVector x, FloatVector signedW) {
        FloatVector m = message == Message.ADD && reduce == Extremum.MIN
                ? signedW.sub(x)
                : message == Message.COPY && reduce == Extremum.MIN ? x.mul(signedW) : message(message, x, signedW);
        return m.reinterpretAsInts();
    }

    @Inline
    static FloatVector signed(Extremum reduce, FloatVector w) {
        return reduce == Extremum.MIN ? w.mul(all(-1f)) : w;
    }

    @Inline
    static VectorMask<Integer> isNegative(IntVector v) {
        return v.compare(VectorOperators.LT, 0);
    }

    /** 1 if any lane is negative, else 0. */
    @Inline
    static int anyNegative(IntVector[] v) {
        IntVector signs = v[0];
        for (int t = 1; t < v.length; t++) {
            signs = signs.or(v[t]);
        }
        return isNegative(signs).anyTrue() ? 1 : 0;
    }

    @Override
    @Kernel
    public void findInfinite(long x, long elements, long found) {
        IntVector most = all(0);
        long last = x + 4 * elements - BYTES;
        for (long a = x, end = x + 4 * elements; a < end; a += BYTES) {
            most = V.loadInts(Math.min(a, last)).and(all(Integer.MAX_VALUE)).max(most);
        }
        if (most.compare(VectorOperators.GT, FLOAT_MAX_BITS).anyTrue()) {
            ALL.set(I32, found, 1);
        }
    }

    @Override
    @Kernel
    public void argRows(
            @Const Message message,
            @Const Extremum reduce,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long arg,
            long ys,
            long last,
            long row,
            long rowEnd) {
        extremum(message, false, plain(reduce), tile, indptr, indices, w, ws, x, xs, y, arg, ys, last, row, rowEnd);
    }

    @Override
    @Kernel
    public void fullArgRows(
            @Const FullMessage message,
            @Const Extremum reduce,
            @Const(
                            value = {1, 2},
                            oneLane = {1})
                    int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long arg,
            long ys,
            long last,
            long row,
            long rowEnd) {
        extremum(
                broadcast(message),
                true,
                plain(reduce),
                tile,
                indptr,
                indices,
                w,
                ws,
                x,
                xs,
                y,
                arg,
                ys,
                last,
                row,
                rowEnd);
    }

    @Inline
    static void extremum(
            Message message,
            boolean full,
            Reduce reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long arg,
            long ys,
            long last,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        IntVector[] pos = new IntVector[tile];
        long yr = ys * row;
        long p = indptr + 8 * row;
        int edge = (int) i64(p);
        long e = indices + 4 * i64(p);
        long we = w + ws * i64(p);
        for (long pEnd = indptr + 8 * rowEnd; p != pEnd; yr += ys) {
            p += 8;
            long end = e + 4 * (i64(p) - i64(p - 8)); // relative: the loop has no register for indices
            for (int t = 0; t < tile; t++) {
                acc[t] = all(start(reduce, e == end));
                pos[t] = all(e == end ? -1 : edge);
            }
            for (; e != end; e += 4, we += ws, edge++) {
                long xr = base(x + xs * i32(e));
                FloatVector weight = weight(message, full, we);
                for (int t = 0; t < tile; t++) {
                    long o = at(t, tile, last);
                    FloatVector m = message(message, load(xr + o), full ? load(we + o) : weight);
                    VectorMask<Float> better = better(reduce, m, acc[t]);
                    acc[t] = acc[t].blend(m, better);
                    pos[t] = V.blend(pos[t], all(edge), better);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], y + yr + at(t, tile, last));
                store(pos[t], arg + yr + at(t, tile, last));
            }
        }
    }

    @Override
    @Kernel
    public void fold(@Const Reduce reduce, long part, long ps, long parts, long edges, long y, long columns) {
        for (long c = 0; c < 4 * columns; c += BYTES) {
            long o = Math.min(c, 4 * columns - BYTES);
            long p = part + o;
            FloatVector acc = load(p);
            for (long end = p + ps * (parts - 1); p != end; ) {
                p += ps;
                FloatVector v = load(p);
                acc = isExtremum(reduce) ? acc.blend(v, better(reduce, v, acc)) : acc.add(v);
            }
            store(finish(reduce, acc, edges), y + o);
        }
    }

    @Override
    @Kernel
    public void argFold(
            @Const Extremum reduce, long part, long partArg, long ps, long parts, long y, long arg, long columns) {
        for (long c = 0; c < 4 * columns; c += BYTES) {
            long o = Math.min(c, 4 * columns - BYTES);
            long p = o;
            FloatVector acc = load(part + p);
            IntVector pos = loadInts(partArg + p);
            for (long end = p + ps * (parts - 1); p != end; ) {
                p += ps;
                FloatVector m = load(part + p);
                VectorMask<Float> better = better(plain(reduce), m, acc);
                acc = acc.blend(m, better);
                pos = V.blend(pos, loadInts(partArg + p), better);
            }
            store(acc, y + o);
            store(pos, arg + o);
        }
    }

    /** Where vector {@code t} of a tile starts: side by side, but for the last of several. */
    @Inline
    static long at(int t, int tile, long last) {
        return t > 0 && t == tile - 1 ? offset(last) : (long) t * BYTES;
    }

    @Inline
    static Message broadcast(FullMessage message) {
        return message == FullMessage.MUL ? Message.MUL : Message.ADD;
    }

    @Inline
    static Reduce plain(Extremum reduce) {
        return reduce == Extremum.MAX ? Reduce.MAX : Reduce.MIN;
    }

    /** Where a row starts: the neutral element, but 0 for a row without edges. */
    @Inline
    static float start(Reduce reduce, boolean empty) {
        if (reduce == Reduce.MAX) {
            return empty ? 0f : Float.NEGATIVE_INFINITY;
        }
        if (reduce == Reduce.MIN) {
            return empty ? 0f : Float.POSITIVE_INFINITY;
        }
        return 0f;
    }

    @Inline
    static FloatVector message(Message message, FloatVector x, FloatVector w) {
        return switch (message) {
            case COPY -> x;
            case MUL -> x.mul(w);
            case ADD -> x.add(w);
        };
    }

    @Inline
    static FloatVector sum(Message message, FloatVector acc, FloatVector x, FloatVector w) {
        return message == Message.MUL ? x.fma(w, acc) : acc.add(message(message, x, w));
    }

    @Inline
    static boolean isExtremum(Reduce reduce) {
        return reduce == Reduce.MAX || reduce == Reduce.MIN;
    }

    @Inline
    static VectorMask<Float> beyond(Reduce reduce, FloatVector m, FloatVector acc) {
        return reduce == Reduce.MAX ? m.compare(VectorOperators.GT, acc) : m.compare(VectorOperators.LT, acc);
    }

    /** A NaN message is better than anything, and nothing is better than it but another. */
    @Inline
    static VectorMask<Float> better(Reduce reduce, FloatVector m, FloatVector acc) {
        return beyond(reduce, m, acc).or(isNan(m));
    }

    @Inline
    static VectorMask<Float> isNan(FloatVector v) {
        return v.compare(VectorOperators.NE, v);
    }

    /** 1 if any lane of any sum is NaN, else 0. */
    @Inline
    static int suspects(FloatVector[] sum) {
        VectorMask<Float> nan = isNan(sum[0]);
        for (int t = 1; t < sum.length; t++) {
            nan = nan.or(isNan(sum[t]));
        }
        return nan.anyTrue() ? 1 : 0;
    }

    /** The weight that all features of an edge share. */
    @Inline
    static FloatVector weight(Message message, boolean full, long we) {
        return full || message == Message.COPY ? all(1f) : splat(we);
    }

    /** The mean divides by the degree; an empty row by 1. */
    @Inline
    static FloatVector finish(Reduce reduce, FloatVector acc, long count) {
        return reduce == Reduce.MEAN ? acc.div(all((float) Math.max(count, 1))) : acc;
    }
}
