package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;
import static jdk.incubator.vector.VectorOperators.NE;

import dev.heddle.kernel.MatmulKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Register tiles of a matrix product, lanes = columns of C. */
public final class Matmul implements MatmulKernels {
    /**
     * Vectors in a row of a tile. Six rows of four take 24 accumulators, 4 vectors of B and one of A of 32 registers; six
     * rows of two take 15 of the 16 that AVX2 has. One lane is a scalar, of which any machine holds 16.
     */
    @Inline
    static int vectors() {
        return LANES == 8 || LANES == 1 ? 2 : 4;
    }

    @Override
    public int columns() {
        return vectors() * LANES;
    }

    @Override
    @Kernel
    public void tile(
            @Const({1, 2, 4, 6}) int rows,
            long a,
            long as,
            long ak,
            long b,
            long bk,
            long depth,
            long scale,
            long from,
            long fs,
            long c,
            long cs) {
        FloatVector[] acc = new FloatVector[rows * vectors()];
        FloatVector[] bs = new FloatVector[vectors()];
        long[] ai = new long[rows];
        for (int i = 0; i < rows; i++) {
            ai[i] = a + i * as;
            for (int j = 0; j < vectors(); j++) {
                acc[i * vectors() + j] = all(0f);
            }
        }
        for (long end = b + depth * bk; b != end; b += bk) {
            for (int j = 0; j < vectors(); j++) {
                bs[j] = load(b + (long) j * BYTES);
            }
            for (int i = 0; i < rows; i++) {
                FloatVector s = splat(ai[i]);
                ai[i] += ak;
                for (int j = 0; j < vectors(); j++) {
                    acc[i * vectors() + j] = s.fma(bs[j], acc[i * vectors() + j]);
                }
            }
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < vectors(); j++) {
                long o = (long) j * BYTES;
                store(acc[i * vectors() + j].fma(load(scale + o), load(from + i * fs + o)), c + i * cs + o);
            }
        }
    }

    @Override
    @Kernel
    public void pack(long b, long bk, long depth, long columns, long out, long width, long panel) {
        long whole = columns - columns % width;
        for (long end = b + bk * depth; b != end; b += bk, out += 4 * width) {
            long to = out;
            for (long from = b, wholeEnd = b + 4 * whole; from != wholeEnd; to += panel) {
                for (long groupEnd = from + 4 * width, o = to; from != groupEnd; from += BYTES, o += BYTES) {
                    store(load(from), o);
                }
            }
            if (whole != columns) {
                copyRow(b + 4 * whole, to, columns - whole);
                fillRow(0f, to + 4 * (columns - whole), width - (columns - whole));
            }
        }
    }

    /** Squares of lanes by lanes elements go through registers; what is left at the edges one by one. */
    @Override
    @Kernel
    public void transpose(long from, long fs, long to, long ts, long columns, long length) {
        long squares = LANES == 1 ? 0 : length - length % LANES;
        long whole = LANES == 1 ? 0 : columns - columns % LANES;
        for (long n = 0; n != whole; n += LANES) {
            for (long k = 0; k != squares; k += LANES) {
                square(from + fs * n + 4 * k, fs, to + ts * k + 4 * n, ts);
            }
        }
        single(from, fs, to, ts, whole, squares, length);
        single(from + fs * whole, fs, to + 4 * whole, ts, columns - whole, 0, length);
    }

    /**
     * Transposes a square: in step s the lanes with bit s of row i change places with the lanes without it of row i + s.
     */
    @Inline
    private static void square(long from, long fs, long to, long ts) {
        IntVector[] rows = new IntVector[LANES];
        for (int i = 0; i < LANES; i++) {
            rows[i] = loadInts(from + i * fs);
        }
        IntVector lane = V.lane();
        for (int s = LANES / 2; s >= 1; s /= 2) {
            IntVector upper = lane.blend(lane.add(LANES - s), lane.and(s).compare(NE, 0));
            IntVector lower = lane.add(s).blend(lane.add(LANES), lane.and(s).compare(NE, 0));
            for (int i = 0; i < LANES; i++) {
                if ((i & s) == 0) {
                    IntVector a = rows[i];
                    IntVector b = rows[i + s];
                    rows[i] = upper.selectFrom(a, b);
                    rows[i + s] = lower.selectFrom(a, b);
                }
            }
        }
        for (int i = 0; i < LANES; i++) {
            store(rows[i], to + i * ts);
        }
    }

    /** Elements {@code first} to {@code length - 1} of some columns, one by one. */
    @Inline
    private static void single(long from, long fs, long to, long ts, long columns, long first, long length) {
        for (long n = 0; n != columns; n++, from += fs, to += 4) {
            long o = to + ts * first;
            for (long p = from + 4 * first, end = from + 4 * length; p != end; p += 4, o += ts) {
                ALL.set(I32, o, ALL.get(I32, p));
            }
        }
    }

    @Override
    @Kernel
    public void copy(long from, long fs, long to, long ts, long rows, long columns) {
        for (long r = 0; r != rows; r++, from += fs, to += ts) {
            copyRow(from, to, columns);
        }
    }

    @Override
    @Kernel
    public void fill(float value, long to, long ts, long rows, long columns) {
        for (long r = 0; r != rows; r++, to += ts) {
            fillRow(value, to, columns);
        }
    }

    @Inline
    private static void copyRow(long from, long to, long columns) {
        long whole = from + 4 * (columns - columns % LANES);
        long end = from + 4 * columns;
        for (; from != whole; from += BYTES, to += BYTES) {
            store(load(from), to);
        }
        for (; from != end; from += 4, to += 4) {
            ALL.set(I32, to, ALL.get(I32, from));
        }
    }

    @Inline
    private static void fillRow(float value, long to, long columns) {
        long whole = to + 4 * (columns - columns % LANES);
        long end = to + 4 * columns;
        for (; to != whole; to += BYTES) {
            store(all(value), to);
        }
        for (; to != end; to += 4) {
            ALL.set(F32, to, value);
        }
    }
}
