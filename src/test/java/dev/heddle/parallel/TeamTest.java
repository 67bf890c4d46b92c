package dev.heddle.parallel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class TeamTest {
    private static final double MUCH = 1e9;

    private static void runsEachOnce(int chunks) {
        AtomicIntegerArray runs = new AtomicIntegerArray(chunks);
        Team.run(chunks, MUCH, runs::incrementAndGet);
        for (int i = 0; i < chunks; i++) {
            assertEquals(1, runs.get(i), "chunk " + i);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void everyChunkRunsOnce(int threads) {
        Team.with(threads, () -> {
            for (int chunks : new int[] {0, 1, 2, 10, 1000}) {
                for (int round = 0; round < 50; round++) {
                    runsEachOnce(chunks);
                }
            }
        });
    }

    @Test
    void helpersHelp() throws InterruptedException {
        CountDownLatch three = new CountDownLatch(3);
        Team.with(
                3,
                () -> Team.run(3, MUCH, _ -> {
                    three.countDown();
                    awaitQuietly(three); // nobody gets past unless three threads are at it
                }));
        assertTrue(three.await(0, TimeUnit.SECONDS));
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void noMoreThreadsThanAskedFor() {
        Team.with(7, () -> runsEachOnce(100)); // the team has seven now
        Set<Thread> seen = ConcurrentHashMap.newKeySet();
        Team.with(
                2,
                () -> Team.run(2000, MUCH, _ -> {
                    seen.add(Thread.currentThread());
                    Thread.onSpinWait();
                }));
        assertTrue(seen.size() <= 2, seen.toString());
    }

    @Test
    void smallWorkStaysOnTheCaller() {
        Set<Thread> seen = ConcurrentHashMap.newKeySet();
        Team.with(4, () -> Team.run(100, 1000, _ -> seen.add(Thread.currentThread())));
        assertEquals(Set.of(Thread.currentThread()), seen);
    }

    @Test
    void nestedCallsRun() {
        Team.with(4, () -> Team.run(8, MUCH, _ -> runsEachOnce(20)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 99})
    void whatAChunkThrowsReachesTheCaller(int bad) {
        Team.with(4, () -> {
            IllegalStateException e = assertThrows(
                    IllegalStateException.class,
                    () -> Team.run(100, MUCH, i -> {
                        if (i == bad) {
                            throw new IllegalStateException("chunk " + i);
                        }
                    }));
            assertEquals("chunk " + bad, e.getMessage());
            runsEachOnce(100); // and the team is as good as before
        });
    }

    @Test
    void manyCallersAtOnce() throws InterruptedException {
        List<Thread> callers = new ArrayList<>();
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int c = 0; c < 8; c++) {
            Runnable body = () -> Team.with(3, () -> {
                for (int round = 0; round < 200; round++) {
                    runsEachOnce(17);
                }
            });
            Thread t = c % 2 == 0
                    ? Thread.ofVirtual().unstarted(body)
                    : Thread.ofPlatform().unstarted(body);
            t.setUncaughtExceptionHandler((_, e) -> failures.add(e));
            callers.add(t);
        }
        callers.forEach(Thread::start);
        for (Thread t : callers) {
            t.join();
        }
        assertEquals(List.of(), failures);
    }

    @Test
    void borrowsFromAnExecutor() {
        try (ExecutorService pool = Executors.newFixedThreadPool(2)) {
            Set<String> names = ConcurrentHashMap.newKeySet();
            Team.with(pool, 3, () -> {
                runsEachOnce(100);
                Team.run(50, MUCH, _ -> names.add(Thread.currentThread().getName()));
            });
            assertTrue(names.stream().noneMatch(n -> n.startsWith("heddle-")), names.toString());
        }
    }

    @Test
    void anExecutorThatRefusesLeavesTheWorkToTheCaller() {
        ExecutorService gone = Executors.newFixedThreadPool(1);
        gone.shutdown();
        Team.with(gone, 3, () -> runsEachOnce(100));
    }

    @Test
    void threadsMustBePositive() {
        assertThrows(IllegalArgumentException.class, () -> Team.with(0, () -> {}));
    }
}
