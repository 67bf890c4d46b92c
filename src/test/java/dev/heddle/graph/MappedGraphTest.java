package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.io.SafetensorsFile;
import dev.heddle.op.Message;
import dev.heddle.op.Reduce;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.MappedFile;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Graphs in files, and graphs too large for int arithmetic: sparse files, of which next to nothing is ever touched. */
class MappedGraphTest {
    @TempDir
    private Path dir;

    @Test
    void aGraphInAFileIsUsedInPlace() throws IOException {
        Path path = dir.resolve("graph.safetensors");
        SafetensorsFile.write(
                path,
                Map.of(
                        "indptr",
                        Tensor.of(new long[] {0, 2, 3}),
                        "indices",
                        Tensor.of(new int[] {2, 0, 1}),
                        "x",
                        Tensor.of(new float[] {1, 2, 4}, 3, 1)),
                Map.of());
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            CsrGraph graph = CsrGraph.mapped(file.tensor("indptr"), file.tensor("indices"), 3);
            assertEquals(file.tensor("indices").address(), graph.indicesAddress());
            Tensor y = Spmm.builder()
                    .build()
                    .forward(graph, file.tensor("x"), null)
                    .y();
            assertArrayEquals(new float[] {5, 2}, y.toFloatArray());
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> CsrGraph.mapped(file.tensor("indptr"), file.tensor("indices"), 2));
        }
    }

    /** A sparse file of {@code size} elements of 4 bytes, with some at a place. */
    private Path sparse(String name, long size, long at, ByteBuffer values) throws IOException {
        Path path = dir.resolve(name);
        try (FileChannel file = FileChannel.open(
                path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            file.write(ByteBuffer.allocate(1), 4 * size - 1);
            file.write(values, 4 * at);
        }
        return path;
    }

    private static ByteBuffer buffer(int... values) {
        ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        b.asIntBuffer().put(values);
        return b;
    }

    private static ByteBuffer buffer(float... values) {
        ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        b.asFloatBuffer().put(values);
        return b;
    }

    /** Edges, weights and features all beyond 2^31 elements. The pointers start there, so that the rest is never read. */
    @Test
    void edgesAndFeaturesBeyond2To31() throws IOException {
        long edges = (1L << 31) + 100;
        long from = edges - 5;
        int nodes = (1 << 26) + 7;
        int features = 64;
        float[] row = new float[features];
        for (int f = 0; f < features; f++) {
            row[f] = f + 1;
        }
        int last = nodes - 1;
        try (MappedFile indices = MappedFile.open(sparse("indices", edges, from, buffer(last, last, 3, last, 0)));
                MappedFile weights = MappedFile.open(sparse("weights", edges, from, buffer(1f, 2f, 5f, 10f, 1f)));
                MappedFile x =
                        MappedFile.open(sparse("x", (long) nodes * features, (long) last * features, buffer(row)))) {
            CsrGraph graph = CsrGraph.trustMapped(
                    Tensor.of(new long[] {from, from + 2, from + 2, edges}),
                    indices.tensor(0, DType.I32, edges),
                    nodes);
            assertEquals(edges, graph.nnz());
            Tensor w = weights.tensor(0, DType.F32, edges);
            Tensor in = x.tensor(0, DType.F32, nodes, features);
            Tensor sum = Spmm.builder()
                    .message(Message.MUL)
                    .build()
                    .forward(graph, in, w)
                    .y();
            Tensor mean = Spmm.builder()
                    .reduce(Reduce.MEAN)
                    .build()
                    .forward(graph, in, null)
                    .y();
            for (int f = 0; f < features; f++) {
                assertEquals(3 * row[f], sum.getFloat(0, f));
                assertEquals(0f, sum.getFloat(1, f));
                assertEquals(10 * row[f], sum.getFloat(2, f));
                assertEquals(row[f] / 3, mean.getFloat(2, f), 1e-5);
            }
            Spmm max = Spmm.builder().reduce(Reduce.MAX).build();
            assertThrows(IllegalArgumentException.class, () -> max.forward(graph, in, null), "int32 edge numbers");
        }
    }

    @Test
    void positionsOfManyEdgesAreInt64() {
        assertEquals(DType.I32, Positions.type(Integer.MAX_VALUE));
        assertEquals(DType.I64, Positions.type(1L << 31));
        Tensor wide = Tensor.zeros(DType.I64, 3);
        Positions p = Positions.of(wide);
        p.set(2, 1L << 40);
        assertEquals(1L << 40, p.at(2));
        assertEquals(1L << 40, wide.getLong(2));
        Tensor starts = Tensor.zeros(DType.I64, 3001);
        int[] keys = new int[5000];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = i * 7919 % 3000;
        }
        Tensor positions = Tensor.zeros(DType.I64, keys.length);
        Tensor narrow = Tensor.zeros(DType.I32, keys.length);
        CountingSort.Input in = new CountingSort.Input("keys", Tensor.of(keys), 3000, "", null, 0);
        CountingSort.sort(in, new CountingSort.Output(starts, null, positions));
        CountingSort.sort(in, new CountingSort.Output(Tensor.zeros(DType.I64, 3001), null, narrow));
        assertArrayEquals(narrow.toLongArray(), positions.toLongArray());
    }
}
