package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.kernel.MatmulKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

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
                store(
                        load(from + i * fs + (long) j * BYTES).add(acc[i * vectors() + j]),
                        c + i * cs + (long) j * BYTES);
            }
        }
    }

    @Override
    @Kernel
    public void pack(long b, long bk, long depth, long columns, long out, long panel) {
        for (long end = b + bk * depth; b != end; b += bk, out += 4 * panel) {
            copyRow(b, out, columns);
            zero(out + 4 * columns, panel - columns);
        }
    }

    /** By blocks of 16 k, so that a cache line of each column is read once and the part of the panel stays near. */
    @Override
    @Kernel
    public void packTransposed(long b, long bn, long depth, long columns, long out, long panel) {
        for (long k = 0; k < depth; k += 16) {
            long rows = Math.min(16, depth - k);
            long from = b + 4 * k;
            long to = out + 4 * panel * k;
            for (long n = 0; n < columns; n++, from += bn, to += 4) {
                long o = to;
                for (long p = from, end = from + 4 * rows; p != end; p += 4, o += 4 * panel) {
                    ALL.set(I32, o, ALL.get(I32, p));
                }
            }
            for (long i = 0; i < rows; i++, to += 4 * panel) {
                zero(to, panel - columns);
            }
        }
    }

    @Override
    @Kernel
    public void copy(long from, long fs, long to, long ts, long rows, long columns) {
        for (long r = 0; r < rows; r++, from += fs, to += ts) {
            copyRow(from, to, columns);
        }
    }

    @Inline
    static void copyRow(long from, long to, long columns) {
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
    static void zero(long to, long count) {
        for (long end = to + 4 * count; to != end; to += 4) {
            ALL.set(I32, to, 0);
        }
    }
}
