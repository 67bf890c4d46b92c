package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.ArithmeticKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** The last vector of a row overlaps the one before; it is computed first, so that a result in place does not disturb it. */
public final class Arithmetic implements ArithmeticKernels {
    @Override
    @Kernel
    public void binary(@Const Operator op, long a, long as, long b, long bs, long y, long ys, long columns, long rows) {
        long whole = 4 * (columns - columns % LANES);
        long end = 4 * columns - BYTES;
        for (long r = 0; r != rows; r++, a += as, b += bs, y += ys) {
            FloatVector last = apply(op, load(a + end), load(b + end));
            for (long o = 0; o != whole; o += BYTES) {
                store(apply(op, load(a + o), load(b + o)), y + o);
            }
            store(last, y + end);
        }
    }

    @Inline
    private static FloatVector apply(Operator op, FloatVector a, FloatVector b) {
        return switch (op) {
            case ADD -> a.add(b);
            case SUB -> a.sub(b);
            case MUL -> a.mul(b);
            case DIV -> a.div(b);
        };
    }

    @Override
    @Kernel
    public void axpy(float alpha, long a, long as, long b, long bs, long y, long ys, long columns, long rows) {
        long whole = 4 * (columns - columns % LANES);
        long end = 4 * columns - BYTES;
        FloatVector factor = all(alpha);
        for (long r = 0; r != rows; r++, a += as, b += bs, y += ys) {
            FloatVector last = load(a + end).fma(factor, load(b + end));
            for (long o = 0; o != whole; o += BYTES) {
                store(load(a + o).fma(factor, load(b + o)), y + o);
            }
            store(last, y + end);
        }
    }
}
