package dev.heddle.memory;

import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The allocations that are alive, for the checked mode: kernels woven with checks ask {@link #check} before each load and
 * store. Recorded only under {@code -Dheddle.checked=true}, where each allocation also gets a red zone on both sides, so
 * that a step beyond one block cannot land in the next.
 */
public final class LiveRanges {
    private LiveRanges() {}

    public static final boolean ENABLED = Boolean.getBoolean("heddle.checked");

    /** Bytes left unused on each side of an allocation; as wide as the widest vector. */
    public static final long RED_ZONE = ENABLED ? 64 : 0;

    private static final ConcurrentSkipListMap<Long, Long> ENDS = new ConcurrentSkipListMap<>();

    private static final AtomicLong LIVE = new AtomicLong();
    private static final AtomicLong MOST = new AtomicLong();

    public static void add(long address, long bytes) {
        if (ENABLED) {
            ENDS.put(address, address + bytes);
            long live = LIVE.addAndGet(bytes);
            MOST.accumulateAndGet(live, Math::max);
        }
    }

    public static void remove(long address) {
        if (ENABLED) {
            Long end = ENDS.remove(address);
            if (end != null) {
                LIVE.addAndGet(address - end);
            }
        }
    }

    /** How many bytes more than at its start were alive at some moment of {@code body}. */
    public static long mostDuring(Runnable body) {
        long before = LIVE.get();
        MOST.set(before);
        body.run();
        return MOST.get() - before;
    }

    /** Removes all that start in a range. */
    static void removeAll(long address, long bytes) {
        if (ENABLED) {
            remove(address); // though it may be empty
            ENDS.subMap(address, address + bytes).keySet().forEach(LiveRanges::remove);
        }
    }

    /** @throws AssertionError if the range is not inside one live allocation, naming the kernel that asked */
    public static void check(long address, long bytes, boolean store) {
        Map.Entry<Long, Long> below = ENDS.floorEntry(address);
        if (below != null && address + bytes <= below.getValue()) {
            return;
        }
        StackWalker.StackFrame at = StackWalker.getInstance()
                .walk(frames -> frames.dropWhile(f -> !isKernel(f)).findFirst().orElseThrow());
        throw new AssertionError("%s.%s (%s:%d) %s %d bytes at %s"
                .formatted(
                        at.getClassName(),
                        at.getMethodName(),
                        at.getFileName(),
                        at.getLineNumber(),
                        store ? "stores" : "loads",
                        bytes,
                        place(address, below)));
    }

    private static boolean isKernel(StackWalker.StackFrame f) {
        return !f.getClassName().startsWith("dev.heddle.memory.")
                && !f.getClassName().startsWith("dev.heddle.weave.");
    }

    private static String place(long address, Map.@Nullable Entry<Long, Long> below) {
        Map.Entry<Long, Long> above = ENDS.ceilingEntry(address);
        boolean nearerAbove = above != null && (below == null || above.getKey() - address < address - below.getValue());
        Map.Entry<Long, Long> near = nearerAbove ? above : below;
        return near == null
                ? "an address outside every allocation"
                : "offset %d of an allocation of %d"
                        .formatted(address - near.getKey(), near.getValue() - near.getKey());
    }
}
