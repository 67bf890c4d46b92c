package dev.heddle.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.memory.Block;
import dev.heddle.reference.Golden;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The pointwise kernels of every backend, used as an operator would: the remainder goes to the scalar twin. */
class PointwiseTest {
    private static final Dispatch<PointwiseKernels> DISPATCH =
            new Dispatch<>(PointwiseKernels.class, 1, (kernels, lanes, variant, scratch) -> {
                throw new AssertionError("tests choose the backend");
            });
    private static final List<Backend> BACKENDS = TestBackends.all();

    /** Where the result goes. */
    private enum Place {
        APART,
        OVER_X,
        OVER_GY
    }

    private static PointwiseKernels kernels(Backend b) {
        return DISPATCH.load(b).kernels();
    }

    private static float[] forward(Backend b, Activation f, float[] x, Place place) {
        int n = x.length;
        int whole = n - n % b.lanes();
        Block input = block(x);
        Block output = place == Place.APART ? new Block(4L * n, true) : input;
        long from = input.segment().address();
        long to = output.segment().address();
        kernels(b).forward(f, from, to, whole);
        kernels(b.withLanes(1)).forward(f, from + 4L * whole, to + 4L * whole, n - whole);
        float[] y = floats(output);
        input.free();
        return y;
    }

    private static float[] backward(Backend b, Activation f, float[] x, float[] gy, Place place) {
        int n = x.length;
        int whole = n - n % b.lanes();
        Block input = block(x);
        Block gradient = block(gy);
        Block output = switch (place) {
            case APART -> new Block(4L * n, true);
            case OVER_X -> input;
            case OVER_GY -> gradient;
        };
        long a = input.segment().address();
        long g = gradient.segment().address();
        long to = output.segment().address();
        kernels(b).backward(f, a, g, to, whole);
        kernels(b.withLanes(1)).backward(f, a + 4L * whole, g + 4L * whole, to + 4L * whole, n - whole);
        float[] gx = floats(output);
        input.free();
        gradient.free();
        return gx;
    }

    private static Block block(float[] v) {
        Block block = new Block(4L * v.length, true);
        MemorySegment.copy(v, 0, block.segment(), ValueLayout.JAVA_FLOAT, 0, v.length);
        return block;
    }

    private static float[] floats(Block block) {
        float[] v = block.segment().toArray(ValueLayout.JAVA_FLOAT);
        block.free();
        return v;
    }

    @ParameterizedTest
    @EnumSource
    void goldenFiles(Activation f) {
        for (String name : List.of("n1", "n7", "normal", "small", "wide", "special")) {
            Golden file = Golden.read(f.name().toLowerCase(Locale.ROOT), name);
            float[] x = file.tensor("in.x");
            for (Backend b : BACKENDS) {
                String where = f + " " + name + " on " + b + ": ";
                assertEquals("", file.difference("y", forward(b, f, x, Place.APART)), where);
                if (!name.equals("special")) {
                    float[] gy = file.tensor("in.grad_y");
                    assertEquals("", file.difference("grad_x", backward(b, f, x, gy, Place.APART)), where);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void sameBitsOnEveryBackendAndInPlace(Activation f) {
        SplittableRandom random = new SplittableRandom(7);
        for (int n : new int[] {0, 1, 3, 4, 15, 16, 17, 31, 100, 4099}) {
            float[] x = values(random, n);
            float[] gy = values(random, n);
            float[] y = forward(BACKENDS.getFirst(), f, x, Place.APART);
            float[] gx = backward(BACKENDS.getFirst(), f, x, gy, Place.APART);
            for (Backend b : BACKENDS) {
                for (Place place : Place.values()) {
                    String where = f + " of " + n + " on " + b + ", " + place;
                    if (place != Place.OVER_GY) {
                        same(y, forward(b, f, x, place), where);
                    }
                    same(gx, backward(b, f, x, gy, place), where + ", backward");
                }
            }
        }
    }

    private static void same(float[] want, float[] got, String what) {
        for (int i = 0; i < want.length; i++) {
            int bits = Float.floatToIntBits(got[i]); // one NaN like another, but zeros by sign
            assertEquals(Float.floatToIntBits(want[i]), bits, what + " [" + i + "]");
        }
    }

    private static float[] values(SplittableRandom random, int n) {
        float[] special = {0, -0f, 1e-42f, Float.MIN_NORMAL, 1e9f, Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NaN};
        float[] v = new float[n];
        for (int i = 0; i < n; i++) {
            v[i] = switch (random.nextInt(4)) {
                case 0 -> special[random.nextInt(special.length)];
                case 1 -> 100 * (float) random.nextDouble();
                default -> (float) random.nextGaussian();
            };
            v[i] = random.nextBoolean() ? v[i] : -v[i];
        }
        return v;
    }

    /** Where the derivative is 0 because the function is constant, nothing comes back, not even of infinity. */
    @ParameterizedTest
    @EnumSource(names = {"RELU", "RELU_SQUARED"})
    void nothingComesBackFromWhereReluIsFlat(Activation f) {
        float inf = Float.POSITIVE_INFINITY;
        float[] x = {-inf, -1, -0f, 0, 2, inf, Float.NaN};
        for (float g : new float[] {inf, -inf, Float.NaN, 3}) {
            float[] gy = {g, g, g, g, g, g, g};
            for (Backend b : BACKENDS) {
                float[] gx = backward(b, f, x, gy, Place.APART);
                for (int i = 0; i < 4; i++) {
                    assertEquals(0, Math.abs(gx[i]), f + "' at " + x[i] + " times " + g + " on " + b);
                }
                float slope = f == Activation.RELU ? 1 : 2 * x[4];
                assertEquals(slope * g, gx[4], f + "' at 2 times " + g + " on " + b);
                assertTrue(Float.isNaN(gx[6]), f + "' of NaN times " + g + " on " + b);
            }
        }
    }
}
