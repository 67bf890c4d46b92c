package dev.heddle;

import dev.heddle.kernel.Backends;
import dev.heddle.kernel.WarmUp;
import dev.heddle.parallel.Team;
import java.time.Duration;
import java.util.concurrent.Executor;

/** What runs here and why, how many threads work on it, and how to have it warm before the first request. */
public final class Heddle {
    private Heddle() {}

    /** The backend in use, why it was chosen, and the number of threads; several lines. */
    public static String describe() {
        return "Heddle on Java " + Runtime.version() + ", " + System.getProperty("os.arch") + "\n"
                + String.join("\n", Backends.describe()) + "\nthreads " + Team.threads();
    }

    /**
     * Runs {@code body} with its operations split over at most {@code threads} threads, the caller's included. Results do
     * not depend on the number.
     */
    public static void with(int threads, Runnable body) {
        Team.with(threads, body);
    }

    /** Like {@link #with(int, Runnable)}, with helpers from an executor of yours instead of Heddle's own threads. */
    public static void with(Executor executor, int threads, Runnable body) {
        Team.with(executor, threads, body);
    }

    /**
     * Runs {@code sample} once, then waits until the vector kernels that it asked for are compiled. Without this the
     * scalar twins serve, with the same results, until the same has happened in the background.
     *
     * @return whether all of them were ready within {@code limit}
     */
    public static boolean warmUp(Runnable sample, Duration limit) throws InterruptedException {
        Backends.choice();
        sample.run();
        return WarmUp.await(limit);
    }
}
