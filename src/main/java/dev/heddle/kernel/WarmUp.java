package dev.heddle.kernel;

import dev.heddle.memory.Block;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.LongUnaryOperator;

/**
 * Drives vector kernels until HotSpot's C2 has compiled them. A daemon of low priority gives each waiting kernel a slice in
 * turn, runs it and its scalar twin on the same tiny inputs, and compares nanoseconds per element: a kernel in the
 * interpreter or in C1's code takes tens to thousands, its compiled form less than one. It is taken into service when two
 * slices in a row beat the twin's best by half and stay below {@link #COMPILED_NANOS}.
 *
 * <p>HotSpot can lose a kernel. If many methods wait for C2 when a kernel's turn comes, C1 compiles it without a profile, at
 * tier 2; from there the only way on is a profile, tier 3, and for that many kernels are too large for C1: it gives up,
 * and nothing asks again. So a kernel that takes long starts again as a copy of its class, which has no such past. One
 * that does not get there in {@link #PATIENCE} of its own time either is left to its twin, with one line in the log.
 */
public final class WarmUp {
    private WarmUp() {}

    /** Bytes of scratch memory that a probe may use. */
    public static final long SCRATCH = 1 << 20;

    private static final double COMPILED_NANOS = 4;
    private static final double TIMES_FASTER = 1.5;
    private static final long SLICE_NANOS = 2_000_000;
    private static final Duration PATIENCE = Duration.ofSeconds(40);

    /** The time that the first class gets, its copy twice that, and so on. */
    private static final Duration RENEWAL = Duration.ofSeconds(4);

    private static final Deque<Pending> QUEUE = new ArrayDeque<>();
    private static boolean started;
    private static int unfinished;

    private static final class Pending {
        final Dispatch.Warming<?> kernel;
        double twinBest = Double.POSITIVE_INFINITY;
        int good;
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
            long start = System.nanoTime();
            double vector = slice(p.kernel::probe, block);
            p.twinBest = Math.min(p.twinBest, slice(p.kernel::probeTwin, block));
            p.good = vector < COMPILED_NANOS && vector * TIMES_FASTER < p.twinBest ? p.good + 1 : 0;
            p.spent += System.nanoTime() - start;
            boolean hot = p.good >= 2;
            if (hot || p.spent > PATIENCE.toNanos()) {
                finish(p, hot, vector);
            } else {
                if (p.spent > p.renewal) {
                    p.kernel.renew();
                    p.renewal = 3 * p.renewal;
                }
                synchronized (QUEUE) {
                    QUEUE.add(p);
                }
            }
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

    private static double slice(LongUnaryOperator probe, Block block) {
        block.segment().fill((byte) 0); // what another probe left there may be taken for an index
        long scratch = block.segment().address();
        long start = System.nanoTime();
        long elements = 0;
        long nanos;
        do {
            elements += probe.applyAsLong(scratch);
            nanos = System.nanoTime() - start;
        } while (nanos < SLICE_NANOS);
        return (double) nanos / Math.max(elements, 1);
    }

    private static void finish(Pending p, boolean hot, double nanos) {
        p.kernel.done(hot);
        if (!hot) {
            System.getLogger("dev.heddle")
                    .log(
                            System.Logger.Level.WARNING,
                            "{0} was not compiled to vector instructions ({1} ns per element, its scalar twin {2}):"
                                    + " the twin goes on serving",
                            p.kernel,
                            nanos,
                            p.twinBest);
        }
        synchronized (QUEUE) {
            unfinished--;
            QUEUE.notifyAll();
        }
    }
}
