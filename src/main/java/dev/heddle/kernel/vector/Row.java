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

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;

/**
 * Sums along the lanes, with the same bits at every width: a row is cut into blocks of 64, element c of a block goes to
 * partial sum c, and the 64 are folded in halves (i + 32, i + 16, ... i + 1). The elements after the last whole block are
 * copied into a block of their own that is padded.
 */
@Inline
final class Row {
    private Row() {}

    static final int WIDTH = 64;

    /** Bytes of a block. */
    static final int SPAN = 4 * WIDTH;

    /** Bytes of the whole blocks of a row. */
    static long whole(long columns) {
        return 4 * (columns - columns % WIDTH);
    }

    /** Bytes of the padded block: none if there is no rest. */
    static long padded(long columns) {
        return columns % WIDTH == 0 ? 0 : SPAN;
    }

    /** Copies the rest of a row into a block. */
    static void copyRest(long from, long columns, long to) {
        for (long end = from + 4 * (columns % WIDTH); from != end; from += 4, to += 4) {
            ALL.set(F32, to, f32(from));
        }
    }

    /** Copies a row, whole blocks and rest. */
    static void copy(long from, long columns, long to) {
        for (long end = from + whole(columns); from != end; from += BYTES, to += BYTES) {
            store(load(from), to);
        }
        copyRest(from, columns, to);
    }

    /** Sets what is beyond the rest. */
    static void pad(long block, long columns, float value) {
        for (long a = block + 4 * (columns % WIDTH), end = block + padded(columns); a != end; a += 4) {
            ALL.set(F32, a, value);
        }
    }

    /** How many registers hold the partial sums. One lane has none: its sums lie in memory, or its code would be too long. */
    static int registers() {
        return LANES == 1 ? 1 : WIDTH / LANES;
    }

    static void fill(FloatVector[] acc, float value) {
        for (int i = 0; i < acc.length; i++) {
            acc[i] = all(value);
        }
    }

    /** Begins a sum; {@code memory} takes a block. */
    static void start(FloatVector[] acc, long memory) {
        if (LANES == 1) {
            zero(memory);
        } else {
            fill(acc, 0f);
        }
    }

    static void zero(long block) {
        for (long end = block + SPAN; block != end; block += BYTES) {
            store(all(0f), block);
        }
    }

    /** Adds the blocks of a row to the partial sums. */
    static void sums(FloatVector[] acc, long memory, long a, long bytes) {
        if (LANES == 1) {
            long o = memory;
            for (long end = a + bytes; a != end; a += BYTES) {
                store(load(o).add(load(a)), o);
                o = next(o, memory);
            }
            return;
        }
        for (long end = a + bytes; a != end; a += SPAN) {
            long ar = base(a);
            for (int i = 0; i < acc.length; i++) {
                acc[i] = load(ar + (long) i * BYTES).add(acc[i]);
            }
        }
    }

    /** Adds the products of two rows' blocks to the partial sums. */
    static void products(FloatVector[] acc, long memory, long a, long b, long bytes) {
        if (LANES == 1) {
            long o = memory;
            for (long end = a + bytes; a != end; a += BYTES, b += BYTES) {
                store(load(a).fma(load(b), load(o)), o);
                o = next(o, memory);
            }
            return;
        }
        for (long end = a + bytes; a != end; a += SPAN, b += SPAN) {
            long ar = base(a);
            long br = base(b);
            for (int i = 0; i < acc.length; i++) {
                acc[i] = load(ar + (long) i * BYTES).fma(load(br + (long) i * BYTES), acc[i]);
            }
        }
    }

    /** Adds a row's distances from {@code c} to the partial sums. */
    static void distances(FloatVector[] acc, long memory, long a, FloatVector c, long bytes) {
        if (LANES == 1) {
            long o = memory;
            for (long end = a + bytes; a != end; a += BYTES) {
                store(load(o).add(load(a).sub(c)), o);
                o = next(o, memory);
            }
            return;
        }
        for (long end = a + bytes; a != end; a += SPAN) {
            long ar = base(a);
            for (int i = 0; i < acc.length; i++) {
                acc[i] = load(ar + (long) i * BYTES).sub(c).add(acc[i]);
            }
        }
    }

    /** Adds the squares of a row's distances from {@code c} to the partial sums. */
    static void squares(FloatVector[] acc, long memory, long a, FloatVector c, long bytes) {
        if (LANES == 1) {
            long o = memory;
            for (long end = a + bytes; a != end; a += BYTES) {
                FloatVector d = load(a).sub(c);
                store(d.fma(d, load(o)), o);
                o = next(o, memory);
            }
            return;
        }
        for (long end = a + bytes; a != end; a += SPAN) {
            long ar = base(a);
            for (int i = 0; i < acc.length; i++) {
                FloatVector d = load(ar + (long) i * BYTES).sub(c);
                acc[i] = d.fma(d, acc[i]);
            }
        }
    }

    /** Where, after {@code o}, the next of the partial sums in memory are. */
    static long next(long o, long memory) {
        return memory + ((o - memory + BYTES) & (SPAN - 1));
    }

    /** The sum of partial sums that {@link #start} began. */
    static float fold(FloatVector[] acc, long memory) {
        if (LANES == 1) {
            for (long h = SPAN / 2; h >= 4; h /= 2) {
                for (long a = memory, end = memory + h; a != end; a += 4) {
                    store(load(a).add(load(a + h)), a);
                }
            }
            return f32(memory);
        }
        for (int h = acc.length / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                acc[i] = acc[i].add(acc[i + h]);
            }
        }
        store(acc[0], memory);
        float[] s = new float[LANES];
        for (int i = 0; i < LANES; i++) {
            s[i] = f32(memory + 4L * i);
        }
        for (int h = LANES / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                s[i] = s[i] + s[i + h];
            }
        }
        return s[0];
    }

    /** The sum of 64 partial sums in memory. */
    static float foldMemory(FloatVector[] acc, long memory) {
        if (LANES != 1) {
            for (int i = 0; i < acc.length; i++) {
                acc[i] = load(memory + (long) i * BYTES);
            }
        }
        return fold(acc, memory);
    }

    /** The largest lane of all; NaN is passed over. */
    static float foldMax(FloatVector[] acc, long scratch) {
        for (int h = acc.length / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                acc[i] = V.max(acc[i], acc[i + h]);
            }
        }
        store(acc[0], scratch);
        float[] s = new float[LANES];
        for (int i = 0; i < LANES; i++) {
            s[i] = f32(scratch + 4L * i);
        }
        for (int h = LANES / 2; h >= 1; h /= 2) {
            for (int i = 0; i < h; i++) {
                s[i] = Math.max(s[i], s[i + h]);
            }
        }
        return s[0];
    }
}
