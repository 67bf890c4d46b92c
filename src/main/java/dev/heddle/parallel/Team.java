package dev.heddle.parallel;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Splits work over threads. The caller and the helpers take chunks from one counter until none is left, so a helper that
 * the system has taken away delays nothing but its own chunk. Helpers are daemon platform threads that spin for a while
 * after a job (a wake-up costs more than a small job) and then park.
 *
 * <p>Results never depend on who took which chunk: what a chunk is follows from shapes alone.
 *
 * <p>One job runs on the team at a time. A caller who finds it busy, be it another thread or a nested call, runs its job
 * alone; so nothing can wait for itself, and virtual threads may call.
 */
public final class Team {
    /** Work below this many nanoseconds is not worth handing out. */
    private static final double SERIAL_NANOS = 30_000;

    /** About 50 us on current machines. */
    private static final int SPINS = 20_000;

    private static final int DEFAULT_THREADS = Math.max(
            1, Integer.getInteger("heddle.threads", Runtime.getRuntime().availableProcessors()));

    private static final ScopedValue<Helpers> HELPERS = ScopedValue.newInstance();
    private static final Team SHARED = new Team();

    /** How many threads, and whose; null executor means the team's own. */
    private record Helpers(int threads, @Nullable Executor executor) {}

    /** One part of a job. Parts run in any order, on any thread, at most one thread each. */
    @FunctionalInterface
    public interface Chunk {
        void run(int index);
    }

    private final AtomicBoolean busy = new AtomicBoolean();
    private final List<Worker> workers = new ArrayList<>();
    private volatile Job current = Job.NONE;

    private Team() {}

    /** The number of threads that a job of the calling thread may use, itself included. */
    public static int threads() {
        return HELPERS.isBound() ? HELPERS.get().threads() : DEFAULT_THREADS;
    }

    /** Runs {@code body} with jobs split over at most {@code threads} threads. */
    public static void with(int threads, Runnable body) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + ", must be at least 1");
        }
        ScopedValue.where(HELPERS, new Helpers(threads, null)).run(body);
    }

    /** Runs {@code body} with helpers from {@code executor}: at most {@code threads} threads, the caller included. */
    public static void with(Executor executor, int threads, Runnable body) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + ", must be at least 1");
        }
        ScopedValue.where(HELPERS, new Helpers(threads, executor)).run(body);
    }

    /**
     * Runs chunks 0 to {@code chunks - 1} and returns when all are done. What a chunk throws is thrown here, after the
     * others have stopped.
     *
     * @param nanos a rough estimate of the whole job's time on one thread
     */
    public static void run(int chunks, double nanos, Chunk chunk) {
        int threads = Math.min(threads(), chunks);
        if (threads <= 1 || nanos < SERIAL_NANOS) {
            serial(chunks, chunk);
            return;
        }
        Executor executor = HELPERS.isBound() ? HELPERS.get().executor() : null;
        if (executor != null) {
            borrowed(executor, threads, new Job(chunks, threads - 1, chunk));
        } else {
            SHARED.run(threads, chunks, chunk);
        }
    }

    private static void serial(int chunks, Chunk chunk) {
        for (int i = 0; i < chunks; i++) {
            chunk.run(i);
        }
    }

    private static void borrowed(Executor executor, int threads, Job job) {
        for (int i = 1; i < threads; i++) {
            try {
                executor.execute(job::help);
            } catch (RejectedExecutionException e) {
                break; // the caller does what nobody takes
            }
        }
        job.lead();
    }

    private void run(int threads, int chunks, Chunk chunk) {
        if (!busy.compareAndSet(false, true)) {
            serial(chunks, chunk);
            return;
        }
        try {
            while (workers.size() < threads - 1) {
                workers.add(new Worker(workers.size() + 1));
            }
            Job job = new Job(chunks, threads - 1, chunk);
            current = job;
            for (int i = 0; i < threads - 1; i++) {
                workers.get(i).wake();
            }
            job.lead();
        } finally {
            current = Job.NONE;
            busy.set(false);
        }
    }

    private final class Worker implements Runnable {
        private final Thread thread;
        private volatile boolean parked;

        Worker(int number) {
            thread = Thread.ofPlatform().daemon().name("heddle-" + number).start(this);
        }

        void wake() {
            if (parked) {
                LockSupport.unpark(thread);
            }
        }

        @Override
        public void run() {
            Job seen = Job.NONE;
            while (true) {
                Job job = awaitOther(seen);
                job.help();
                seen = job;
            }
        }

        private Job awaitOther(Job seen) {
            for (int i = 0; i < SPINS; i++) {
                Job job = current;
                if (job != seen && job != Job.NONE) {
                    return job;
                }
                Thread.onSpinWait();
            }
            parked = true;
            Job job = current;
            while (job == seen || job == Job.NONE) {
                LockSupport.park(Team.this);
                job = current;
            }
            parked = false;
            return job;
        }
    }

    /** Chunks to take, and how many helpers are at it. Helpers may arrive late, or after the end. */
    private static final class Job {
        private static final VarHandle NEXT;
        private static final VarHandle HELPERS_AT_WORK;

        static {
            try {
                MethodHandles.Lookup l = MethodHandles.lookup();
                NEXT = l.findVarHandle(Job.class, "next", int.class);
                HELPERS_AT_WORK = l.findVarHandle(Job.class, "atWork", int.class);
            } catch (ReflectiveOperationException e) {
                throw new ExceptionInInitializerError(e);
            }
        }

        private static final int ENDED = Integer.MIN_VALUE;

        static final Job NONE = new Job(0, 0, null);

        private final int chunks;
        private final int maxHelpers;
        private final @Nullable Chunk chunk;
        private volatile int next;
        private volatile int atWork;
        private volatile @Nullable Throwable failure;

        Job(int chunks, int maxHelpers, @Nullable Chunk chunk) {
            this.chunks = chunks;
            this.maxHelpers = maxHelpers;
            this.chunk = chunk;
        }

        void help() {
            for (int n; ; ) {
                n = atWork;
                if (n < 0 || n >= maxHelpers) {
                    return;
                }
                if (HELPERS_AT_WORK.compareAndSet(this, n, n + 1)) {
                    break;
                }
            }
            takeChunks();
            HELPERS_AT_WORK.getAndAdd(this, -1);
        }

        @SuppressWarnings("ThreadPriorityCheck") // yields to helpers on a crowded machine; nothing depends on it
        void lead() {
            takeChunks();
            for (int spins = 0; !HELPERS_AT_WORK.compareAndSet(this, 0, ENDED); spins++) {
                if (spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    Thread.yield();
                }
            }
            Throwable f = failure;
            if (f != null) {
                throw sneaky(f);
            }
        }

        private void takeChunks() {
            int i;
            while ((i = (int) NEXT.getAndAdd(this, 1)) < chunks) {
                try {
                    Objects.requireNonNull(chunk).run(i);
                } catch (Throwable t) {
                    failure = t;
                    next = chunks; // nobody starts another
                }
            }
        }

        /** Chunks declare no checked exceptions, so {@code t} is one that the caller may see as it is. */
        private static RuntimeException sneaky(Throwable t) {
            if (t instanceof Error e) {
                throw e;
            }
            throw (RuntimeException) t;
        }
    }
}
