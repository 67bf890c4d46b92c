package dev.heddle.bench;

import dev.heddle.parallel.Team;

/** Two halves of a work that needs nothing but a core: twice as fast on two threads only where there is a second core. */
public final class SecondCore {
    private static final long STEPS = 10_000_000;
    /** Far enough apart to be in cache lines of their own. */
    private static final int APART = 64;

    private final long[] values = new long[2 * APART];

    /** The same work, on so many threads. */
    public void probe(int threads) {
        Team.with(
                threads,
                () -> Team.run(2, 1e9, i -> {
                    long v = values[APART * i];
                    for (long s = 0; s < STEPS; s++) {
                        v = v * 6364136223846793005L + s;
                    }
                    values[APART * i] = v;
                }));
    }
}
