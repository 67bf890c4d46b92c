package dev.heddle.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
    private static Tensor counting(long... shape) {
        float[] v = new float[(int) Shape.of(shape).size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = i;
        }
        return Tensor.of(v, shape);
    }

    private static String refusal(Class<? extends RuntimeException> type, Runnable call) {
        return assertThrows(type, call::run).getMessage();
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void memoryIsZeroedAndAligned(DType type) {
        Tensor t = Tensor.zeros(type, 3, 5);
        assertEquals(0, t.address() % 64);
        for (long i = 0; i < 3; i++) {
            for (long j = 0; j < 5; j++) {
                assertEquals(0, type.isFloating() ? t.getFloat(i, j) : t.getLong(i, j));
            }
        }
    }

    @Test
    void copiesInAndOut() {
        assertArrayEquals(
                new float[] {1, 2, 3}, Tensor.of(new float[] {1, 2, 3}).toFloatArray());
        assertArrayEquals(new int[] {-1, 5}, Tensor.of(new int[] {-1, 5}, 2, 1).toIntArray());
        assertArrayEquals(
                new long[] {1L << 40}, Tensor.of(new long[] {1L << 40}).toLongArray());
        assertArrayEquals(
                new int[] {255, 1}, Tensor.of(DType.U8, new byte[] {-1, 1}).toIntArray());
        assertArrayEquals(
                new int[] {-1, 1}, Tensor.of(DType.I8, new byte[] {-1, 1}).toIntArray());
    }

    @Test
    void viewsShareMemory() {
        Tensor t = counting(4, 6);
        Tensor v = t.slice(0, 1, 3).slice(1, 2, 5);
        assertArrayEquals(new float[] {8, 9, 10, 14, 15, 16}, v.toFloatArray());
        assertFalse(v.isContiguous());
        v.setFloat(-1, 1, 2);
        assertEquals(-1, t.getFloat(2, 4));
        assertArrayEquals(new float[] {1, 7, 13, 19}, t.select(1, 1).toFloatArray());
        assertArrayEquals(
                new float[] {0, 6, 12, 18}, t.transpose(0, 1).select(0, 0).toFloatArray());
        Tensor split = t.transpose(0, 1).unflatten(0, 3, 2);
        assertEquals(Shape.of(3, 2, 4), split.shape());
        assertArrayEquals(t.transpose(0, 1).toFloatArray(), split.toFloatArray());
        assertThrows(IllegalArgumentException.class, () -> t.unflatten(1, 2, 2));
        assertEquals(Shape.of(2, 12), t.reshape(2, -1).shape());
        assertSame(t, t.contiguous());
        assertTrue(v.contiguous().isContiguous());
        assertTrue(refusal(IllegalArgumentException.class, () -> v.reshape(6)).contains("contiguous()"));
    }

    @Property(tries = 200)
    void slicesReadWhatTheyName(
            @ForAll @IntRange(min = 0, max = 5) int from,
            @ForAll @IntRange(min = 0, max = 5) int length,
            @ForAll @IntRange(min = 0, max = 2) int axis) {
        Tensor t = counting(11, 12, 13);
        Tensor s = t.slice(axis, from, from + length);
        for (long i = 0; i < s.dim(0); i++) {
            for (long j = 0; j < s.dim(1); j++) {
                for (long k = 0; k < s.dim(2); k++) {
                    long[] at = {i, j, k};
                    long[] in = {i, j, k};
                    in[axis] += from;
                    assertEquals(t.getFloat(in), s.getFloat(at));
                }
            }
        }
    }

    @Property
    void halfTypesRoundToNearestEven(@ForAll @FloatRange(min = -60000, max = 60000) float v) {
        Tensor f = Tensor.of(new float[] {v});
        assertEquals(
                Float.float16ToFloat(Float.floatToFloat16(v)), f.to(DType.F16).getFloat(0));
        float b = f.to(DType.BF16).getFloat(0);
        int cut = Float.floatToRawIntBits(v) & 0xffff0000;
        float down = Float.intBitsToFloat(cut);
        float up = Float.intBitsToFloat(cut + 0x10000);
        double toDown = Math.abs((double) v - down);
        double toUp = Math.abs((double) v - up);
        float want = toDown < toUp ? down : toUp < toDown ? up : (cut >>> 16 & 1) == 0 ? down : up;
        assertEquals(want, b);
    }

    @Test
    void bfloat16KeepsNanAndInfinity() {
        Tensor t = Tensor.of(
                new float[] {Float.NaN, Float.intBitsToFloat(0x7f800001), Float.POSITIVE_INFINITY, Float.MAX_VALUE});
        float[] b = t.to(DType.BF16).toFloatArray();
        assertTrue(Float.isNaN(b[0]) && Float.isNaN(b[1]));
        assertEquals(Float.POSITIVE_INFINITY, b[2]);
        assertEquals(Float.POSITIVE_INFINITY, b[3]);
    }

    @Test
    void overlapIsExactForColumnRanges() {
        Tensor t = counting(4, 10);
        assertTrue(t.overlaps(t.slice(1, 3, 4)));
        assertFalse(t.slice(1, 0, 5).overlaps(t.slice(1, 5, 10)));
        assertTrue(t.slice(1, 0, 6).overlaps(t.slice(1, 5, 10)));
        assertFalse(t.slice(1, 7, 9).overlaps(t.slice(1, 0, 7)));
        assertFalse(t.slice(0, 0, 2).overlaps(t.slice(0, 2, 4)));
        assertFalse(t.slice(0, 0, 0).overlaps(t));
        assertFalse(t.overlaps(counting(4, 10)));
    }

    @Test
    void wrapsWithoutCopying() {
        try (Arena closable = Arena.ofConfined()) {
            MemorySegment m = Arena.ofAuto().allocate(16);
            Tensor t = Tensor.wrap(m, null, DType.F32, 4);
            m.setAtIndex(ValueLayout.JAVA_FLOAT, 2, 5);
            assertEquals(5, t.getFloat(2));
            Tensor g = Tensor.wrap(Arena.global().allocate(8), null, DType.I64, 1);
            assertEquals(0, g.getLong(0));
            ByteBuffer direct = ByteBuffer.allocateDirect(8).order(ByteOrder.LITTLE_ENDIAN);
            direct.putInt(4, 9);
            assertEquals(9, Tensor.wrap(direct, DType.I32, 2).getLong(1));
            String no = refusal(
                    IllegalArgumentException.class, () -> Tensor.wrap(closable.allocate(16), null, DType.F32, 4));
            assertTrue(no.startsWith("memory:"), no);
            Tensor owned = Tensor.wrap(closable.allocate(16), closable, DType.F32, 4);
            assertEquals(0, owned.getFloat(3));
        }
        refusal(
                IllegalArgumentException.class,
                () -> Tensor.wrap(MemorySegment.ofArray(new float[4]), null, DType.F32, 4));
        refusal(IllegalArgumentException.class, () -> Tensor.wrap(ByteBuffer.allocate(16), DType.F32, 4));
        refusal(IllegalArgumentException.class, () -> Tensor.wrap(Arena.ofAuto().allocate(8), null, DType.F32, 4));
        assertArrayEquals(
                new float[] {1, 2},
                Tensor.copyOf(MemorySegment.ofArray(new float[] {1, 2}), DType.F32, 2)
                        .toFloatArray());
    }

    @Test
    void useAfterCloseIsAnException() {
        Tensor t = counting(4);
        Tensor view = t.slice(0, 1, 3);
        t.close();
        t.close();
        assertFalse(view.isAlive());
        assertTrue(refusal(IllegalStateException.class, () -> view.getFloat(0)).contains("closed"));
        refusal(IllegalStateException.class, t::address);
        refusal(IllegalStateException.class, t::toFloatArray);
        refusal(IllegalStateException.class, () -> Use.of(counting(1), view));
        refusal(IllegalStateException.class, () -> counting(2).copyFrom(view));
    }

    @Test
    void closeDuringUseThrowsAndChangesNothing() {
        Tensor t = counting(4);
        try (Use _ = Use.of(t, null, t)) {
            assertTrue(refusal(IllegalStateException.class, t::close).contains("2 operations"));
            assertEquals(3, t.getFloat(3));
        }
        t.close();
        assertFalse(t.isAlive());
    }

    @Test
    void aFailedUseLetsGoOfWhatItHeld() {
        Tensor t = counting(4);
        Tensor dead = counting(1);
        dead.close();
        refusal(IllegalStateException.class, () -> Use.of(t, dead));
        t.close(); // would throw if the use above still counted
    }

    @Test
    void workspaceReusesMemoryAndRefusesOldTensors() {
        Workspace w = new Workspace();
        Tensor a = w.zeros(DType.F32, 1000);
        a.fill(3);
        long address = a.address();
        try (Use _ = Use.of(a)) {
            assertTrue(refusal(IllegalStateException.class, w::reset).contains("workspace"));
            refusal(IllegalStateException.class, w::close);
        }
        refusal(IllegalStateException.class, a::close);
        w.reset();
        assertTrue(refusal(IllegalStateException.class, () -> a.getFloat(0)).contains("reset"));
        Tensor b = w.zeros(DType.F32, 1000);
        assertEquals(address, b.address());
        assertEquals(0, b.getFloat(999));
        long capacity = w.capacity();
        for (int round = 0; round < 20; round++) {
            w.reset();
            w.empty(DType.F32, 1000);
        }
        assertEquals(capacity, w.capacity());
        Tensor big = w.empty(DType.U8, 3_000_000);
        assertEquals(0, big.address() % 64);
        w.close();
        refusal(IllegalStateException.class, () -> w.empty(DType.F32, 1));
        refusal(IllegalStateException.class, () -> big.getLong(0));
    }

    @Test
    void badShapesAreNamed() {
        assertTrue(refusal(IllegalArgumentException.class, () -> Tensor.zeros(DType.F32, 2, -1))
                .contains("[2, -1]"));
        refusal(IllegalArgumentException.class, () -> Tensor.zeros(DType.I64, Long.MAX_VALUE));
        refusal(IllegalArgumentException.class, () -> Tensor.zeros(DType.I8, 1L << 40, 1L << 40));
        assertEquals(0, Tensor.zeros(DType.I64, 1L << 40, 0, 1L << 40).size());
        assertTrue(refusal(IllegalArgumentException.class, () -> Tensor.of(new float[3], 2, 2))
                .contains("4"));
        refusal(IndexOutOfBoundsException.class, () -> counting(2, 2).getFloat(0, 2));
        refusal(IndexOutOfBoundsException.class, () -> counting(2, 2).getFloat(0));
        refusal(IndexOutOfBoundsException.class, () -> counting(2, 2).slice(1, 1, 3));
        refusal(IndexOutOfBoundsException.class, () -> counting(2, 2).dim(2));
        refusal(IllegalArgumentException.class, () -> Tensor.of(new int[1]).getFloat(0));
        refusal(IllegalArgumentException.class, () -> Tensor.zeros(DType.U8, 1).setLong(256, 0));
    }
}
