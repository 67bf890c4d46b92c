package dev.heddle.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.HeddleException;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsFileTest {
    @TempDir
    Path dir;

    private static byte[] bytes(long headerLength, byte[] header, int dataBytes) {
        return ByteBuffer.allocate(8 + header.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(headerLength)
                .put(header)
                .array();
    }

    private static byte[] bytes(String header, int dataBytes) {
        byte[] h = header.getBytes(StandardCharsets.UTF_8);
        return bytes(h.length, h, dataBytes);
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(dir.resolve("some.safetensors"), bytes);
    }

    // ------------------------------------------------------------------ sound files

    @Test
    void readsEveryTypeThatWeHave() throws IOException {
        String header = """
                {"__metadata__":{"format":"pt","note":"\\u00e9\\n"},
                 "f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                 "l":{"data_offsets":[8,16],"dtype":"I64","shape":[]},
                 "i":{"dtype":"I32","shape":[1,1],"data_offsets":[16,20]},
                 "h":{"dtype":"F16","shape":[1],"data_offsets":[20,22]},
                 "b":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]},
                 "u":{"dtype":"U8","shape":[1],"data_offsets":[24,25]},
                 "s":{"dtype":"I8","shape":[1],"data_offsets":[25,26]},
                 "t":{"dtype":"BOOL","shape":[2],"data_offsets":[26,28]},
                 "none":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]}}
                \s""";
        byte[] all = bytes(header, 28);
        ByteBuffer.wrap(all)
                .order(ByteOrder.LITTLE_ENDIAN)
                .position(all.length - 28)
                .putFloat(1.5f)
                .putFloat(-2)
                .putLong(-7)
                .putInt(11)
                .putShort(Float.floatToFloat16(0.5f))
                .putShort((short) (Float.floatToIntBits(3) >>> 16))
                .put((byte) -1)
                .put((byte) -1)
                .put((byte) 1);
        try (SafetensorsFile f = SafetensorsFile.open(file(all))) {
            assertEquals(Map.of("format", "pt", "note", "\u00e9\n"), f.metadata());
            assertEquals(List.of("f", "l", "i", "h", "b", "u", "s", "t", "none"), List.copyOf(f.names()));
            assertArrayEquals(new float[] {1.5f, -2}, f.tensor("f").toFloatArray());
            assertSame(f.tensor("f"), f.tensor("f"));
            assertEquals(-7, f.tensor("l").getLong());
            assertEquals(11, f.tensor("i").getLong(0, 0));
            assertEquals(0.5f, f.tensor("h").getFloat(0));
            assertEquals(3, f.tensor("b").getFloat(0));
            assertEquals(255, f.tensor("u").getLong(0));
            assertEquals(-1, f.tensor("s").getLong(0));
            assertEquals(DType.U8, f.tensor("t").dtype());
            assertArrayEquals(new int[] {1, 0}, f.tensor("t").toIntArray());
            assertEquals(Shape.of(0, 7), f.tensor("none").shape());
            assertEquals("BOOL", f.dtype("t"));
            assertTrue(assertThrows(IllegalArgumentException.class, () -> f.tensor("F"))
                    .getMessage()
                    .endsWith("some.safetensors: no tensor 'F'"));
        }
    }

    @Test
    void anEmptyFileOfTensorsIsSound() throws IOException {
        try (SafetensorsFile f = SafetensorsFile.open(file(bytes("{}", 0)))) {
            assertTrue(f.names().isEmpty());
        }
    }

    @Test
    void aTypeThatWeLackSpoilsNoOtherTensor() throws IOException {
        String header = """
                {"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},\
                "q":{"dtype":"F4","shape":[3,2],"data_offsets":[20,23]},\
                "f":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}}""";
        try (SafetensorsFile f = SafetensorsFile.open(file(bytes(header, 23)))) {
            assertEquals(0, f.tensor("f").getFloat(0));
            assertEquals("F64", f.dtype("d"));
            assertEquals(Shape.of(3, 2), f.shape("q"));
            String no = assertThrows(HeddleException.class, () -> f.tensor("d")).getMessage();
            assertTrue(no.contains("some.safetensors: tensor 'd': elements of F64"), no);
        }
    }

    @Test
    void filesBeyondTwoGibibytes() throws IOException {
        long big = 3L << 30;
        String header = """
                {"big":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},\
                "last":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}}""".formatted(big, big, big, big + 4);
        Path path = file(bytes(header, 0));
        try (FileChannel out = FileChannel.open(path, StandardOpenOption.WRITE)) {
            ByteBuffer four = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
            out.write(four.putFloat(0, 2.5f), out.size() + big);
        }
        try (SafetensorsFile f = SafetensorsFile.open(path)) {
            assertEquals(2.5f, f.tensor("last").getFloat(0));
            assertEquals(0, f.tensor("big").getLong(big - 1));
            assertEquals(big, f.tensor("last").address() - f.tensor("big").address());
        }
    }

    // ------------------------------------------------------------------ hostile files

    private static String one(String entry) {
        return "{\"a\":" + entry + "}";
    }

    private static String one(String dtype, String shape, String offsets) {
        return one("{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}".formatted(dtype, shape, offsets));
    }

    private static Arguments text(String says, String header, int dataBytes) {
        return Arguments.of(says, bytes(header, dataBytes));
    }

    static Stream<Arguments> hostile() {
        String f8 = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";
        String twoAt = "{\"a\":" + f8 + ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}";
        byte[] latin1 = "{\"\u00e9\":1}".getBytes(StandardCharsets.ISO_8859_1);
        byte[] utf16 = "{\"a\":1}".getBytes(StandardCharsets.UTF_16LE);
        return Stream.of(
                Arguments.of("0 bytes, too short", new byte[0]),
                Arguments.of("7 bytes, too short", new byte[7]),
                Arguments.of("does not begin with '{'", new byte[8]),
                Arguments.of("a header of 18446744073709551615 bytes", bytes(-1, new byte[0], 9)),
                Arguments.of("a header of 9223372036854775808 bytes", bytes(Long.MIN_VALUE, new byte[0], 9)),
                Arguments.of("a header of 100000001 bytes, more than", bytes(100_000_001, new byte[0], 9)),
                Arguments.of(
                        "truncated: a header of 100000000 bytes in a file of 17", bytes(100_000_000, new byte[0], 9)),
                Arguments.of(
                        "truncated: a header of 3 bytes in a file of 10",
                        bytes(3, "{}".getBytes(StandardCharsets.UTF_8), 0)),
                Arguments.of("not UTF-8", bytes(latin1.length, latin1, 0)),
                Arguments.of("not JSON", bytes(utf16.length, utf16, 0)),
                text("does not begin with '{'", " {}", 0),
                text("does not begin with '{'", "[]", 0),
                text("does not begin with '{'", "\ufeff{}", 0),
                text("not JSON", "{", 0),
                text("not JSON", "{\"a\"", 0),
                text("not JSON", "{'a':1}", 0),
                text("not JSON", "{\"__metadata__\":{},}", 0),
                text("not JSON", "{}\0", 0),
                text("not JSON", "{/**/}", 0),
                text("not JSON", one("F32", "[02]", "[0,8]"), 8),
                text("more behind the JSON object", "{}{}", 0),
                text("tensor 'a': its entry is an array, must be an object", one("[]"), 0),
                text("tensor 'a': its entry is 'null', must be an object", one("null"), 0),
                text("tensor 'a': its entry is '1', must be an object", one("1"), 0),
                text("tensor 'a': dtype is missing", one("{\"shape\":[],\"data_offsets\":[0,0]}"), 0),
                text("tensor 'a': shape is missing", one("{\"dtype\":\"F32\",\"data_offsets\":[0,0]}"), 0),
                text("tensor 'a': data_offsets is missing", one("{\"dtype\":\"F32\",\"shape\":[]}"), 0),
                text("tensor 'a': unknown key 'stride'", one("{\"stride\":1}"), 0),
                text("tensor 'a': dtype is there twice", one("{\"dtype\":\"F32\",\"dtype\":\"F32\"}"), 0),
                text("tensor 'a': shape is there twice", one("{\"shape\":[],\"shape\":[1]}"), 0),
                text("tensor 'a': data_offsets is there twice", one("{\"data_offsets\":[],\"data_offsets\":[1]}"), 0),
                text("tensor 'a': unknown dtype 'f32'", one("f32", "[2]", "[0,8]"), 8),
                text("tensor 'a': unknown dtype 'F3?2'", one("F3\\u00002", "[2]", "[0,8]"), 8),
                text("tensor 'a': dtype is '1', must be a string", one("{\"dtype\":1}"), 0),
                text("tensor 'a': shape is the string 'x', must be an array", one("{\"shape\":\"x\"}"), 0),
                text("tensor 'a': shape holds '-2', must not be negative", one("F32", "[-2]", "[0,8]"), 8),
                text("tensor 'a': shape holds '-0', must not be negative", one("F32", "[-0]", "[0,0]"), 0),
                text("tensor 'a': shape holds '2.0', must hold whole numbers", one("F32", "[2.0]", "[0,8]"), 8),
                text("tensor 'a': shape holds '2e0', must hold whole numbers", one("F32", "[2e0]", "[0,8]"), 8),
                text("tensor 'a': shape holds the string '2', must hold", one("F32", "[\"2\"]", "[0,8]"), 8),
                text("tensor 'a': shape holds an array, must hold", one("F32", "[[2]]", "[0,8]"), 8),
                text("tensor 'a': shape holds 'null', must hold", one("F32", "[null]", "[0,8]"), 8),
                text(
                        "tensor 'a': shape holds '9223372036854775808', beyond",
                        one("F32", "[9223372036854775808]", "[0,8]"),
                        8),
                text("beyond a limit", one("F32", "[" + "9".repeat(1500) + "]", "[0,8]"), 8),
                text(
                        "tensor 'a': shape has more than 64 numbers",
                        one("F32", "[" + "1,".repeat(64) + "1]", "[0,4]"),
                        4),
                text("more bytes than a long counts", one("F32", "[9223372036854775807]", "[0,8]"), 8),
                text("more bytes than a long counts", one("U8", "[4294967296,4294967296]", "[0,0]"), 0),
                text("more bytes than a long counts", one("F32", "[4611686018427387904]", "[0,0]"), 0),
                text(
                        "tensor 'a': F32 [3] needs 12 bytes, but data_offsets [0, 8] hold 8",
                        one("F32", "[3]", "[0,8]"),
                        8),
                text("tensor 'a': F4 [3] does not fill whole bytes", one("F4", "[3]", "[0,2]"), 2),
                text("data_offsets [8, 0] are not a begin and an end", one("F32", "[2]", "[8,0]"), 8),
                text("data_offsets [8] are not a begin and an end", one("F32", "[2]", "[8]"), 8),
                text("data_offsets has more than 2 numbers", one("F32", "[2]", "[0,8,8]"), 8),
                text("tensor 'a': data_offsets [0, 8] reach beyond the data, which has 7 bytes", one(f8), 7),
                text("reach beyond", one("F32", "[2]", "[9223372036854775799,9223372036854775807]"), 8),
                text("1 bytes behind the last tensor belong to no tensor", one(f8), 9),
                text("5 bytes behind the last tensor belong to no tensor", "{}", 5),
                text(
                        "tensor 'b': data_offsets [4, 8] overlap the tensor before, which ends at 8",
                        twoAt.formatted(4, 8),
                        8),
                text("tensor 'a': data_offsets [0, 8] overlap", twoAt.formatted(0, 4), 8),
                text("tensor 'b': data_offsets [9, 13] leave a hole", twoAt.formatted(9, 13), 13),
                text("tensor 'a': data_offsets [1, 9] leave a hole", one("F32", "[2]", "[1,9]"), 9),
                text("tensor 'a': defined twice", "{\"a\":" + f8 + ",\"a\":" + f8 + "}", 8),
                text("tensor 'a': defined twice", "{\"a\":" + f8 + ",\"\\u0061\":" + f8 + "}", 8),
                text("not JSON", "{\"\\ud800\":" + f8 + "}", 8),
                text("not JSON", "{\"\\udc00\":" + f8 + "}", 8),
                text("__metadata__ is an array, must be an object", "{\"__metadata__\":[]}", 0),
                text("__metadata__: the value of 'x' is '1', must be a string", "{\"__metadata__\":{\"x\":1}}", 0),
                text("__metadata__: the value of 'x' is 'null'", "{\"__metadata__\":{\"x\":null}}", 0),
                text("__metadata__: the value of 'x' is an object", "{\"__metadata__\":{\"x\":{}}}", 0),
                text("__metadata__: key 'x' is there twice", "{\"__metadata__\":{\"x\":\"\",\"x\":\"\"}}", 0),
                text("__metadata__ is there twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0),
                text("must be an object", one("[".repeat(1_000_000)), 0),
                text("unknown key", "{\"a\":".repeat(200_000), 0),
                text("beyond a limit", "{\"" + "n".repeat(100_000) + "\":1}", 0),
                text("...'", "{\"" + "n".repeat(1000) + "\":1}", 0));
    }

    @ParameterizedTest
    @MethodSource("hostile")
    void hostileFilesAreRefusedByName(String says, byte[] bytes) throws IOException {
        Path path = file(bytes);
        String no = assertThrows(HeddleException.class, () -> SafetensorsFile.open(path))
                .getMessage();
        assertTrue(no.contains(says) && no.startsWith(path.toString()) && no.length() < 600, no);
    }

    /** Whatever is done to its bytes, a file is refused cleanly or its tensors lie within it. */
    @Test
    void mutatedFilesNeverDoWorseThanBeRefused() throws IOException {
        byte[] sound = Files.readAllBytes(written());
        int headerEnd =
                8 + (int) ByteBuffer.wrap(sound).order(ByteOrder.LITTLE_ENDIAN).getLong();
        SplittableRandom random = new SplittableRandom(1);
        int refused = 0;
        int rounds = 300;
        for (int round = 0; round < rounds; round++) {
            refused += isRefused(mutate(sound, headerEnd, random)) ? 1 : 0;
        }
        assertTrue(refused > rounds / 2 && refused < rounds, refused + " of " + rounds + " refused");
    }

    @Test
    void mutatedHeadersNeverDoWorseThanBeRefused() throws IOException {
        byte[] sound = Files.readAllBytes(written());
        int headerEnd =
                8 + (int) ByteBuffer.wrap(sound).order(ByteOrder.LITTLE_ENDIAN).getLong();
        byte[] header = Arrays.copyOfRange(sound, 8, headerEnd);
        long data = (long) sound.length - headerEnd;
        SplittableRandom random = new SplittableRandom(2);
        int refused = 0;
        int rounds = 20_000;
        for (int round = 0; round < rounds; round++) {
            try {
                SafetensorsHeader h = SafetensorsHeader.parse("mutant", mutate(header, header.length, random), data);
                long sum = h.entries().values().stream()
                        .mapToLong(e -> e.end() - e.begin())
                        .sum();
                assertEquals(data, sum);
            } catch (HeddleException e) {
                assertTrue(e.getMessage().startsWith("mutant: "), e.getMessage());
                refused++;
            }
        }
        assertTrue(refused > rounds / 2 && refused < rounds, refused + " of " + rounds + " refused");
    }

    private static byte[] mutate(byte[] sound, int headerEnd, SplittableRandom random) {
        byte[] b = sound.clone();
        for (int n = random.nextInt(1, 4); n > 0; n--) {
            int at = random.nextInt(headerEnd);
            int with = random.nextInt(headerEnd);
            switch (random.nextInt(6)) {
                case 0 -> b[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> b[at] = (byte) random.nextInt(256);
                case 2 -> b[at] = (byte) "{}[]\",:0123456789-.eE\\ ".charAt(random.nextInt(23));
                case 3 -> b[at] = b[with];
                case 4 ->
                    System.arraycopy(sound, with, b, at, Math.min(headerEnd - Math.max(at, with), random.nextInt(40)));
                default -> b = Arrays.copyOf(b, random.nextInt(b.length + 10));
            }
            headerEnd = Math.min(headerEnd, Math.max(1, b.length));
            if (b.length == 0) {
                return b;
            }
        }
        return b;
    }

    private boolean isRefused(byte[] b) throws IOException {
        Path path = Files.write(dir.resolve("mutant.safetensors"), b);
        try (SafetensorsFile f = SafetensorsFile.open(path)) {
            for (String name : f.names()) {
                try {
                    Tensor t = f.tensor(name);
                    assertEquals(t.size(), t.dtype().isFloating() ? t.toFloatArray().length : t.toLongArray().length);
                } catch (HeddleException e) {
                    assertTrue(e.getMessage().contains("cannot be used here"), e.getMessage());
                }
            }
            return false;
        } catch (HeddleException e) {
            assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
            return true;
        }
    }

    // ------------------------------------------------------------------ writing

    private Path written() throws IOException {
        Path path = dir.resolve("written.safetensors");
        SafetensorsFile.write(path, sample(), Map.of("op", "spmm", "case", "\"quoted\" \u00e9"));
        return path;
    }

    private static Map<String, Tensor> sample() {
        Map<String, Tensor> t = new LinkedHashMap<>();
        t.put("z.byte", Tensor.of(DType.U8, new byte[] {1, 2, 3}));
        t.put("b", Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).transpose(0, 1));
        t.put("a", Tensor.of(new int[] {7}));
        t.put("long", Tensor.of(new long[] {8, 9}, 2, 1));
        t.put("", Tensor.zeros(DType.F32, 0, 3));
        t.put("half", Tensor.of(new float[] {1.5f}).to(DType.F16));
        return t;
    }

    @Test
    void writesRowMajorAlignedAndAlwaysTheSame() throws IOException {
        byte[] first = Files.readAllBytes(written());
        Map<String, Tensor> turned = new TreeMap<>(java.util.Comparator.reverseOrder());
        turned.putAll(sample());
        Path other = dir.resolve("other.safetensors");
        SafetensorsFile.write(other, turned, new TreeMap<>(Map.of("case", "\"quoted\" \u00e9", "op", "spmm")));
        assertArrayEquals(first, Files.readAllBytes(other));
        try (SafetensorsFile f = SafetensorsFile.open(other)) {
            assertEquals(List.of("long", "", "a", "b", "half", "z.byte"), List.copyOf(f.names()));
            assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, f.tensor("b").toFloatArray());
            assertEquals(Map.of("op", "spmm", "case", "\"quoted\" \u00e9"), f.metadata());
            for (String name : f.names()) {
                Tensor t = f.tensor(name);
                assertEquals(0, t.address() % t.dtype().bytes());
            }
        }
        assertEquals(0, ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8);
        try (Stream<Path> left = Files.list(dir)) {
            assertEquals(2, left.count());
        }
    }

    @Test
    void aFailedWriteLeavesTheOldFileAndNothingElse() throws IOException {
        Path path = written();
        byte[] before = Files.readAllBytes(path);
        Tensor closed = Tensor.zeros(DType.F32, 3);
        closed.close();
        assertThrows(IllegalStateException.class, () -> SafetensorsFile.write(path, Map.of("x", closed), Map.of()));
        assertThrows(
                IllegalArgumentException.class,
                () -> SafetensorsFile.write(path, Map.of("__metadata__", Tensor.zeros(DType.F32, 1)), Map.of()));
        assertThrows(
                IllegalArgumentException.class,
                () -> SafetensorsFile.write(path, Map.of("\ud800", Tensor.zeros(DType.F32, 1)), Map.of()));
        assertThrows(
                IllegalArgumentException.class, () -> SafetensorsFile.write(path, Map.of(), Map.of("x", "\udc00")));
        assertThrows(
                IOException.class,
                () -> SafetensorsFile.write(dir.resolve("missing/x.safetensors"), sample(), Map.of()));
        assertArrayEquals(before, Files.readAllBytes(path));
        try (Stream<Path> left = Files.list(dir)) {
            assertEquals(1, left.count());
        }
    }

    @Test
    void aMappedFileCanBeReplaced() throws IOException {
        Path path = written();
        try (SafetensorsFile f = SafetensorsFile.open(path)) {
            SafetensorsFile.write(path, Map.of("a", f.tensor("b")), Map.of());
            assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, f.tensor("b").toFloatArray());
        }
        try (SafetensorsFile f = SafetensorsFile.open(path)) {
            assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, f.tensor("a").toFloatArray());
        }
    }

    @Test
    void closeRefusesWhileATensorIsInUse() throws IOException {
        SafetensorsFile f = SafetensorsFile.open(written());
        Tensor t = f.tensor("a");
        try (Use _ = Use.of(t)) {
            assertThrows(IllegalStateException.class, f::close);
        }
        f.close();
        assertFalse(t.isAlive());
        assertThrows(IllegalStateException.class, t::toIntArray);
        assertThrows(IllegalStateException.class, () -> f.tensor("b").address());
        assertThrows(IllegalStateException.class, () -> f.tensor("a").address());
    }

    record Sample(String name, DType dtype, List<Long> dims, long seed) {
        Tensor tensor() {
            long[] d = dims.stream().mapToLong(Long::longValue).toArray();
            byte[] raw = new byte[(int) Shape.of(d).size() * dtype.bytes()];
            new java.util.Random(seed).nextBytes(raw);
            return Tensor.copyOf(java.lang.foreign.MemorySegment.ofArray(raw), dtype, d);
        }
    }

    @Provide
    Arbitrary<List<Sample>> samples() {
        return Combinators.combine(
                        Arbitraries.strings().ofMaxLength(12).filter(SafetensorsFileTest::isAName),
                        Arbitraries.of(DType.values()),
                        Arbitraries.longs().between(0, 5).list().ofMaxSize(4),
                        Arbitraries.longs())
                .as(Sample::new)
                .list()
                .ofMaxSize(6);
    }

    private static boolean isAName(String s) {
        return StandardCharsets.UTF_8.newEncoder().canEncode(s);
    }

    @Property(tries = 60)
    void whatIsWrittenIsReadBack(@ForAll("samples") List<Sample> samples) {
        try {
            Path path = Files.createTempFile("heddle", ".safetensors");
            try {
                Map<String, Tensor> tensors = new LinkedHashMap<>();
                samples.forEach(s -> tensors.put(s.name, s.tensor()));
                SafetensorsFile.write(path, tensors, Map.of());
                try (SafetensorsFile f = SafetensorsFile.open(path)) {
                    assertEquals(tensors.keySet(), f.names());
                    tensors.forEach((name, t) -> assertSameBits(t, f.tensor(name)));
                }
            } finally {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void assertSameBits(Tensor want, Tensor got) {
        assertEquals(want.dtype(), got.dtype());
        assertEquals(want.shape(), got.shape());
        long[] w = bits(want);
        assertArrayEquals(w, bits(got));
    }

    private static long[] bits(Tensor t) {
        if (!t.dtype().isFloating()) {
            return t.toLongArray();
        }
        List<Long> bits = new ArrayList<>();
        for (float v : t.toFloatArray()) {
            bits.add((long) Float.floatToRawIntBits(v));
        }
        return bits.stream().mapToLong(Long::longValue).toArray();
    }
}
