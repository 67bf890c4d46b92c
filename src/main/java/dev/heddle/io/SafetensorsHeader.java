package dev.heddle.io;

import static dev.heddle.io.Json.quote;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.heddle.HeddleException;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What a safetensors file says of itself, believed only after all of it has been checked. */
record SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
    static final String METADATA = "__metadata__";

    /** As in the reference implementation. */
    static final long MAX_BYTES = 100_000_000;

    private static final int MAX_RANK = 64;

    /** Bits of an element, for every type that the format knows. */
    private static final Map<String, Integer> BITS = Map.ofEntries(
            Map.entry("BOOL", 8),
            Map.entry("F4", 4),
            Map.entry("F6_E2M3", 6),
            Map.entry("F6_E3M2", 6),
            Map.entry("U8", 8),
            Map.entry("I8", 8),
            Map.entry("F8_E5M2", 8),
            Map.entry("F8_E4M3", 8),
            Map.entry("F8_E8M0", 8),
            Map.entry("I16", 16),
            Map.entry("U16", 16),
            Map.entry("F16", 16),
            Map.entry("BF16", 16),
            Map.entry("I32", 32),
            Map.entry("U32", 32),
            Map.entry("F32", 32),
            Map.entry("C64", 64),
            Map.entry("F64", 64),
            Map.entry("I64", 64),
            Map.entry("U64", 64));

    /** One tensor: its type as the file calls it, and where its bytes are, counted from the end of the header. */
    record Entry(String dtype, Shape shape, long begin, long end) {
        /** The type that we call it, null if we have none. */
        @Nullable
        DType ours() {
            if (dtype.equals("BOOL")) {
                return DType.U8;
            }
            for (DType t : DType.values()) {
                if (t.name().equals(dtype)) {
                    return t;
                }
            }
            return null;
        }
    }

    /**
     * Reads and checks a header.
     *
     * @param dataBytes how many bytes follow the header
     * @throws HeddleException naming the file, the tensor and what is wrong
     */
    static SafetensorsHeader parse(String file, byte[] text, long dataBytes) {
        if (text.length == 0 || text[0] != '{') {
            throw new HeddleException(file + ": the header does not begin with '{'");
        }
        Map<String, Entry> entries = new LinkedHashMap<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        boolean[] seen = new boolean[1];
        Json.read(file, text, in -> {
            for (String name; (name = in.nextKey()) != null; ) {
                if (!name.equals(METADATA)) {
                    if (entries.put(name, entry(in, name)) != null) {
                        throw in.wrong("tensor " + quote(name) + ": defined twice");
                    }
                } else if (seen[0]) {
                    throw in.wrong(METADATA + " is there twice");
                } else {
                    seen[0] = true;
                    metadata(in, metadata);
                }
            }
        });
        layOut(file, entries, dataBytes);
        return new SafetensorsHeader(Collections.unmodifiableMap(entries), Collections.unmodifiableMap(metadata));
    }

    /** The header of a file that holds these tensors in this order, with its length before it and padded to 8 bytes. */
    static byte[] format(List<Map.Entry<String, Tensor>> tensors, Map<String, String> metadata) {
        for (var e : tensors) {
            if (e.getKey().equals(METADATA) || !isWellFormed(e.getKey())) {
                throw new IllegalArgumentException("tensors: " + quote(e.getKey()) + " cannot be the name of a tensor");
            }
        }
        metadata.forEach((key, value) -> {
            if (!isWellFormed(key) || !isWellFormed(value)) {
                throw new IllegalArgumentException("metadata: " + quote(key) + " holds half a surrogate pair");
            }
        });
        byte[] json = Json.write(out -> {
            if (!metadata.isEmpty()) {
                out.writeObjectFieldStart(METADATA);
                for (var e : new TreeMap<>(metadata).entrySet()) {
                    out.writeStringField(e.getKey(), e.getValue());
                }
                out.writeEndObject();
            }
            long at = 0;
            for (var e : tensors) {
                Tensor t = e.getValue();
                long end = Math.addExact(at, t.size() * t.dtype().bytes());
                out.writeObjectFieldStart(e.getKey());
                out.writeStringField("dtype", t.dtype().name());
                writeArray(out, "shape", t.shape().toArray());
                writeArray(out, "data_offsets", at, end);
                out.writeEndObject();
                at = end;
            }
        });
        int padded = Math.addExact(json.length, 7) & -8;
        if (padded > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "tensors: a header of " + padded + " bytes, more than " + MAX_BYTES + "; write shards");
        }
        ByteBuffer head = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
        head.putLong(padded).put(json);
        while (head.hasRemaining()) {
            head.put((byte) ' ');
        }
        return head.array();
    }

    private static void writeArray(JsonGenerator out, String name, long... values) throws IOException {
        out.writeFieldName(name);
        out.writeArray(values, 0, values.length);
    }

    private static boolean isWellFormed(String name) {
        return name.codePoints().noneMatch(c -> Character.getType(c) == Character.SURROGATE);
    }

    private static void metadata(Json in, Map<String, String> metadata) throws IOException {
        in.object(METADATA);
        for (String key; (key = in.nextKey()) != null; ) {
            if (metadata.put(key, in.string(METADATA + ": the value of " + quote(key))) != null) {
                throw in.wrong(METADATA + ": key " + quote(key) + " is there twice");
            }
        }
    }

    private static Entry entry(Json in, String name) throws IOException {
        String of = "tensor " + quote(name) + ": ";
        String dtype = null;
        long[] shape = null;
        long[] offsets = null;
        in.object(of + "its entry");
        for (String key; (key = in.nextKey()) != null; ) {
            boolean twice = switch (key) {
                case "dtype" -> dtype != null;
                case "shape" -> shape != null;
                case "data_offsets" -> offsets != null;
                default -> throw in.wrong(of + "unknown key " + quote(key));
            };
            if (twice) {
                throw in.wrong(of + key + " is there twice");
            }
            switch (key) {
                case "dtype" -> dtype = in.string(of + key);
                case "shape" -> shape = in.longs(of + key, MAX_RANK);
                default -> offsets = in.longs(of + key, 2);
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            throw in.wrong(of + (dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets") + " is missing");
        }
        Integer bits = BITS.get(dtype);
        if (bits == null) {
            throw in.wrong(of + "unknown dtype " + quote(dtype));
        }
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw in.wrong(of + "data_offsets " + List.of(box(offsets)) + " are not a begin and an end");
        }
        return new Entry(dtype, checkedShape(in, of, dtype, bits, shape, offsets), offsets[0], offsets[1]);
    }

    private static Long[] box(long[] values) {
        return Arrays.stream(values).boxed().toArray(Long[]::new);
    }

    private static Shape checkedShape(Json in, String of, String dtype, int bits, long[] dims, long[] offsets) {
        Shape shape;
        long total;
        try {
            shape = Shape.of(dims);
            total = Math.multiplyExact(shape.size(), (long) bits);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw in.wrong(of + dtype + " " + List.of(box(dims)) + " has more bytes than a long counts");
        }
        long bytes = offsets[1] - offsets[0];
        if (total % 8 != 0) {
            throw in.wrong(of + dtype + " " + shape + " does not fill whole bytes");
        }
        if (total / 8 != bytes) {
            throw in.wrong(of + dtype + " " + shape + " needs " + total / 8 + " bytes, but data_offsets "
                    + List.of(box(offsets)) + " hold " + bytes);
        }
        return shape;
    }

    /** Tensors must fill the data exactly: no overlaps, no holes, nothing beyond the end. */
    private static void layOut(String file, Map<String, Entry> entries, long dataBytes) {
        List<Map.Entry<String, Entry>> order = new ArrayList<>(entries.entrySet());
        order.sort(Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin)
                .thenComparingLong(e -> e.getValue().end));
        long at = 0;
        for (var e : order) {
            Entry t = e.getValue();
            String of = file + ": tensor " + quote(e.getKey()) + ": data_offsets [" + t.begin + ", " + t.end + "] ";
            if (t.end > dataBytes) {
                throw new HeddleException(
                        of + "reach beyond the data, which has " + dataBytes + " bytes; the file may be truncated");
            }
            if (t.begin < at) {
                throw new HeddleException(of + "overlap the tensor before, which ends at " + at);
            }
            if (t.begin > at) {
                throw new HeddleException(of + "leave a hole behind the tensor before, which ends at " + at);
            }
            at = t.end;
        }
        if (at != dataBytes) {
            throw new HeddleException(
                    file + ": " + (dataBytes - at) + " bytes behind the last tensor belong to no tensor");
        }
    }
}
