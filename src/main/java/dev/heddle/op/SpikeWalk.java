package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LinearKernels;
import dev.heddle.kernel.SpikeKernels;
import dev.heddle.op.Gemm.Matrix;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/** Walks the spikes of some rows at a time: lists first, then by columns the rows of the matrix that they name. */
final class SpikeWalk {
    private static final int ADD = 0;
    private static final int PANEL_OF_FLOATS = 1;
    private static final int PANEL = 2;
    private static final int LISTS = PANEL + LinearKernels.Storage.values().length;
    private static final int FINITE = LISTS + 1;
    private static final int STREAM = FINITE + 1;
    static final int VARIANTS = STREAM + 1;
    static final Dispatch<SpikeKernels> KERNELS = new Dispatch<>(SpikeKernels.class, VARIANTS, SpikeWalk::probe);

    /** Vectors that are summed at a time, and those of a panel. */
    private static final int TILE = 8;

    private static final int PANEL_TILE = 4;

    /** Rows whose lists are made at a time. */
    private static final long ROWS = 256;

    /** Rows and columns of a chunk. */
    private static final long CHUNK_ROWS = 64;

    private static final long CHUNK_COLUMNS = 512;

    /** Up to so many rows of spikes are too few for what they share of the matrix to be worth columns of it in cache. */
    private static final long STREAMED_ROWS = 4;

    private static final long STREAMED_COLUMNS = 1536;

    /** Nanoseconds for a weight that is added, and for a bit that is looked at. */
    private static final double NANOS = 0.05;

    private static final double BIT_NANOS = 0.3;

    private final SpikeBits s;
    private final long depth;
    private final long blocks;
    private final long listBlock;
    private final Workspace scratch;

    SpikeWalk(SpikeBits s, long depth, Workspace scratch) {
        this.s = s;
        this.depth = depth;
        this.blocks = (s.columns() + depth - 1) / depth;
        this.listBlock = 8 + 4 * depth;
        this.scratch = scratch;
    }

    private interface Part {
        /** Multiplies some rows, whose lists are made. */
        void run(long row, long rows, long list, double nanos);
    }

    private void byParts(long columns, Part part) {
        long most = Math.min(ROWS, s.rows());
        Tensor memory = scratch.empty(DType.U8, most, blocks * listBlock);
        Tensor words = s.words();
        SpikeKernels k = KERNELS.choose(LISTS, 1).kernels();
        try (Use _ = Use.of(memory, words)) {
            long list = memory.address();
            long row = 8 * words.stride(0);
            long listRow = blocks * listBlock;
            for (long from = 0; from < s.rows(); from += most) {
                long count = Math.min(most, s.rows() - from);
                long bits = words.address() + from * row;
                int chunks = Math.toIntExact((count + CHUNK_ROWS - 1) / CHUNK_ROWS);
                Team.run(chunks, BIT_NANOS * count * s.columns(), chunk -> {
                    long first = chunk * CHUNK_ROWS;
                    long many = Math.min(CHUNK_ROWS, count - first);
                    k.lists(
                            bits + first * row,
                            row,
                            s.columns(),
                            depth,
                            list + first * listRow,
                            listRow,
                            listBlock,
                            many);
                });
                part.run(from, count, list, NANOS * count * s.columns() * columns);
            }
        }
    }

    /** {@code y = bias + s w}; a bias of 0 is none. */
    void multiply(Matrix w, long n, long bias, Matrix y) {
        if (n == 0 || s.rows() == 0) {
            return;
        }
        boolean few = s.rows() <= STREAMED_ROWS;
        Tensor zeros = scratch.zeros(DType.F32, bias == 0 || few ? n : 0);
        try (Use _ = Use.of(zeros)) {
            long start = bias == 0 ? zeros.address() : bias;
            if (few) {
                stream(w, n, zeros.address(), start, y);
                return;
            }
            byParts(n, (from, count, list, nanos) -> {
                Channels channels = new Channels((count + CHUNK_ROWS - 1) / CHUNK_ROWS, n, CHUNK_COLUMNS);
                Channels.Kernels<SpikeKernels> kernels = channels.kernels(KERNELS, ADD);
                channels.run(nanos, (_, b, c, columns) -> {
                    long first = b * CHUNK_ROWS;
                    long many = Math.min(CHUNK_ROWS, count - first);
                    long lists = list + first * blocks * listBlock;
                    long out = y.at(from + first, c);
                    Adding adding = new Adding(
                            lists, w.address() + 4 * c, w.rowStride(), start + 4 * c, out, y.rowStride(), many);
                    kernels.runTiles(TILE, columns, adding::run);
                });
            });
        }
    }

    private void stream(Matrix w, long n, long zeros, long start, Matrix y) {
        Channels channels = new Channels(s.rows(), n, STREAMED_COLUMNS);
        Channels.Kernels<SpikeKernels> kernels = channels.kernels(KERNELS, STREAM);
        Tensor sums = scratch.empty(DType.F32, s.rows(), n);
        try (Use _ = Use.of(sums)) {
            byParts(
                    n,
                    (from, _, list, nanos) -> channels.run(
                            nanos,
                            (_, r, c, columns) -> kernels.run(
                                    columns,
                                    (k, o, count) -> k.stream(
                                            list + r * blocks * listBlock,
                                            listBlock,
                                            blocks,
                                            w.address() + 4 * c + o,
                                            w.rowStride(),
                                            zeros,
                                            start + 4 * c + o,
                                            sums.address() + 4 * (r * n + c) + o,
                                            y.at(from + r, c) + o,
                                            count))));
        }
    }

    /** Some rows and columns of a product. */
    private final class Adding {
        private final long list;
        private final long w;
        private final long ws;
        private final long start;
        private final long y;
        private final long ys;
        private final long rows;

        Adding(long list, long w, long ws, long start, long y, long ys, long rows) {
            this.list = list;
            this.w = w;
            this.ws = ws;
            this.start = start;
            this.y = y;
            this.ys = ys;
            this.rows = rows;
        }

        void run(SpikeKernels k, int tile, long o, long n) {
            k.add(tile, list, blocks * listBlock, listBlock, blocks, w + o, ws, start + o, y + o, ys, rows, n);
        }
    }

    /** The same with a packed weight. */
    void multiply(PackedWeight w, long bias, Matrix y) {
        long n = w.outputs();
        if (n == 0 || s.rows() == 0) {
            return;
        }
        long width = PackedWeight.WIDTH;
        long panels = (n + width - 1) / width;
        long rest = n % width;
        // bias and y of the last panel, if it is not full
        Tensor start = scratch.zeros(DType.F32, panels * width);
        Tensor stage = scratch.empty(DType.F32, rest == 0 ? 0 : Math.min(ROWS, s.rows()), width);
        Tensor ones = scratch.empty(DType.F32, width).fill(1);
        try (Use _ = Use.of(start, stage, ones)) {
            if (bias != 0) {
                Gemm.copy(bias, 0, start.address(), 0, 1, n);
            }
            PackedWeight.Panels at = w.panels();
            LinearKernels.Storage storage = at.storage();
            Dispatch.Chosen<SpikeKernels> k =
                    KERNELS.choose(storage == null ? PANEL_OF_FLOATS : PANEL + storage.ordinal(), width);
            int tile = k.lanes() == 1 ? TILE : PANEL_TILE;
            byParts(n, (from, count, list, nanos) -> {
                long rowChunks = (count + CHUNK_ROWS - 1) / CHUNK_ROWS;
                Team.run(Math.toIntExact(rowChunks * panels), nanos, chunk -> {
                    long q = chunk / rowChunks;
                    long first = chunk % rowChunks * CHUNK_ROWS;
                    long many = Math.min(CHUNK_ROWS, count - first);
                    boolean staged = rest != 0 && q == panels - 1;
                    long out = staged ? stage.address() + 4 * first * width : y.at(from + first, q * width);
                    long ys = staged ? 4 * width : y.rowStride();
                    long lists = list + first * blocks * listBlock;
                    long from0 = start.address() + 4 * q * width;
                    if (storage == null) {
                        new Adding(lists, at.panel(q), 4 * width, from0, out, ys, many)
                                .run(k.kernels(), tile, 0, width);
                    } else {
                        k.kernels()
                                .addPanel(
                                        storage,
                                        lists,
                                        blocks * listBlock,
                                        listBlock,
                                        blocks,
                                        at.panel(q),
                                        at.scales() == 0 ? ones.address() : at.scale(q),
                                        at.scaleBlock(),
                                        from0,
                                        out,
                                        ys,
                                        many);
                    }
                    if (staged) {
                        Gemm.copy(out, ys, y.at(from + first, q * width), y.rowStride(), many, rest);
                    }
                });
            });
        }
    }

    /** Whether all elements of a matrix are finite. */
    static boolean isFinite(Tensor w, Workspace scratch) {
        long columns = w.dim(1);
        if (w.size() == 0) {
            return true;
        }
        long ws = Checks.rowBytes("w", w);
        long some = Math.max(1, (1 << 14) / columns);
        Channels channels = new Channels((w.dim(0) + some - 1) / some, columns, Math.max(64, columns));
        Tensor sums = scratch.zeros(DType.F32, channels.chunks(), 16);
        try (Use _ = Use.of(w, sums)) {
            Channels.Kernels<SpikeKernels> kernels = channels.kernels(KERNELS, FINITE);
            channels.run(NANOS * w.size(), (chunk, b, c, count) -> {
                long first = b * some;
                kernels.run(
                        count,
                        (k, o, n) -> k.probe(
                                w.address() + first * ws + 4 * c + o,
                                ws,
                                Math.min(some, w.dim(0) - first),
                                n,
                                sums.address() + 64L * chunk));
            });
        }
        for (float f : sums.toFloatArray()) {
            if (f != 0) {
                return false;
            }
        }
        return true;
    }

    static long probe(SpikeKernels k, int lanes, int variant, long scratch) {
        long depth = 256;
        long rows = 4;
        long listBlock = 8 + 4 * depth;
        long bits = scratch;
        long list = bits + 8 * rows * depth / 64;
        long w = list + rows * listBlock;
        long columns = 8L * lanes;
        if (variant == FINITE) {
            k.probe(w, 4 * columns, depth, columns, bits);
            return depth * columns;
        }
        for (int word = 0; word < rows * depth / 64; word++) {
            ALL.set(I64, bits + 8L * word, 0x1111_1111_1111_1111L << word);
        }
        if (variant == LISTS) {
            k.lists(bits, 8 * depth / 64, depth, depth, list, listBlock, listBlock, rows);
            return rows * depth;
        }
        for (int r = 0; r < rows; r++) {
            long l = list + r * listBlock;
            ALL.set(I64, l, l + 8 + depth);
            for (int i = 0; i < depth / 4; i++) {
                ALL.set(I32, l + 8 + 4L * i, 4 * i);
            }
        }
        long wide = Math.max(columns, 64);
        long start = w + 4 * depth * wide;
        long y = start + 4 * wide;
        if (variant == STREAM) {
            ALL.set(I64, list, list + 8 + 4L * 61); // no multiple of four
            k.stream(list, listBlock, 1, w, 4 * wide, start, start, y + 4 * wide, y, columns);
            return 61 * columns;
        }
        if (variant >= PANEL) {
            LinearKernels.Storage storage = LinearKernels.Storage.values()[variant - PANEL];
            k.addPanel(storage, list, listBlock, listBlock, 1, w, start, 0, start, y, 4 * wide, rows);
            return rows * depth / 4 * 64;
        }
        if (variant == PANEL_OF_FLOATS) {
            int tile = lanes == 1 ? TILE : PANEL_TILE;
            k.add(tile, list, listBlock, listBlock, 1, w, 4 * wide, start, y, 4 * wide, rows, 64);
            return rows * depth / 4 * 64;
        }
        k.add(TILE, list, listBlock, listBlock, 1, w, 4 * wide, start, y, 4 * wide, rows, columns);
        k.add(1, list, listBlock, listBlock, 1, w, 4 * wide, start, y, 4 * wide, rows, lanes);
        return rows * depth / 4 * (columns + lanes);
    }
}
