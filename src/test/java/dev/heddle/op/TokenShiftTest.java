package dev.heddle.op;

import static dev.heddle.op.Trial.assertClose;
import static dev.heddle.op.Trial.assertSameBits;
import static dev.heddle.op.Trial.everywhere;
import static dev.heddle.op.Trial.normal;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class TokenShiftTest {
    private static TokenShift op(boolean lerp) {
        return TokenShift.builder()
                .form(lerp ? TokenShift.Form.LERP : TokenShift.Form.MIX)
                .build();
    }

    /** The definition in float64, and its gradients, element by element. */
    private static final class Reference {
        final double[] y;
        final double[] gx;
        final double[] gmix;
        final double[] gstate;

        Reference(boolean lerp, Tensor x, Tensor mix, Tensor state, Tensor gy, Tensor gs) {
            int b = (int) x.dim(0);
            int l = (int) x.dim(1);
            int c = (int) x.dim(2);
            int m = (int) mix.dim(0);
            y = new double[m * b * l * c];
            gx = new double[b * l * c];
            gmix = new double[m * c];
            gstate = new double[b * c];
            for (int at = 0; at < y.length; at++) {
                int ch = at % c;
                int t = at / c % l;
                int i = at / c / l % b;
                int k = at / c / l / b;
                double now = x.getFloat(i, t, ch);
                double old = t > 0 ? x.getFloat(i, t - 1, ch) : state == null ? 0 : state.getFloat(i, ch);
                double w = lerp ? 1 - (double) mix.getFloat(k, ch) : mix.getFloat(k, ch);
                double g = gy.getFloat(k, i, t, ch);
                y[at] = now * w + old * (1 - w);
                gx[(i * l + t) * c + ch] += g * w;
                if (t > 0) {
                    gx[(i * l + t - 1) * c + ch] += g * (1 - w);
                } else {
                    gstate[i * c + ch] += g * (1 - w);
                }
                gmix[k * c + ch] += (lerp ? -1 : 1) * g * (now - old);
            }
            for (int i = 0; i < b * c; i++) {
                double g = gs.getFloat(i / c, i % c);
                if (l == 0) {
                    gstate[i] += g;
                } else {
                    gx[(i / c * l + l - 1) * c + i % c] += g;
                }
            }
        }
    }

    @Property(tries = 40)
    void agreesWithTheDefinition(
            @ForAll @IntRange(min = 1, max = 3) int b,
            @ForAll @IntRange(max = 20) int l,
            @ForAll @IntRange(min = 1, max = 50) int c,
            @ForAll @IntRange(max = 4) int m,
            @ForAll boolean lerp,
            @ForAll boolean start,
            @ForAll long seed) {
        check(b, l, c, m, lerp, start, new Random(seed));
    }

    @Test
    void longSequencesAndManyChannels() {
        check(2, 600, 19, 2, true, true, new Random(3));
        check(1, 300, 600, 1, false, false, new Random(4));
    }

    private static void check(int b, int l, int c, int m, boolean lerp, boolean start, Random rnd) {
        Tensor x = normal(rnd, b, l, c);
        Tensor mix = normal(rnd, m, c);
        Tensor state = start ? normal(rnd, b, c) : null;
        Tensor gy = normal(rnd, m, b, l, c);
        Tensor gs = normal(rnd, b, c);
        float[][] got = everywhere(() -> {
            TokenShift.Result r = op(lerp).forward(x, mix, state);
            TokenShift.Gradients g = op(lerp).backward(x, mix, state, gy, gs);
            return new Tensor[] {r.y(), r.state(), g.x(), g.mix(), g.state()};
        });
        Reference want = new Reference(lerp, x, mix, state, gy, gs);
        assertClose(want.y, got[0], 1e-6, 1e-6, "y");
        Tensor last = l > 0 ? x.select(1, l - 1) : start ? state : Tensor.zeros(DType.F32, b, c);
        assertSameBits(last.toFloatArray(), got[1], "state");
        assertClose(want.gx, got[2], 1e-5, 1e-5, "gx");
        assertClose(want.gmix, got[3], 1e-5, 1e-4, "gmix");
        assertClose(want.gstate, got[4], 1e-5, 1e-5, "gstate");
    }

    @Property(tries = 10)
    void aStreamIsTheSequence(
            @ForAll @IntRange(min = 1, max = 10) int l, @ForAll @IntRange(min = 1, max = 50) int c, @ForAll long seed) {
        Random rnd = new Random(seed);
        Tensor x = normal(rnd, 2, l, c);
        Tensor mix = normal(rnd, 3, c);
        boolean lerp = rnd.nextBoolean();
        everywhere(() -> {
            Tensor y = op(lerp).forward(x, mix, null).y();
            Tensor state = Tensor.zeros(DType.F32, 2, c);
            Tensor out = Tensor.zeros(DType.F32, 3, 2, 1, c);
            try (Workspace scratch = new Workspace()) {
                for (int t = 0; t < l; t++) {
                    op(lerp).forward(x.slice(1, t, t + 1), mix, state, out, state, scratch);
                    assertSameBits(y.slice(2, t, t + 1).toFloatArray(), out.toFloatArray(), "step " + t);
                }
            }
            return new Tensor[] {y};
        });
    }

    @Test
    void refusesBadArguments() {
        Tensor x = Tensor.zeros(DType.F32, 2, 3, 4);
        Tensor mix = Tensor.zeros(DType.F32, 1, 4);
        assertThrows(IllegalArgumentException.class, () -> op(true).forward(mix, mix, null));
        assertThrows(IllegalArgumentException.class, () -> op(true).forward(x, Tensor.zeros(DType.F32, 1, 3), null));
        assertThrows(IllegalArgumentException.class, () -> op(true).forward(x, mix, mix));
        assertThrows(IllegalArgumentException.class, () -> op(true).backward(x, mix, null, x, null));
        try (Workspace scratch = new Workspace()) {
            Tensor y = x.reshape(1, 2, 3, 4);
            assertThrows(IllegalArgumentException.class, () -> op(true).forward(x, mix, null, y, null, scratch));
        }
    }
}
