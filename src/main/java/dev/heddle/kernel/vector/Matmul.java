package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.base;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.loadInts;
import static dev.heddle.kernel.vector.V.offset;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;
import static jdk.incubator.vector.VectorOperators.NE;

import dev.heddle.kernel.MatmulKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Register tiles of a matrix product, lanes = columns of C. */
public final class Matmul implements MatmulKernels {
    /**
     * Vectors in a row of a tile. Six rows of four take 24 accumulators, 4 vectors of B and one of A of 32 registers; six
     * rows of two take 15 of the 16 that AVX2 has. One lane is a scalar, of which any machine holds 16.
     */
    @Inline
    static int vectors() {
        return LANES == 8 || LANES == 1 ? 2 : 4;
    }

    @Override
    public int columns() {
        return vectors() * LANES;
    }

    @Override
    @Kernel
    public void tile(
            @Const({1, 2, 4, 6}) int rows,
            long a,
            long as,
            long ak,
            long b,
            long bk,
            long depth,
            long scale,
            long from,
            long fs,
            long c,
            long cs) {
        FloatVector[] acc = new FloatVector[rows * vectors()];
        FloatVector[] bs = new FloatVector[vectors()];
        long[] down = new long[rows];
        for (int i = 0; i < rows; i++) {
            down[i] = offset(i * as);
            for (int j = 0; j < vectors(); j++) {
                acc[i * vectors() + j] = all(0f);
            }
        }
        for (long end = b + depth * bk; b != end; b += bk, a += ak) {
            long br = base(b);
            long ar = base(a);
            for (int j = 0; j < vectors(); j++) {
                bs[j] = load(br + (long) j * BYTES);
            }
            for (int i = 0; i < rows; i++) {
                FloatVector s = splat(ar + down[i]);
                for (int j = 0; j < vectors(); j++) {
                    acc[i * vectors() + j] = s.fma(bs[j], acc[i * vectors() + j]);
                }
            }
        }
        long sr = base(scale);
        for (int i = 0; i < rows; i++, from += fs, c += cs) {
            long fr = base(from);
            long cr = base(c);
            for (int j = 0; j < vectors(); j++) {
                long o = (long) j * BYTES;
                store(acc[i * vectors() + j].fma(load(sr + o), load(fr + o)), cr + o);
            }
        }
    }

    @Override
    @Kernel
    public void pack(long b, long bk, long depth, long columns, long out, long width, long panel) {
        long whole = columns - columns % width;
        for (long end = b + bk * depth; b != end; b += bk, out += 4 * width) {
            long to = out;
            for (long from = b, wholeEnd = b + 4 * whole; from != wholeEnd; to += panel) {
                for (long groupEnd = from + 4 * width, o = to; from != groupEnd; from += BYTES, o += BYTES) {
                    store(load(from), o);
                }
            }
            if (whole != columns) {
                copyRow(b + 4 * whole, to, columns - whole);
                fillRow(0f, to + 4 * (columns - whole), width - (columns - whole));
            }
        }
    }

    /** Squares of lanes by lanes elements go through registers; what is left at the edges one by one. */
    @Override
    @Kernel
    public void transpose(long from, long fs, long to, long ts, long columns, long length) {
        long squares = LANES == 1 ? 0 : length - length % LANES;
        long whole = LANES == 1 ? 0 : columns - columns % LANES;
        for (long n = 0; n != whole; n += LANES) {
            for (long k = 0; k != squares; k += LANES) {
                square(from + fs * n + 4 * k, fs, to + ts * k + 4 * n, ts);
            }
        }
        single(from, fs, to, ts, whole, squares, length);
        single(from + fs * whole, fs, to + 4 * whole, ts, columns - whole, 0, length);
    }

    /**
     * Transposes a square: in step s the lanes with bit s of row i change places with the lanes without it of row i + s.
     */
    @Inline
    private static void square(long from, long fs, long to, long ts) {
        IntVector[] rows = new IntVector[LANES];
        for (int i = 0; i < LANES; i++) {
            rows[i] = loadInts(from + i * fs);
        }
        IntVector lane = V.lane();
        for (int s = LANES / 2; s >= 1; s /= 2) {
            IntVector upper = lane.blend(lane.add(LANES - s), lane.and(s).compare(NE, 0));
            IntVector lower = lane.add(s).blend(lane.add(LANES), lane.and(s).compare(NE, 0));
            for (int i = 0; i < LANES; i++) {
                if ((i & s) == 0) {
                    IntVector a = rows[i];
                    IntVector b = rows[i + s];
                    rows[i] = upper.selectFrom(a, b);
                    rows[i + s] = lower.selectFrom(a, b);
                }
            }
        }
        for (int i = 0; i < LANES; i++) {
            store(rows[i], to + i * ts);
        }
    }

    /** Bytes of each column of B that are fetched at a time. */
    private static final long BURST = 512;

    /**
     * Chains of scalars: B has k side by side, and lanes of columns would first have to be turned round, which costs more
     * than it saves. Eight chains hide the latency of two multiply-adds at a time. Columns are fetched before they are used, since a few multiply-adds ahead are all that the processor
     * would look for them; the last columns overlap those before them.
     */
    @Override
    @Kernel
    public void dots(
            long a, long b, long bs, long depth, long block, long from, long fs, long c, long columns, long scratch) {
        float[] sum = new float[CHAINS];
        long[] down = new long[CHAINS];
        for (int i = 0; i < CHAINS; i++) {
            down[i] = offset(i * bs);
        }
        for (long n = 0; n < columns; n += CHAINS) {
            long first = Math.min(n, columns - CHAINS);
            long start = from + fs * first;
            long to = c + 4 * first;
            for (long o = to, end = to + 4 * CHAINS; o != end; o += 4, start += fs) {
                ALL.set(F32, o, f32(start));
            }
            long p = b + bs * first;
            long x = a;
            for (long left = depth; left != 0; ) {
                long count = Math.min(left, block);
                left -= count;
                for (int i = 0; i < CHAINS; i++) {
                    sum[i] = 0f;
                }
                for (long end = x + 4 * count; x != end; ) {
                    long some = Math.min(end - x, BURST);
                    touch(p, bs, some, scratch);
                    long someEnd = x + some;
                    for (long fours = someEnd - some % 16; x != fours; x += 16, p += 16) {
                        products(sum, x, p, down, 4);
                    }
                    for (; x != someEnd; x += 4, p += 4) {
                        products(sum, x, p, down, 1);
                    }
                }
                for (int i = 0; i < CHAINS; i++) {
                    ALL.set(F32, to + 4L * i, f32(to + 4L * i) + sum[i]);
                }
            }
        }
    }

    /** Some k: more than one, so that where a column lies is not computed for each. */
    @Inline
    private static void products(float[] sum, long x, long p, long[] down, int count) {
        float[] s = new float[count];
        long xr = base(x);
        for (int j = 0; j < count; j++) {
            s[j] = f32(xr + 4L * j);
        }
        long pr = base(p);
        for (int i = 0; i < CHAINS; i++) {
            long column = base(pr + down[i]);
            for (int j = 0; j < count; j++) {
                sum[i] = Math.fma(s[j], f32(column + 4L * j), sum[i]);
            }
        }
    }

    /** Loads a float of each line of memory that the next {@code bytes} of all columns lie in. */
    @Inline
    private static void touch(long columns, long bs, long bytes, long scratch) {
        int touched = 0;
        for (long q = columns, qEnd = columns + CHAINS * bs; q != qEnd; q += bs) {
            for (long p = q, end = q + bytes; p < end; p += LINE) {
                touched += i32(p);
            }
        }
        ALL.set(I32, scratch, touched); // or the compiler would find that nobody needs it
    }

    private static final long LINE = 64;

    @Override
    @Kernel
    public void row(@Const({1, 8}) int rows, long a, long ak, long b, long bk, long sums, long columns) {
        FloatVector[] s = new FloatVector[rows];
        long[] down = new long[rows];
        for (int i = 0; i < rows; i++) {
            s[i] = splat(a + i * ak);
            down[i] = offset(i * bk);
        }
        long o = sums;
        for (long end = sums + 4 * (columns - columns % LANES); o != end; o += BYTES, b += BYTES) {
            long br = base(b);
            FloatVector sum = load(o);
            for (int i = 0; i < rows; i++) {
                sum = load(br + down[i]).fma(s[i], sum);
            }
            store(sum, o);
        }
        for (long end = sums + 4 * columns; o != end; o += 4, b += 4) {
            long br = base(b);
            float sum = f32(o);
            for (int i = 0; i < rows; i++) {
                sum = Math.fma(f32(br + down[i]), f32(a + i * ak), sum);
            }
            ALL.set(F32, o, sum);
        }
    }

    @Override
    @Kernel
    public void add(long sums, long c, long columns) {
        long whole = sums + 4 * (columns - columns % LANES);
        long end = sums + 4 * columns;
        for (; sums != whole; sums += BYTES, c += BYTES) {
            store(load(c).add(load(sums)), c);
            store(all(0f), sums);
        }
        for (; sums != end; sums += 4, c += 4) {
            ALL.set(F32, c, f32(c) + f32(sums));
            ALL.set(F32, sums, 0f);
        }
    }

    /** Elements {@code first} to {@code length - 1} of some columns, one by one. */
    @Inline
    private static void single(long from, long fs, long to, long ts, long columns, long first, long length) {
        for (long n = 0; n != columns; n++, from += fs, to += 4) {
            long o = to + ts * first;
            for (long p = from + 4 * first, end = from + 4 * length; p != end; p += 4, o += ts) {
                ALL.set(I32, o, ALL.get(I32, p));
            }
        }
    }

    @Override
    @Kernel
    public void copy(long from, long fs, long to, long ts, long rows, long columns) {
        for (long r = 0; r != rows; r++, from += fs, to += ts) {
            copyRow(from, to, columns);
        }
    }

    @Override
    @Kernel
    public void fill(float value, long to, long ts, long rows, long columns) {
        for (long r = 0; r != rows; r++, to += ts) {
            fillRow(value, to, columns);
        }
    }

    @Inline
    private static void copyRow(long from, long to, long columns) {
        long whole = from + 4 * (columns - columns % LANES);
        long end = from + 4 * columns;
        for (; from != whole; from += BYTES, to += BYTES) {
            store(load(from), to);
        }
        for (; from != end; from += 4, to += 4) {
            ALL.set(I32, to, ALL.get(I32, from));
        }
    }

    @Inline
    private static void fillRow(float value, long to, long columns) {
        long whole = to + 4 * (columns - columns % LANES);
        long end = to + 4 * columns;
        for (; to != whole; to += BYTES) {
            store(all(value), to);
        }
        for (; to != end; to += 4) {
            ALL.set(F32, to, value);
        }
    }
}
