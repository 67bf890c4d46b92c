package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.heddle.kernel.LinearKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Weights are widened in registers: a vector of ints holds those of four vectors of columns, 16 columns apart. */
public final class Linear implements LinearKernels {
    /** Bytes of 16 floats, or 16 ints of packed weights. */
    private static final int SIXTEEN = 64;

    private static final int F16_EXPONENT = 0x1F << 23;
    private static final int F32_EXPONENT = 0xFF << 23;

    @Override
    @Kernel
    public void row(
            @Const Storage storage,
            @Const({1, 2, 4}) int panels,
            long a,
            long w,
            long panel,
            long depth,
            long scale,
            long from,
            long c,
            long scratch) {
        boolean touch = storage == Storage.I8 && LANES != 1;
        Reading reading = (p, to) -> widen(storage, p, to);
        row(reading, rowBytes(storage), touch, panels, a, w, panel, depth, scale, from, c, scratch);
    }

    @Override
    @Kernel
    public void rowOfFloats(
            @Const({1, 2, 4}) int panels, long a, long w, long panel, long depth, long scale, long from, long c) {
        row(Linear::floats, 4 * SIXTEEN, false, panels, a, w, panel, depth, scale, from, c, 0);
    }

    /** How a vector of weights of each sixteen columns of a panel is read. */
    private interface Reading {
        void of(long p, FloatVector[] to);
    }

    /** Rows that are touched at a time. */
    private static final int BURST = 64;

    /**
     * @param touch whether some rows ahead are fetched before they are used. Where a line of memory makes much work, few lines
     *     fit among the instructions that the processor has in flight; touching them takes one each
     */
    @Inline
    private static void row(
            Reading reading,
            long rowBytes,
            boolean touch,
            int panels,
            long a,
            long w,
            long panel,
            long depth,
            long scale,
            long from,
            long c,
            long scratch) {
        FloatVector[] acc = new FloatVector[panels * 4];
        FloatVector[] ws = new FloatVector[4];
        long end = a + 4 * depth;
        for (long first = w, sixteenth = w + SIXTEEN; first != sixteenth; first += BYTES) {
            for (int i = 0; i < acc.length; i++) {
                acc[i] = all(0f);
            }
            long x = a;
            long p = first;
            while (x != end) {
                long some = touch ? Math.min(end - x, 4L * BURST) : end - x;
                if (touch) {
                    int touched = 0;
                    for (long t = p, tEnd = p + some / 4 * rowBytes; t != tEnd; t += rowBytes) {
                        long tr = base(t);
                        for (int q = 0; q < panels; q++) {
                            touched += i32(tr + offset(q * panel));
                        }
                    }
                    ALL.set(I32, scratch, touched); // or the compiler would find that nobody needs it
                }
                for (long someEnd = x + some; x != someEnd; x += 4, p += rowBytes) {
                    long pr = base(p);
                    FloatVector s = splat(x);
                    for (int q = 0; q < panels; q++) {
                        reading.of(pr + offset(q * panel), ws);
                        for (int j = 0; j < 4; j++) {
                            acc[q * 4 + j] = s.fma(ws[j], acc[q * 4 + j]);
                        }
                    }
                }
            }
            long sr = base(scale + (first - w));
            long fr = base(from + (first - w));
            long cr = base(c + (first - w));
            for (int i = 0; i < acc.length; i++) {
                long o = (long) i * SIXTEEN;
                store(acc[i].fma(load(sr + o), load(fr + o)), cr + o);
            }
        }
    }

    @Override
    @Kernel
    public void multiply(
            @Const Storage storage,
            @Const({2, 4}) int rows,
            long a,
            long as,
            long w,
            long depth,
            long scale,
            long from,
            long fs,
            long c,
            long cs) {
        FloatVector[] acc = new FloatVector[rows * 4];
        FloatVector[] ws = new FloatVector[4];
        long[] down = new long[rows];
        for (int i = 0; i < rows; i++) {
            down[i] = offset(i * as);
        }
        long end = a + 4 * depth;
        for (long first = w, sixteenth = w + SIXTEEN; first != sixteenth; first += BYTES) {
            for (int i = 0; i < acc.length; i++) {
                acc[i] = all(0f);
            }
            for (long x = a, p = first; x != end; x += 4, p += rowBytes(storage)) {
                long xr = base(x);
                widen(storage, base(p), ws);
                for (int i = 0; i < rows; i++) {
                    FloatVector s = splat(xr + down[i]);
                    for (int j = 0; j < 4; j++) {
                        acc[i * 4 + j] = s.fma(ws[j], acc[i * 4 + j]);
                    }
                }
            }
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < 4; j++) {
                    long at = first - w + (long) j * SIXTEEN;
                    store(acc[i * 4 + j].fma(load(scale + at), load(from + i * fs + at)), c + i * cs + at);
                }
            }
        }
    }

    @Override
    @Kernel
    public void widen(@Const Storage storage, long w, long depth, long out) {
        FloatVector[] ws = new FloatVector[4];
        for (long end = w + depth * rowBytes(storage); w != end; w += rowBytes(storage), out += 4 * SIXTEEN) {
            for (long p = w, sixteenth = w + SIXTEEN; p != sixteenth; p += BYTES) {
                widen(storage, p, ws);
                for (int j = 0; j < 4; j++) {
                    store(ws[j], out + (p - w) + (long) j * SIXTEEN);
                }
            }
        }
    }

    @Inline
    static long rowBytes(Storage storage) {
        return storage == Storage.I8 ? SIXTEEN : 2 * SIXTEEN;
    }

    @Inline
    private static void floats(long p, FloatVector[] to) {
        for (int j = 0; j < 4; j++) {
            to[j] = load(p + (long) j * SIXTEEN);
        }
    }

    @Inline
    static void widen(Storage storage, long w, FloatVector[] to) {
        IntVector first = loadInts(w);
        if (storage == Storage.I8) {
            // With 128 added, a byte stands among the bits of 2^23 or 2^15: no conversion, and only one shift, of which
            // a processor makes fewer at a time than of all else here
            IntVector low = first.lanewise(XOR, 0x8080_8080);
            IntVector high = low.lanewise(LSHR, 16);
            to[0] = lowByte(low);
            to[1] = secondByte(low);
            to[2] = lowByte(high);
            to[3] = secondByte(high);
        } else {
            IntVector second = loadInts(w + SIXTEEN);
            to[0] = half(storage, first.lanewise(LSHL, 16));
            to[1] = half(storage, first.and(0xFFFF_0000));
            to[2] = half(storage, second.lanewise(LSHL, 16));
            to[3] = half(storage, second.and(0xFFFF_0000));
        }
    }

    @Inline
    private static FloatVector lowByte(IntVector v) {
        return v.and(0xFF).or(0x4B00_0000).reinterpretAsFloats().sub(0x1p23f + 128);
    }

    @Inline
    private static FloatVector secondByte(IntVector v) {
        return v.and(0xFF00).or(0x4700_0000).reinterpretAsFloats().sub(0x1p15f + 128);
    }

    /** The float whose narrow form is in the high half; the low half is 0. */
    @Inline
    static FloatVector half(Storage storage, IntVector bits) {
        if (storage == Storage.BF16) {
            return bits.reinterpretAsFloats();
        }
        // the exponent, moved to its place, is too small by 112; infinity and NaN have the largest
        IntVector magnitude = bits.and(0x7FFF_0000).lanewise(ASHR, 3);
        IntVector finite = magnitude.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
        IntVector endless = magnitude.or(F32_EXPONENT);
        IntVector value = finite.blend(endless, magnitude.compare(GE, F16_EXPONENT));
        return value.or(bits.and(0x8000_0000)).reinterpretAsFloats();
    }
}
