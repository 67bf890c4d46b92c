package dev.heddle.io;

import static dev.heddle.io.Json.quote;

import dev.heddle.HeddleException;
import dev.heddle.io.SafetensorsHeader.Entry;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.MappedFile;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A safetensors file, mapped: its tensors are views of the file, read-only, and cost nothing until they are touched. The
 * header is checked in full when the file is opened. All tensors live until {@link #close}, as told at {@link MappedFile};
 * {@link Tensor#copy} makes one that lives longer or that can be written.
 */
public final class SafetensorsFile implements AutoCloseable {
    private static final int PREFIX = 8;

    private final MappedFile file;
    private final SafetensorsHeader header;
    private final long dataStart;
    private final Map<String, Tensor> tensors = new ConcurrentHashMap<>();

    private SafetensorsFile(MappedFile file) {
        this.file = file;
        String name = file.path().toString();
        if (file.size() < PREFIX) {
            throw new HeddleException(name + ": " + file.size() + " bytes, too short for a safetensors file");
        }
        long length = ByteBuffer.wrap(file.bytes(0, PREFIX))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
        if (length < 0 || length > SafetensorsHeader.MAX_BYTES) {
            throw new HeddleException(name + ": not a safetensors file: a header of " + Long.toUnsignedString(length)
                    + " bytes, more than " + SafetensorsHeader.MAX_BYTES);
        }
        if (length > file.size() - PREFIX) {
            throw new HeddleException(
                    name + ": truncated: a header of " + length + " bytes in a file of " + file.size());
        }
        dataStart = PREFIX + length;
        header = SafetensorsHeader.parse(name, file.bytes(PREFIX, (int) length), file.size() - dataStart);
    }

    /**
     * Maps a file and checks its header.
     *
     * @throws HeddleException if the file is not a sound safetensors file, naming the file, the tensor and what is wrong
     */
    public static SafetensorsFile open(Path path) throws IOException {
        MappedFile file = MappedFile.open(path);
        try {
            return new SafetensorsFile(file);
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    /**
     * Writes tensors to a file: those of wide elements first, then by name, so that all are aligned and the same tensors make
     * the same bytes. The file appears whole or not at all; one that was there before is replaced.
     *
     * @throws IllegalArgumentException if a name or a string cannot stand in a header, before anything is written
     */
    public static void write(Path path, Map<String, Tensor> tensors, Map<String, String> metadata) throws IOException {
        List<Map.Entry<String, Tensor>> order = new ArrayList<>(tensors.entrySet());
        order.sort(Comparator.comparingInt(
                        (Map.Entry<String, Tensor> e) -> -e.getValue().dtype().bytes())
                .thenComparing(Map.Entry::getKey));
        byte[] head = SafetensorsHeader.format(order, metadata);
        AtomicFile.write(path, out -> {
            AtomicFile.put(out, head);
            for (var e : order) {
                AtomicFile.put(out, e.getValue());
            }
        });
    }

    /** The file. */
    public Path path() {
        return file.path();
    }

    /** The names of all tensors, in the order of the header. */
    public Set<String> names() {
        return header.entries().keySet();
    }

    /** The strings of the header's {@code __metadata__}. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /** The type of a tensor as the file calls it, which may be one that {@link DType} lacks. */
    public String dtype(String name) {
        return entry(name).dtype();
    }

    /** The shape of a tensor. */
    public Shape shape(String name) {
        return entry(name).shape();
    }

    /**
     * The tensor of that name, the same one each time. BOOL becomes {@link DType#U8}.
     *
     * @throws IllegalArgumentException if the file has no such tensor
     * @throws HeddleException if its elements are of a type that {@link DType} lacks, F64 say
     */
    public Tensor tensor(String name) {
        Entry e = entry(name);
        DType dtype = e.ours();
        if (dtype == null) {
            throw new HeddleException(path() + ": tensor " + quote(name) + ": elements of " + e.dtype()
                    + " cannot be used here; convert it to F32, I32 or another of "
                    + Arrays.toString(DType.values()));
        }
        return tensors.computeIfAbsent(
                name, _ -> file.tensor(dataStart + e.begin(), dtype, e.shape().toArray()));
    }

    private Entry entry(String name) {
        Entry e = header.entries().get(name);
        if (e == null) {
            throw new IllegalArgumentException(path() + ": no tensor " + quote(name));
        }
        return e;
    }

    /**
     * Unmaps the file; its tensors are refused from now on.
     *
     * @throws IllegalStateException if an operation is using one of them
     */
    @Override
    public void close() {
        file.close();
    }
}
