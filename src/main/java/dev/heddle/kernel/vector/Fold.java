package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.LANES;
import static jdk.incubator.vector.VectorOperators.NE;

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * As many vectors as a vector has lanes, each folded in halves (lane i with i + h), at the price of a few instructions each:
 * of two vectors the result keeps the lanes without a bit for the one and those with it for the other, each folded over that bit.
 * After all bits lane i has vector i.
 */
@Inline
final class Fold {
    private Fold() {}

    /** In lane i the sum of the lanes of vector i. */
    static FloatVector sums(FloatVector[] x) {
        for (int h = LANES / 2; h >= 1; h /= 2) {
            IntVector low = low(h);
            IntVector high = high(h);
            for (int i = 0; i < h; i++) {
                x[i] = pick(x[i], x[i + h], low).add(pick(x[i], x[i + h], high));
            }
        }
        return x[0];
    }

    /** In lane i the largest lane of vector i, none of which is NaN; +0 if that is a zero, whatever its sign. */
    static FloatVector largest(FloatVector[] x) {
        for (int h = LANES / 2; h >= 1; h /= 2) {
            IntVector low = low(h);
            IntVector high = high(h);
            for (int i = 0; i < h; i++) {
                x[i] = V.max(pick(x[i], x[i + h], low), pick(x[i], x[i + h], high));
            }
        }
        return x[0].add(0f);
    }

    private static FloatVector pick(FloatVector a, FloatVector b, IntVector from) {
        return from.selectFrom(a.reinterpretAsInts(), b.reinterpretAsInts()).reinterpretAsFloats();
    }

    /** Lanes of the first vector without bit {@code h}, and in the places of the others those of the second without it. */
    private static IntVector low(int h) {
        IntVector lane = V.lane();
        return lane.blend(lane.add(LANES - h), lane.and(h).compare(NE, 0));
    }

    /** Lanes of the second vector with bit {@code h}, and in the places of the others those of the first with it. */
    private static IntVector high(int h) {
        IntVector lane = V.lane();
        return lane.add(h).blend(lane.add(LANES), lane.and(h).compare(NE, 0));
    }
}
