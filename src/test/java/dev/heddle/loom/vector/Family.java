package dev.heddle.loom.vector;

import static dev.heddle.loom.vector.Lanes.BYTES;
import static dev.heddle.loom.vector.Lanes.LANES;
import static dev.heddle.loom.vector.V.all;
import static dev.heddle.loom.vector.V.i32;
import static dev.heddle.loom.vector.V.load;
import static dev.heddle.loom.vector.V.splat;
import static dev.heddle.loom.vector.V.store;

import dev.heddle.loom.Weft;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import java.util.function.IntUnaryOperator;
import jdk.incubator.vector.FloatVector;

/** A kernel class as they are: an interface's methods, constant parameters, fields, and some plain methods. */
public final class Family implements Weft {
    private static final int[] TABLE = squares(8);

    private final int bias;

    public Family() {
        this(TABLE[2] - 4);
    }

    private Family(int bias) {
        this.bias = bias;
    }

    private static int[] squares(int n) {
        IntUnaryOperator square = i -> i * i;
        int[] s = new int[n];
        for (int i = 0; i < n; i++) {
            s[i] = square.applyAsInt(i);
        }
        return s;
    }

    @Inline
    private static int vectors() {
        return LANES == 1 ? 2 : 4;
    }

    @Override
    public int columns() {
        return vectors() * LANES;
    }

    @Override
    @Kernel
    public void combine(
            @Const Op op, @Const boolean negate, @Const({1, 2, -3}) int scale, long a, long b, long out, int n) {
        for (int i = 0; i < n; i += LANES) {
            long o = 4L * i;
            FloatVector v = apply(op, load(a + o), load(b + o)).mul(scale).add(bias);
            store(negate ? v.neg() : v, out + o);
        }
    }

    @Inline
    private static FloatVector apply(Op op, FloatVector a, FloatVector b) {
        return switch (op) {
            case ADD -> a.add(b);
            case MUL -> a.mul(b);
            case MAX -> V.max(a, b);
        };
    }

    private interface Step {
        FloatVector of(FloatVector acc, FloatVector x, FloatVector w);
    }

    @Override
    @Kernel
    public void gather(long ptr, long idx, long w, long x, long out, int rows, int columns) {
        for (int c = 0; c + 2 * LANES <= columns; c += 2 * LANES) {
            rows(ptr, idx, w, x + 4L * c, out + 4L * c, 4L * columns, rows, 2, (acc, v, u) -> v.fma(u, acc));
        }
    }

    @Inline
    private static void rows(long ptr, long idx, long w, long x, long out, long stride, int rows, int tile, Step step) {
        FloatVector[] acc = new FloatVector[tile];
        for (int r = 0; r < rows; r++) {
            long e = idx + 4L * i32(ptr + 4L * r);
            long end = idx + 4L * i32(ptr + 4L * r + 4);
            for (int t = 0; t < tile; t++) {
                acc[t] = all(0f);
            }
            for (; e != end; e += 4) {
                long row = x + stride * i32(e);
                FloatVector u = splat(e + (w - idx));
                for (int t = 0; t < tile; t++) {
                    acc[t] = step.of(acc[t], load(row + (long) BYTES * t), u);
                }
            }
            for (int t = 0; t < tile; t++) {
                store(acc[t], out + stride * r + (long) BYTES * t);
            }
        }
    }
}
