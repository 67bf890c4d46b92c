package dev.heddle.loom.vector;

import static dev.heddle.loom.vector.Lanes.LANES;
import static dev.heddle.loom.vector.V.i32;
import static dev.heddle.loom.vector.V.load;
import static dev.heddle.loom.vector.V.store;

import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/** Planted errors, for the checked mode to find. */
public final class Bugs {
    private Bugs() {}

    @Kernel
    public static void correct(long x, long y, int n) {
        for (int i = 0; i < n; i += LANES) {
            store(load(x + 4L * i).add(1f), y + 4L * i);
        }
    }

    @Kernel
    public static void loadsTooFar(long x, long y, int n) {
        for (int i = 0; i <= n; i += LANES) {
            store(load(x + 4L * i).add(1f), y);
        }
    }

    @Kernel
    public static void storesOneLow(long x, long y, int n) {
        for (int i = 0; i < n; i += LANES) {
            FloatVector v = load(x + 4L * i);
            store(v.add(1f), y + 4L * i - 4);
        }
    }

    @Kernel
    public static int readsOneElementTooFar(long x, long y, int n) {
        int sum = 0;
        for (int i = 0; i <= n; i++) {
            sum += i32(x + 4L * i);
        }
        return sum + (int) y;
    }
}
