package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.TokenShiftKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Token shift: rows of channels, each with the one before. */
public final class TokenShift implements TokenShiftKernels {
    @Override
    @Kernel
    public void forward(
            @Const boolean lerp, long before, long x, long xs, long mix, long y, long ys, long steps, long columns) {
        for (long end = x + xs * steps; x != end; x += xs, y += ys) {
            for (long o = 0; o != 4 * columns; o += BYTES) {
                FloatVector now = load(x + o);
                FloatVector old = load(before + o);
                FloatVector m = load(mix + o);
                store(lerp ? old.sub(now).fma(m, now) : now.fma(m, old.mul(all(1f).sub(m))), y + o);
            }
            before = x;
        }
    }

    @Override
    @Kernel
    public void gradX(
            @Const boolean lerp,
            @Const boolean own,
            @Const boolean next,
            long g,
            long gs,
            long gm,
            long mix,
            long ms,
            long mixtures,
            long more,
            long gx,
            long gxs,
            long steps,
            long columns) {
        for (long end = g + gs * steps; g != end; g += gs, gx += gxs) {
            for (long o = 0; o != 4 * columns; o += BYTES) {
                FloatVector sum = load(more + o);
                long gt = g + o;
                for (long m = mix + o, mixEnd = m + ms * mixtures; m != mixEnd; m += ms, gt += gm) {
                    FloatVector w = load(m);
                    FloatVector rest = all(1f).sub(w);
                    if (own) {
                        sum = load(gt).fma(lerp ? rest : w, sum);
                    }
                    if (next) {
                        sum = load(gt + gs).fma(lerp ? w : rest, sum);
                    }
                }
                store(sum, gx + o);
            }
        }
    }

    @Override
    @Kernel
    public void gradMix(
            @Const boolean lerp, long before, long x, long xs, long g, long gs, long gmix, long steps, long columns) {
        for (long o = 0; o != 4 * columns; o += BYTES) {
            FloatVector sum = all(0f);
            FloatVector old = load(before + o);
            long gt = g + o;
            for (long t = x + o, end = t + xs * steps; t != end; t += xs, gt += gs) {
                FloatVector now = load(t);
                sum = load(gt).fma(lerp ? old.sub(now) : now.sub(old), sum);
                old = now;
            }
            store(sum, gmix + o);
        }
    }
}
