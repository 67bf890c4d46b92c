package dev.heddle.tensor;

import dev.heddle.memory.Block;
import dev.heddle.memory.Owner;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file mapped into memory, read-only, and the tensors that lie in it: nothing is copied, and the system reads a page when
 * it is first touched. All of them live until {@link #close}, which refuses while an operation uses one, and afterwards throw
 * like any closed tensor. A file that was not closed is unmapped once neither it nor a tensor of it is reachable.
 *
 * <p>While a file is mapped, nobody may shorten or rewrite it in place; to replace it, move another over it.
 */
public final class MappedFile implements AutoCloseable {
    private final Path path;
    private final Block block;
    private final Owner owner = new Owner("mapped file");

    private MappedFile(Path path, Block block) {
        this.path = path;
        this.block = block;
    }

    /** Maps a whole file. */
    public static MappedFile open(Path path) throws IOException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(path, Block.map(file, file.size()));
        }
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** The size in bytes that the file had when it was mapped. */
    public long size() {
        return block.segment().byteSize();
    }

    /**
     * The tensor whose elements start at byte {@code offset}, row-major and little-endian, at any alignment.
     *
     * @throws IndexOutOfBoundsException if it would not lie within the file
     * @throws IllegalStateException if the file was closed
     */
    public Tensor tensor(long offset, DType dtype, long... shape) {
        Shape s = Shape.of(shape);
        long bytes = s.byteSize(dtype);
        if (offset < 0 || offset > size() || bytes > size() - offset) {
            throw new IndexOutOfBoundsException(
                    dtype + " " + s + " at byte " + offset + " of " + path + ", which has " + size() + " bytes");
        }
        owner.acquire(0);
        try {
            return new Tensor(dtype, s, block.segment().asSlice(offset, bytes), owner, this);
        } finally {
            owner.release();
        }
    }

    /**
     * Copies {@code length} bytes from byte {@code offset} on.
     *
     * @throws IndexOutOfBoundsException if they do not lie within the file
     * @throws IllegalStateException if the file was closed
     */
    public byte[] bytes(long offset, int length) {
        owner.acquire(0);
        try {
            byte[] bytes = new byte[length];
            MemorySegment.copy(block.segment(), ValueLayout.JAVA_BYTE, offset, bytes, 0, length);
            return bytes;
        } finally {
            owner.release();
        }
    }

    /**
     * Unmaps the file; its tensors are refused from now on.
     *
     * @throws IllegalStateException if an operation is using one of them
     */
    @Override
    public void close() {
        if (owner.close()) {
            block.free();
        }
    }
}
