package dev.heddle.op;

import static dev.heddle.kernel.Tuning.MATMUL_COLUMNS;
import static dev.heddle.kernel.Tuning.MATMUL_DEPTH;
import static dev.heddle.kernel.Tuning.MATMUL_PACKED_BYTES;
import static dev.heddle.kernel.Tuning.MATMUL_ROWS;
import static dev.heddle.kernel.Tuning.MATMUL_UNPACKED_ROWS;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Dispatch.Chosen;
import dev.heddle.kernel.MatmulKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * {@code C = start + A B} on addresses: the loops around the register tiles. B is packed, part by part, into panels as wide
 * as a tile; all threads share them. A is read where it lies. Columns that fill no panel go through a padded one, and
 * through a padded copy of their part of C.
 */
final class Gemm {
    /** A matrix in memory: its first element, and the bytes to the next row and the next column. One of the two is 4. */
    record Matrix(long address, long rowStride, long columnStride) {
        Matrix transposed() {
            return new Matrix(address, columnStride, rowStride);
        }

        long at(long row, long column) {
            return address + row * rowStride + column * columnStride;
        }
    }

    private static final int[] HEIGHTS = {6, 4, 2, 1};
    private static final int PACK = HEIGHTS.length;
    private static final int COPY = PACK + 1;
    private static final Dispatch<MatmulKernels> KERNELS = new Dispatch<>(MatmulKernels.class, COPY + 1, Gemm::probe);

    /** Nanoseconds of one multiply-add and of packing one element, to tell small work from large. */
    private static final double NANOS = 0.02;

    private static final double PACK_NANOS = 0.2;

    private final long m;
    private final long n;
    private final long k;
    private final Matrix a;
    private final Matrix b;
    private final Matrix c;
    private final Start start;
    private final long bias;

    /** The kernels of each tile height. Where the vector kernel is cold it is the twin, whose tiles are narrower. */
    private final MatmulKernels[] tiles = new MatmulKernels[HEIGHTS.length];

    /** Columns of a panel: those of the tallest tile. */
    private final long width;

    private final long panels;

    /** Blocks of k; at least one, if an empty one, so that C is written. */
    private final long blocks;

    /** How many panels are read from B itself; the others are packed. */
    private final long direct;

    /** A row of zeros, and a row with the bias of the last panel. */
    private long zeros;

    private long lastBias;

    /** The packed panels, from {@link #firstPacked} on. */
    private long packed;

    private long firstPacked;

    /** Which panel is padded, and its columns of C; none is where N is a multiple of the width. */
    private final long edge;

    private Matrix edgeC = new Matrix(0, 0, 4);

    /** What the product is added to. */
    private enum Start {
        ZERO,
        BIAS,
        C
    }

    /** {@code C = A B}, or {@code C = C + A B}. */
    static void run(long m, long n, long k, Matrix a, Matrix b, Matrix c, boolean accumulate, Workspace scratch) {
        new Gemm(m, n, k, a, b, c, accumulate ? Start.C : Start.ZERO, 0).run(scratch);
    }

    /** {@code C = A B + bias} with a bias for each column. */
    static void run(long m, long n, long k, Matrix a, Matrix b, Matrix c, long bias, Workspace scratch) {
        new Gemm(m, n, k, a, b, c, Start.BIAS, bias).run(scratch);
    }

    private Gemm(long m, long n, long k, Matrix a, Matrix b, Matrix c, Start start, long bias) {
        this.m = m;
        this.n = n;
        this.k = k;
        this.a = a;
        this.b = b;
        this.c = c;
        this.start = start;
        this.bias = bias;
        Chosen<MatmulKernels> tall = KERNELS.choose(tallest(), lanesFor(n));
        for (int h = tallest(); h < HEIGHTS.length; h++) {
            tiles[h] = h == tallest()
                    ? tall.kernels()
                    : KERNELS.choose(h, tall.lanes()).kernels();
        }
        width = tall.kernels().columns();
        panels = ceil(n, width);
        blocks = Math.max(1, ceil(k, MATMUL_DEPTH));
        edge = n / width;
        direct = b.columnStride == 4 && m <= MATMUL_UNPACKED_ROWS ? edge : 0;
    }

    private int tallest() {
        int h = 0;
        while (HEIGHTS[h] > Math.max(m, 1)) {
            h++;
        }
        return h;
    }

    /** Narrow vectors for few columns: padding a tile of wide ones would cost more than they gain. */
    private static long lanesFor(long n) {
        return n <= 2 ? 1 : Math.max(4, n / 3);
    }

    private void run(Workspace scratch) {
        if (m == 0 || n == 0) {
            return;
        }
        long most = Math.max(1, MATMUL_PACKED_BYTES / (4 * Math.max(k, 1) * width));
        long part = direct > 0 ? panels : Math.min(most, panels);
        long rest = n % width;
        Tensor rows = scratch.zeros(DType.F32, 2, width);
        Tensor store = scratch.empty(DType.F32, direct > 0 ? panels - direct : part, k, width);
        Tensor padded = rest > 0 ? scratch.zeros(DType.F32, m, width) : null;
        try (Use _ = Use.of(rows, store, padded)) {
            zeros = rows.address();
            lastBias = zeros + 4 * width;
            packed = store.address();
            if (padded != null) {
                edgeC = new Matrix(padded.address(), 4 * width, 4);
                pad(rest);
            }
            for (long from = 0; from < panels; from += part) {
                part(from, Math.min(from + part, panels));
            }
            if (padded != null) {
                copy().copy(edgeC.address, edgeC.rowStride, c.at(0, n - rest), c.rowStride, m, rest);
            }
        }
    }

    private void pad(long rest) {
        if (start == Start.BIAS) {
            copy().copy(bias + 4 * (n - rest), 0, lastBias, 0, 1, rest);
        } else if (start == Start.C) {
            copy().copy(c.at(0, n - rest), c.rowStride, edgeC.address, edgeC.rowStride, m, rest);
        }
    }

    private static MatmulKernels copy() {
        return KERNELS.choose(COPY, Long.MAX_VALUE).kernels();
    }

    /** The columns of some panels: packs those that must be, then computes by chunks of rows and columns. */
    private void part(long from, long to) {
        firstPacked = Math.max(from, direct);
        pack(firstPacked, to);
        long rowChunks = ceil(m, MATMUL_ROWS);
        long step = Math.max(1, MATMUL_COLUMNS / width);
        long columnChunks = ceil(to - from, step);
        double nanos = NANOS * m * (to - from) * width * (k + 1);
        Team.run(Math.toIntExact(rowChunks * columnChunks), nanos, chunk -> {
            long row = chunk % rowChunks * MATMUL_ROWS;
            long q = from + chunk / rowChunks * step;
            chunk(row, Math.min(row + MATMUL_ROWS, m), q, Math.min(q + step, to));
        });
    }

    private void pack(long from, long to) {
        boolean transposed = b.columnStride != 4;
        MatmulKernels kernels =
                KERNELS.choose(PACK, transposed ? 1 : Long.MAX_VALUE).kernels();
        long count = (to - from) * blocks;
        Team.run(Math.toIntExact(count), PACK_NANOS * count * width * Math.min(k, MATMUL_DEPTH), chunk -> {
            long q = from + chunk / blocks;
            long k0 = chunk % blocks * MATMUL_DEPTH;
            long depth = Math.min(MATMUL_DEPTH, k - k0);
            long columns = Math.min(width, n - q * width);
            long out = packed(q, k0);
            long in = b.at(k0, q * width);
            if (transposed) {
                kernels.packTransposed(in, b.columnStride, depth, columns, out, width);
            } else {
                kernels.pack(in, b.rowStride, depth, columns, out, width);
            }
        });
    }

    private long packed(long q, long k0) {
        return packed + 4 * width * ((q - firstPacked) * k + k0);
    }

    private void chunk(long row, long rowEnd, long from, long to) {
        for (long p = 0; p < blocks; p++) {
            for (long q = from; q < to; q++) {
                long i = row;
                for (int h = tallest(); h < HEIGHTS.length; h++) {
                    for (; i + HEIGHTS[h] <= rowEnd; i += HEIGHTS[h]) {
                        tile(h, i, q, p);
                    }
                }
            }
        }
    }

    private void tile(int h, long i, long q, long p) {
        long k0 = p * MATMUL_DEPTH;
        long depth = Math.min(MATMUL_DEPTH, k - k0);
        boolean own = q < direct;
        long bt = own ? b.at(k0, q * width) : packed(q, k0);
        long bk = own ? b.rowStride : 4 * width;
        boolean last = q == edge;
        long ct = last ? edgeC.at(i, 0) : c.at(i, q * width);
        long cs = last ? edgeC.rowStride : c.rowStride;
        boolean fresh = p == 0 && start != Start.C;
        long from = !fresh ? ct : start == Start.ZERO ? zeros : last ? lastBias : bias + 4 * q * width;
        long fs = fresh ? 0 : cs;
        long at = a.at(i, k0);
        MatmulKernels kernels = tiles[h];
        int columns = kernels.columns();
        for (long j = 0; j < width; j += columns) {
            long o = 4 * j;
            kernels.tile(
                    HEIGHTS[h],
                    at,
                    a.rowStride,
                    a.columnStride,
                    bt + o,
                    bk,
                    depth,
                    from + (fresh && start == Start.ZERO ? 0 : o),
                    fs,
                    ct + o,
                    cs);
        }
    }

    private static long ceil(long x, long by) {
        return (x + by - 1) / by;
    }

    private static final int PROBE_DEPTH = 64;

    private static long probe(MatmulKernels kernels, int lanes, int variant, long scratch) {
        long width = kernels.columns();
        long panel = scratch + (64 << 10);
        if (variant == PACK) {
            kernels.pack(scratch, 4 * width, PROBE_DEPTH, width, panel, width);
            return PROBE_DEPTH * width;
        }
        if (variant == COPY) {
            kernels.copy(scratch, 1024, panel, 1024, PROBE_DEPTH, 256);
            return PROBE_DEPTH * 256;
        }
        int rows = HEIGHTS[variant];
        long c = panel + (64 << 10);
        kernels.tile(rows, scratch, 4 * PROBE_DEPTH, 4, panel, 4 * width, PROBE_DEPTH, c, 4 * width, c, 4 * width);
        return rows * width * PROBE_DEPTH;
    }
}
