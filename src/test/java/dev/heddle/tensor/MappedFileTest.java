package dev.heddle.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Matmul;
import dev.heddle.optim.Adam;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class MappedFileTest {
    @TempDir
    Path dir;

    private Path file(float... values) throws IOException {
        ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float v : values) {
            b.putFloat(v);
        }
        return Files.write(dir.resolve("floats"), b.array());
    }

    @Test
    void tensorsReadTheFileInPlace() throws IOException {
        try (MappedFile f = MappedFile.open(file(1, 2, 3, 4, 5, 6))) {
            assertEquals(24, f.size());
            Tensor t = f.tensor(4, DType.F32, 2, 2);
            assertArrayEquals(new float[] {2, 3, 4, 5}, t.toFloatArray());
            assertEquals(t.address() + 8, f.tensor(12, DType.F32, 1).address());
            assertTrue(t.isReadOnly());
            assertArrayEquals(new byte[] {0, 0, (byte) 0x80, 0x3f}, f.bytes(0, 4));
            assertEquals(0, f.tensor(24, DType.F32, 0, 3).size());
        }
    }

    @Test
    void tensorsOutsideTheFileAreRefused() throws IOException {
        try (MappedFile f = MappedFile.open(file(1, 2, 3))) {
            assertThrows(IndexOutOfBoundsException.class, () -> f.tensor(4, DType.F32, 3));
            assertThrows(IndexOutOfBoundsException.class, () -> f.tensor(-4, DType.F32, 1));
            assertThrows(IndexOutOfBoundsException.class, () -> f.tensor(13, DType.F32, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> f.tensor(8, DType.U8, Long.MAX_VALUE));
            assertThrows(IndexOutOfBoundsException.class, () -> f.bytes(8, 5));
        }
    }

    @Test
    void closeRefusesWhileATensorIsInUseAndEndsAllOfThem() throws IOException {
        MappedFile f = MappedFile.open(file(1, 2, 3));
        Tensor t = f.tensor(0, DType.F32, 3);
        Tensor view = t.slice(0, 1, 2);
        try (Use _ = Use.of(view)) {
            String no = assertThrows(IllegalStateException.class, f::close).getMessage();
            assertTrue(no.contains("close the mapped file while 1 operation uses"), no);
            assertEquals(2, view.getFloat(0));
        }
        assertThrows(IllegalStateException.class, t::close);
        f.close();
        f.close();
        assertFalse(t.isAlive());
        assertTrue(assertThrows(IllegalStateException.class, view::toFloatArray)
                .getMessage()
                .contains("mapped file"));
        assertThrows(IllegalStateException.class, () -> Use.of(t));
        assertThrows(IllegalStateException.class, t::address);
        assertThrows(IllegalStateException.class, () -> f.tensor(0, DType.F32, 1));
        assertThrows(IllegalStateException.class, () -> f.bytes(0, 1));
    }

    @Test
    void tensorsKeepAnUnreachableFileMapped() throws Exception {
        MappedFile f = MappedFile.open(file(1, 2, 3));
        WeakReference<MappedFile> seen = new WeakReference<>(f);
        Tensor t = f.tensor(0, DType.F32, 3);
        f = null;
        System.gc();
        assertEquals(3, t.getFloat(2));
        t = null;
        for (int i = 0; i < 100 && seen.get() != null; i++) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(null, seen.get());
    }

    @Test
    void nothingWritesIntoAFile() throws IOException {
        Path path = file(1, 2, 3, 4);
        try (MappedFile f = MappedFile.open(path)) {
            Tensor t = f.tensor(0, DType.F32, 2, 2);
            assertThrows(RuntimeException.class, () -> t.setFloat(9, 0, 0));
            assertThrows(RuntimeException.class, () -> t.fill(9));
            assertThrows(RuntimeException.class, () -> t.copyFrom(Tensor.zeros(DType.F32, 2, 2)));
            Tensor a = Tensor.zeros(DType.F32, 2, 2);
            try (Workspace scratch = new Workspace()) {
                String no = assertThrows(
                                IllegalArgumentException.class,
                                () -> Matmul.builder().build().forward(a, a, null, t, scratch))
                        .getMessage();
                assertTrue(no.contains("read-only"), no);
            }
            List<Executable> inPlace = List.of(
                    () -> Activation.RELU.forward(t, t),
                    () -> Arithmetic.ADD.forward(t, a, t),
                    () -> Adam.builder().build(List.of(t)));
            for (Executable write : inPlace) {
                String no = assertThrows(IllegalArgumentException.class, write).getMessage();
                assertTrue(no.contains("read-only"), no);
            }
            assertFalse(t.copy().isReadOnly());
        }
        assertEquals(
                1,
                ByteBuffer.wrap(Files.readAllBytes(path))
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .getFloat());
    }
}
