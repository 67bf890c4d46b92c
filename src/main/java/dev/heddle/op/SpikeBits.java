package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.kernel.LifKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * Spikes, a bit each: {@code rows} rows of {@code columns} bits. Column c is bit c mod 64 of word c / 64 of its row; the bits
 * beyond the last column are 0.
 */
public final class SpikeBits {
    private static final double NANOS = 0.15;

    private final Tensor words;
    private final long columns;

    private SpikeBits(Tensor words, long columns) {
        this.words = words;
        this.columns = columns;
    }

    /** No spikes. */
    public static SpikeBits zeros(long rows, long columns) {
        return new SpikeBits(Tensor.zeros(DType.I64, rows, (columns + 63) / 64), columns);
    }

    /**
     * Packs {@code s}, float32 {@code [..., columns]} with elements 0 and 1; all axes but the last count rows, which may lie apart.
     *
     * @throws IllegalArgumentException if an element is neither
     */
    public static SpikeBits of(Tensor s) {
        Checks.type("s", s, DType.F32);
        long stride = Checks.rowBytes("s", s);
        SpikeBits bits = zeros(Checks.rows(s), s.dim(-1));
        try (Workspace scratch = new Workspace();
                Use _ = Use.of(s)) {
            pack(s.address(), stride, bits.words, bits.columns, scratch);
        }
        return bits;
    }

    /** Packs in a workspace's memory. */
    static SpikeBits of(long s, long stride, long rows, long columns, Workspace scratch) {
        SpikeBits bits = new SpikeBits(scratch.empty(DType.I64, rows, (columns + 63) / 64), columns);
        pack(s, stride, bits.words, columns, scratch);
        return bits;
    }

    private static void pack(long s, long stride, Tensor words, long columns, Workspace scratch) {
        long rows = words.dim(0);
        if (rows == 0 || columns == 0) {
            return;
        }
        // rows as sequences of one step; few columns are no reason for a chunk of its own
        long some = Math.max(1, (1 << 14) / columns);
        Channels channels = new Channels((rows + some - 1) / some, columns, Math.max(64, columns / 64 * 64));
        Tensor odd = scratch.zeros(DType.F32, channels.chunks(), 16);
        try (Use _ = Use.of(words, odd)) {
            Channels.Kernels<LifKernels> kernels = channels.kernels(LifRun.KERNELS, LifProbe.PACK);
            long row = 8 * words.stride(0);
            channels.run(NANOS * rows * columns, (chunk, b, c, count) -> {
                long first = b * some;
                kernels.run(
                        count,
                        (k, o, n) -> k.pack(
                                s + first * stride + 4 * c + o,
                                stride,
                                words.address() + first * row + c / 64 * 8 + o / 256 * 8,
                                row,
                                o / 4 % 64,
                                odd.address() + 64L * chunk,
                                Math.min(some, rows - first),
                                n));
            });
        }
        for (float o : odd.toFloatArray()) {
            if (o != 0) {
                throw new IllegalArgumentException("s: an element is neither 0 nor 1");
            }
        }
    }

    /** The number of rows. */
    public long rows() {
        return words.dim(0);
    }

    /** The number of bits in a row. */
    public long columns() {
        return columns;
    }

    /** The words, int64 {@code [rows, ceil(columns / 64)]}: this object's own memory. */
    public Tensor words() {
        return words;
    }

    /** Whether there is a spike. */
    public boolean get(long row, long column) {
        if (column < 0 || column >= columns) {
            throw new IndexOutOfBoundsException("column " + column + " of " + columns);
        }
        return (words.getLong(row, column / 64) >>> column & 1) != 0;
    }

    /** How many spikes there are. */
    public long count() {
        long sum = 0;
        for (long w : words.toLongArray()) {
            sum += Long.bitCount(w);
        }
        return sum;
    }

    /** The spikes as float32 0 and 1, {@code [rows, columns]}. */
    public Tensor unpack() {
        Tensor s = Tensor.zeros(DType.F32, rows(), columns);
        unpack(s);
        return s;
    }

    /** The same into {@code to}, without gaps. */
    void unpack(Tensor to) {
        try (Use _ = Use.of(words, to)) {
            long row = words.address();
            for (long a = to.address(), end = a + 4 * to.size(); a != end; row += 8 * words.stride(0)) {
                for (long c = 0; c < columns; c++, a += 4) {
                    ALL.set(F32, a, (ALL.get(I64, row + c / 64 * 8) >>> c & 1) != 0 ? 1f : 0f);
                }
            }
        }
    }
}
