package dev.heddle.tensor;

import dev.heddle.memory.Block;
import dev.heddle.memory.LiveRanges;
import dev.heddle.memory.Owner;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Memory for the tensors of one round of a loop: taken in order, given back all at once by {@link #reset}, which keeps the
 * memory for the next round. After the first round nothing is allocated. Tensors from before a reset are refused from then
 * on. A workspace may be used by one thread at a time.
 */
public final class Workspace implements AutoCloseable {
    private static final long FIRST_BLOCK = 1 << 20;

    private final Owner owner = new Owner("workspace");
    private final List<Block> blocks = new ArrayList<>();
    private final List<Long> recorded = new ArrayList<>();
    private int block;
    private long offset;

    /** A workspace that grows as needed. */
    public Workspace() {}

    /** A workspace that starts with {@code bytes} and grows as needed. */
    public Workspace(long bytes) {
        blocks.add(new Block(bytes, false));
    }

    /** A tensor whose elements are undefined until written. */
    public Tensor empty(DType dtype, long... shape) {
        Shape s = Shape.of(shape);
        return new Tensor(dtype, s, take(s.byteSize(dtype)), owner, this);
    }

    /** A tensor of zeros. */
    public Tensor zeros(DType dtype, long... shape) {
        Shape s = Shape.of(shape);
        MemorySegment memory = take(s.byteSize(dtype));
        memory.fill((byte) 0);
        return new Tensor(dtype, s, memory, owner, this);
    }

    private MemorySegment take(long bytes) {
        owner.acquire(owner.generation());
        try {
            long step = Math.addExact(bytes, 2 * LiveRanges.RED_ZONE + Block.ALIGNMENT - 1) & -Block.ALIGNMENT;
            while (block < blocks.size() && offset + step > size(block)) {
                block++;
                offset = 0;
            }
            if (block == blocks.size()) {
                long grown = blocks.isEmpty() ? FIRST_BLOCK : 2 * size(blocks.size() - 1);
                blocks.add(new Block(Math.max(step, grown), false));
            }
            MemorySegment memory = blocks.get(block).segment().asSlice(offset + LiveRanges.RED_ZONE, bytes);
            offset += step;
            if (LiveRanges.ENABLED) {
                LiveRanges.add(memory.address(), bytes);
                recorded.add(memory.address());
            }
            return memory;
        } finally {
            owner.release();
        }
    }

    private long size(int i) {
        return blocks.get(i).segment().byteSize();
    }

    /** Bytes that this workspace holds. */
    public long capacity() {
        return blocks.stream().mapToLong(b -> b.segment().byteSize()).sum();
    }

    /**
     * Takes all memory back; every tensor made so far is refused from now on.
     *
     * @throws IllegalStateException if an operation is using one of them, or the workspace is closed
     */
    public void reset() {
        owner.reset();
        block = 0;
        offset = 0;
        forget();
    }

    /**
     * Frees the memory; every tensor made so far is refused from now on.
     *
     * @throws IllegalStateException if an operation is using one of them
     */
    @Override
    public void close() {
        if (owner.close()) {
            forget();
            blocks.forEach(Block::free);
            blocks.clear();
        }
    }

    private void forget() {
        recorded.forEach(LiveRanges::remove);
        recorded.clear();
    }
}
