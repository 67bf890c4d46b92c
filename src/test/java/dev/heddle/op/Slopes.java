package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.heddle.reference.Derivative;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Compares gradients, one for each input of an enum, with the slopes of a loss in float64. */
final class Slopes {
    private Slopes() {}

    /** What a slope may be wrong by for each unit of the loss, as differences of losses cancel: ulps over {@link Derivative}'s step. */
    private static final double CANCELLATION = 1e-9;

    /**
     * Element by element.
     *
     * @param loss of {@code inputs}, which are changed in place and put back
     */
    static <E extends Enum<E>> void assertEach(E[] names, double[][] inputs, DoubleSupplier loss, float[][] gradients) {
        double noise = CANCELLATION * Math.abs(loss.getAsDouble());
        for (E input : names) {
            double[] want = Derivative.of(_ -> loss.getAsDouble(), inputs[input.ordinal()]);
            double size = Arrays.stream(want).map(Math::abs).max().orElse(0);
            Trial.assertClose(
                    want, gradients[input.ordinal()], 2e-5, noise + 1e-5 * (1 + size), "gradient of " + input);
        }
    }

    /** Along one direction for each input, where there are too many elements to try each. */
    static <E extends Enum<E>> void assertAlong(
            E[] names, double[][] inputs, DoubleSupplier loss, float[][] gradients) {
        Random r = new Random(1);
        double noise = CANCELLATION * Math.abs(loss.getAsDouble());
        for (E input : names) {
            double[] values = inputs[input.ordinal()];
            float[] gradient = gradients[input.ordinal()];
            double[] start = values.clone();
            double[] direction = r.doubles(values.length, -1, 1).toArray();
            double[] want = Derivative.of(
                    s -> {
                        for (int i = 0; i < values.length; i++) {
                            values[i] = start[i] + s[0] * direction[i];
                        }
                        return loss.getAsDouble();
                    },
                    new double[1]);
            System.arraycopy(start, 0, values, 0, start.length);
            double got = 0;
            double size = 0;
            for (int i = 0; i < direction.length; i++) {
                got += gradient[i] * direction[i];
                size += Math.abs(gradient[i] * direction[i]);
            }
            assertEquals(want[0], got, noise + 1e-5 * size + 1e-4, "gradient of " + input);
        }
    }

    /** A gradient has the same bits whether it is asked for with all others or alone, and alone brings no other. */
    static <E extends Enum<E>> void assertAlone(
            Class<E> inputs, E input, Function<Set<E>, @Nullable Tensor[]> backward) {
        @Nullable Tensor[] all = backward.apply(EnumSet.allOf(inputs));
        @Nullable Tensor[] one = backward.apply(EnumSet.of(input));
        for (E other : inputs.getEnumConstants()) {
            Tensor want = all[other.ordinal()];
            if (other == input && want != null) {
                Trial.assertSameBits(want.toFloatArray(), one[other.ordinal()].toFloatArray(), input.name());
            } else {
                assertNull(one[other.ordinal()]);
            }
        }
    }
}
