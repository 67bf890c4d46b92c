package dev.heddle.memory;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Who may still touch a block of native memory. Work on the block is bracketed by {@link #acquire} and {@link #release};
 * while any is running, {@link #close} and {@link #reset} throw. A reset starts a new generation, and whoever holds an
 * older one is refused. All of it is one atomic word: the generation above, the number of uses below.
 */
public final class Owner {
    private static final long CLOSED = -1;
    private static final long USES = (1L << 32) - 1;

    private final AtomicLong state = new AtomicLong();
    private final String what;

    /** @param what the noun that messages use, "tensor" or "workspace" */
    public Owner(String what) {
        this.what = what;
    }

    public long generation() {
        return state.get() >>> 32;
    }

    public boolean isAlive(long generation) {
        long s = state.get();
        return s != CLOSED && s >>> 32 == generation;
    }

    /** @throws IllegalStateException if the block was closed, or reset since {@code generation} */
    public void acquire(long generation) {
        for (long s; ; ) {
            s = state.get();
            if (s == CLOSED) {
                throw new IllegalStateException("use after close: the " + what + " that owns this memory was closed");
            }
            if (s >>> 32 != generation) {
                throw new IllegalStateException(
                        "use after reset: the " + what + " that owns this memory was reset, and its tensors with it");
            }
            if (state.compareAndSet(s, s + 1)) {
                return;
            }
        }
    }

    public void release() {
        state.getAndDecrement();
    }

    /** Starts a new generation: whoever holds an older one is refused from now on. */
    public void reset() {
        for (long s; ; ) {
            s = state.get();
            if (s == CLOSED) {
                throw new IllegalStateException("reset after close: the " + what + " was closed");
            }
            requireIdle(s, "reset");
            if (state.compareAndSet(s, ((s >>> 32) + 1 & 0x7fff_ffffL) << 32)) {
                return;
            }
        }
    }

    /** Ends the block's life; false if it had ended before. */
    public boolean close() {
        for (long s; ; ) {
            s = state.get();
            if (s == CLOSED) {
                return false;
            }
            requireIdle(s, "close");
            if (state.compareAndSet(s, CLOSED)) {
                return true;
            }
        }
    }

    private void requireIdle(long s, String action) {
        long uses = s & USES;
        if (uses != 0) {
            throw new IllegalStateException("cannot " + action + " the " + what + " while " + uses
                    + (uses == 1 ? " operation uses" : " operations use") + " its memory");
        }
    }
}
