package dev.heddle.io;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** A file that is there whole or, if anything goes wrong, as it was before: written beside its place, then moved. */
final class AtomicFile {
    private AtomicFile() {}

    /** Bytes that one write call is given. */
    private static final long PIECE = 1 << 26;

    @FunctionalInterface
    interface Body {
        void write(FileChannel out) throws IOException;
    }

    static void write(Path path, Body body) throws IOException {
        Path target = path.toAbsolutePath();
        Path temp = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel out = FileChannel.open(temp, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                body.write(out);
                out.force(true);
            }
            try {
                Files.move(temp, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(temp, target, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            Files.deleteIfExists(temp);
        }
    }

    static void put(FileChannel out, byte[] bytes) throws IOException {
        put(out, ByteBuffer.wrap(bytes));
    }

    /** The elements in row-major order, with a copy only of what is not contiguous. */
    static void put(FileChannel out, Tensor t) throws IOException {
        Tensor c = t.contiguous();
        try (Use _ = Use.of(c)) {
            long bytes = c.size() * c.dtype().bytes();
            for (long at = 0; at < bytes; at += PIECE) {
                put(
                        out,
                        Raw.ALL
                                .asSlice(c.address() + at, Math.min(PIECE, bytes - at))
                                .asByteBuffer());
            }
        } finally {
            if (c != t) {
                c.close();
            }
        }
    }

    private static void put(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }
}
