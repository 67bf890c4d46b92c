package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Spmm.at;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static jdk.incubator.vector.VectorOperators.LSHL;

import dev.heddle.kernel.HalfSpmmKernels;
import dev.heddle.kernel.LinearKernels.Storage;
import dev.heddle.kernel.SpmmKernels.Message;
import dev.heddle.kernel.SpmmKernels.Reduce;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Gather-reduce of features in a half type. An int holds two neighbours, the first in its low half; the two become floats by a shift
 * and a mask (and, for F16, some arithmetic), and are summed in registers of their own. Only a finished row is put in order.
 */
public final class HalfSpmm implements HalfSpmmKernels {
    private static final int ODD = 64;

    @Override
    @Kernel
    public void rows(
            @Const boolean bfloat,
            @Const boolean weighted,
            @Const boolean mean,
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
            long scratch,
            long row,
            long rowEnd) {
        Storage storage = bfloat ? Storage.BF16 : Storage.F16;
        Message message = weighted ? Message.MUL : Message.COPY;
        Reduce reduce = mean ? Reduce.MEAN : Reduce.SUM;
        FloatVector[] even = new FloatVector[tile];
        FloatVector[] odd = new FloatVector[tile];
        long yr = y + ys * row;
        long p = indptr + 8 * row;
        long e = indices + 4 * i64(p);
        long we = w + ws * i64(p);
        for (long pEnd = indptr + 8 * rowEnd; p != pEnd; yr += ys) {
            p += 8;
            long count = i64(p) - i64(p - 8);
            for (int t = 0; t < tile; t++) {
                even[t] = all(0f);
                odd[t] = all(0f);
            }
            for (long end = e + 4 * count; e != end; e += 4, we += ws) {
                long xr = base(x + xs * i32(e));
                FloatVector weight = Spmm.weight(message, false, we);
                for (int t = 0; t < tile; t++) {
                    IntVector pairs = loadInts(xr + at(t, tile, last));
                    FloatVector first = Linear.half(storage, pairs.lanewise(LSHL, 16));
                    FloatVector second = Linear.half(storage, pairs.and(0xFFFF_0000));
                    even[t] = Spmm.sum(message, even[t], first, weight);
                    odd[t] = Spmm.sum(message, odd[t], second, weight);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(Spmm.finish(reduce, even[t], count), scratch);
                store(Spmm.finish(reduce, odd[t], count), scratch + ODD);
                long out = base(yr + 2 * at(t, tile, last));
                interleave(scratch, out);
            }
        }
    }

    @Inline
    private static void interleave(long scratch, long out) {
        long to = out;
        for (long q = scratch, end = q + BYTES; q != end; q += 4, to += 8) {
            ALL.set(F32, to, f32(q));
            ALL.set(F32, to + 4, f32(q + ODD));
        }
    }
}
