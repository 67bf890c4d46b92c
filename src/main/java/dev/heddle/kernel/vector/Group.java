package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.SpmmGrad.degree;
import static dev.heddle.kernel.vector.SpmmGrad.taken;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.GroupKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Rows by number. The last vector of a row overlaps the one before where the columns do not fill it. */
public final class Group implements GroupKernels {
    @Override
    @Kernel
    public void gather(
            @Const boolean mean,
            long index,
            long indptr,
            long x,
            long xs,
            long y,
            long ys,
            long columns,
            long row,
            long rowEnd) {
        long yr = y + ys * row;
        for (long e = index + 4 * row, end = index + 4 * rowEnd; e != end; e += 4, yr += ys) {
            long j = i32(e);
            long xr = x + xs * j;
            FloatVector count = mean ? all(degree(indptr + 8 * j)) : all(1f);
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = at(c, columns);
                FloatVector v = load(xr + o);
                store(mean ? v.div(count) : v, yr + o);
            }
        }
    }

    @Override
    @Kernel
    public void gatherTaken(
            long index, long x, long arg, long xs, long y, long ys, long columns, long row, long rowEnd) {
        long yr = y + ys * row;
        int position = (int) row;
        for (long e = index + 4 * row, end = index + 4 * rowEnd; e != end; e += 4, yr += ys, position++) {
            long r = xs * i32(e);
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = at(c, columns);
                store(taken(load(x + r + o), loadInts(arg + r + o), position), yr + o);
            }
        }
    }

    @Override
    @Kernel
    public void product(
            long indptr, long indices, long x, long xs, long y, long ys, long columns, long row, long rowEnd) {
        long yr = y + ys * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, yr += ys) {
            long first = indices + 4 * i64(p);
            long end = indices + 4 * i64(p + 8);
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = at(c, columns);
                FloatVector acc = all(1f);
                for (long e = first; e != end; e += 4) {
                    acc = acc.mul(load(x + xs * i32(e) + o));
                }
                store(acc, yr + o);
            }
        }
    }

    @Override
    @Kernel
    public void productGrad(
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gx,
            long gxs,
            long columns,
            long row,
            long rowEnd) {
        long gr = g + gs * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, gr += gs) {
            long first = indices + 4 * i64(p);
            long end = indices + 4 * i64(p + 8);
            for (long c = 0; c < 4 * columns; c += BYTES) {
                long o = at(c, columns);
                // forwards the product of what comes before, then backwards times that of what comes after
                FloatVector before = load(gr + o);
                for (long e = first; e != end; e += 4) {
                    long j = i32(e);
                    store(before, gx + gxs * j + o);
                    before = before.mul(load(x + xs * j + o));
                }
                FloatVector after = all(1f);
                for (long e = end; e != first; ) {
                    e -= 4;
                    long j = i32(e);
                    long out = gx + gxs * j + o;
                    store(load(out).mul(after), out);
                    after = after.mul(load(x + xs * j + o));
                }
            }
        }
    }

    @Override
    @Kernel
    public void productFold(long part, long ps, long parts, long y, long columns) {
        for (long c = 0; c < 4 * columns; c += BYTES) {
            long o = at(c, columns);
            FloatVector acc = all(1f);
            for (long p = part + o, end = p + ps * parts; p != end; p += ps) {
                acc = acc.mul(load(p));
            }
            store(acc, y + o);
        }
    }

    @Override
    @Kernel
    public void lookUp(long indices, long arg, long args, long columns, long row, long rowEnd) {
        for (long r = arg + args * row, rEnd = arg + args * rowEnd; r != rEnd; r += args) {
            for (long a = r, end = r + 4 * columns; a != end; a += 4) {
                int position = i32(a);
                ALL.set(I32, a, position < 0 ? -1 : i32(indices + 4L * position));
            }
        }
    }

    /** Where a vector starts: at its place, or a little before if it is the last. */
    @Inline
    static long at(long c, long columns) {
        return Math.min(c, 4 * columns - BYTES);
    }
}
