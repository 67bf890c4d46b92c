package dev.heddle.loom.vector;

import static dev.heddle.loom.vector.Lanes.BYTES;
import static dev.heddle.loom.vector.Lanes.LANES;
import static dev.heddle.loom.vector.V.all;
import static dev.heddle.loom.vector.V.exp2;
import static dev.heddle.loom.vector.V.load;
import static dev.heddle.loom.vector.V.max;
import static dev.heddle.loom.vector.V.splat;
import static dev.heddle.loom.vector.V.store;

import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** A scan with several states in registers, a running softmax and a matrix tile. */
public final class Waves {
    private Waves() {}

    /** For each column, four states that decay and are fed, over {@code steps} rows. */
    @Kernel
    public static void scan(long x, long decay, long feed, long y, int columns, int steps) {
        for (int c = 0; c < columns; c += LANES) {
            states(x + 4L * c, decay + 4L * c, feed, y + 4L * c, 4L * columns, steps, 4);
        }
    }

    @Inline
    private static void states(long x, long decay, long feed, long y, long row, int steps, int count) {
        FloatVector[] a = new FloatVector[count];
        FloatVector[] h = new FloatVector[count];
        for (int g = 0; g < count; g++) {
            a[g] = load(decay + g * row);
            h[g] = all(0f);
        }
        for (long end = x + steps * row; x != end; x += row, y += row) {
            FloatVector u = load(x);
            FloatVector sum = all(0f);
            for (int g = 0; g < count; g++) {
                h[g] = exp2(u.abs().neg().mul(a[g].abs())).fma(h[g], u.mul(splat(feed + 4L * g)));
                sum = sum.add(h[g]);
            }
            store(sum, y);
        }
    }

    /** A softmax-weighted running mean of v, with weights exp2(k). */
    @Kernel
    public static void mean(long k, long v, long y, int columns, int steps) {
        for (int c = 0; c < columns; c += LANES) {
            FloatVector num = all(0f);
            FloatVector den = num;
            FloatVector top = all(-1e30f);
            for (int t = 0; t < steps; t++) {
                long o = 4L * ((long) t * columns + c);
                FloatVector kk = load(k + o);
                FloatVector d = top.sub(kk);
                FloatVector old = all(1f).blend(exp2(d.abs().neg()), d.compare(VectorOperators.LT, 0f));
                FloatVector now = exp2(d.abs().neg()).blend(1f, d.compare(VectorOperators.LT, 0f));
                num = old.fma(num, now.mul(load(v + o)));
                den = old.fma(den, now);
                top = max(top, kk);
                store(num.div(den), y + o);
            }
        }
    }

    /** c[6][2 vectors] = a[depth][6] times b[depth][2 vectors]. */
    @Kernel
    public static void tile(long a, long b, long c, int depth) {
        FloatVector[] acc = new FloatVector[12];
        FloatVector[] row = new FloatVector[2];
        for (int i = 0; i < 12; i++) {
            acc[i] = all(0f);
        }
        for (long end = a + 24L * depth; a != end; a += 24, b += 2L * BYTES) {
            for (int j = 0; j < 2; j++) {
                row[j] = load(b + (long) BYTES * j);
            }
            for (int i = 0; i < 6; i++) {
                FloatVector s = splat(a + 4L * i);
                for (int j = 0; j < 2; j++) {
                    acc[2 * i + j] = s.fma(row[j], acc[2 * i + j]);
                }
            }
        }
        for (int i = 0; i < 12; i++) {
            store(acc[i], c + (long) BYTES * i);
        }
    }
}
