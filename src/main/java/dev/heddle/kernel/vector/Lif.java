package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.kernel.LifKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Spiking neurons: a step is a row, so memory is read and written in streams. */
public final class Lif implements LifKernels {
    private static final float HALF_PI = 0x1.921fb6p0f;

    /** Bytes of the floats that a word has bits for. */
    private static final long WORD = 256;

    @Override
    @Kernel
    public void forward(
            @Const boolean soft,
            @Const boolean packed,
            long x,
            long xs,
            long spike,
            long ss,
            long bits,
            long bs,
            long bit,
            long before,
            long v,
            long vs,
            long turn,
            float leak,
            float gain,
            float threshold,
            float reset,
            long steps,
            long columns) {
        long row = 4 * columns;
        // words that this call fills by itself: their shifts are constants
        long whole = LANES == 1 || bit != 0 ? 0 : row / WORD * WORD;
        for (long end = x + xs * steps; x != end; x += xs, spike += ss, bits += bs) {
            long xt = base(x);
            long st = base(spike);
            long bt = base(before);
            long vt = base(v);
            if (packed) {
                long w = bits;
                if (LANES != 1) {
                    for (long i = 0; i != whole; i += WORD, w += 8) {
                        long word = 0;
                        for (int t = 0; t < 64 / LANES; t++) {
                            long o = offset(i) + (long) t * BYTES;
                            VectorMask<Float> fired =
                                    fire(soft, xt + o, bt + o, st + o, vt + o, leak, gain, threshold, reset);
                            word |= fired.toLong() << (t * LANES);
                        }
                        ALL.set(I64, w, word);
                    }
                }
                long word = started(w, bit);
                long shift = bit;
                for (long i = whole; i != row; word = 0, shift = 0, w += 8) {
                    for (long wordEnd = Math.min(row, i + 4 * (64 - shift)); i != wordEnd; i += BYTES, shift += LANES) {
                        long o = offset(i);
                        VectorMask<Float> fired =
                                fire(soft, xt + o, bt + o, st + o, vt + o, leak, gain, threshold, reset);
                        word |= fired.toLong() << shift;
                    }
                    ALL.set(I64, w, word);
                }
            } else {
                for (long i = 0; i != row; i += BYTES) {
                    long o = offset(i);
                    fire(soft, xt + o, bt + o, st + o, vt + o, leak, gain, threshold, reset);
                }
            }
            before = v;
            v += vs;
            vs *= turn;
        }
    }

    @Override
    @Kernel
    public void backward(
            @Const boolean soft,
            @Const boolean detached,
            @Const boolean learned,
            @Const Slope slope,
            long x,
            long xs,
            long before,
            long bs,
            long gs,
            long gss,
            long gv,
            long gvs,
            long gx,
            long gxs,
            long carry,
            long gLeak,
            float leak,
            float gain,
            float drive,
            float threshold,
            float reset,
            float alpha,
            long steps,
            long columns) {
        for (long t = 0; t != steps; t++) {
            long bt = base(before);
            long xt = base(x);
            long gst = base(gs);
            long gvt = base(gv);
            long gxt = base(gx);
            long ct = base(carry);
            for (long i = 0; i != 4 * columns; i += BYTES) {
                long o = offset(i);
                FloatVector old = load(bt + o);
                FloatVector in = load(xt + o);
                FloatVector h = charge(old, in, leak, gain, reset);
                VectorMask<Float> fired = h.compare(VectorOperators.GE, threshold);
                FloatVector a = load(ct + o).add(load(gvt + o));
                FloatVector ds = load(gst + o);
                if (!detached) {
                    FloatVector jump = soft ? all(-threshold) : all(reset).sub(h);
                    ds = a.fma(jump, ds);
                }
                FloatVector kept = soft ? a : a.blend(0f, fired);
                FloatVector dh = ds.fma(slope(slope, h.sub(threshold), alpha), kept);
                store(dh.mul(gain), gxt + o);
                store(dh.mul(1f - leak), ct + o);
                if (learned) {
                    store(dh.fma(in.fma(all(drive), all(reset).sub(old)), load(gLeak + o)), gLeak + o);
                }
            }
            x -= xs;
            before -= bs;
            gs -= gss;
            gv -= gvs;
            gx -= gxs;
        }
    }

    @Override
    @Kernel
    public void step(long x, long y, long columns) {
        for (long end = x + 4 * columns; x != end; x += BYTES, y += BYTES) {
            store(all(0f).blend(1f, load(x).compare(VectorOperators.GE, 0f)), y);
        }
    }

    @Override
    @Kernel
    public void slope(@Const Slope slope, long x, long gy, long gx, float alpha, long columns) {
        for (long end = x + 4 * columns; x != end; x += BYTES, gy += BYTES, gx += BYTES) {
            store(load(gy).mul(slope(slope, load(x), alpha)), gx);
        }
    }

    @Override
    @Kernel
    public void pack(long x, long xs, long bits, long bs, long bit, long odd, long rows, long columns) {
        long row = 4 * columns;
        FloatVector wrong = load(odd);
        for (long end = x + xs * rows; x != end; x += xs, bits += bs) {
            long w = bits;
            long word = started(w, bit);
            long shift = bit;
            for (long o = 0; o != row; word = 0, shift = 0, w += 8) {
                for (long wordEnd = Math.min(row, o + 4 * (64 - shift)); o != wordEnd; o += BYTES, shift += LANES) {
                    FloatVector v = load(x + o);
                    VectorMask<Float> some = v.compare(VectorOperators.NE, 0f);
                    wrong = wrong.blend(1f, some.and(v.compare(VectorOperators.NE, 1f)));
                    word |= some.toLong() << shift;
                }
                ALL.set(I64, w, word);
            }
        }
        store(wrong, odd);
    }

    /** A step of some neurons: writes spikes and potentials, and tells who spiked. */
    @Inline
    static VectorMask<Float> fire(
            boolean soft,
            long x,
            long before,
            long spike,
            long v,
            float leak,
            float gain,
            float threshold,
            float reset) {
        FloatVector h = charge(load(before), load(x), leak, gain, reset);
        VectorMask<Float> fired = h.compare(VectorOperators.GE, threshold);
        store(all(0f).blend(1f, fired), spike);
        store(discharge(soft, h, fired, threshold, reset), v);
        return fired;
    }

    /** The bits that a word has already. */
    @Inline
    static long started(long w, long bit) {
        return bit == 0 ? 0 : i64(w);
    }

    @Inline
    static FloatVector charge(FloatVector v, FloatVector x, float leak, float gain, float reset) {
        return x.fma(all(gain), all(reset).sub(v).fma(all(leak), v));
    }

    @Inline
    static FloatVector discharge(boolean soft, FloatVector h, VectorMask<Float> fired, float threshold, float reset) {
        return soft ? h.blend(h.sub(threshold), fired) : h.blend(reset, fired);
    }

    @Inline
    static FloatVector slope(Slope slope, FloatVector x, float alpha) {
        if (slope == Slope.ATAN) {
            FloatVector z = x.mul(HALF_PI * alpha);
            return all(alpha * 0.5f).div(z.fma(z, all(1f)));
        }
        return VectorMath.sigmoidDerivative(x.mul(alpha)).mul(alpha);
    }
}
