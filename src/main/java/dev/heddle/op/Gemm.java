package dev.heddle.op;

import static dev.heddle.kernel.Tuning.MATMUL_COLUMNS;
import static dev.heddle.kernel.Tuning.MATMUL_DEPTH;
import static dev.heddle.kernel.Tuning.MATMUL_DOT_COLUMNS;
import static dev.heddle.kernel.Tuning.MATMUL_IN_PLACE_BYTES;
import static dev.heddle.kernel.Tuning.MATMUL_IN_PLACE_ROWS;
import static dev.heddle.kernel.Tuning.MATMUL_PACKED_BYTES;
import static dev.heddle.kernel.Tuning.MATMUL_ROWS;
import static dev.heddle.kernel.Tuning.MATMUL_SUM_COLUMNS;
import static dev.heddle.kernel.Tuning.MATMUL_SWAP_COLUMNS;
import static dev.heddle.kernel.Tuning.MATMUL_SWAP_ROWS;
import static dev.heddle.kernel.Tuning.MATMUL_UNITS;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Dispatch.Chosen;
import dev.heddle.kernel.MatmulKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * {@code C = f(start + A B)} on addresses: the loops around the register tiles.
 *
 * <p>B goes into panels as wide as a tile. With many rows of A it is packed part by part and all threads share it. With few
 * it is used only once, so whoever computes some columns packs what it needs for them, where it stays in L2; a small B is
 * read where it lies. A is read where it lies always. A product with few columns is computed as the transpose of
 * {@code B^T A^T}, so that lanes run over what there is much of.
 *
 * <p>Columns that fill no panel, and a C that is transposed, are computed on a stage and copied from there.
 */
final class Gemm {
    /** A matrix in memory: its first element, and the bytes to the next row and the next column. One of the two is 4. */
    record Matrix(long address, long rowStride, long columnStride) {
        Matrix transposed() {
            return new Matrix(address, columnStride, rowStride);
        }

        Matrix plus(long bytes) {
            return bytes == 0 ? this : new Matrix(address + bytes, rowStride, columnStride);
        }

        long at(long row, long column) {
            return address + row * rowStride + column * columnStride;
        }
    }

    /** Where the panels of B come from, if not from a matrix. They are {@link PackedWeight#WIDTH} columns wide. */
    interface Source {
        /** Rows of a block of k. */
        long depth();

        /** The factors of the columns of a panel in a block; 0 if they are all 1. */
        long scale(long panel, long block);

        /** The rows of a panel from row {@code k} on, if they can be used as they are; else 0. */
        long address(long panel, long k);

        /** Writes {@code count} rows of a panel, from row {@code k} on. */
        void write(long panel, long k, long count, long out);

        /** One row times 1, 2 or 4 panels, the fastest way through memory; {@code scratch} takes an int. */
        void row(int panels, long a, long panel, long k, long count, long scale, long from, long c, long scratch);

        /** Like {@link MatmulKernels#tile} for 2 or 4 rows and a whole panel, without writing it first: better for one use. */
        void multiply(
                int rows,
                long a,
                long as,
                long panel,
                long k,
                long count,
                long scale,
                long from,
                long fs,
                long c,
                long cs);
    }

    static final int[] HEIGHTS = {6, 4, 2, 1};
    private static final int PACK = 4;
    private static final int TRANSPOSE = PACK + 1;
    private static final int COPY = TRANSPOSE + 1;
    private static final int FILL = COPY + 1;
    private static final int ROW = FILL + 1;
    private static final int ONE_ROW = ROW + 1;
    private static final int ADD = ONE_ROW + 1;

    /** Rows of B that one row of A takes at a time. */
    private static final int ROWS = 8;

    static final Dispatch<MatmulKernels> KERNELS = new Dispatch<>(MatmulKernels.class, ADD + 1, Gemm::probe);

    /** Nanoseconds of one multiply-add and of packing one element, to tell small work from large. */
    private static final double NANOS = 0.015;

    private static final double PACK_NANOS = 0.15;

    private final long m;
    private final long n;
    private final long k;
    private Matrix a = new Matrix(0, 0, 4);
    private Matrix b = new Matrix(0, 0, 4);
    private Matrix c = new Matrix(0, 0, 4);
    private @Nullable Source source;
    private long batch = 1;
    private long aBatch;
    private long bBatch;
    private long cBatch;
    private boolean accumulate;
    private long bias;
    private boolean biasPerRow;
    private @Nullable Activation activation;

    /** The kernels of each tile height. Where the vector kernel is cold it is the twin, whose tiles are narrower. */
    private final MatmulKernels[] tiles = new MatmulKernels[HEIGHTS.length];

    private int tallest;

    /** Columns of a panel: those of the tallest tile. */
    private long width;

    private long panels;

    /** How many panels, the first ones, are full and belong to a C whose rows are contiguous: computed where they lie. */
    private long whole;

    private long depth;

    /** Blocks of k; at least one, if an empty one, so that C is written. */
    private long blocks;

    /** How many panels are read from B itself. */
    private long inPlace;

    /** Whether so few rows use a panel that the source had better multiply itself. */
    private boolean direct;

    /** So many panels at most are multiplied together: more than one if there is one row. */
    private long together;

    private long zeros;
    private long ones;

    Gemm(long m, long n, long k) {
        this.m = m;
        this.n = n;
        this.k = k;
    }

    /** M by K. */
    Gemm a(Matrix a) {
        this.a = a;
        return this;
    }

    /** K by N. */
    Gemm b(Matrix b) {
        this.b = b;
        return this;
    }

    /** Panels instead of a matrix. */
    Gemm b(Source panels) {
        this.source = panels;
        return this;
    }

    /** M by N. */
    Gemm c(Matrix c) {
        this.c = c;
        return this;
    }

    /** Several products: bytes from an operand of one to that of the next. */
    Gemm batch(long count, long aBytes, long bBytes, long cBytes) {
        batch = count;
        aBatch = aBytes;
        bBatch = bBytes;
        cBatch = cBytes;
        return this;
    }

    /** Adds to what C holds. */
    Gemm accumulate(boolean accumulate) {
        this.accumulate = accumulate;
        return this;
    }

    /** Adds to a bias for each column; 0 for none. */
    Gemm bias(long bias) {
        this.bias = bias;
        return this;
    }

    /** What is done with the sums in the end. */
    Gemm activation(@Nullable Activation activation) {
        this.activation = activation;
        return this;
    }

    void run(Workspace scratch) {
        if (m == 0 || n == 0 || batch == 0) {
            return;
        }
        if (source == null && n <= MATMUL_SWAP_COLUMNS && m >= MATMUL_SWAP_ROWS && c.columnStride == 4) {
            swapped().run(scratch);
            return;
        }
        plan();
        long columns = width * together;
        Tensor constants = scratch.empty(DType.F32, 2, columns);
        try (Use _ = Use.of(constants)) {
            zeros = constants.address();
            ones = zeros + 4 * columns;
            fill(0, zeros, 0, 1, columns);
            fill(1, ones, 0, 1, columns);
            if (isDots()) {
                dots(scratch);
            } else if (isRows()) {
                rows(scratch);
            } else if (m <= MATMUL_ROWS || inPlace > 0) {
                byUnits(scratch);
            } else {
                byParts(scratch);
            }
        }
    }

    private Gemm swapped() {
        Gemm t = new Gemm(n, m, k);
        t.a = b.transposed();
        t.b = a.transposed();
        t.c = c.transposed();
        t.batch = batch;
        t.aBatch = bBatch;
        t.bBatch = aBatch;
        t.cBatch = cBatch;
        t.accumulate = accumulate;
        t.bias = bias;
        t.biasPerRow = true;
        t.activation = activation;
        return t;
    }

    private void plan() {
        while (HEIGHTS[tallest] > m) {
            tallest++;
        }
        Chosen<MatmulKernels> tall = KERNELS.choose(tallest, lanesFor(n));
        for (int h = tallest; h < HEIGHTS.length; h++) {
            tiles[h] = h == tallest
                    ? tall.kernels()
                    : KERNELS.choose(h, tall.lanes()).kernels();
        }
        width = source == null ? tall.kernels().columns() : PackedWeight.WIDTH;
        panels = ceil(n, width);
        whole = c.columnStride == 4 && !biasPerRow ? n / width : 0;
        depth = source == null ? MATMUL_DEPTH : source.depth();
        blocks = Math.max(1, ceil(k, depth));
        boolean near = m <= MATMUL_IN_PLACE_ROWS && n * k <= MATMUL_IN_PLACE_BYTES / 4;
        inPlace = source == null && b.columnStride == 4 && near ? n / width : 0;
        direct = source != null && (m == 1 || (source.address(0, 0) == 0 && m <= PackedWeight.FEW_ROWS));
        together = direct && m == 1 ? PackedWeight.TOGETHER : 1;
    }

    /** Narrow vectors for few columns: padding a tile of wide ones would cost more than they gain. */
    private static long lanesFor(long n) {
        return n <= 2 ? 1 : Math.max(4, n / 3);
    }

    /** Copies {@code rows} rows of {@code columns} elements. */
    static void copy(long from, long fs, long to, long ts, long rows, long columns) {
        kernels(COPY).copy(from, fs, to, ts, rows, columns);
    }

    /** Writes {@code columns} columns of {@code length} elements, {@code fs} bytes apart, as rows {@code ts} bytes apart. */
    static void transpose(long from, long fs, long to, long ts, long columns, long length) {
        kernels(TRANSPOSE).transpose(from, fs, to, ts, columns, length);
    }

    /** Sets {@code rows} rows of {@code columns} elements to one value. */
    static void fill(float value, long to, long ts, long rows, long columns) {
        kernels(FILL).fill(value, to, ts, rows, columns);
    }

    private static MatmulKernels kernels(int variant) {
        return KERNELS.choose(variant, Long.MAX_VALUE).kernels();
    }

    // ------------------------------------------------------------------ one row

    /** Whether A is one row and B is stored transposed: it is read once, as it lies. */
    private boolean isDots() {
        boolean stored = a.columnStride == 4 && b.rowStride == 4 && b.columnStride != 4;
        return isOneRow() && stored && n >= MatmulKernels.CHAINS && !accumulate;
    }

    /** Whether A is one row and B is not stored transposed: it is read once, as it lies. */
    private boolean isRows() {
        return isOneRow() && b.columnStride == 4 && n >= width;
    }

    private boolean isOneRow() {
        return m == 1 && source == null && c.columnStride == 4;
    }

    private void dots(Workspace scratch) {
        MatmulKernels kernels = KERNELS.choose(ROW, 1).kernels(); // chains of scalars
        byColumns(
                scratch,
                MATMUL_DOT_COLUMNS,
                1,
                (at, bt, start, fs, ct, columns, own) ->
                        kernels.dots(at, bt, b.columnStride, k, depth, start, fs, ct, columns, own));
    }

    /** Some rows of B at a time onto sums that stay in the first cache, which are added to C block by block. */
    private void rows(Workspace scratch) {
        MatmulKernels some = kernels(ROW);
        MatmulKernels one = kernels(ONE_ROW);
        MatmulKernels add = kernels(ADD);
        long most = Math.min(n, 2 * MATMUL_SUM_COLUMNS);
        byColumns(scratch, MATMUL_SUM_COLUMNS, most, (at, bt, start, fs, ct, columns, sums) -> {
            if (!accumulate) {
                startRow(start, fs, ct, columns);
            }
            fill(0, sums, 0, 1, columns);
            for (long i = 0; i < k; ) {
                long end = Math.min(k, i + depth);
                for (; i + ROWS <= end; i += ROWS) {
                    long row = bt + i * b.rowStride;
                    some.row(ROWS, at + i * a.columnStride, a.columnStride, row, b.rowStride, sums, columns);
                }
                for (; i < end; i++) {
                    one.row(1, at + i * a.columnStride, 0, bt + i * b.rowStride, 0, sums, columns);
                }
                add.add(sums, ct, columns);
            }
        });
    }

    private static void startRow(long start, long fs, long ct, long columns) {
        if (fs == 0) {
            fill(ALL.get(F32, start), ct, 0, 1, columns);
        } else {
            copy(start, 0, ct, 0, 1, columns);
        }
    }

    /** What is done with some columns of a product; {@code fs} is 0 if all start alike, and {@code own} is scratch memory. */
    private interface Columns {
        void run(long a, long b, long start, long fs, long c, long columns, long own);
    }

    /** @param step how many columns are worth a piece of their own, which may have almost twice as many */
    private void byColumns(Workspace scratch, long step, long floats, Columns work) {
        long chunks = Math.max(1, n / step);
        int count = Math.toIntExact(batch * chunks);
        Tensor memory = scratch.empty(DType.F32, count, floats);
        try (Use _ = Use.of(memory)) {
            long own = memory.address();
            Team.run(count, batch * n * k * (NANOS + PACK_NANOS), chunk -> {
                long item = chunk / chunks;
                long first = n * (chunk % chunks) / chunks;
                long columns = n * (chunk % chunks + 1) / chunks - first;
                long fs = bias == 0 || biasPerRow ? 0 : 4;
                long start = bias == 0 ? zeros : bias + fs * first;
                Matrix target = c.plus(item * cBatch);
                long ct = target.at(0, first);
                long at = a.address + item * aBatch;
                work.run(at, b.at(0, first) + item * bBatch, start, fs, ct, columns, own + 4 * floats * chunk);
                if (activation != null) {
                    activation.rows(ct, target.rowStride, 1, columns);
                }
            });
        }
    }

    // ------------------------------------------------------------------ few rows

    /** A unit is all rows and some columns; it packs for itself. Some units share their memory, one after the other. */
    private void byUnits(Workspace scratch) {
        long least = Math.clamp(panels * batch / MATMUL_UNITS, 1, Math.max(1, MATMUL_COLUMNS / width));
        long step = Math.max(least, panelsTogether());
        long perProduct = ceil(panels, step);
        long units = batch * perProduct;
        long slots = Math.min(units, MATMUL_UNITS);
        long packed = step * width * Math.min(k, depth);
        long staged = whole == panels ? 0 : m * width * (whole == 0 ? step : 1);
        Tensor memory = scratch.empty(DType.F32, slots, packed + staged);
        try (Use _ = Use.of(memory)) {
            long address = memory.address();
            double nanos = batch * n * k * (NANOS * m + PACK_NANOS);
            Team.run(Math.toIntExact(slots), nanos, slot -> {
                long pack = address + 4L * slot * (packed + staged);
                for (long u = slot; u < units; u += slots) {
                    long from = u % perProduct * step;
                    new Part(u / perProduct, 0, m, from, Math.min(from + step, panels))
                            .run(pack, true, pack + 4 * packed);
                }
            });
        }
    }

    /** Panels of a unit that one row goes through at once, as far as that leaves two units for each of several threads. */
    private long panelsTogether() {
        int threads = Team.threads();
        long fair = panels * batch / (threads == 1 ? 1 : 2L * threads);
        return Math.clamp(Long.highestOneBit(fair), 1, together);
    }

    // ------------------------------------------------------------------ many rows

    /** As many panels at a time as the cache takes are packed, then used by chunks of rows and columns. */
    private void byParts(Workspace scratch) {
        boolean ready = source != null && source.address(0, 0) != 0;
        long most = Math.max(1, MATMUL_PACKED_BYTES / (4 * Math.max(k, 1) * width));
        long part = ready ? panels : Math.min(most, panels);
        Tensor memory = scratch.empty(DType.F32, ready ? 0 : part, k, width);
        Tensor stage = whole == panels ? null : scratch.empty(DType.F32, m, width);
        try (Use _ = Use.of(memory, stage)) {
            long packed = ready ? 0 : memory.address();
            long staged = stage == null ? 0 : stage.address();
            for (long i = 0; i < batch; i++) {
                for (long from = 0; from < panels; from += part) {
                    long to = Math.min(from + part, panels);
                    if (!ready) {
                        packAll(i, from, to, packed);
                    }
                    computeAll(i, from, to, packed, staged);
                }
            }
        }
    }

    private void packAll(long item, long from, long to, long packed) {
        long count = (to - from) * blocks;
        Team.run(Math.toIntExact(count), PACK_NANOS * (to - from) * width * k, chunk -> {
            long q = from + chunk / blocks;
            long k0 = chunk % blocks * depth;
            pack(item, q, q + 1, k0, Math.min(depth, k - k0), packed + 4 * width * ((q - from) * k + k0));
        });
    }

    private void computeAll(long item, long from, long to, long packed, long stage) {
        long rowChunks = ceil(m, MATMUL_ROWS);
        long rows = ceil(ceil(m, rowChunks), HEIGHTS[0]) * HEIGHTS[0];
        long step = Math.clamp((to - from) * rowChunks / MATMUL_UNITS, 1, Math.max(1, MATMUL_COLUMNS / width));
        long columnChunks = ceil(to - from, step);
        Team.run(Math.toIntExact(rowChunks * columnChunks), NANOS * m * (to - from) * width * k, chunk -> {
            long row = Math.min(chunk % rowChunks * rows, m);
            long q = from + chunk / rowChunks * step;
            new Part(item, row, Math.min(row + rows, m), q, Math.min(q + step, to))
                    .run(packed + 4 * width * k * (q - from), false, stage + 4 * width * row);
        });
    }

    /** Writes some panels of one block, one after the other. */
    private void pack(long item, long from, long to, long k0, long count, long out) {
        long panel = 4 * width * count;
        if (source != null) {
            for (long q = from; q < to; q++, out += panel) {
                source.write(q, k0, count, out);
            }
            return;
        }
        long columns = Math.min(n, to * width) - from * width;
        long in = b.at(k0, from * width) + item * bBatch;
        if (b.columnStride == 4) {
            MatmulKernels kernels = KERNELS.choose(PACK, width).kernels();
            kernels.pack(in, b.rowStride, count, columns, out, width, panel);
            return;
        }
        for (; columns > 0; columns -= width, in += b.columnStride * width, out += panel) {
            long some = Math.min(width, columns);
            kernels(TRANSPOSE).transpose(in, b.columnStride, out, 4 * width, some, count);
            if (some < width) {
                fill(0, out + 4 * some, 4 * width, count, width - some);
            }
        }
    }

    // ------------------------------------------------------------------ one thread's part

    /** Some rows and panels of one product. */
    private final class Part {
        private final long item;
        private final long row;
        private final long rowEnd;
        private final long from;
        private final long to;

        /** The panels before it are computed where they lie, the others on the stage. */
        private final long staged;

        private final Matrix target;

        Part(long item, long row, long rowEnd, long from, long to) {
            this.item = item;
            this.row = row;
            this.rowEnd = rowEnd;
            this.from = from;
            this.to = to;
            staged = Math.clamp(whole, from, to);
            target = c.plus(item * cBatch);
        }

        /**
         * @param packed the panels, all of k one after the other; or room for one block of them
         * @param own whether they are packed here
         */
        void run(long packed, boolean own, long stage) {
            Matrix staging = new Matrix(stage, 4 * width * (to - staged), 4);
            if (staged < to) {
                prepare(staging);
            }
            if (direct) {
                allBlocks(packed, staging);
            } else {
                blockByBlock(packed, own, staging);
            }
            if (activation != null) {
                long columns = (staged - from) * width;
                activation.rows(target.at(row, from * width), target.rowStride, rowEnd - row, columns);
                activation.rows(stage, staging.rowStride, rowEnd - row, (to - staged) * width);
            }
            if (staged < to) {
                deliver(staging);
            }
        }

        /** Panel after panel to the end of k, so that the source's memory is read as it lies. */
        private void allBlocks(long scratch, Matrix staging) {
            for (long q = from; q < to; ) {
                long left = (q < staged ? staged : to) - q;
                long some = Long.highestOneBit(Math.min(together, left));
                for (long p = 0; p < blocks; p++) {
                    panels(p, q, some, scratch, 0, Math.min(depth, k - p * depth), staging);
                }
                q += some;
            }
        }

        private void blockByBlock(long packed, boolean own, Matrix staging) {
            boolean packing = own && (source == null || source.address(0, 0) == 0);
            long firstPacked = own ? Math.max(from, inPlace) : from;
            for (long p = 0; p < blocks; p++) {
                long k0 = p * depth;
                long count = Math.min(depth, k - k0);
                if (packing && firstPacked < to) {
                    pack(item, firstPacked, to, k0, count, packed);
                }
                for (long q = from; q < to; q++) {
                    if (own && q < inPlace) {
                        panels(p, q, 1, b.at(k0, q * width) + item * bBatch, b.rowStride, count, staging);
                    } else if (source != null && source.address(q, k0) != 0) {
                        panels(p, q, 1, source.address(q, k0), 4 * width, count, staging);
                    } else {
                        long o = own ? (q - firstPacked) * count : (q - from) * k + k0;
                        panels(p, q, 1, packed + 4 * width * o, 4 * width, count, staging);
                    }
                }
            }
        }

        private void panels(long block, long q, long some, long bt, long bk, long count, Matrix staging) {
            boolean stage = q >= staged;
            long ct = stage ? staging.at(0, (q - staged) * width) : target.at(row, q * width);
            long cs = stage ? staging.rowStride : target.rowStride;
            boolean fresh = block == 0 && !stage && !accumulate;
            long start = !fresh ? ct : bias == 0 ? zeros : bias + 4 * q * width;
            long fs = fresh ? 0 : cs;
            long factors = source == null ? 0 : source.scale(q, block);
            long scale = factors == 0 ? ones : factors;
            long at = a.at(row, block * depth) + item * aBatch;
            long down = 0;
            for (int h = tallest; h < HEIGHTS.length; h++) {
                int rows = HEIGHTS[h];
                MatmulKernels kernels = tiles[h];
                long columns = kernels.columns();
                for (; down + rows <= rowEnd - row; down += rows) {
                    if (direct && source != null) {
                        long ar = at + down * a.rowStride;
                        long fr = start + down * fs;
                        long cr = ct + down * cs;
                        if (rows == 1) {
                            source.row(Math.toIntExact(some), ar, q, block * depth, count, scale, fr, cr, bt);
                        } else {
                            source.multiply(rows, ar, a.rowStride, q, block * depth, count, scale, fr, fs, cr, cs);
                        }
                        continue;
                    }
                    for (long o = 0; o < 4 * width; o += 4 * columns) {
                        kernels.tile(
                                rows,
                                at + down * a.rowStride,
                                a.rowStride,
                                a.columnStride,
                                bt + o,
                                bk,
                                count,
                                scale + o,
                                start + down * fs + o,
                                fs,
                                ct + down * cs + o,
                                cs);
                    }
                }
            }
        }

        /** The stage as the sums start: bias, old C or 0. */
        private void prepare(Matrix staging) {
            long rows = rowEnd - row;
            long first = staged * width;
            long columns = Math.min(n, to * width) - first;
            fill(0, staging.address, staging.rowStride, rows, (to - staged) * width);
            if (accumulate) {
                move(target.at(row, first), target, staging.address, staging, rows, columns);
            } else if (bias != 0 && biasPerRow) {
                for (long i = 0; i < rows; i++) {
                    float value = ALL.get(F32, bias + 4 * (row + i));
                    fill(value, staging.at(i, 0), 0, 1, columns);
                }
            } else if (bias != 0) {
                copy(bias + 4 * first, 0, staging.address, staging.rowStride, rows, columns);
            }
        }

        private void deliver(Matrix staging) {
            long first = staged * width;
            long columns = Math.min(n, to * width) - first;
            move(staging.address, staging, target.at(row, first), target, rowEnd - row, columns);
        }

        /** Copies between the stage and C, which may be transposed. */
        private void move(long from, Matrix source, long to, Matrix goal, long rows, long columns) {
            if (source.columnStride == goal.columnStride) {
                copy(from, source.rowStride, to, goal.rowStride, rows, columns);
            } else if (goal.columnStride == 4) {
                kernels(TRANSPOSE).transpose(from, source.columnStride, to, goal.rowStride, columns, rows);
            } else {
                kernels(TRANSPOSE).transpose(from, source.rowStride, to, goal.columnStride, rows, columns);
            }
        }
    }

    private static long ceil(long x, long by) {
        return (x + by - 1) / by;
    }

    private static final int PROBE_DEPTH = 77;

    /** Whole vectors and panels, and some columns that fill none. */
    private static final int PROBE_COLUMNS = 259;

    /** Every kernel also takes the other way round each of its loops: rests alone, and no rest at all. */
    private static long probe(MatmulKernels kernels, int lanes, int variant, long scratch) {
        long width = kernels.columns();
        long to = scratch + (256 << 10);
        long pitch = 4 * PROBE_COLUMNS;
        switch (variant) {
            case PACK -> {
                long panel = 4 * width * PROBE_DEPTH;
                kernels.pack(scratch, pitch, PROBE_DEPTH, PROBE_COLUMNS, to, width, panel);
                kernels.pack(scratch, pitch, PROBE_DEPTH, 3 * width, to, width, panel);
            }
            case TRANSPOSE -> {
                kernels.transpose(scratch, pitch, to, pitch, PROBE_DEPTH, PROBE_COLUMNS);
                kernels.transpose(scratch, pitch, to, pitch, 3, PROBE_DEPTH);
            }
            case COPY -> {
                kernels.copy(scratch, pitch, to, pitch, PROBE_DEPTH, PROBE_COLUMNS);
                kernels.copy(scratch, pitch, to, pitch, PROBE_DEPTH, 3);
            }
            case FILL -> {
                kernels.fill(1, to, pitch, PROBE_DEPTH, PROBE_COLUMNS);
                kernels.fill(1, to, pitch, PROBE_DEPTH, 3);
            }
            case ROW -> {
                kernels.row(ROWS, scratch, 4, scratch, pitch, to, PROBE_COLUMNS);
                kernels.row(ROWS, scratch, 4, scratch, pitch, to, 3);
                return ROWS * PROBE_COLUMNS;
            }
            case ONE_ROW -> {
                kernels.row(1, scratch, 4, scratch, pitch, to, PROBE_COLUMNS);
                kernels.row(1, scratch, 4, scratch, pitch, to, 3);
                return PROBE_COLUMNS;
            }
            case ADD -> {
                kernels.add(scratch, to, PROBE_COLUMNS);
                kernels.add(scratch, to, 3);
                return PROBE_COLUMNS;
            }
            default -> {
                int rows = HEIGHTS[variant];
                long c = to + (256 << 10);
                long pack = 4 * width;
                kernels.tile(rows, scratch, pitch, 4, to, pack, PROBE_DEPTH, scratch, c, pack, c, pack);
                return rows * width * PROBE_DEPTH;
            }
        }
        return PROBE_DEPTH * PROBE_COLUMNS;
    }
}
