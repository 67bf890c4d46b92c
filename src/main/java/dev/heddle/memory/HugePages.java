package dev.heddle.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * Fresh memory in pages of 2 MiB, where the system (Linux) has them on request. The first touch of a page is a trap into the
 * kernel, and on virtual machines a dear one: with pages of 4 KiB, getting 80 MiB can take longer than all work on them.
 */
final class HugePages {
    private HugePages() {}

    /** Blocks from this size on are worth rounding up to whole pages. */
    static final long WORTHWHILE = 4L << 20;

    private static final long PAGE = 2L << 20;
    private static final int READ_WRITE = 1 | 2;
    private static final int PRIVATE_ANONYMOUS = 2 | 0x20;
    private static final int MADV_HUGEPAGE = 14;

    private record Calls(MethodHandle mmap, MethodHandle munmap, MethodHandle madvise) {}

    private static final @Nullable Calls CALLS = find();

    @SuppressWarnings("restricted")
    private static @Nullable Calls find() {
        if (!System.getProperty("os.name", "").equals("Linux")) {
            return null;
        }
        Linker linker = Linker.nativeLinker();
        SymbolLookup libc = linker.defaultLookup();
        FunctionDescriptor mmap =
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
        FunctionDescriptor munmap = FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG);
        FunctionDescriptor madvise = FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
        return libc.find("mmap")
                .flatMap(m -> libc.find("munmap")
                        .flatMap(u -> libc.find("madvise")
                                .map(a -> new Calls(
                                        linker.downcallHandle(m, mmap),
                                        linker.downcallHandle(u, munmap),
                                        linker.downcallHandle(a, madvise)))))
                .orElse(null);
    }

    /**
     * Zeroed memory that lives as long as the arena, or null where there is no such memory to be had.
     *
     * @throws OutOfMemoryError if there is not enough
     */
    @SuppressWarnings("restricted")
    static @Nullable MemorySegment allocate(Arena arena, long bytes) {
        Calls calls = CALLS;
        if (calls == null || bytes < WORTHWHILE) {
            return null;
        }
        // one page more than needed, to start at a page; what is never touched costs nothing
        long size = Math.addExact(bytes, 2 * PAGE - 1) & -PAGE;
        try {
            long at = (long) calls.mmap.invokeExact(0L, size, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            if (at == -1) {
                throw new OutOfMemoryError("cannot allocate " + bytes + " bytes of native memory");
            }
            long start = (at + PAGE - 1) & -PAGE;
            var _ = (int) calls.madvise.invokeExact(start, at + size - start, MADV_HUGEPAGE); // only a wish
            return MemorySegment.ofAddress(start).reinterpret(bytes, arena, _ -> unmap(calls, at, size));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e); // the calls declare none
        }
    }

    private static void unmap(Calls calls, long at, long size) {
        try {
            var _ = (int) calls.munmap.invokeExact(at, size);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
