package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;

/**
 * Sums along the features of one edge. Feature f goes to partial sum f mod 16, and the 16 are folded in halves (i + 8, i +
 * 4, i + 2, i + 1), so the order is the same at every width. Rows of an edge are short: 64 partial sums, as other reductions
 * have, would mostly fold zeros.
 */
@Inline
final class EdgeDot {
    private EdgeDot() {}

    static final int WIDTH = 16;

    /** Bytes of one block of features. */
    static final int SPAN = 4 * WIDTH;

    /** Scratch: the fold's lanes, then a zero-padded last block for each of three rows. */
    static final int PAD_A = SPAN;

    static final int PAD_B = 2 * SPAN;
    static final int PAD_ARG = 3 * SPAN;

    /** After these: the partial sums of a block of edges, and their degrees. */
    static final int ROWS = 4 * SPAN;

    /** Edges whose partial sums are folded together. */
    static final int BLOCK = 32;

    static final int DEGREES = ROWS + (BLOCK + 1) * SPAN;

    /** Bytes of the whole blocks of a row. */
    static long whole(long columns) {
        return 4 * (columns - columns % WIDTH);
    }

    /** Bytes of the padded block that follows them, if any. */
    static long rest(long columns) {
        return columns % WIDTH == 0 ? 0 : SPAN;
    }

    /** Copies the last features of a row into a padded block; what is beyond them there stays as it is. */
    static void pad(long row, long from, long columns, long to) {
        for (long a = row + from, end = row + 4 * columns; a != end; a += 4, to += 4) {
            ALL.set(I32, to, ALL.get(I32, a));
        }
    }

    static void zero(FloatVector[] acc) {
        for (int i = 0; i < acc.length; i++) {
            acc[i] = all(0f);
        }
    }

    /** The sum of the partial sums. */
    static float fold(FloatVector[] acc, long scratch) {
        for (int h = acc.length / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                acc[i] = acc[i].add(acc[i + h]);
            }
        }
        store(acc[0], scratch);
        float[] s = new float[LANES];
        for (int i = 0; i < LANES; i++) {
            s[i] = f32(scratch + 4L * i);
        }
        for (int h = LANES / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                s[i] = s[i] + s[i + h];
            }
        }
        return s[0];
    }

    /** Leaves an edge's partial sums for {@link #foldRows}: in one vector, folded as far as that takes. */
    static void keep(FloatVector[] acc, long to) {
        for (int h = acc.length / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                acc[i] = acc[i].add(acc[i + h]);
            }
        }
        store(acc[0], to);
    }

    /**
     * Folds the partial sums of several edges, a vector each, from {@code rows} to {@code end}: adding to each lane the one so
     * many further needs no shuffle where a vector is read from there. Lanes beyond the sums are left with anything. The
     * sums are {@link #folded} bytes apart then.
     */
    static void foldRows(long rows, long end) {
        long stop = end;
        if (LANES > 8) { // halves go in pairs from here on
            long to = rows;
            for (long a = rows; a != end; a += BYTES, to += BYTES / 2) {
                long r = base(a);
                store(load(r).add(load(r + BYTES / 2)), to);
            }
            stop = to + ((to - rows) & (BYTES / 2));
        }
        if (LANES > 4) {
            fold(rows, stop, 4);
        }
        if (LANES > 1) {
            fold(rows, stop, 2);
            fold(rows, stop, 1);
        }
    }

    private static void fold(long rows, long end, int by) {
        for (long a = rows; a != end; a += BYTES) {
            long r = base(a);
            store(load(r).add(load(r + 4L * by)), r);
        }
    }

    /** Bytes from one edge's folded sum to the next one's. */
    static long folded() {
        return LANES > 8 ? BYTES / 2 : BYTES;
    }

    /** Adds the products of two rows to the partial sums, up to {@code whole} bytes. */
    static void wholeProducts(FloatVector[] acc, long a, long b, long whole) {
        long o = 0;
        if (LANES > 1) { // four blocks at a time; one lane's code would be too long
            for (long end = whole & -4L * SPAN; o != end; o += 4 * SPAN) {
                long x = base(a + o);
                long y = base(b + o);
                for (int i = 0; i < 4; i++) {
                    products(acc, x + (long) i * SPAN, y + (long) i * SPAN);
                }
            }
        }
        for (; o != whole; o += SPAN) {
            products(acc, a + o, b + o);
        }
    }

    /** Adds one block of products to the partial sums. */
    static void products(FloatVector[] acc, long a, long b) {
        for (int i = 0; i < acc.length; i++) {
            acc[i] = load(a + (long) i * BYTES).fma(load(b + (long) i * BYTES), acc[i]);
        }
    }

    /** Adds one block of a row to the partial sums. */
    static void terms(FloatVector[] acc, long a) {
        for (int i = 0; i < acc.length; i++) {
            acc[i] = acc[i].add(load(a + (long) i * BYTES));
        }
    }

    static void put(long a, float v) {
        ALL.set(F32, base(a), v);
    }
}
