package dev.heddle.op;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.kernel.Dispatch;
import dev.heddle.memory.Raw;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/** What the blocks of one call of attention share: sizes, which keys a query sees, addresses, kernels. */
final class AttentionCall {
    static final Dispatch<AttentionKernels> KERNELS =
            new Dispatch<>(AttentionKernels.class, AttentionProbe.VARIANTS, AttentionProbe::run);

    static final int KEYS = AttentionKernels.KEYS;

    /** Nanoseconds for one feature of one pair of query and key, to tell small work from large. */
    static final double NANOS = 0.02;

    /** Queries and the keys that they attend to: where each begins in its row, and how many there are. */
    record Sequence(long row, long queryStart, long queries, long keyStart, long keys) {
        long tiles() {
            return PrefixScan.ceil(keys, KEYS);
        }
    }

    /** A matrix of biases {@code [H, Lq, Lk]}: its first element, and the bytes to the next head and query. */
    record Bias(long address, long head, long query) {
        static @Nullable Bias of(@Nullable Tensor t) {
            return t == null ? null : new Bias(t.address(), 4 * t.stride(0), 4 * t.stride(1));
        }

        long at(Sequence s, long h, long i) {
            return address + h * head + (s.queryStart + i) * query + 4 * s.keyStart;
        }
    }

    /** The sizes, and what a query sees. */
    record Rule(long heads, long keyHeads, long features, long values, float scale, boolean causal, long window) {}

    final Sequence[] sequences;
    final long heads;
    final long keyHeads;

    /** Queries' heads that share a head of the keys. */
    final long group;

    final long features;
    final long values;

    /** Columns of a row in scratch memory. */
    final long keyPitch;

    final long valuePitch;
    private final boolean causal;
    private final long window;
    final @Nullable Bias bias;

    /** A float per key and row, in whole tiles, 0 for a key that nobody sees; 0 if there is no mask. */
    private final long mask;

    private final long maskRow;
    private final long slopes;

    final long zeros;
    final long ones;
    final long scales;
    final long numbers;

    final SmallProduct scores = new SmallProduct(KEYS);
    final SmallProduct overValues;

    AttentionCall(
            Rule rule,
            Sequence[] sequences,
            @Nullable Bias bias,
            @Nullable Tensor keyMask,
            @Nullable Tensor slopes,
            Workspace scratch) {
        this.sequences = sequences;
        heads = rule.heads;
        keyHeads = rule.keyHeads;
        group = keyHeads == 0 ? 0 : heads / keyHeads;
        features = rule.features;
        values = rule.values;
        causal = rule.causal;
        window = rule.window;
        keyPitch = SmallProduct.padded(features);
        valuePitch = SmallProduct.padded(values);
        overValues = new SmallProduct(values);
        this.bias = bias;
        this.slopes = slopes == null ? 0 : slopes.address();
        long columns = Math.max(KEYS, Math.max(keyPitch, valuePitch));
        Tensor rows = scratch.empty(DType.F32, 4, columns);
        zeros = rows.address();
        ones = zeros + 4 * columns;
        scales = ones + 4 * columns;
        numbers = scales + 4 * columns;
        Gemm.fill(0, zeros, 0, 1, columns);
        Gemm.fill(1, ones, 0, 1, columns);
        Gemm.fill(rule.scale, scales, 0, 1, columns);
        for (int i = 0; i < KEYS; i++) {
            Raw.ALL.set(Raw.F32, numbers + 4L * i, i);
        }
        maskRow = keyMask == null ? 0 : 4 * (keyMask.dim(1) + KEYS);
        mask = keyMask == null ? 0 : padded(keyMask, scratch);
    }

    /** With a tile behind each row, so that a tile's end is never beyond the memory. */
    private long padded(Tensor keyMask, Workspace scratch) {
        long rows = keyMask.dim(0);
        long keys = keyMask.dim(1);
        long to = scratch.zeros(DType.F32, rows, keys + KEYS).address();
        for (long b = 0; b < rows; b++) {
            Gemm.copy(keyMask.address() + 4 * b * keyMask.stride(0), 0, to + b * maskRow, 0, 1, keys);
        }
        return to;
    }

    static AttentionKernels kernels(int variant) {
        return KERNELS.choose(variant, 16).kernels();
    }

    boolean isMasked() {
        return mask != 0;
    }

    long mask(Sequence s, long key) {
        return mask == 0 ? ones : mask + s.row * maskRow + 4 * (s.keyStart + key);
    }

    /** The rows of a sequence for one head of the keys: the heads that share it within a query, then the next query. */
    long rows(Sequence s) {
        return group * s.queries;
    }

    /** The head of row {@code n} for head {@code g} of the keys. */
    long head(long g, long n) {
        return g * group + n % group;
    }

    long query(long n) {
        return n / group;
    }

    /** The position of a query among the keys. */
    private static long position(Sequence s, long query) {
        return query + s.keys - s.queries;
    }

    private int first(Sequence s, long query) {
        return window > 0 ? (int) Math.clamp(position(s, query) - window + 1, 0, s.keys) : 0;
    }

    private int end(Sequence s, long query) {
        return (int) (causal ? Math.clamp(position(s, query) + 1, 0, s.keys) : s.keys);
    }

    /** What the kernels know of each row: {@code n} rows from row {@code from} on. */
    void describe(Sequence s, long g, long from, long n, @Nullable Bias biases, Matrix result, long info, Reach reach) {
        for (int i = 0; i < n; i++, info += AttentionKernels.ROW) {
            long query = query(from + i);
            long head = head(g, from + i);
            reach.first[i] = first(s, query);
            reach.end[i] = end(s, query);
            Raw.ALL.set(Raw.I32, info + AttentionKernels.FIRST, reach.first[i]);
            Raw.ALL.set(Raw.I32, info + AttentionKernels.END, reach.end[i]);
            Raw.ALL.set(Raw.I32, info + AttentionKernels.POSITION, (int) position(s, query));
            float slope = slopes == 0 ? 0 : Raw.ALL.get(Raw.F32, slopes + 4 * head);
            Raw.ALL.set(Raw.F32, info + AttentionKernels.SLOPE, slope);
            Raw.ALL.set(Raw.I64, info + AttentionKernels.BIAS, biases == null ? 0 : biases.at(s, head, query));
            Raw.ALL.set(Raw.I64, info + AttentionKernels.RESULT, result.at(s.row, s.queryStart + query, head));
        }
        reach.rows = (int) n;
    }

    /** Which keys some rows see. Both ends grow from row to row, so the rows that see some of a tile lie together. */
    static final class Reach {
        private final int[] first;
        private final int[] end;
        private int rows;

        /** The rows that see some of the tile that {@link #enter} was called for. */
        int from;

        int to;

        Reach(int capacity) {
            first = new int[capacity];
            end = new int[capacity];
        }

        /** The same rows, to be walked by someone else. */
        Reach(Reach other) {
            first = other.first;
            end = other.end;
            rows = other.rows;
        }

        long firstTile() {
            return rows == 0 ? 0 : first[0] / KEYS;
        }

        long endTile() {
            return rows == 0 ? 0 : PrefixScan.ceil(end[rows - 1], KEYS);
        }

        void rewind() {
            from = 0;
            to = 0;
        }

        /** Moves on to the tile from key {@code start}. */
        void enter(long start) {
            while (from < rows && end[from] <= start) {
                from++;
            }
            while (to < rows && first[to] < start + KEYS) {
                to++;
            }
        }

        /** Whether rows {@code a} to {@code b} see all of the tile from key {@code start} on. */
        boolean isWhole(long start, int a, int b) {
            return end[a] >= start + KEYS && first[b - 1] <= start;
        }

        /** How many keys of that tile the last of some rows sees, or those before the last that it sees. */
        long depth(long start, int b) {
            return Math.min(KEYS, end[b - 1] - start);
        }
    }

    /** Turns products into the scores of rows {@code a} to {@code b}, counted from those at {@code s} and {@code info}. */
    void complete(Sequence q, long start, long s, long info, Reach reach, int a, int b) {
        long rows = (long) b - a;
        if (bias != null) {
            kernels(AttentionProbe.BIAS).bias(s, rows, info, 4 * start, Math.min(KEYS, q.keys - start));
        }
        if (slopes != 0) {
            kernels(AttentionProbe.SLOPE).slope(s, rows, info, (int) start, numbers);
        }
        if (isMasked() || !reach.isWhole(start, a, b)) {
            kernels(AttentionProbe.HIDE).hide(s, rows, info, (int) start, mask(q, start), numbers);
        }
    }

    /** Copies the rows of a matrix like q for some rows into rows {@code pitch} floats apart; what is beyond a row is 0. */
    void gather(Sequence s, long g, long from, long n, Matrix matrix, long columns, long to, long pitch) {
        if (columns < pitch) {
            Gemm.fill(0, to, 4 * pitch, n, pitch);
        }
        if (group == 1) {
            Gemm.copy(matrix.at(s.row, s.queryStart + from, g), matrix.step(), to, 4 * pitch, n, columns);
            return;
        }
        for (long i = 0; i < n; i++, to += 4 * pitch) {
            long at = matrix.at(s.row, s.queryStart + query(from + i), head(g, from + i));
            Gemm.copy(at, 0, to, 0, 1, columns);
        }
    }

    /** Whether some rows are finite; {@code out} takes 64 bytes. */
    static boolean finite(long a, long step, long rows, long columns, long out) {
        kernels(AttentionProbe.FINITE).finite(a, step, rows, columns, out);
        return Raw.ALL.get(Raw.F32, out) == 0;
    }
}
