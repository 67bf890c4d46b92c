package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.kernel.LinearKernels;
import dev.heddle.kernel.SpikeKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Spikes are walked once, into lists; sums stay in registers while a list is read. */
public final class Spike implements SpikeKernels {
    private static final int SIXTEEN = 64;

    /** Rows of a matrix that {@link #stream} adds at a time. */
    private static final int ROWS = 4;

    @Override
    @Kernel
    public void lists(long bits, long bs, long k, long depth, long list, long listRow, long listBlock, long rows) {
        long span = Math.min(depth, 64);
        long mask = -1L >>> (64 - span);
        for (long end = bits + bs * rows; bits != end; bits += bs, list += listRow) {
            long l = list;
            for (long first = 0; first < k; first += depth, l += listBlock) {
                long to = l + 8;
                for (long at = first, last = Math.min(k, first + depth); at < last; at += span) {
                    for (long word = i64(bits + at / 64 * 8) >>> at & mask; word != 0; word &= word - 1) {
                        ALL.set(I32, to, (int) at + Long.numberOfTrailingZeros(word));
                        to += 4;
                    }
                }
                ALL.set(I64, l, to);
            }
        }
    }

    @Override
    @Kernel
    public void add(
            @Const(
                            value = {1, 4, 8},
                            oneLane = {1, 8})
                    int tile,
            long list,
            long listRow,
            long listBlock,
            long blocks,
            long w,
            long ws,
            long start,
            long y,
            long ys,
            long rows,
            long columns) {
        FloatVector[] total = new FloatVector[tile];
        FloatVector[] acc = new FloatVector[tile];
        for (long o = 0; o != 4 * columns; o += (long) tile * BYTES) {
            long yt = y + o;
            long lr = list;
            for (long end = yt + ys * rows; yt != end; yt += ys, lr += listRow) {
                for (int t = 0; t < tile; t++) {
                    total[t] = load(start + o + (long) t * BYTES);
                }
                for (long l = lr, last = l + listBlock * blocks; l != last; l += listBlock) {
                    for (int t = 0; t < tile; t++) {
                        acc[t] = all(0f);
                    }
                    for (long e = l + 8, listEnd = i64(l); e != listEnd; e += 4) {
                        long row = base(w + o + ws * i32(e));
                        for (int t = 0; t < tile; t++) {
                            acc[t] = acc[t].add(load(row + (long) t * BYTES));
                        }
                    }
                    for (int t = 0; t < tile; t++) {
                        total[t] = total[t].add(acc[t]);
                    }
                }
                for (int t = 0; t < tile; t++) {
                    store(total[t], yt + (long) t * BYTES);
                }
            }
        }
    }

    @Override
    @Kernel
    public void stream(
            long list,
            long listBlock,
            long blocks,
            long w,
            long ws,
            long zeros,
            long start,
            long sum,
            long y,
            long columns) {
        long row = 4 * columns;
        long s = base(sum);
        long total = base(y);
        for (long i = 0; i != row; i += BYTES) {
            store(load(start + i), total + offset(i));
        }
        for (long last = list + listBlock * blocks; list != last; list += listBlock) {
            for (long i = 0; i != row; i += BYTES) {
                store(all(0f), s + offset(i));
            }
            long listEnd = i64(list);
            long groups = (listEnd - list - 8 + 4 * ROWS - 1) / (4 * ROWS);
            for (long e = list + 8, end = e + 4 * ROWS * groups; e != end; e += 4 * ROWS) {
                long r0 = row(e, listEnd, w, ws, zeros);
                long r1 = row(e + 4, listEnd, w, ws, zeros);
                long r2 = row(e + 8, listEnd, w, ws, zeros);
                long r3 = row(e + 12, listEnd, w, ws, zeros);
                for (long i = 0; i != row; i += BYTES) {
                    long o = offset(i);
                    FloatVector two = load(s + o).add(load(r0 + o)).add(load(r1 + o));
                    store(two.add(load(r2 + o)).add(load(r3 + o)), s + o);
                }
            }
            for (long i = 0; i != row; i += BYTES) {
                long o = offset(i);
                store(load(total + o).add(load(s + o)), total + o);
            }
        }
    }

    /** The row of a matrix that an entry of a list names; beyond the list's end that of zeros. Without a branch. */
    @Inline
    static long row(long e, long end, long w, long ws, long zeros) {
        long inside = (e - end) >> 63;
        return base(zeros + ((w + ws * i32(e) - zeros) & inside));
    }

    @Override
    @Kernel
    public void addPanel(
            @Const LinearKernels.Storage storage,
            long list,
            long listRow,
            long listBlock,
            long blocks,
            long w,
            long scale,
            long scaleBlock,
            long start,
            long y,
            long ys,
            long rows) {
        FloatVector[] total = new FloatVector[4];
        FloatVector[] acc = new FloatVector[4];
        FloatVector[] ws = new FloatVector[4];
        for (long at = start, sixteenth = start + SIXTEEN; at != sixteenth; at += BYTES) {
            long o = at - start;
            long yt = y + o;
            long lr = list;
            for (long end = yt + ys * rows; yt != end; yt += ys, lr += listRow) {
                for (int t = 0; t < 4; t++) {
                    total[t] = load(at + (long) t * SIXTEEN);
                }
                long factor = scale + o;
                for (long l = lr, last = l + listBlock * blocks; l != last; l += listBlock, factor += scaleBlock) {
                    for (int t = 0; t < 4; t++) {
                        acc[t] = all(0f);
                    }
                    for (long e = l + 8, listEnd = i64(l); e != listEnd; e += 4) {
                        Linear.widen(storage, w + o + Linear.rowBytes(storage) * i32(e), ws);
                        for (int t = 0; t < 4; t++) {
                            acc[t] = acc[t].add(ws[t]);
                        }
                    }
                    for (int t = 0; t < 4; t++) {
                        total[t] = acc[t].fma(load(factor + (long) t * SIXTEEN), total[t]);
                    }
                }
                for (int t = 0; t < 4; t++) {
                    store(total[t], yt + (long) t * SIXTEEN);
                }
            }
        }
    }

    @Override
    @Kernel
    public void probe(long w, long ws, long rows, long columns, long sum) {
        FloatVector acc = load(sum);
        for (long end = w + ws * rows; w != end; w += ws) {
            long row = base(w);
            for (long o = 0; o != 4 * columns; o += BYTES) {
                acc = load(row + offset(o)).fma(all(0f), acc);
            }
        }
        store(acc, sum);
    }
}
