package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
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
        ALL.set(F32, a, v);
    }
}
