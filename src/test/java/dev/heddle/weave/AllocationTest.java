package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/** A compiled kernel makes no objects: if C2 stopped inlining halfway, each vector would be one. */
class AllocationTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int CALLS = 20;

    @Test
    void kernelsDoNotAllocate() throws Throwable {
        Target target = Workshop.target(FloatVector.SPECIES_PREFERRED.length());
        Class<?> kernels = new Workshop().weave(target, "Waves").woven("Waves", target);
        MethodHandle mean = MethodHandles.lookup()
                .findStatic(
                        kernels,
                        "mean",
                        MethodType.methodType(void.class, long.class, long.class, long.class, int.class, int.class));
        Memory memory = new Memory(1);
        int columns = 64;
        int steps = 64;
        long k = memory.floats(columns * steps, false);
        long v = memory.floats(columns * steps, false);
        long y = memory.bytes(4L * columns * steps);

        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        assertTrue(thread.isThreadAllocatedMemoryEnabled());
        long perCall = Long.MAX_VALUE;
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (perCall > 0 && System.nanoTime() < end) {
            long before = thread.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < CALLS; i++) {
                mean.invokeExact(k, v, y, columns, steps);
            }
            perCall = (thread.getCurrentThreadAllocatedBytes() - before) / CALLS;
        }
        assertEquals(0, perCall, "bytes that a warm call allocates");
    }
}
