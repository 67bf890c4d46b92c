package dev.heddle.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.nio.channels.FileChannel;

/**
 * A piece of native memory, freed by {@link #free} or when nobody can reach it any more: zeroed and 64-byte aligned, or a
 * file that is mapped. Nothing stops a use of {@link #segment} after that: each is to be bracketed by an {@link Owner}.
 */
public final class Block {
    /** Alignment of every allocation: a cache line, and the widest vector. */
    public static final long ALIGNMENT = 64;

    private static final Cleaner CLEANER = Cleaner.create();

    static {
        MixedProfiles.start();
    }

    private final MemorySegment segment;
    private final Cleaner.Cleanable cleanable;

    /** @param live whether the block is one allocation; false where its parts are recorded one by one */
    public Block(long bytes, boolean live) {
        NativeAccess.require();
        long size = Math.addExact(Math.max(bytes, 1), 2 * LiveRanges.RED_ZONE);
        Allocation memory = allocate(size);
        segment = memory.segment(size).asSlice(LiveRanges.RED_ZONE, bytes);
        cleanable = CLEANER.register(this, new Free(memory, size));
        if (live) {
            LiveRanges.add(segment.address(), bytes);
        }
        Budget.take(size);
    }

    private static Allocation allocate(long size) {
        try {
            return Allocation.of(size);
        } catch (OutOfMemoryError _) {
            Budget.collect();
            return Allocation.of(size);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the cleaner closes it
    private Block(FileChannel file, long bytes) throws IOException {
        NativeAccess.require();
        Arena arena = Arena.ofShared();
        try {
            segment = file.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
        cleanable = CLEANER.register(this, new Unmap(arena, segment.address(), bytes));
        LiveRanges.add(segment.address(), bytes);
    }

    /** The first {@code bytes} of a file, read-only; the file itself may be closed. */
    public static Block map(FileChannel file, long bytes) throws IOException {
        return new Block(file, bytes);
    }

    public MemorySegment segment() {
        return segment;
    }

    public void free() {
        cleanable.clean();
    }

    private record Free(Allocation memory, long size) implements Runnable {
        @Override
        public void run() {
            LiveRanges.removeAll(memory.address(), size); // also the parts of a workspace that nobody closed
            memory.free();
            Budget.giveBack(size);
        }
    }

    private record Unmap(Arena arena, long address, long bytes) implements Runnable {
        @Override
        public void run() {
            LiveRanges.removeAll(address, bytes);
            arena.close();
        }
    }
}
