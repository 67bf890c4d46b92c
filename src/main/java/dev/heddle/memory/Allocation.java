package dev.heddle.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Zeroed memory from the C library, not from an arena: whenever a shared arena is closed, the JVM throws each thread that is
 * inside a method with compiled memory access, as all kernels are, back into its interpreter.
 *
 * <p>Large pieces come in pages of 2 MiB where the system (Linux) has them on request. The first touch of a page is a trap into
 * the kernel, and on virtual machines a dear one: with pages of 4 KiB, getting 80 MiB can take longer than all work on them.
 *
 * @param address aligned to {@link Block#ALIGNMENT}
 * @param base what the system calls it
 * @param mapped its size if it is mapped, 0 if it is of the C library's heap
 */
record Allocation(long address, long base, long mapped) {
    /** Pieces from this size on are worth rounding up to whole pages. */
    static final long HUGE = 4L << 20;

    private static final long PAGE = 2L << 20;

    private static final MethodHandle CALLOC = function(
                    "calloc", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG))
            .orElseThrow();
    private static final MethodHandle FREE =
            function("free", FunctionDescriptor.ofVoid(JAVA_LONG)).orElseThrow();

    /** Found when the first large piece is asked for. */
    private static final class HugePages {
        static final int READ_WRITE = 1 | 2;
        static final int PRIVATE_ANONYMOUS = 2 | 0x20;
        static final int MADV_HUGEPAGE = 14;

        record Functions(MethodHandle mmap, MethodHandle munmap, MethodHandle madvise) {}

        static final @Nullable Functions FUNCTIONS = find();

        private static @Nullable Functions find() {
            if (!System.getProperty("os.name", "").equals("Linux")) {
                return null;
            }
            FunctionDescriptor mmap =
                    FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
            return function("mmap", mmap)
                    .flatMap(map -> function("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG))
                            .flatMap(unmap -> function(
                                            "madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT))
                                    .map(advise -> new Functions(map, unmap, advise))))
                    .orElse(null);
        }
    }

    @SuppressWarnings("restricted")
    private static Optional<MethodHandle> function(String name, FunctionDescriptor type) {
        Linker linker = Linker.nativeLinker();
        return linker.defaultLookup().find(name).map(at -> linker.downcallHandle(at, type));
    }

    /** @throws OutOfMemoryError if there is not enough */
    static Allocation of(long bytes) {
        HugePages.Functions huge = bytes < HUGE ? null : HugePages.FUNCTIONS;
        try {
            return huge == null ? onHeap(bytes) : mapped(huge, bytes);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e); // the functions declare none
        }
    }

    private static Allocation onHeap(long bytes) throws Throwable {
        long base = (long) CALLOC.invokeExact(1L, Math.addExact(bytes, Block.ALIGNMENT - 1));
        if (base == 0) {
            throw outOfMemory(bytes);
        }
        return new Allocation((base + Block.ALIGNMENT - 1) & -Block.ALIGNMENT, base, 0);
    }

    private static Allocation mapped(HugePages.Functions huge, long bytes) throws Throwable {
        // one page more than needed, to start at a page; what is never touched costs nothing
        long size = Math.addExact(bytes, 2 * PAGE - 1) & -PAGE;
        long base = (long) huge.mmap.invokeExact(0L, size, HugePages.READ_WRITE, HugePages.PRIVATE_ANONYMOUS, -1, 0L);
        if (base == -1) {
            throw outOfMemory(bytes);
        }
        long start = (base + PAGE - 1) & -PAGE;
        var _ = (int) huge.madvise.invokeExact(start, base + size - start, HugePages.MADV_HUGEPAGE); // only a wish
        return new Allocation(start, base, size);
    }

    private static OutOfMemoryError outOfMemory(long bytes) {
        return new OutOfMemoryError("cannot allocate " + bytes + " bytes of native memory");
    }

    /** The memory; nothing keeps a reader of it from outliving {@link #free}. */
    MemorySegment segment(long bytes) {
        return Raw.ALL.asSlice(address, bytes);
    }

    void free() {
        try {
            if (mapped == 0) {
                FREE.invokeExact(base);
            } else {
                HugePages.Functions huge = HugePages.FUNCTIONS;
                if (huge != null) {
                    var _ = (int) huge.munmap.invokeExact(base, mapped);
                }
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
