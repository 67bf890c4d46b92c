package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I16;
import static dev.heddle.memory.Raw.I8;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LinearKernels;
import dev.heddle.kernel.Tuning;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import org.jspecify.annotations.Nullable;

/**
 * The weight of a {@link Linear}, packed for it once, in float32 or a narrower type.
 *
 * <ul>
 *   <li>{@link Storage#F32}: as given.
 *   <li>{@link Storage#BF16}, {@link Storage#F16}: rounded to nearest, ties to even. Weights beyond the range of F16 become infinite.
 *   <li>{@link Storage#I8}: symmetric, with a scale for each row of the weight and each group of {@code groupSize} neighbouring k:
 *       {@code scale = max |w| / 127} (1 if all are 0), {@code q = clamp(roundHalfEven(w / scale), -127, 127)}, the divisions rounded to float32. A
 *       weight stands for {@code scale q}.
 * </ul>
 *
 * <p>Memory: 4, 2, 2 or 1 byte for each weight (N rounded up to a multiple of 64), and 4 for each scale. Immutable; may be used by
 * many threads. {@link #close} frees it, or the garbage collector does.
 */
public final class PackedWeight implements AutoCloseable {
    /** The type in which weights are kept. */
    public enum Storage {
        F32(4),
        BF16(2),
        F16(2),
        I8(1);

        private final int bytes;

        Storage(int bytes) {
            this.bytes = bytes;
        }
    }

    /**
     * How far the kept weights are from the given ones.
     *
     * @param maxAbsolute the largest difference
     * @param rms the root of the mean square of the differences
     * @param relative that, divided by the root of the mean square of the weights; 0 if all are 0
     */
    public record Deviation(double maxAbsolute, double rms, double relative) {}

    /** Columns of a panel. */
    static final int WIDTH = 64;

    /** Up to so many rows of x, widening a weight in the product is cheaper than widening it first. */
    static final int FEW_ROWS = 4;

    private static final int SIXTEEN = WIDTH / 4;

    /** So many panels are read side by side for one row of x. */
    static final int TOGETHER = 4;

    /** The kernels of a storage, and where those of floats begin, of which there are the first three. */
    private static final int ONE_ROW = 0;

    private static final int MORE_ROWS = 3;
    private static final int WIDEN = 5;
    private static final int KINDS = 6;
    private static final int FLOATS = LinearKernels.Storage.values().length * KINDS;
    private static final Dispatch<LinearKernels> KERNELS =
            new Dispatch<>(LinearKernels.class, FLOATS + MORE_ROWS, PackedWeight::probe);

    private final Storage storage;
    private final long n;
    private final long k;
    private final long panels;

    /** Rows of a block of k, that is, of a group or of a part of the only one. */
    private final long depth;

    private final Tensor data;

    /** A row of whole panels for each block. */
    private final @Nullable Tensor scales;

    private final Deviation deviation;
    private boolean finite = true;

    private PackedWeight(Storage storage, Tensor weight, long groupSize) {
        this.storage = storage;
        n = weight.dim(0);
        k = weight.dim(1);
        panels = (n + WIDTH - 1) / WIDTH;
        depth = groupSize == 0 ? Tuning.MATMUL_DEPTH : Math.min(groupSize, Tuning.MATMUL_DEPTH);
        data = Tensor.zeros(DType.U8, panels, k, (long) WIDTH * storage.bytes);
        long blocks = Math.max(1, (k + depth - 1) / depth);
        scales = storage == Storage.I8 ? Tensor.zeros(DType.F32, blocks, panels, WIDTH) : null;
        deviation = pack(weight, groupSize == 0 ? Math.max(k, 1) : groupSize);
    }

    /** Packs a weight {@code [N, K]}, with one scale for each row of it if the storage has scales. */
    public static PackedWeight of(Tensor weight, Storage storage) {
        return of(weight, storage, 0);
    }

    /**
     * Packs a weight {@code [N, K]}.
     *
     * @param weight float32, F16 or BF16
     * @param groupSize how many neighbouring k share a scale: a power of two from 16 to 256; or 0, all of them. Only I8 has scales
     * @throws IllegalArgumentException also if a weight that is to be I8 is not finite
     */
    public static PackedWeight of(Tensor weight, Storage storage, long groupSize) {
        Checks.rank("weight", weight, 2);
        if (!weight.dtype().isFloating()) {
            throw new IllegalArgumentException("weight: elements are " + weight.dtype() + ", must be floats");
        }
        boolean power = groupSize >= 16 && groupSize <= 256 && Long.bitCount(groupSize) == 1;
        if (groupSize != 0 && !(storage == Storage.I8 && power)) {
            throw new IllegalArgumentException("groupSize: " + groupSize + " with " + storage
                    + ", must be 0, or with I8 a power of two from 16 to 256");
        }
        return new PackedWeight(storage, weight.to(DType.F32).contiguous(), groupSize);
    }

    /** Rows of the weight, columns of the result. */
    public long outputs() {
        return n;
    }

    /** Columns of the weight, columns of the input. */
    public long inputs() {
        return k;
    }

    /** The type in which the weights are kept. */
    public Storage storage() {
        return storage;
    }

    /** What packing has cost in accuracy. */
    public Deviation deviation() {
        return deviation;
    }

    /** Bytes of memory that it takes. */
    public long bytes() {
        return data.size() + (scales == null ? 0 : 4 * scales.size());
    }

    /** The weights as they are kept, {@code [N, K]} in float32. */
    public Tensor unpack() {
        Tensor w = Tensor.zeros(DType.F32, n, k);
        try (Use _ = Use.of(data, scales, w)) {
            long out = w.address();
            for (long row = 0; row < n; row++) {
                for (long c = 0; c < k; c++, out += 4) {
                    ALL.set(F32, out, value(row, c));
                }
            }
        }
        return w;
    }

    /** Frees the memory. */
    @Override
    public void close() {
        data.close();
        if (scales != null) {
            scales.close();
        }
    }

    // ------------------------------------------------------------------ packing

    /** Rows at a time go to the threads, and so do the parts of the deviation; these are added in order. */
    private Deviation pack(Tensor weight, long group) {
        double[] largest = new double[Math.toIntExact(panels)];
        double[] squares = new double[largest.length];
        double[] weights = new double[largest.length];
        boolean[] endless = new boolean[largest.length];
        try (Use _ = Use.of(weight, data, scales)) {
            long from = weight.address();
            Team.run(largest.length, 2.0 * n * k, q -> {
                for (long row = (long) q * WIDTH; row < Math.min(n, (q + 1L) * WIDTH); row++) {
                    long a = from + 4 * k * row;
                    for (long g = 0; g < k; g += group) {
                        packGroup(a, row, g, Math.min(g + group, k));
                    }
                    for (long c = 0; c < k; c++) {
                        double w = ALL.get(F32, a + 4 * c);
                        float kept = value(row, c);
                        double e = w - kept;
                        endless[q] |= !(Math.abs(kept) <= Float.MAX_VALUE);
                        largest[q] = Math.max(largest[q], Math.abs(e));
                        squares[q] += e * e;
                        weights[q] += w * w;
                    }
                }
            });
        }
        double max = 0;
        double square = 0;
        double sum = 0;
        for (int q = 0; q < largest.length; q++) {
            max = Math.max(max, largest[q]);
            square += squares[q];
            sum += weights[q];
            finite &= !endless[q];
        }
        return new Deviation(max, Math.sqrt(square / Math.max(1, n * k)), sum == 0 ? 0 : Math.sqrt(square / sum));
    }

    private void packGroup(long a, long row, long from, long to) {
        float scale = 1;
        if (scales != null) {
            float most = 0;
            for (long c = from; c < to; c++) {
                float w = Math.abs(ALL.get(F32, a + 4 * c));
                if (!(w <= Float.MAX_VALUE)) {
                    throw new IllegalArgumentException(
                            "weight[" + row + ", " + c + "] is " + ALL.get(F32, a + 4 * c) + ", which I8 cannot hold");
                }
                most = Math.max(most, w);
            }
            scale = most == 0 ? 1 : most / 127;
            for (long c = from; c < to; c += depth) {
                ALL.set(F32, scales.address() + 4 * (c / depth * panels * WIDTH + row), scale);
            }
        }
        for (long c = from; c < to; c++) {
            put(row, c, ALL.get(F32, a + 4 * c), scale);
        }
    }

    private void put(long row, long c, float w, float scale) {
        long at = at(row, c);
        switch (storage) {
            case F32 -> ALL.set(F32, at, w);
            case BF16 -> ALL.set(I16, at, bf16(w));
            case F16 -> ALL.set(I16, at, Float.floatToFloat16(w));
            case I8 -> ALL.set(I8, at, (byte) Math.clamp((long) Math.rint(w / scale), -127, 127));
        }
    }

    private static short bf16(float v) {
        int bits = Float.floatToRawIntBits(v);
        return (short) (Float.isNaN(v) ? bits >>> 16 | 0x40 : (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    private float value(long row, long c) {
        long at = at(row, c);
        return switch (storage) {
            case F32 -> ALL.get(F32, at);
            case BF16 -> Float.intBitsToFloat(ALL.get(I16, at) << 16);
            case F16 -> Float.float16ToFloat(ALL.get(I16, at));
            case I8 -> ALL.get(I8, at) * ALL.get(F32, scaleAddress() + 4 * (c / depth * panels * WIDTH + row));
        };
    }

    private long scaleAddress() {
        return scales == null ? 0 : scales.address();
    }

    /** Where an element is: the layout that {@link LinearKernels} describes. */
    private long at(long row, long c) {
        long column = row % WIDTH;
        long line = data.address() + (row / WIDTH * k + c) * WIDTH * storage.bytes;
        long sixteen = column / SIXTEEN;
        long i = column % SIXTEEN;
        return line
                + switch (storage) {
                    case F32 -> 4 * column;
                    case BF16, F16 -> 4 * (sixteen / 2 * SIXTEEN + i) + 2 * (sixteen % 2);
                    case I8 -> 4 * i + sixteen;
                };
    }

    // ------------------------------------------------------------------ use

    /** Whether all weights, as they are kept, are finite. */
    boolean isFinite() {
        return finite;
    }

    /**
     * Where the panels are; in use only.
     *
     * @param storage null for floats
     * @param scales of the first panel in the first block; 0 if there are none
     */
    record Panels(LinearKernels.@Nullable Storage storage, long address, long bytes, long scales, long scaleBlock) {
        long panel(long q) {
            return address + q * bytes;
        }

        long scale(long q) {
            return scales + 4 * WIDTH * q;
        }
    }

    Panels panels() {
        return new Panels(
                storage == Storage.F32 ? null : LinearKernels.Storage.valueOf(storage.name()),
                data.address(),
                k * WIDTH * storage.bytes,
                scaleAddress(),
                scales == null ? 0 : 4 * panels * WIDTH);
    }

    /** What keeps the memory in place during a product. */
    Use use() {
        return Use.of(data, scales);
    }

    Gemm.Source source() {
        return storage == Storage.F32 ? new Whole() : new Narrow(LinearKernels.Storage.valueOf(storage.name()));
    }

    /** The kernels for 1, 2 and 4 panels: of {@link #KERNELS} from number {@code first} on. */
    private static LinearKernels[] kernels(int first, int count) {
        LinearKernels[] kernels = new LinearKernels[count];
        for (int i = 0; i < count; i++) {
            kernels[i] = KERNELS.choose(first + i, WIDTH).kernels();
        }
        return kernels;
    }

    private final class Whole implements Gemm.Source {
        private final long address = data.address();
        private final LinearKernels[] row = kernels(FLOATS, MORE_ROWS);

        @Override
        public long depth() {
            return depth;
        }

        @Override
        public long scale(long panel, long block) {
            return 0;
        }

        @Override
        public long address(long panel, long row) {
            return address + 4 * WIDTH * (panel * k + row);
        }

        @Override
        public void write(long panel, long row, long count, long out) {
            throw new AssertionError("these panels are used as they are");
        }

        @Override
        public void row(
                int panels, long a, long panel, long line, long count, long scale, long from, long c, long scratch) {
            row[panels / 2].rowOfFloats(panels, a, address(panel, line), 4 * WIDTH * k, count, scale, from, c);
        }

        @Override
        public void multiply(
                int rows,
                long a,
                long as,
                long panel,
                long row,
                long count,
                long scale,
                long from,
                long fs,
                long c,
                long cs) {
            throw new AssertionError("these panels are used as they are");
        }
    }

    private final class Narrow implements Gemm.Source {
        private final LinearKernels.Storage type;
        private final LinearKernels[] kernels;
        private final long address = data.address();
        private final long factors = scaleAddress();

        Narrow(LinearKernels.Storage type) {
            this.type = type;
            kernels = kernels(type.ordinal() * KINDS, KINDS);
        }

        @Override
        public long depth() {
            return depth;
        }

        @Override
        public long scale(long panel, long block) {
            return factors == 0 ? 0 : factors + 4 * WIDTH * (block * panels + panel);
        }

        @Override
        public long address(long panel, long row) {
            return 0;
        }

        private long line(long panel, long row) {
            return address + type.rowBytes() * (panel * k + row);
        }

        @Override
        public void write(long panel, long row, long count, long out) {
            kernels[WIDEN].widen(type, line(panel, row), count, out);
        }

        @Override
        public void row(
                int panels, long a, long panel, long line, long count, long scale, long from, long c, long scratch) {
            long next = type.rowBytes() * k;
            kernels[ONE_ROW + panels / 2].row(type, panels, a, line(panel, line), next, count, scale, from, c, scratch);
        }

        @Override
        public void multiply(
                int rows,
                long a,
                long as,
                long panel,
                long row,
                long count,
                long scale,
                long from,
                long fs,
                long c,
                long cs) {
            kernels[MORE_ROWS + rows / 4].multiply(type, rows, a, as, line(panel, row), count, scale, from, fs, c, cs);
        }
    }

    private static long probe(LinearKernels kernels, int lanes, int variant, long scratch) {
        long depth = 160; // more than one burst of rows
        long out = scratch + (512 << 10);
        int kind = variant % KINDS;
        long row = 4 * WIDTH;
        if (variant >= FLOATS) {
            int panels = 1 << kind;
            kernels.rowOfFloats(panels, scratch, scratch, row * depth, depth, scratch, out, out);
            return depth * WIDTH * panels;
        }
        LinearKernels.Storage type = LinearKernels.Storage.values()[variant / KINDS];
        if (kind == WIDEN) {
            kernels.widen(type, scratch, depth, out);
            return depth * WIDTH;
        }
        if (kind >= MORE_ROWS) {
            int rows = 2 << (kind - MORE_ROWS);
            kernels.multiply(type, rows, scratch, 4 * depth, scratch, depth, scratch, out, row, out, row);
            return depth * WIDTH * rows;
        }
        int panels = 1 << kind;
        kernels.row(type, panels, scratch, scratch, type.rowBytes() * depth, depth, scratch, out, out, out + 1024);
        return depth * WIDTH * panels;
    }
}
