package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.Row.SPAN;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static jdk.incubator.vector.VectorOperators.EQ;

import dev.heddle.kernel.SoftmaxKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** A row at a time: it stays in L1 from the maximum to the result. */
public final class Softmax implements SoftmaxKernels {
    private static final float NOTHING = Float.NEGATIVE_INFINITY;

    @Override
    @Kernel
    public void forward(@Const boolean log, long x, long xs, long y, long ys, long columns, long scratch, long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long whole = Row.whole(columns);
        long padded = Row.padded(columns);
        long sums = scratch + SPAN;
        long rest = scratch + 2 * SPAN;
        for (long r = 0; r != rows; r++, x += xs, y += ys) {
            Row.copyRest(x + whole, columns, rest);
            Row.pad(rest, columns, NOTHING);
            float most = max(x, whole, rest, padded, scratch);
            FloatVector m = all(most);
            start(acc, sums);
            if (log) {
                expSums(acc, x, m, sums, whole);
                expSums(acc, rest, m, sums, padded);
                float sum = fold(acc, sums);
                FloatVector shift = VectorMath.log(all(sum));
                logs(x, m, shift, y, whole);
                logs(rest, m, shift, rest, padded);
            } else {
                m = m.blend(0f, m.compare(EQ, NOTHING));
                exps(acc, x, m, sums, y, whole);
                exps(acc, rest, m, sums, rest, padded);
                float sum = fold(acc, sums);
                FloatVector scale = all(1f).div(all(sum));
                scale = scale.blend(0f, all(sum).compare(EQ, 0f));
                scale(y, scale, whole);
                scale(rest, scale, padded);
            }
            Row.copyRest(rest, columns, y + whole);
        }
    }

    @Override
    @Kernel
    public void backward(
            @Const boolean log,
            long y,
            long ys,
            long gy,
            long gys,
            long gx,
            long gxs,
            long columns,
            long scratch,
            long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long whole = Row.whole(columns);
        long padded = Row.padded(columns);
        long restY = scratch + SPAN;
        long restG = scratch + 2 * SPAN;
        for (long r = 0; r != rows; r++, y += ys, gy += gys, gx += gxs) {
            Row.copyRest(y + whole, columns, restY);
            Row.copyRest(gy + whole, columns, restG);
            Row.pad(restY, columns, 0f);
            Row.pad(restG, columns, 0f);
            Row.start(acc, scratch);
            if (log) {
                Row.sums(acc, scratch, gy, whole);
                Row.sums(acc, scratch, restG, padded);
            } else {
                Row.products(acc, scratch, gy, y, whole);
                Row.products(acc, scratch, restG, restY, padded);
            }
            float sum = Row.fold(acc, scratch);
            gradients(log, y, gy, all(sum), gx, whole);
            gradients(log, restY, restG, all(sum), restG, padded);
            Row.copyRest(restG, columns, gx + whole);
        }
    }

    @Override
    @Kernel
    public void loss(
            @Const boolean smooth,
            long x,
            long xs,
            long target,
            int ignored,
            float smoothing,
            long loss,
            long columns,
            long scratch,
            long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long whole = Row.whole(columns);
        long padded = Row.padded(columns);
        long sums = scratch + SPAN;
        long rest = scratch + 2 * SPAN;
        for (long r = 0; r != rows; r++, x += xs, target += 4, loss += 4) {
            Row.copyRest(x + whole, columns, rest);
            Row.pad(rest, columns, NOTHING);
            float most = max(x, whole, rest, padded, scratch);
            start(acc, sums);
            expSums(acc, x, all(most), sums, whole);
            expSums(acc, rest, all(most), sums, padded);
            float sum = fold(acc, sums);
            FloatVector log = VectorMath.log(all(sum));
            int t = i32(target);
            VectorMask<Integer> skip = all(t).compare(EQ, all(ignored));
            long at = Math.min(Math.max(t, 0), columns - 1); // the ignored one may be anything
            FloatVector value = log.sub(all(f32(x + 4 * at) - most));
            if (smooth) {
                Row.pad(rest, columns, most);
                Row.start(acc, scratch);
                Row.distances(acc, scratch, x, all(most), whole);
                Row.distances(acc, scratch, rest, all(most), padded);
                float distance = Row.fold(acc, scratch);
                FloatVector mean = log.sub(all(distance / columns));
                value = mean.fma(all(smoothing), value.mul(all(1f - smoothing)));
            }
            store(V.blend(value, all(0f), skip), scratch);
            ALL.set(F32, loss, f32(scratch));
        }
    }

    @Override
    @Kernel
    public void lossBackward(
            long x,
            long xs,
            long target,
            int ignored,
            float smoothing,
            long g,
            long gs,
            long gx,
            long gxs,
            long columns,
            long scratch,
            long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long whole = Row.whole(columns);
        long padded = Row.padded(columns);
        long sums = scratch + SPAN;
        long rest = scratch + 2 * SPAN;
        for (long r = 0; r != rows; r++, x += xs, target += 4, g += gs, gx += gxs) {
            Row.copyRest(x + whole, columns, rest);
            Row.pad(rest, columns, NOTHING);
            float most = max(x, whole, rest, padded, scratch);
            start(acc, sums);
            exps(acc, x, all(most), sums, gx, whole);
            exps(acc, rest, all(most), sums, rest, padded);
            float sum = fold(acc, sums);
            int t = i32(target);
            VectorMask<Integer> skip = all(t).compare(EQ, all(ignored));
            FloatVector weight = splat(g);
            FloatVector scale = weight.div(all(sum));
            FloatVector shift = weight.mul(all(-smoothing / columns));
            lossGradients(gx, scale, shift, skip, whole);
            lossGradients(rest, scale, shift, skip, padded);
            Row.copyRest(rest, columns, gx + whole);
            store(V.blend(weight.mul(all(1f - smoothing)), all(0f), skip), scratch);
            long at = gx + 4 * Math.min(Math.max(t, 0), columns - 1);
            ALL.set(F32, at, f32(at) - f32(scratch));
        }
    }

    /** The largest element of a row; {@code -infinity} if there is none. NaN is passed over: the sum will have it. */
    @Inline
    private static float max(long a, long whole, long rest, long padded, long scratch) {
        FloatVector[] most = new FloatVector[4];
        Row.fill(most, NOTHING);
        maxima(most, a, whole);
        maxima(most, rest, padded);
        return Row.foldMax(most, scratch);
    }

    @Inline
    private static void maxima(FloatVector[] most, long a, long bytes) {
        for (long end = a + bytes; a != end; a += (long) most.length * BYTES) {
            long ar = base(a);
            for (int i = 0; i < most.length; i++) {
                most[i] = V.max(most[i], load(ar + (long) i * BYTES));
            }
        }
    }

    /** Vectors whose exponentials are computed at a time: with 32 registers all partial sums stay in some of them. */
    @Inline
    private static boolean inRegisters() {
        return LANES == 16;
    }

    @Inline
    private static void start(FloatVector[] acc, long sums) {
        if (inRegisters()) {
            Row.fill(acc, 0f);
        } else {
            Row.zero(sums);
        }
    }

    @Inline
    private static float fold(FloatVector[] acc, long sums) {
        return inRegisters() ? Row.fold(acc, sums) : Row.foldMemory(acc, sums);
    }

    /** Adds exp(x - m) to the partial sums; where they lie in memory, that costs little beside the exponential. */
    @Inline
    private static void expSums(FloatVector[] acc, long x, FloatVector m, long sums, long bytes) {
        if (inRegisters()) {
            for (long end = x + bytes; x != end; x += SPAN) {
                long xr = base(x);
                for (int i = 0; i < acc.length; i++) {
                    acc[i] = acc[i].add(VectorMath.expNonPositive(
                            load(xr + (long) i * BYTES).sub(m)));
                }
            }
            return;
        }
        long o = sums;
        for (long end = x + bytes; x != end; x += BYTES) {
            store(load(o).add(VectorMath.expNonPositive(load(x).sub(m))), o);
            o = Row.next(o, sums);
        }
    }

    /** The same, and keeps the exponentials. */
    @Inline
    private static void exps(FloatVector[] acc, long x, FloatVector m, long sums, long y, long bytes) {
        if (inRegisters()) {
            for (long end = x + bytes; x != end; x += SPAN, y += SPAN) {
                long xr = base(x);
                long yr = base(y);
                for (int i = 0; i < acc.length; i++) {
                    FloatVector e = VectorMath.expNonPositive(
                            load(xr + (long) i * BYTES).sub(m));
                    store(e, yr + (long) i * BYTES);
                    acc[i] = acc[i].add(e);
                }
            }
            return;
        }
        long o = sums;
        for (long end = x + bytes; x != end; x += BYTES, y += BYTES) {
            FloatVector e = VectorMath.expNonPositive(load(x).sub(m));
            store(e, y);
            store(load(o).add(e), o);
            o = Row.next(o, sums);
        }
    }

    @Inline
    private static void scale(long y, FloatVector scale, long bytes) {
        for (long end = y + bytes; y != end; y += 4L * BYTES) {
            long yr = base(y);
            for (int i = 0; i < 4; i++) {
                store(load(yr + (long) i * BYTES).mul(scale), yr + (long) i * BYTES);
            }
        }
    }

    @Inline
    private static void logs(long x, FloatVector m, FloatVector shift, long y, long bytes) {
        for (long end = x + bytes; x != end; x += BYTES, y += BYTES) {
            store(load(x).sub(m).sub(shift), y);
        }
    }

    @Inline
    private static void gradients(boolean log, long y, long gy, FloatVector sum, long gx, long bytes) {
        for (long end = y + bytes; y != end; y += BYTES, gy += BYTES, gx += BYTES) {
            FloatVector g = load(gy);
            FloatVector v = load(y);
            store(log ? VectorMath.expNonPositive(v).neg().fma(sum, g) : v.mul(g.sub(sum)), gx);
        }
    }

    @Inline
    private static void lossGradients(
            long e, FloatVector scale, FloatVector shift, VectorMask<Integer> skip, long bytes) {
        for (long end = e + bytes; e != end; e += BYTES) {
            store(V.blend(load(e).fma(scale, shift), all(0f), skip), e);
        }
    }
}
