package dev.heddle.memory;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Counts native memory, so that what was dropped and not freed is collected in time: the garbage collector sees small objects
 * only and would wait. When as much is held as the heap may have (-Xmx), and each time it has grown by half since, Heddle
 * asks for a collection. No allocation is refused.
 */
final class Budget {
    private Budget() {}

    /** For the cleaner to get through what a collection has found. */
    private static final int WAITS = 8;

    private static final AtomicLong HELD = new AtomicLong();
    private static volatile long limit = Runtime.getRuntime().maxMemory();

    static void take(long bytes) {
        if (HELD.addAndGet(bytes) > limit) {
            grown();
        }
    }

    static void giveBack(long bytes) {
        HELD.addAndGet(-bytes);
    }

    static long held() {
        return HELD.get();
    }

    private static synchronized void grown() {
        if (HELD.get() > limit) { // no other thread has seen to it
            collect();
            long held = HELD.get();
            limit = Math.max(Runtime.getRuntime().maxMemory(), held + held / 2);
        }
    }

    /** Has dropped memory freed, and waits for it a little. */
    static void collect() {
        long before = HELD.get();
        System.gc();
        for (int i = 0; i < WAITS && HELD.get() > before / 2; i++) {
            LockSupport.parkNanos(1_000_000L << i);
        }
    }
}
