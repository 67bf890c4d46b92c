package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Row.SPAN;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import dev.heddle.kernel.ReductionKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Partial results of a row lie in memory, a block of 64; those of columns in a register. */
public final class Reduction implements ReductionKernels {
    @Override
    @Kernel
    public void rows(@Const Operator op, long x, long xs, long y, long columns, long scratch, long rows) {
        long whole = Row.whole(columns);
        long padded = Row.padded(columns);
        long rest = scratch + SPAN;
        for (long r = 0; r != rows; r++, x += xs, y += 4) {
            Row.copyRest(x + whole, columns, rest);
            Row.pad(rest, columns, start(op));
            for (long a = scratch, end = scratch + SPAN; a != end; a += BYTES) {
                store(all(start(op)), a);
            }
            combine(op, x, whole, scratch);
            combine(op, rest, padded, scratch);
            long from = scratch;
            for (long h = SPAN / 2; h >= 4; h /= 2) {
                halve(op, from, h);
            }
            ALL.set(F32, y, f32(scratch));
        }
    }

    @Inline
    private static void combine(Operator op, long x, long bytes, long results) {
        long o = results;
        for (long end = x + bytes; x != end; x += BYTES) {
            store(combined(op, load(o), load(x)), o);
            o = Row.next(o, results);
        }
    }

    /** Folds the second half of some results onto the first: by vectors while they are long enough, then one by one. */
    @Inline
    private static void halve(Operator op, long results, long bytes) {
        if (bytes >= BYTES) {
            for (long a = results, end = results + bytes; a != end; a += BYTES) {
                store(combined(op, load(a), load(a + bytes)), a);
            }
        } else {
            for (long a = results, end = results + bytes; a != end; a += 4) {
                float u = f32(a);
                float v = f32(a + bytes);
                boolean better = op == Operator.MAX ? v > u : v < u;
                ALL.set(F32, a, op == Operator.SUM ? u + v : better || Float.isNaN(v) ? v : u);
            }
        }
    }

    @Override
    @Kernel
    public void columns(@Const Operator op, long x, long xs, long y, long columns, long rows) {
        long last = 4 * columns - BYTES;
        for (long o = 0; o < 4 * columns; o += BYTES) {
            long at = Math.min(o, last);
            FloatVector result = all(start(op));
            for (long a = x + at, end = x + at + xs * rows; a != end; a += xs) {
                result = combined(op, result, load(a));
            }
            store(result, y + at);
        }
    }

    @Inline
    private static float start(Operator op) {
        return switch (op) {
            case SUM -> 0;
            case MAX -> Float.NEGATIVE_INFINITY;
            case MIN -> Float.POSITIVE_INFINITY;
        };
    }

    /** The first of equals, and NaN before all. */
    @Inline
    private static FloatVector combined(Operator op, FloatVector a, FloatVector b) {
        if (op == Operator.SUM) {
            return a.add(b);
        }
        VectorMask<Float> better = b.compare(op == Operator.MAX ? GT : LT, a);
        return a.blend(b, better.or(b.compare(NE, b)));
    }
}
