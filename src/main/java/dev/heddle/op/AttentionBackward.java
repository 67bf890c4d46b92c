package dev.heddle.op;

import dev.heddle.kernel.AttentionKernels;
import dev.heddle.memory.Raw;
import dev.heddle.op.AttentionCall.Bias;
import dev.heddle.op.AttentionCall.Reach;
import dev.heddle.op.AttentionCall.Sequence;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Gradients of softmax attention. Weights are computed again from the scores, their maximum and their sum. A unit is a head of
 * the keys and the heads of the queries that share it; tiles of keys go by in order, and for each of them the rows by blocks of
 * 96. Of a long sequence with few heads the tiles of a head are dealt out to four, whose sums of gradients of queries are added
 * in order. So each sum has its order from the sizes of its own sequence.
 */
final class AttentionBackward {
    private static final int ROWS = AttentionForward.ROWS;
    private static final int KEYS = AttentionCall.KEYS;
    private static final long PITCH = AttentionKernels.PITCH;

    /** From so many tiles on, and up to so many heads, the tiles of a head are dealt out to so many. */
    static final long MANY_TILES = 16;

    static final long FEW_HEADS = 4;
    private static final int PARTS = 4;

    /**
     * Addresses of what the forward pass took and gave, and of the gradient of y.
     *
     * @param y and {@code weights}: null and 0 where they are not at hand
     */
    record Inputs(Matrix q, Matrix k, Matrix v, @Nullable Matrix y, long weights, Matrix gradY) {}

    /** Where the gradients that are wanted go. */
    record Outputs(
            @Nullable Matrix q,
            @Nullable Matrix k,
            @Nullable Matrix v,
            @Nullable Bias bias) {}

    private final AttentionCall call;
    private final Inputs in;
    private final Outputs out;
    private final long queries;
    private final SmallProduct overFeatures;

    AttentionBackward(AttentionCall call, Inputs in, Outputs out, long queries) {
        this.call = call;
        this.in = in;
        this.out = out;
        this.queries = queries;
        overFeatures = new SmallProduct(call.features);
    }

    /** What {@link Inputs#weights} is for each row: two floats, maximum and sum. */
    private long weights(Sequence s, long query, long head) {
        return in.weights + 8 * (((s.row() * queries) + s.queryStart() + query) * call.heads + head);
    }

    void run(Workspace scratch) {
        // gradients of biases add up over the batch, in order
        boolean together = out.bias != null;
        long units = call.keyHeads * (together ? 1 : call.sequences.length);
        long chunks = Math.min(AttentionForward.CHUNKS, units);
        Rows[] rows = rows(chunks, mostRows(false), scratch);
        Desk[] desks = desks(rows, 1, mostRows(false), scratch);
        Team.run(rows.length, 2.5 * AttentionForward.nanos(call), c -> {
            for (long i = units * c / chunks; i < units * (c + 1) / chunks; i++) {
                long head = i % call.keyHeads;
                if (together) {
                    for (Sequence s : call.sequences) {
                        alone(s, head, rows[c], desks[c]);
                    }
                } else {
                    alone(call.sequences[(int) (i / call.keyHeads)], head, rows[c], desks[c]);
                }
            }
        });
        Rows[] sharedRows = rows(call.keyHeads, mostRows(true), scratch);
        Desk[] sharedDesks = desks(sharedRows, PARTS, mostRows(true), scratch);
        for (Sequence s : call.sequences) {
            if (isShared(s)) {
                shared(s, sharedRows, sharedDesks);
            }
        }
    }

    /** Rows of a head, at most, of the sequences that are, or are not, shared; -1 if there are none of them. */
    private int mostRows(boolean shared) {
        long most = -1;
        for (Sequence s : call.sequences) {
            most = isShared(s) == shared ? Math.max(most, call.rows(s)) : most;
        }
        return Math.toIntExact(most);
    }

    private Rows[] rows(long count, int capacity, Workspace scratch) {
        Rows[] rows = new Rows[capacity < 0 ? 0 : (int) count];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new Rows(capacity, scratch);
        }
        return rows;
    }

    private Desk[] desks(Rows[] rows, int parts, int capacity, Workspace scratch) {
        Desk[] desks = new Desk[rows.length * parts];
        for (int i = 0; i < desks.length; i++) {
            desks[i] = new Desk(rows[i / parts], capacity, scratch);
        }
        return desks;
    }

    /** Whether several threads may work on one head: a property of the sequence alone, for the sake of its bits. */
    private boolean isShared(Sequence s) {
        return call.keyHeads <= FEW_HEADS && s.tiles() >= MANY_TILES;
    }

    private void alone(Sequence s, long head, Rows rows, Desk desk) {
        if (isShared(s)) {
            return;
        }
        rows.begin(s, head);
        desk.takeUp(rows);
        if (in.y == null) {
            desk.weigh(0, 1);
            rows.average();
        }
        desk.tiles(0, 1);
        rows.deliver(0, call.rows(s), desk.gq);
    }

    /** The tiles of a head go to {@link #PARTS} desks in turn; what each of them has of the queries' gradients is added up. */
    private void shared(Sequence s, Rows[] rows, Desk[] desks) {
        double nanos = 2.5 * AttentionForward.nanos(call) / call.sequences.length;
        Team.run(rows.length, nanos / 100, h -> {
            rows[h].begin(s, h);
            for (int part = 0; part < PARTS; part++) {
                desks[h * PARTS + part].takeUp(rows[h]);
            }
        });
        if (in.y == null) {
            Team.run(desks.length, nanos / 3, i -> desks[i].weigh(i % PARTS, PARTS));
            Team.run(rows.length, nanos / 100, h -> rows[h].average());
        }
        Team.run(desks.length, nanos, i -> desks[i].tiles(i % PARTS, PARTS));
        Team.run(desks.length, nanos / 100, i -> {
            int h = i / PARTS * PARTS;
            long from = call.rows(s) * (i % PARTS) / PARTS;
            long to = call.rows(s) * (i % PARTS + 1) / PARTS;
            rows[i / PARTS].deliver(from, to, desks[h].gq, desks[h + 1].gq, desks[h + 2].gq, desks[h + 3].gq);
        });
    }

    /** The rows of one head of the keys of one sequence: what is known of them, and what was computed before their tiles. */
    private final class Rows {
        private Sequence s;
        private long head;
        private final long info;

        /** The same, with the addresses of the biases' gradients. */
        private final long biasInfo;

        private final Reach reach;

        /** A row each: queries, gradients of y. */
        private final long q;

        private final long gy;

        /** A float each: maximum, 1 / sum, {@code <gradient of y, y>}. */
        private final long m;

        private final long inverse;
        private final long d;

        /** For each block of rows whether all of it is finite. */
        private final boolean[] finite;

        /** Partial sums for each row; absent if the weights are at hand. */
        private final long sums;

        private final long means;
        private final long spare;

        Rows(int rows, Workspace scratch) {
            s = call.sequences[0];
            info = AttentionForward.floats(scratch, rows * AttentionKernels.ROW / 4);
            biasInfo = AttentionForward.floats(scratch, out.bias == null ? 0 : rows * AttentionKernels.ROW / 4);
            reach = new Reach(rows);
            q = AttentionForward.floats(scratch, rows * call.keyPitch);
            gy = AttentionForward.floats(scratch, rows * call.valuePitch);
            m = AttentionForward.floats(scratch, rows);
            inverse = AttentionForward.floats(scratch, rows);
            d = AttentionForward.floats(scratch, rows);
            finite = new boolean[(int) PrefixScan.ceil(rows, ROWS)];
            sums = AttentionForward.floats(scratch, in.y == null ? 16L * rows : 0);
            means = AttentionForward.floats(scratch, in.y == null ? 16L * rows : 0);
            spare = scratch.zeros(DType.F32, 64).address();
        }

        void begin(Sequence s, long head) {
            this.s = s;
            this.head = head;
            long rows = call.rows(s);
            if (out.bias != null) {
                call.describe(s, head, 0, rows, out.bias, in.q, biasInfo, reach);
            }
            call.describe(s, head, 0, rows, call.bias, in.q, info, reach);
            call.gather(s, head, 0, rows, in.q, call.features, q, call.keyPitch);
            call.gather(s, head, 0, rows, in.gradY, call.values, gy, call.valuePitch);
            if (in.y == null) {
                Gemm.fill(Float.NEGATIVE_INFINITY, m, 0, 1, rows);
                PrefixScan.zero(sums, 16 * rows);
                PrefixScan.zero(means, 16 * rows);
            } else {
                takeWeights(rows, in.y);
            }
            for (int b = 0; b < PrefixScan.ceil(rows, ROWS); b++) {
                long from = (long) b * ROWS;
                long n = Math.min(ROWS, rows - from);
                long qs = q + 4 * from * call.keyPitch;
                long gs = gy + 4 * from * call.valuePitch;
                finite[b] = AttentionCall.finite(qs, 4 * call.keyPitch, n, call.features, spare + 192)
                        && AttentionCall.finite(gs, 4 * call.valuePitch, n, call.values, spare + 192);
            }
        }

        /** Maximum, sum and mean gradient of the weights of each row, from what the forward pass gave. */
        private void takeWeights(long rows, Matrix y) {
            for (long i = 0; i < rows; i++) {
                long at = weights(s, call.query(i), call.head(head, i));
                Raw.ALL.set(Raw.F32, m + 4 * i, Raw.ALL.get(Raw.F32, at));
                Raw.ALL.set(Raw.F32, inverse + 4 * i, 1 / Raw.ALL.get(Raw.F32, at + 4));
            }
            PrefixScan.KERNELS
                    .choose(PrefixProbe.DOTS, Long.MAX_VALUE)
                    .kernels()
                    .dots(
                            in.gradY.at(s.row(), s.queryStart(), head * call.group),
                            in.gradY.step(),
                            in.gradY.head(),
                            y.at(s.row(), s.queryStart(), head * call.group),
                            y.step(),
                            y.head(),
                            call.values,
                            1,
                            d,
                            4 * call.group,
                            4,
                            call.group,
                            s.queries(),
                            spare);
        }

        /** The same from the scores, which {@link Desk#weigh} has summed. */
        void average() {
            // has next to nothing for vectors: its twin is as good
            AttentionCall.KERNELS
                    .choose(AttentionProbe.AVERAGE, 1)
                    .kernels()
                    .average(call.rows(s), sums, means, inverse, d);
        }

        /** Writes the gradients of some queries: the sum, in order, of what the desks have of them. */
        void deliver(long from, long to, long... parts) {
            if (out.q == null || from == to || call.features == 0) {
                return;
            }
            long first = 4 * from * call.keyPitch;
            for (int p = 1; p < parts.length; p++) {
                Arithmetic.add(parts[p] + first, parts[0] + first, (to - from) * call.keyPitch);
            }
            for (long i = from; i < to; i++) {
                long at = out.q.at(s.row(), s.queryStart() + call.query(i), call.head(head, i));
                Gemm.copy(parts[0] + 4 * i * call.keyPitch, 0, at, 0, 1, call.features);
            }
        }
    }

    /** Memory for a tile and a block of rows, and for what the tiles of a desk have of the queries' gradients. */
    private final class Desk {
        private final long columns;
        private final long rowsOfKeys;
        private final long valueColumns;
        private final long gk;
        private final long gv;

        /** Gradients of the queries so far, a row each. */
        private final long gq;

        private final long scores;
        private final long grads;
        private final long spare;
        private final long factors;
        private final long tops;
        private Rows of;
        private Reach reach;

        Desk(Rows of, int rows, Workspace scratch) {
            this.of = of;
            reach = of.reach;
            columns = AttentionForward.floats(scratch, KEYS * call.features);
            rowsOfKeys = AttentionForward.floats(scratch, KEYS * call.keyPitch);
            valueColumns = AttentionForward.floats(scratch, KEYS * call.values);
            gk = AttentionForward.floats(scratch, KEYS * call.keyPitch);
            gv = AttentionForward.floats(scratch, KEYS * call.valuePitch);
            gq = AttentionForward.floats(scratch, rows * call.keyPitch);
            long block = Math.min(rows, ROWS);
            scores = AttentionForward.floats(scratch, block * KEYS);
            grads = AttentionForward.floats(scratch, block * KEYS);
            factors = AttentionForward.floats(scratch, block + 16);
            tops = AttentionForward.floats(scratch, 16 * (block + 16));
            spare = scratch.zeros(DType.F32, 64).address();
        }

        void takeUp(Rows rows) {
            of = rows;
            reach = new Reach(rows.reach);
            PrefixScan.zero(gq, call.rows(rows.s) * call.keyPitch);
        }

        /** Maxima, sums and means of every so many-th block of rows, in a pass of its own. */
        void weigh(int part, int parts) {
            Sequence s = of.s;
            reach.rewind();
            for (long t = 0; t < s.tiles(); t++) {
                long start = t * KEYS;
                reach.enter(start);
                if (reach.from < reach.to) {
                    packTile(t);
                    for (int b = reach.from / ROWS; b * ROWS < reach.to; b++) {
                        if (b % parts == part) {
                            int from = Math.max(b * ROWS, reach.from);
                            int to = Math.min((b + 1) * ROWS, reach.to);
                            weigh(start, from, to);
                        }
                    }
                }
            }
        }

        private void weigh(long start, int from, int to) {
            long n = (long) to - from;
            long m = of.m + 4L * from;
            score(start, from, to);
            AttentionCall.kernels(AttentionProbe.MAXIMA).maxima(scores, n, m, factors, tops);
            AttentionCall.kernels(AttentionProbe.SOFTMAX).softmax(scores, n, m, of.sums + 64L * from, factors);
            AttentionCall.kernels(AttentionProbe.WEIGH).weigh(scores, grads, n, factors, of.means + 64L * from);
        }

        /** Keys and values of a tile as columns. */
        private void packTile(long number) {
            Sequence s = of.s;
            KeyTiles.packKeys(call, in.k, s, of.head, number, columns);
            long at = in.v.at(s.row(), s.keyStart() + number * KEYS, of.head);
            KeyTiles.packColumns(at, in.v.step(), KeyTiles.count(s, number), call.values, valueColumns);
        }

        /** The scores of rows and a tile, and the gradients of their weights. */
        private void score(long start, int from, int to) {
            long n = (long) to - from;
            long row = 4 * call.keyPitch;
            long valueRow = 4 * call.valuePitch;
            long qs = of.q + from * row;
            long gs = of.gy + from * valueRow;
            call.scores.run(
                    true, n, qs, row, 4, columns, PITCH, call.features, call.scales, call.zeros, 0, scores, PITCH);
            call.complete(of.s, start, scores, of.info + from * AttentionKernels.ROW, reach, from, to);
            call.scores.run(
                    true, n, gs, valueRow, 4, valueColumns, PITCH, call.values, call.ones, call.zeros, 0, grads, PITCH);
        }

        /** Every so many-th tile. */
        void tiles(int part, int parts) {
            reach.rewind();
            for (long t = part; t < of.s.tiles(); t += parts) {
                reach.enter(t * KEYS);
                tile(t, t * KEYS);
            }
        }

        private void tile(long number, long start) {
            Sequence s = of.s;
            long count = KeyTiles.count(s, number);
            long key = s.keyStart() + start;
            PrefixScan.zero(gk, KEYS * call.keyPitch);
            PrefixScan.zero(gv, KEYS * call.valuePitch);
            if (reach.from < reach.to) {
                long at = in.k.at(s.row(), key, of.head);
                packTile(number);
                KeyTiles.packRows(at, in.k.step(), count, call.features, rowsOfKeys, call.keyPitch);
                boolean plain = AttentionCall.finite(at, in.k.step(), count, call.features, spare + 192);
                for (int b = reach.from / ROWS; b * ROWS < reach.to; b++) {
                    int from = Math.max(b * ROWS, reach.from);
                    int to = Math.min((b + 1) * ROWS, reach.to);
                    block(start, count, from, to, of.finite[b], plain);
                }
            }
            if (out.k != null) {
                Gemm.copy(gk, 4 * call.keyPitch, out.k.at(s.row(), key, of.head), out.k.step(), count, call.features);
            }
            if (out.v != null) {
                Gemm.copy(gv, 4 * call.valuePitch, out.v.at(s.row(), key, of.head), out.v.step(), count, call.values);
            }
        }

        private void block(long start, long count, int from, int to, boolean rowsPlain, boolean keysPlain) {
            long n = (long) to - from;
            long row = 4 * call.keyPitch;
            long valueRow = 4 * call.valuePitch;
            long qs = of.q + from * row;
            long gs = of.gy + from * valueRow;
            score(start, from, to);
            AttentionCall.kernels(AttentionProbe.GRADIENTS)
                    .gradients(scores, grads, n, of.m + 4L * from, of.inverse + 4L * from, of.d + 4L * from);
            if (out.v != null) {
                call.overValues.run(
                        rowsPlain, count, scores, 4, PITCH, gs, valueRow, n, call.ones, gv, valueRow, gv, valueRow);
            }
            if (out.k != null) {
                overFeatures.run(rowsPlain, count, grads, 4, PITCH, qs, row, n, call.scales, gk, row, gk, row);
            }
            if (out.q != null) {
                long sums = gq + from * row;
                overFeatures.run(
                        keysPlain, n, grads, PITCH, 4, rowsOfKeys, row, count, call.scales, sums, row, sums, row);
            }
            if (out.bias != null) {
                long biases = of.biasInfo + from * AttentionKernels.ROW;
                AttentionCall.kernels(AttentionProbe.ADD_ROWS).addRows(grads, n, biases, 4 * start, count);
            }
        }
    }
}
