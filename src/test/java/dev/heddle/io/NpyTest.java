package dev.heddle.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.HeddleException;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NpyTest {
    /** As NumPy 2.4 writes {@code np.asfortranarray(np.arange(6, dtype='<i4').reshape(2, 3))}. */
    private static final String FORTRAN =
            "934e554d5059010076007b276465736372273a20273c6934272c2027666f727472616e5f6f72646572"
                    + "273a20547275652c20277368617065273a2028322c2033292c207d" + "20".repeat(59)
                    + "0a000000000300000001000000040000000200000005000000";

    @TempDir
    Path dir;

    private Path file(byte[] bytes) throws IOException {
        return Files.write(dir.resolve("a.npy"), bytes);
    }

    private static byte[] npy(int major, String header, byte... data) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] text = header.getBytes(StandardCharsets.ISO_8859_1);
        out.writeBytes(HexFormat.of().parseHex("934e554d5059"));
        out.write(major);
        out.write(0);
        ByteBuffer n = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(0, text.length);
        out.write(n.array(), 0, major == 1 ? 2 : 4);
        out.writeBytes(text);
        out.writeBytes(data);
        return out.toByteArray();
    }

    @Test
    void readsFortranOrderAsRowMajor() throws IOException {
        Tensor t = Npy.read(file(HexFormat.of().parseHex(FORTRAN)));
        assertEquals(DType.I32, t.dtype());
        assertEquals(Shape.of(2, 3), t.shape());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, t.toIntArray());
        assertTrue(t.isContiguous());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {"1", "2", "3"})
    void readsAllVersionsAndSpellings(int version) throws IOException {
        String h = "{ \"shape\" : ( ),'fortran_order':False,\t'descr':'<f4'}  \n";
        assertEquals(
                2.5f,
                Npy.read(file(npy(version, h, new byte[] {0, 0, 0x20, 0x40}))).getFloat());
        String b = "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }";
        assertArrayEquals(
                new int[] {1, 0, 1},
                Npy.read(file(npy(version, b, new byte[] {1, 0, 1}))).toIntArray());
    }

    /** NumPy reads what we write: byte for byte what it would write. */
    @Test
    void writesWhatNumpyWrites() throws IOException {
        Path path = dir.resolve("out.npy");
        Npy.write(path, Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).transpose(0, 1));
        String text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }" + " ".repeat(58) + "\n";
        byte[] want = npy(1, text, new byte[24]);
        ByteBuffer.wrap(want, want.length - 24, 24)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(1)
                .putFloat(4)
                .putFloat(2)
                .putFloat(5)
                .putFloat(3)
                .putFloat(6);
        assertArrayEquals(want, Files.readAllBytes(path));
        assertThrows(IllegalArgumentException.class, () -> Npy.write(path, Tensor.zeros(DType.BF16, 1)));
        Npy.write(path, Tensor.zeros(DType.I8, 5));
        assertTrue(Files.readString(path, StandardCharsets.ISO_8859_1)
                .contains("'|i1', 'fortran_order': False, 'shape': (5,), }"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "cannot be used here;{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
                "cannot be used here;{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
                "cannot be used here;{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
                "a simple one;{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }",
                "unknown key 'other';{'descr': '<f4', 'other': 1, 'shape': (1,), }",
                "lacks descr;{'descr': '<f4', 'fortran_order': False}",
                "lacks descr;{}",
                "descr twice;{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}",
                "shape twice;{'shape': (1,), 'shape': (1,)}",
                "'{' should be;__import__('os').system('true')",
                "True or False;{'fortran_order': 0}",
                "in quotes;{'descr': '<f\\x34'}",
                "in quotes;{'descr': '<f4",
                "in quotes;{'descr': 4}",
                "'(' should be;{'shape': [1]}",
                "',' (a shape;{'shape': (1)}",
                "an extent;{'shape': (-1,)}",
                "has '.0,)}' where;{'shape': (1.0,)}",
                "an extent;{'shape': (,)}",
                "an extent;{'shape': (9999999999999999999,)}",
                "')' should be;{'shape': (1, 2",
                "more bytes than;{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}",
                "more bytes than;{'descr': '<i8', 'fortran_order': False, 'shape': (999999999999999999, 9)}",
                "more behind;{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
                "needs 8 bytes, but 4 follow;{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                "needs 0 bytes, but 4 follow;{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }",
            })
    void badHeadersAreRefused(String says, String header) throws IOException {
        assertRefused(says, npy(1, header, new byte[4]));
    }

    private void assertRefused(String says, byte[] bytes) throws IOException {
        Path path = file(bytes);
        String no = assertThrows(HeddleException.class, () -> Npy.read(path)).getMessage();
        assertTrue(no.contains(says) && no.startsWith(path.toString()), no);
    }

    @Test
    void badFramesAreRefused() throws IOException {
        assertRefused("truncated", new byte[7]);
        assertRefused("not an npy file", new byte[20]);
        assertRefused("npy version 4.0", npy(4, "{}"));
        byte[] minor = npy(1, "{}");
        minor[7] = 1;
        assertRefused("npy version 1.1", minor);
        assertRefused("truncated", Arrays.copyOf(npy(1, "{}"), 11));
        byte[] huge = npy(2, "{}");
        huge[11] = -1;
        assertRefused("a header of 4278190082 bytes", huge);
        assertRefused("more than 64 axes", npy(1, "{'shape': (" + "1, ".repeat(65) + ")}"));
    }

    @Test
    void mutatedFilesNeverDoWorseThanBeRefused() throws IOException {
        byte[] sound = HexFormat.of().parseHex(FORTRAN);
        SplittableRandom random = new SplittableRandom(2);
        int refused = 0;
        int rounds = 20_000;
        for (int round = 0; round < rounds; round++) {
            byte[] b = sound.clone();
            for (int n = random.nextInt(1, 4); n > 0; n--) {
                int at = random.nextInt(72);
                switch (random.nextInt(3)) {
                    case 0 -> b[at] ^= (byte) (1 << random.nextInt(8));
                    case 1 -> b[at] = b[random.nextInt(72)];
                    default -> b = Arrays.copyOf(b, Math.max(73, random.nextInt(b.length + 10)));
                }
            }
            try {
                ReadableByteChannel in = Channels.newChannel(new ByteArrayInputStream(b));
                Tensor t = Npy.read("mutant", in, b.length);
                assertTrue(t.size() * t.dtype().bytes() <= b.length);
            } catch (HeddleException e) {
                assertTrue(e.getMessage().startsWith("mutant: "), e.getMessage());
                refused++;
            }
        }
        assertTrue(refused > rounds / 2 && refused < rounds, refused + " of " + rounds + " refused");
    }

    @Property(tries = 200)
    void whatIsWrittenIsReadBack(
            @ForAll DType dtype,
            @ForAll @Size(max = 4) List<@IntRange(min = 0, max = 5) Integer> dims,
            @ForAll long seed) {
        if (dtype == DType.BF16) {
            return;
        }
        long[] d = dims.stream().mapToLong(Integer::longValue).toArray();
        byte[] raw = new byte[(int) Shape.of(d).size() * dtype.bytes()];
        new Random(seed).nextBytes(raw);
        try {
            Path path = Files.createTempFile("heddle", ".npy");
            try {
                Npy.write(path, Tensor.copyOf(MemorySegment.ofArray(raw), dtype, d));
                Tensor t = Npy.read(path);
                assertEquals(dtype, t.dtype());
                assertEquals(Shape.of(d), t.shape());
                byte[] all = Files.readAllBytes(path);
                assertArrayEquals(raw, Arrays.copyOfRange(all, all.length - raw.length, all.length));
                assertEquals(0, (all.length - raw.length) % 64);
            } finally {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
