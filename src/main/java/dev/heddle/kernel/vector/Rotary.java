package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.RotaryKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Both halves of a vector of pairs are loaded before either is stored. */
public final class Rotary implements RotaryKernels {
    @Override
    @Kernel
    public void rotate(
            @Const boolean back,
            long x,
            long xStep,
            long xHead,
            long y,
            long yStep,
            long yHead,
            long table,
            long half,
            long heads,
            long steps) {
        long bytes = 4 * half;
        long whole = 4 * (half - half % LANES);
        for (long t = 0; t != steps; t++, x += xStep, y += yStep, table += 2 * bytes) {
            long a = x;
            long b = y;
            for (long h = 0; h != heads; h++, a += xHead, b += yHead) {
                for (long o = 0; o != whole; o += BYTES) {
                    FloatVector u = load(a + o);
                    FloatVector v = load(a + o + bytes);
                    FloatVector c = load(table + o);
                    FloatVector s = back ? load(table + o + bytes).neg() : load(table + o + bytes);
                    store(u.fma(c, v.mul(s).neg()), b + o);
                    store(v.fma(c, u.mul(s)), b + o + bytes);
                }
                for (long o = whole; o != bytes; o += 4) {
                    float u = f32(a + o);
                    float v = f32(a + o + bytes);
                    float c = f32(table + o);
                    float s = back ? -f32(table + o + bytes) : f32(table + o + bytes);
                    EdgeDot.put(b + o, Math.fma(u, c, -(v * s)));
                    EdgeDot.put(b + o + bytes, Math.fma(v, c, u * s));
                }
            }
        }
    }
}
