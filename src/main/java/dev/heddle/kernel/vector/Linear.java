package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;

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
    public void multiply(
            @Const Storage storage,
            @Const({1, 2, 4}) int rows,
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
        long[] ai = new long[rows];
        for (long first = w, sixteenth = w + SIXTEEN; first != sixteenth; first += BYTES) {
            for (int i = 0; i < rows; i++) {
                ai[i] = a + i * as;
                for (int j = 0; j < 4; j++) {
                    acc[i * 4 + j] = all(0f);
                }
            }
            for (long p = first, end = p + depth * rowBytes(storage); p != end; p += rowBytes(storage)) {
                widen(storage, p, ws);
                for (int i = 0; i < rows; i++) {
                    FloatVector s = splat(ai[i]);
                    ai[i] += 4;
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
    static void widen(Storage storage, long w, FloatVector[] to) {
        IntVector first = loadInts(w);
        if (storage == Storage.I8) {
            for (int j = 0; j < 4; j++) {
                to[j] = (FloatVector)
                        first.lanewise(LSHL, 24 - 8 * j).lanewise(ASHR, 24).convert(I2F, 0);
            }
        } else {
            IntVector second = loadInts(w + SIXTEEN);
            to[0] = half(storage, first.lanewise(LSHL, 16));
            to[1] = half(storage, first);
            to[2] = half(storage, second.lanewise(LSHL, 16));
            to[3] = half(storage, second);
        }
    }

    /** The float whose narrow form is in the high half. */
    @Inline
    private static FloatVector half(Storage storage, IntVector v) {
        IntVector bits = v.and(0xFFFF_0000);
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
