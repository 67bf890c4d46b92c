package dev.heddle.op;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.memory.Raw;
import dev.heddle.op.AttentionCall.Reach;
import dev.heddle.op.AttentionCall.Sequence;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;

/**
 * Softmax attention by blocks of rows and tiles of keys. The tiles of a split of 2048 keys follow each other; splits start from
 * nothing and are joined in order. So a row has the same bits whether its splits are computed one after the other, or, for few
 * rows and many keys, side by side.
 */
final class AttentionForward {
    /** Rows of a block: their scores with a tile of keys take 24 KiB. */
    static final int ROWS = 96;

    /** Tiles of a split. */
    private static final long SPLIT = 32;

    /** Chunks at most; each has scratch memory of its own. */
    static final long CHUNKS = 32;

    private final AttentionCall call;
    private final Matrix q;
    private final KeyTiles tiles;
    private final Matrix y;

    /** Where the maximum and the sum of each row go, {@code [B, Lq, H, 2]} without gaps and {@code queries} to a row; 0 for nowhere. */
    private final long weights;

    private final long queries;

    /** Chosen once: a single query asks for each of them at every tile. */
    private final AttentionKernels maxima = AttentionCall.kernels(AttentionProbe.MAXIMA);

    private final AttentionKernels softmax = AttentionCall.kernels(AttentionProbe.SOFTMAX);
    private final AttentionKernels rescale = AttentionCall.kernels(AttentionProbe.RESCALE);

    AttentionForward(AttentionCall call, Matrix q, KeyTiles tiles, Matrix y, long weights, long queries) {
        this.call = call;
        this.q = q;
        this.tiles = tiles;
        this.y = y;
        this.weights = weights;
        this.queries = queries;
    }

    /** Whether some sequence has more rows than a block, so that tiles are used more than once. */
    static boolean reusesTiles(AttentionCall call) {
        for (Sequence s : call.sequences) {
            if (call.rows(s) > ROWS) {
                return true;
            }
        }
        return false;
    }

    /** The sum over the sequences of queries times keys, times what a pair costs. */
    static double nanos(AttentionCall call) {
        double pairs = 0;
        for (Sequence s : call.sequences) {
            pairs += (double) s.queries() * s.keys();
        }
        return AttentionCall.NANOS * pairs * call.heads * (call.features + call.values + 16);
    }

    void run(Workspace scratch) {
        boolean split = !reusesTiles(call);
        boolean anySplits = false;
        for (Sequence s : call.sequences) {
            anySplits |= s.tiles() > SPLIT;
        }
        if (split && anySplits) {
            runSplits(scratch);
        } else {
            runBlocks(scratch);
        }
    }

    /** Maximum, partial sums and weighted sums of some rows. */
    private record State(long m, long sums, long y) {
        static long size(long rows, long pitch) {
            return PrefixScan.ceil(rows, 16) * 16 + 16 * rows + rows * pitch;
        }

        static State at(long address, long rows) {
            long sums = address + 4 * PrefixScan.ceil(rows, 16) * 16;
            return new State(address, sums, sums + 64 * rows);
        }
    }

    /** The memory of a chunk, and the rows that it is at. */
    private final class Block {
        private final KeyTiles.Tile tile;
        private final Reach reach;
        private final long info;
        private final long queriesAt;
        private final long scores;
        private final long factors;
        private final long tops;
        private final State state;
        private final State next;
        private int sequence;
        private Sequence of;
        private long head;
        private long first;
        private long rows;

        Block(int capacity, Workspace scratch) {
            long pitch = call.valuePitch;
            tile = new KeyTiles.Tile(call, scratch);
            reach = new Reach(capacity);
            info = floats(scratch, capacity * AttentionKernels.ROW / 4);
            queriesAt = floats(scratch, capacity * call.features);
            scores = floats(scratch, (long) capacity * AttentionCall.KEYS);
            factors = floats(scratch, 3L * (capacity + 16));
            tops = floats(scratch, 16L * (capacity + 16));
            state = State.at(floats(scratch, State.size(capacity, pitch)), capacity);
            next = State.at(floats(scratch, State.size(capacity, pitch)), capacity);
            of = call.sequences[0];
        }

        /** Takes up rows of a sequence. */
        void begin(int sequence, long head, long first, long rows) {
            this.sequence = sequence;
            this.of = call.sequences[sequence];
            this.head = head;
            this.first = first;
            this.rows = rows;
            call.describe(of, head, first, rows, call.bias, y, info, reach);
            call.gather(of, head, first, rows, q, call.features, queriesAt, call.features);
        }

        private void clear(State s) {
            Gemm.fill(Float.NEGATIVE_INFINITY, s.m, 0, 1, PrefixScan.ceil(rows, 16) * 16);
            PrefixScan.zero(s.sums, 16 * rows);
            PrefixScan.zero(s.y, rows * call.valuePitch);
        }

        /** The state after the tiles of one split. */
        void split(long number, State s) {
            clear(s);
            reach.rewind();
            long end = Math.min(reach.endTile(), (number + 1) * SPLIT);
            for (long t = Math.max(reach.firstTile(), number * SPLIT); t < end; t++) {
                long start = t * AttentionCall.KEYS;
                reach.enter(start);
                if (reach.from < reach.to) {
                    tiles.find(sequence, head, t, tile);
                    advance(start, s, reach.from, reach.to);
                }
            }
        }

        private void advance(long start, State s, int a, int b) {
            long n = (long) b - a;
            long pitch = 4 * call.valuePitch;
            long row = 4 * call.features;
            long scored = scores + a * AttentionKernels.PITCH;
            long m = s.m + 4L * a;
            long sums = s.sums + a * AttentionKernels.SUMS;
            long ys = s.y + a * pitch;
            call.scores.run(
                    true,
                    n,
                    queriesAt + a * row,
                    row,
                    4,
                    tile.keys,
                    AttentionKernels.PITCH,
                    call.features,
                    call.scales,
                    call.zeros,
                    0,
                    scored,
                    AttentionKernels.PITCH);
            call.complete(of, start, scored, info + a * AttentionKernels.ROW, reach, a, b);
            maxima.maxima(scored, n, m, factors, tops);
            softmax.softmax(scored, n, m, sums, factors);
            rescale.rescale(ys, pitch, n, call.valuePitch, factors);
            call.overValues.run(
                    tile.finite,
                    n,
                    scored,
                    AttentionKernels.PITCH,
                    4,
                    tile.values,
                    tile.valueStep,
                    reach.depth(start, b),
                    call.ones,
                    ys,
                    pitch,
                    ys,
                    pitch);
        }

        /** All splits, one after the other. */
        void attend() {
            long from = reach.firstTile() / SPLIT;
            long to = PrefixScan.ceil(reach.endTile(), SPLIT);
            split(from, state);
            for (long i = from + 1; i < to; i++) {
                split(i, next);
                join(next);
            }
            finish();
        }

        void join(State other) {
            AttentionCall.kernels(AttentionProbe.MERGE)
                    .merge(
                            state.m,
                            state.sums,
                            state.y,
                            other.m,
                            other.sums,
                            other.y,
                            4 * call.valuePitch,
                            rows,
                            call.valuePitch,
                            factors,
                            4 * PrefixScan.ceil(rows, 16) * 16);
        }

        void finish() {
            AttentionCall.kernels(AttentionProbe.FINISH)
                    .finish(state.y, 4 * call.valuePitch, rows, call.values, info, state.sums, factors);
            for (long i = 0; weights != 0 && i < rows; i++) {
                long query = of.row() * queries + of.queryStart() + call.query(first + i);
                long at = weights + 8 * (query * call.heads + call.head(head, first + i));
                Raw.ALL.set(Raw.F32, at, Raw.ALL.get(Raw.F32, state.m + 4 * i));
                Raw.ALL.set(Raw.F32, at + 4, Raw.ALL.get(Raw.F32, factors + 4 * i));
            }
        }
    }

    static long floats(Workspace scratch, long count) {
        Tensor t = scratch.empty(DType.F32, count + 16);
        return t.address();
    }

    private Block[] blocks(long count, int capacity, Workspace scratch) {
        Block[] blocks = new Block[(int) count];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = new Block(capacity, scratch);
        }
        return blocks;
    }

    private long mostRows() {
        long most = 0;
        for (Sequence s : call.sequences) {
            most = Math.max(most, call.rows(s));
        }
        return most;
    }

    private void runBlocks(Workspace scratch) {
        long[] before = new long[call.sequences.length + 1];
        for (int i = 0; i < call.sequences.length; i++) {
            before[i + 1] = before[i] + PrefixScan.ceil(call.rows(call.sequences[i]), ROWS) * call.keyHeads;
        }
        long units = before[call.sequences.length];
        long chunks = Math.min(CHUNKS, units);
        Block[] blocks = blocks(chunks, (int) Math.min(ROWS, mostRows()), scratch);
        Team.run((int) chunks, nanos(call), c -> {
            int sequence = 0;
            // the last blocks of a sequence see the most keys: every chunk gets some of each kind
            for (long i = c; i < units; i += chunks) {
                while (i >= before[sequence + 1]) {
                    sequence++;
                }
                long all = call.rows(call.sequences[sequence]);
                long perHead = PrefixScan.ceil(all, ROWS);
                long unit = i - before[sequence];
                long from = unit % perHead * ROWS;
                blocks[c].begin(sequence, unit / perHead, from, Math.min(ROWS, all - from));
                blocks[c].attend();
            }
        });
    }

    /** Few rows, many keys: splits side by side, then joined. */
    private void runSplits(Workspace scratch) {
        long[] before = new long[call.sequences.length + 1];
        for (int i = 0; i < call.sequences.length; i++) {
            before[i + 1] = before[i] + Math.max(1, PrefixScan.ceil(call.sequences[i].tiles(), SPLIT)) * call.keyHeads;
        }
        long units = before[call.sequences.length];
        long most = mostRows();
        if (most == 0) {
            return;
        }
        long size = 4 * PrefixScan.ceil(State.size(most, call.valuePitch), 16) * 16;
        long states = floats(scratch, units * size / 4);
        long chunks = Math.min(CHUNKS, units);
        Block[] blocks = blocks(chunks, (int) most, scratch);
        Team.run((int) chunks, nanos(call), c -> {
            int sequence = 0;
            for (long i = units * c / chunks; i < units * (c + 1) / chunks; i++) {
                while (i >= before[sequence + 1]) {
                    sequence++;
                }
                long unit = i - before[sequence];
                Block b = blocks[c];
                b.begin(sequence, unit % call.keyHeads, 0, call.rows(call.sequences[sequence]));
                b.split(unit / call.keyHeads, State.at(states + i * size, most));
            }
        });
        for (int s = 0; s < call.sequences.length; s++) {
            long splits = (before[s + 1] - before[s]) / Math.max(1, call.keyHeads);
            for (long g = 0; g < call.keyHeads; g++) {
                Block b = blocks[0];
                b.begin(s, g, 0, call.rows(call.sequences[s]));
                b.clear(b.state);
                for (long i = 0; i < splits; i++) {
                    b.join(State.at(states + (before[s] + i * call.keyHeads + g) * size, most));
                }
                b.finish();
            }
        }
    }
}
