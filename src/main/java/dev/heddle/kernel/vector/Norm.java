package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Row.SPAN;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.store;

import dev.heddle.kernel.NormKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** A row at a time: it stays in L1 from the sums to the result. */
public final class Norm implements NormKernels {
    @Override
    @Kernel
    public void forward(
            @Const Form form,
            long x,
            long xs,
            long z,
            long zs,
            long weight,
            long bias,
            long ws,
            long y,
            long ys,
            long length,
            long groups,
            float eps,
            long scratch,
            long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long whole = Row.whole(length);
        long padded = Row.padded(length);
        long rest = scratch + SPAN;
        long restZ = scratch + 2 * SPAN;
        for (long r = 0; r != rows; r++, x += xs, z += zs, y += ys) {
            long w = weight;
            long b = bias;
            for (long o = 0, end = 4 * length * groups; o != end; o += 4 * length, w += ws, b += ws) {
                long u = x + o;
                Row.copyRest(x + o + whole, length, rest);
                if (isGated(form)) {
                    Row.copyRest(z + o + whole, length, restZ);
                }
                if (form == Form.GATE_FIRST) {
                    gated(u, z + o, y + o, whole);
                    gated(rest, restZ, rest, padded);
                    u = y + o;
                }
                FloatVector mean = all(0f);
                Row.pad(rest, length, 0f);
                if (form == Form.CENTRED) {
                    Row.start(acc, scratch);
                    Row.sums(acc, scratch, u, whole);
                    Row.sums(acc, scratch, rest, padded);
                    float sum = Row.fold(acc, scratch);
                    Row.pad(rest, length, sum / length);
                    mean = all(sum / length);
                }
                Row.start(acc, scratch);
                Row.squares(acc, scratch, u, mean, whole);
                Row.squares(acc, scratch, rest, mean, padded);
                float squares = Row.fold(acc, scratch);
                FloatVector scale = all(1f).div(all(squares / length + eps).sqrt());
                scaled(form, u, z + o, mean, scale, w, b, y + o, whole);
                scaled(form, rest, restZ, mean, scale, w + whole, b + whole, rest, padded);
                Row.copyRest(rest, length, y + o + whole);
            }
        }
    }

    @Override
    @Kernel
    public void backward(
            @Const Form form,
            long x,
            long xs,
            long z,
            long zs,
            long weight,
            long bias,
            long ws,
            long gy,
            long gys,
            long gx,
            long gxs,
            long gz,
            long gzs,
            long gw,
            long gb,
            long length,
            long groups,
            float eps,
            long scratch,
            long rows) {
        FloatVector[] acc = new FloatVector[Row.registers()];
        long bytes = Row.whole(length) + Row.padded(length);
        long u = scratch + SPAN;
        long h = u + bytes;
        long s = h + bytes;
        long t = s + bytes;
        for (long r = 0; r != rows; r++, x += xs, z += zs, gy += gys, gx += gxs, gz += gzs) {
            long q = 0;
            for (long o = 0, end = 4 * length * groups; o != end; o += 4 * length, q += ws) {
                Row.copy(x + o, length, form == Form.GATE_FIRST ? t : u);
                Row.copy(gy + o, length, h);
                Row.pad(h + bytes - SPAN, length, 0f);
                if (isGated(form)) {
                    Row.copy(z + o, length, s);
                }
                if (form == Form.GATE_LAST) {
                    Row.pad(s + bytes - SPAN, length, 0f);
                }
                if (form == Form.GATE_FIRST) { // whatever s and t hold beyond the row meets no sum
                    gated(t, s, u, bytes);
                }
                FloatVector mean = all(0f);
                Row.pad(u + bytes - SPAN, length, 0f);
                if (form == Form.CENTRED) {
                    Row.start(acc, scratch);
                    Row.sums(acc, scratch, u, bytes);
                    float sum = Row.fold(acc, scratch);
                    Row.pad(u + bytes - SPAN, length, sum / length);
                    mean = all(sum / length);
                }
                Row.start(acc, scratch);
                Row.squares(acc, scratch, u, mean, bytes);
                float squares = Row.fold(acc, scratch);
                FloatVector scale = all(1f).div(all(squares / length + eps).sqrt());
                if (form == Form.GATE_LAST) {
                    gateGradient(u, mean, scale, weight + q, bias + q, s, h, bytes);
                }
                normGradient(u, mean, scale, weight + q, h, gw + q, gb + q, bytes);
                Row.start(acc, scratch);
                Row.products(acc, scratch, u, h, bytes);
                float product = Row.fold(acc, scratch);
                FloatVector shift = all(0f);
                if (form == Form.CENTRED) {
                    Row.start(acc, scratch);
                    Row.sums(acc, scratch, h, bytes);
                    float sum = Row.fold(acc, scratch);
                    shift = all(sum / length);
                }
                inputGradient(u, h, scale, shift, all(product / length), bytes);
                if (form == Form.GATE_FIRST) {
                    factorGradients(t, s, h, bytes);
                }
                Row.copy(h, length, gx + o);
                if (isGated(form)) {
                    Row.copy(s, length, gz + o);
                }
            }
        }
    }

    @Inline
    private static boolean isGated(Form form) {
        return form == Form.GATE_FIRST || form == Form.GATE_LAST;
    }

    @Inline
    private static void gated(long x, long z, long u, long bytes) {
        for (long end = x + bytes; x != end; x += BYTES, z += BYTES, u += BYTES) {
            store(load(x).mul(VectorMath.silu(load(z))), u);
        }
    }

    @Inline
    private static void scaled(
            Form form, long u, long z, FloatVector mean, FloatVector scale, long w, long b, long y, long bytes) {
        for (long end = u + bytes; u != end; u += BYTES, z += BYTES, w += BYTES, b += BYTES, y += BYTES) {
            FloatVector n = load(u).sub(mean).mul(scale).fma(load(w), load(b));
            store(form == Form.GATE_LAST ? n.mul(VectorMath.silu(load(z))) : n, y);
        }
    }

    /** With {@code y = n silu(z)}: z becomes its gradient, h, the gradient of y, that of n. */
    @Inline
    private static void gateGradient(
            long u, FloatVector mean, FloatVector scale, long w, long b, long z, long h, long bytes) {
        for (long end = u + bytes; u != end; u += BYTES, w += BYTES, b += BYTES, z += BYTES, h += BYTES) {
            FloatVector n = load(u).sub(mean).mul(scale).fma(load(w), load(b));
            FloatVector zz = load(z);
            FloatVector g = load(h);
            store(g.mul(n).mul(VectorMath.siluDerivative(zz)), z);
            store(g.mul(VectorMath.silu(zz)), h);
        }
    }

    /** u becomes its normalised self, h, the gradient of n, that of the normalised u; adds to those of weight and bias. */
    @Inline
    private static void normGradient(
            long u, FloatVector mean, FloatVector scale, long w, long h, long gw, long gb, long bytes) {
        for (long end = u + bytes; u != end; u += BYTES, w += BYTES, h += BYTES, gw += BYTES, gb += BYTES) {
            FloatVector n = load(u).sub(mean).mul(scale);
            FloatVector g = load(h);
            store(n, u);
            store(g.mul(load(w)), h);
            store(g.fma(n, load(gw)), gw);
            store(g.add(load(gb)), gb);
        }
    }

    /** h, the gradient of the normalised u, becomes that of u. */
    @Inline
    private static void inputGradient(
            long u, long h, FloatVector scale, FloatVector shift, FloatVector product, long bytes) {
        FloatVector minus = product.neg();
        for (long end = u + bytes; u != end; u += BYTES, h += BYTES) {
            store(load(u).fma(minus, load(h).sub(shift)).mul(scale), h);
        }
    }

    /** With {@code u = x silu(z)}: h, the gradient of u, becomes that of x, z its own. */
    @Inline
    private static void factorGradients(long x, long z, long h, long bytes) {
        for (long end = x + bytes; x != end; x += BYTES, z += BYTES, h += BYTES) {
            FloatVector zz = load(z);
            FloatVector g = load(h);
            store(g.mul(load(x)).mul(VectorMath.siluDerivative(zz)), z);
            store(g.mul(VectorMath.silu(zz)), h);
        }
    }
}
