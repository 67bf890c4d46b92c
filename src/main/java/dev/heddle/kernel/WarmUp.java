package dev.heddle.kernel;

import com.sun.management.ThreadMXBean;
import dev.heddle.memory.Block;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.LongUnaryOperator;

/**
 * Drives vector kernels until HotSpot's C2 has compiled them. A daemon of low priority runs each waiting kernel and its scalar
 * twin on the same tiny inputs. The kernel is taken into service when it beats the twin by half, stays below
 * {@link #COMPILED_NANOS} for an element, and makes no objects, slice after slice for {@link #CALLS} calls.
 *
 * <p>Objects are what tells: where C2 has compiled a loop that was running already (on-stack replacement), but not the method, the
 * vectors that it found in the interpreter's frame stay objects, and so do those that come of them. That is fast enough to be taken
 * for compiled beside a twin that is not either, and a hundred times slower than it should be.
 *
 * <p>HotSpot can lose a kernel. If many methods wait for C2 when a kernel's turn comes, C1 compiles it without a profile, at
 * tier 2; from there the only way on is a profile, tier 3, and for that many kernels are too large for C1: it gives up,
 * and nothing asks again. So kernels take turns of some length, rather than all of them wait for C2 at once; and one that takes long
 * starts again as a copy of its class, which has no such past. One that makes objects to the end of its time, but beats the twin
 * all the same, serves, and so does one that makes none and keeps up with the twin; if none does in {@link #PATIENCE}, the twin
 * goes on serving, with one line in the log.
 */
public final class WarmUp {
    private WarmUp() {}

    /** Bytes of scratch memory that a probe may use. */
    public static final long SCRATCH = 1 << 20;

    private static final double COMPILED_NANOS = 4;
    private static final double TIMES_FASTER = 1.5;

    /** Of what is slower than the twin by less than this, noise may be the reason. */
    private static final double SLACK = 1.25;

    private static final long SLICE_NANOS = 2_000_000;
    private static final long TURN_NANOS = 200_000_000;

    /** As many as make HotSpot compile a method that has loops, whatever it has made of the loops. */
    private static final int CALLS = 700;

    /** A probe makes small objects of its own; more of them before they are compiled away. */
    private static final double OWN_BYTES = 2048;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** The time that a class gets, and then each copy. */
    private static final Duration RENEWAL = Duration.ofSeconds(10);

    /** For C2 to get through what waits for it before a copy's turn comes. */
    private static final Duration PAUSE = Duration.ofMillis(500);

    private static final System.Logger LOG = System.getLogger("dev.heddle");
    private static final Deque<Pending> QUEUE = new ArrayDeque<>();
    private static boolean started;
    private static int unfinished;

    private static final class Pending {
        final Dispatch.Warming<?> kernel;
        double twinBest = Double.POSITIVE_INFINITY;
        boolean faster;
        long goodCalls;
        long spent;
        long renewal = RENEWAL.toNanos();

        Pending(Dispatch.Warming<?> kernel) {
            this.kernel = kernel;
        }
    }

    @SuppressWarnings("ThreadPriorityCheck") // only a wish: real work goes first
    static void request(Dispatch.Warming<?> kernel) {
        synchronized (QUEUE) {
            QUEUE.add(new Pending(kernel));
            unfinished++;
            if (!started) {
                started = true;
                Thread t = new Thread(WarmUp::serve, "heddle-warm-up");
                t.setDaemon(true);
                t.setPriority(Thread.MIN_PRIORITY);
                t.start();
            }
            QUEUE.notifyAll();
        }
    }

    /**
     * Waits until every kernel asked for so far is compiled or given up.
     *
     * @return whether that happened within {@code limit}
     */
    public static boolean await(Duration limit) throws InterruptedException {
        long end = System.nanoTime() + limit.toNanos();
        synchronized (QUEUE) {
            while (unfinished > 0) {
                long left = (end - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    return false;
                }
                QUEUE.wait(left);
            }
        }
        return true;
    }

    private static void serve() {
        Block block = new Block(SCRATCH, true);
        while (true) {
            Pending p = next();
            try {
                serve(p, block);
            } catch (RuntimeException | Error e) {
                LOG.log(System.Logger.Level.ERROR, p.kernel + " could not be warmed up: its twin goes on serving", e);
                finish(p, false);
            }
        }
    }

    /** A kernel's turn. */
    private static void serve(Pending p, Block block) {
        long start = System.nanoTime();
        long before = p.spent;
        Slice vector;
        do {
            vector = slice(p.kernel::probe, block);
            p.twinBest = Math.min(p.twinBest, slice(p.kernel::probeTwin, block).nanosPerElement);
            p.faster = vector.nanosPerElement < COMPILED_NANOS && vector.nanosPerElement * TIMES_FASTER < p.twinBest;
            p.goodCalls = p.faster && vector.bytesPerCall < OWN_BYTES ? p.goodCalls + vector.calls : 0;
            p.spent = before + System.nanoTime() - start;
        } while (p.goodCalls < CALLS && p.spent - before < TURN_NANOS);
        boolean due = p.spent > p.renewal;
        if (p.goodCalls >= CALLS || (due && (p.faster || keepsUp(vector, p.twinBest)))) {
            finish(p, true);
        } else if (p.spent > PATIENCE.toNanos()) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0} was not compiled to vector instructions ({1} ns per element, its scalar twin {2}; {3} bytes of"
                            + " objects in a call): the twin goes on serving",
                    p.kernel,
                    vector.nanosPerElement,
                    p.twinBest,
                    vector.bytesPerCall);
            finish(p, false);
        } else {
            if (due) {
                p.kernel.renew();
                p.renewal = p.spent + RENEWAL.toNanos();
                pause();
            }
            synchronized (QUEUE) {
                QUEUE.add(p);
            }
        }
    }

    /** What makes no object at all is compiled, even where vectors gain it nothing, as in mere copies. */
    private static boolean keepsUp(Slice vector, double twinNanos) {
        return vector.nanosPerElement < twinNanos * SLACK && vector.bytesPerCall < 1;
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE);
        } catch (InterruptedException e) {
            // nobody has a reason to interrupt this daemon; go on serving
        }
    }

    private static Pending next() {
        synchronized (QUEUE) {
            while (QUEUE.isEmpty()) {
                try {
                    QUEUE.wait();
                } catch (InterruptedException e) {
                    // nobody has a reason to interrupt this daemon; go on serving
                }
            }
            return QUEUE.remove();
        }
    }

    private record Slice(double nanosPerElement, double bytesPerCall, long calls) {}

    private static Slice slice(LongUnaryOperator probe, Block block) {
        block.segment().fill((byte) 0); // what another probe left there may be taken for an index
        long scratch = block.segment().address();
        long bytes = THREADS.getCurrentThreadAllocatedBytes();
        long start = System.nanoTime();
        long elements = 0;
        long calls = 0;
        long nanos;
        do {
            elements += probe.applyAsLong(scratch);
            calls++;
            nanos = System.nanoTime() - start;
        } while (nanos < SLICE_NANOS);
        bytes = THREADS.getCurrentThreadAllocatedBytes() - bytes;
        return new Slice((double) nanos / Math.max(elements, 1), (double) bytes / calls, calls);
    }

    private static void finish(Pending p, boolean hot) {
        p.kernel.done(hot);
        synchronized (QUEUE) {
            unfinished--;
            QUEUE.notifyAll();
        }
    }
}
