package dev.heddle.io;

import static dev.heddle.io.Json.quote;

import dev.heddle.HeddleException;
import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * NumPy's file of one array, versions 1.0 to 3.0. Types: {@code <f4 <f2 <i4 <i8 |i1 |u1}, and {@code |b1} read as {@link
 * DType#U8}; others, big-endian ones among them, are refused. Arrays in Fortran order are turned round while they are read.
 */
public final class Npy {
    private Npy() {}

    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int MAX_HEADER = 1 << 20;
    private static final int MAX_RANK = 64;
    private static final long PIECE = 1 << 26;

    private static final Map<String, DType> TYPES = Map.of(
            "<f4", DType.F32,
            "<f2", DType.F16,
            "<i4", DType.I32,
            "<i8", DType.I64,
            "|i1", DType.I8,
            "|u1", DType.U8,
            "|b1", DType.U8);

    /**
     * Reads an array into a tensor with memory of its own.
     *
     * @throws HeddleException if the file is not a sound npy file of one of our types, naming the file and what is wrong
     */
    public static Tensor read(Path path) throws IOException {
        try (FileChannel in = FileChannel.open(path, StandardOpenOption.READ)) {
            return read(path, in, in.size());
        }
    }

    /**
     * @param path what messages call it
     * @param length how many bytes there are
     */
    static Tensor read(Object path, ReadableByteChannel in, long length) throws IOException {
        Header h = header(path, in);
        long rest = length - h.length;
        long wanted = h.shape.size() * h.type.bytes();
        if (rest != wanted) {
            throw wrong(
                    path, h.type + " " + h.shape + " needs " + wanted + " bytes, but " + rest + " follow the header");
        }
        long[] dims = h.shape.toArray();
        if (!h.fortran) {
            return fill(path, in, Tensor.zeros(h.type, dims));
        }
        try (Tensor stored = fill(path, in, Tensor.zeros(h.type, reversed(dims)))) {
            Tensor t = stored;
            for (int i = 0, j = dims.length - 1; i < j; i++, j--) {
                t = t.transpose(i, j);
            }
            return t.copy();
        }
    }

    private static Tensor fill(Object path, ReadableByteChannel in, Tensor t) throws IOException {
        try (Use _ = Use.of(t)) {
            long bytes = t.size() * t.dtype().bytes();
            for (long at = 0; at < bytes; at += PIECE) {
                fill(
                        path,
                        in,
                        Raw.ALL
                                .asSlice(t.address() + at, Math.min(PIECE, bytes - at))
                                .asByteBuffer());
            }
        }
        return t;
    }

    private static ByteBuffer fill(Object path, ReadableByteChannel in, ByteBuffer to) throws IOException {
        while (to.hasRemaining()) {
            if (in.read(to) < 0) {
                throw wrong(path, "truncated");
            }
        }
        return to.flip().order(ByteOrder.LITTLE_ENDIAN);
    }

    private static long[] reversed(long[] dims) {
        long[] r = new long[dims.length];
        for (int i = 0; i < r.length; i++) {
            r[i] = dims[r.length - 1 - i];
        }
        return r;
    }

    /** Writes an array, in row-major order. The file appears whole or not at all; one that was there before is replaced. */
    public static void write(Path path, Tensor t) throws IOException {
        String descr = switch (t.dtype()) {
            case F32 -> "<f4";
            case F16 -> "<f2";
            case I32 -> "<i4";
            case I64 -> "<i8";
            case I8 -> "|i1";
            case U8 -> "|u1";
            case BF16 -> throw new IllegalArgumentException("t: NumPy has no BF16; write t.to(DType.F32)");
        };
        String dims =
                Arrays.stream(t.shape().toArray()).mapToObj(Long::toString).collect(Collectors.joining(", "));
        StringBuilder text = new StringBuilder("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + dims
                + (t.rank() == 1 ? ",), }" : "), }"));
        int before = MAGIC.length + 4;
        while ((before + text.length() + 1) % 64 != 0) {
            text.append(' ');
        }
        byte[] header = text.append('\n').toString().getBytes(StandardCharsets.US_ASCII);
        ByteBuffer head = ByteBuffer.allocate(before + header.length).order(ByteOrder.LITTLE_ENDIAN);
        head.put(MAGIC)
                .put((byte) 1)
                .put((byte) 0)
                .putShort((short) header.length)
                .put(header);
        AtomicFile.write(path, out -> {
            AtomicFile.put(out, head.array());
            AtomicFile.put(out, t);
        });
    }

    private static HeddleException wrong(Object path, String what) {
        return new HeddleException(path + ": " + what);
    }

    // ------------------------------------------------------------------ header

    private record Header(long length, DType type, boolean fortran, Shape shape) {}

    private static Header header(Object path, ReadableByteChannel in) throws IOException {
        ByteBuffer start = fill(path, in, ByteBuffer.allocate(8));
        if (!Arrays.equals(MAGIC, Arrays.copyOf(start.array(), MAGIC.length))) {
            throw wrong(path, "not an npy file");
        }
        int major = start.get(6);
        int minor = start.get(7);
        if (major < 1 || major > 3 || minor != 0) {
            throw wrong(path, "npy version " + major + "." + minor + ", known are 1.0, 2.0 and 3.0");
        }
        ByteBuffer length = fill(path, in, ByteBuffer.allocate(major == 1 ? 2 : 4));
        long n = major == 1 ? Short.toUnsignedLong(length.getShort()) : Integer.toUnsignedLong(length.getInt());
        if (n > MAX_HEADER) {
            throw wrong(path, "a header of " + n + " bytes, more than " + MAX_HEADER);
        }
        byte[] text = fill(path, in, ByteBuffer.allocate((int) n)).array();
        Charset charset = major == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1;
        return new Literal(path, new String(text, charset)).header(start.capacity() + length.capacity() + n);
    }

    /** The dictionary of a header: as much of Python's literals as the format needs. */
    private static final class Literal {
        private final Object path;
        private final String text;
        private int at;

        Literal(Object path, String text) {
            this.path = path;
            this.text = text;
        }

        Header header(long length) {
            String descr = null;
            Boolean fortran = null;
            long[] shape = null;
            expect('{');
            while (!next('}')) {
                String key = string("a key");
                expect(':');
                switch (key) {
                    case "descr" -> descr = once(key, descr, string("the type (descr), a simple one,"));
                    case "fortran_order" -> fortran = once(key, fortran, bool());
                    case "shape" -> shape = once(key, shape, tuple());
                    default -> throw wrong(path, "the header has an unknown key " + quote(key));
                }
                if (!next(',')) {
                    expect('}');
                    break;
                }
            }
            skipSpace();
            if (at != text.length()) {
                throw wrong(path, "the header has more behind its dictionary");
            }
            if (descr == null || fortran == null || shape == null) {
                throw wrong(path, "the header lacks descr, fortran_order or shape");
            }
            DType type = TYPES.get(descr);
            if (type == null) {
                throw wrong(
                        path,
                        "elements of type " + quote(descr) + " cannot be used here; known are "
                                + new TreeSet<>(TYPES.keySet()));
            }
            return new Header(length, type, fortran, checked(shape, type));
        }

        private Shape checked(long[] dims, DType type) {
            try {
                Shape shape = Shape.of(dims);
                Math.multiplyExact(shape.size(), (long) type.bytes());
                return shape;
            } catch (IllegalArgumentException | ArithmeticException e) {
                throw wrong(path, "shape " + Arrays.toString(dims) + " has more bytes than a long counts");
            }
        }

        private <T> T once(String key, @Nullable T before, T value) {
            if (before != null) {
                throw wrong(path, "the header has " + key + " twice");
            }
            return value;
        }

        private void skipSpace() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private boolean next(char c) {
            skipSpace();
            if (at < text.length() && text.charAt(at) == c) {
                at++;
                return true;
            }
            return false;
        }

        private void expect(char c) {
            if (!next(c)) {
                throw unexpected("'" + c + "'");
            }
        }

        private HeddleException unexpected(String wanted) {
            String found = at < text.length() ? quote(text.substring(at, Math.min(text.length(), at + 20))) : "its end";
            return wrong(path, "the header has " + found + " where " + wanted + " should be");
        }

        private String string(String what) {
            skipSpace();
            char quote = at < text.length() ? text.charAt(at) : ' ';
            int end = quote == '\'' || quote == '"' ? text.indexOf(quote, at + 1) : -1;
            if (end < 0 || text.substring(at, end).indexOf('\\') >= 0) {
                throw unexpected(what + " in quotes");
            }
            String s = text.substring(at + 1, end);
            at = end + 1;
            return s;
        }

        private boolean bool() {
            skipSpace();
            for (String word : List.of("True", "False")) {
                if (text.startsWith(word, at)) {
                    at += word.length();
                    return word.equals("True");
                }
            }
            throw unexpected("True or False");
        }

        private long[] tuple() {
            List<Long> values = new ArrayList<>();
            expect('(');
            while (!next(')')) {
                if (values.size() == MAX_RANK) {
                    throw wrong(path, "the shape has more than " + MAX_RANK + " axes");
                }
                values.add(number());
                if (!next(',')) {
                    if (values.size() == 1) {
                        throw unexpected("',' (a shape of one axis is written with it)");
                    }
                    expect(')');
                    break;
                }
            }
            return values.stream().mapToLong(Long::longValue).toArray();
        }

        private long number() {
            skipSpace();
            int from = at;
            while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
                at++;
            }
            if (at == from || at - from > 18) {
                at = from;
                throw unexpected("an extent below 10^18");
            }
            return Long.parseLong(text, from, at, 10);
        }
    }
}
