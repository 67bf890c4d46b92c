package dev.heddle.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Reads and writes native memory and arrays in turn, by the methods that kernels use for single numbers, before HotSpot compiles
 * them. While vectors are still objects, their elements go through arrays. Had those methods been compiled for native memory alone,
 * each of them would be thrown out when that begins; C2 counts such mishaps over all that it inlines into a kernel, and where
 * they are many (200) it speculates no more, and some vectors stay objects for good.
 */
final class MixedProfiles {
    private MixedProfiles() {}

    /** Enough for HotSpot to compile the methods called. */
    private static final int CALLS = 20_000;

    /** Begins, beside the caller. */
    static void start() {
        Thread t = new Thread(MixedProfiles::run, "heddle-mixed-profiles");
        t.setDaemon(true);
        t.start();
    }

    private static void run() {
        MemorySegment here = Arena.ofAuto().allocate(8);
        List<MemorySegment> memories = List.of(
                here,
                MemorySegment.ofArray(new float[2]),
                here,
                MemorySegment.ofArray(new int[2]),
                here,
                MemorySegment.ofArray(new byte[8]));
        for (int i = 0; i < CALLS; i++) {
            MemorySegment m = memories.get(i % memories.size());
            m.set(Raw.F32, 0, m.get(Raw.F32, 0) + 1);
            m.set(Raw.I32, 0, m.get(Raw.I32, 0) + 1);
            m.set(Raw.I64, 0, m.get(Raw.I64, 0) + 1);
        }
    }
}
