package dev.heddle.bench;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The memory of this process that is really there, as Linux counts it. While it is measured, the C library maps every block of
 * 64 KiB or more by itself and gives it back when it is freed; else what an earlier call left would serve a later one unseen.
 */
final class Resident {
    private Resident() {}

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path RESET = Path.of("/proc/self/clear_refs");
    private static final int TRIM_THRESHOLD = -1;
    private static final int MMAP_THRESHOLD = -3;
    private static final int TIMES = 3;
    /** Slow calls, whose memory is large, are not repeated. */
    private static final long LONG_NANOS = 500_000_000;

    /** A call whose memory is measured. */
    interface Call {
        void run() throws Exception;
    }

    /** The growth of what is resident to its highest during the call, the least of several; -1 where that cannot be told. */
    @SuppressWarnings("restricted") // the C library's own switch has no other door
    static long extraBytes(Call call) throws Exception {
        Optional<MemorySegment> mallopt = Linker.nativeLinker().defaultLookup().find("mallopt");
        if (mallopt.isEmpty() || !Files.isWritable(RESET)) {
            return -1;
        }
        MethodHandle option = Linker.nativeLinker()
                .downcallHandle(
                        mallopt.get(),
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        set(option, MMAP_THRESHOLD, 1 << 16);
        long least = Long.MAX_VALUE;
        long start = System.nanoTime();
        for (int i = 0; i == 0 || (i < TIMES && System.nanoTime() - start < LONG_NANOS); i++) {
            System.gc();
            Files.writeString(RESET, "5"); // the highest mark is what is there now
            long before = kilobytes("VmRSS");
            call.run();
            least = Math.min(least, kilobytes("VmHWM") - before);
        }
        // where the library's own adaptation ends at the latest
        set(option, MMAP_THRESHOLD, 1 << 25);
        set(option, TRIM_THRESHOLD, 1 << 26);
        return 1024 * Math.max(0, least);
    }

    private static void set(MethodHandle option, int name, int value) {
        try {
            int done = (int) option.invokeExact(name, value);
            if (done != 1) {
                throw new IllegalStateException("mallopt(" + name + ", " + value + ") failed");
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
    }

    private static long kilobytes(String name) throws IOException {
        try (Stream<String> lines = Files.lines(STATUS)) {
            return lines.filter(l -> l.startsWith(name + ":"))
                    .mapToLong(l -> Long.parseLong(l.replaceAll("[^0-9]", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
