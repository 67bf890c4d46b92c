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
 * 96. So each sum has its order from the sizes of its own sequence.
 */
final class AttentionBackward {
    private static final int ROWS = AttentionForward.ROWS;
    private static final int KEYS = AttentionCall.KEYS;
    private static final long PITCH = AttentionKernels.PITCH;

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
        long rows = 0;
        for (Sequence s : call.sequences) {
            rows = Math.max(rows, call.rows(s));
        }
        Unit[] memory = new Unit[(int) chunks];
        for (int i = 0; i < memory.length; i++) {
            memory[i] = new Unit(Math.toIntExact(rows), scratch);
        }
        Team.run((int) chunks, 2.5 * AttentionForward.nanos(call), c -> {
            for (long i = units * c / chunks; i < units * (c + 1) / chunks; i++) {
                long head = i % call.keyHeads;
                if (together) {
                    for (Sequence s : call.sequences) {
                        memory[c].run(s, head);
                    }
                } else {
                    memory[c].run(call.sequences[(int) (i / call.keyHeads)], head);
                }
            }
        });
    }

    /** One head of the keys of one sequence, and the memory for it. */
    private final class Unit {
        private final long info;

        /** The same, with the addresses of the biases' gradients. */
        private final long biasInfo;

        private final Reach reach;

        /** A row each: queries, gradients of y, gradients of the queries so far. */
        private final long q;

        private final long gy;
        private final long gq;

        /** A float each: maximum, 1 / sum, {@code <gradient of y, y>}. */
        private final long m;

        private final long inverse;
        private final long d;

        /** For each block of rows whether all of it is finite. */
        private final boolean[] finite;

        private final long columns;
        private final long rowsOfKeys;
        private final long valueColumns;
        private final long gk;
        private final long gv;
        private final long scores;
        private final long grads;
        private final long spare;

        /** Partial sums for each row, and what a block of rows needs besides; absent if the weights are at hand. */
        private final long sums;

        private final long means;
        private final long factors;
        private final long tops;

        Unit(int rows, Workspace scratch) {
            info = AttentionForward.floats(scratch, rows * AttentionKernels.ROW / 4);
            biasInfo = AttentionForward.floats(scratch, out.bias == null ? 0 : rows * AttentionKernels.ROW / 4);
            reach = new Reach(rows);
            q = AttentionForward.floats(scratch, rows * call.keyPitch);
            gy = AttentionForward.floats(scratch, rows * call.valuePitch);
            gq = AttentionForward.floats(scratch, rows * call.keyPitch);
            m = AttentionForward.floats(scratch, rows);
            inverse = AttentionForward.floats(scratch, rows);
            d = AttentionForward.floats(scratch, rows);
            finite = new boolean[(int) PrefixScan.ceil(rows, ROWS)];
            columns = AttentionForward.floats(scratch, KEYS * call.features);
            rowsOfKeys = AttentionForward.floats(scratch, KEYS * call.keyPitch);
            valueColumns = AttentionForward.floats(scratch, KEYS * call.values);
            gk = AttentionForward.floats(scratch, KEYS * call.keyPitch);
            gv = AttentionForward.floats(scratch, KEYS * call.valuePitch);
            long block = Math.min(rows, ROWS);
            scores = AttentionForward.floats(scratch, block * KEYS);
            grads = AttentionForward.floats(scratch, block * KEYS);
            sums = AttentionForward.floats(scratch, in.y == null ? 16L * rows : 0);
            means = AttentionForward.floats(scratch, in.y == null ? 16L * rows : 0);
            factors = AttentionForward.floats(scratch, block);
            tops = AttentionForward.floats(scratch, 16 * block);
            spare = scratch.zeros(DType.F32, 64).address();
        }

        void run(Sequence s, long head) {
            long rows = call.rows(s);
            begin(s, head, rows);
            reach.rewind();
            for (long t = 0; t < s.tiles(); t++) {
                long start = t * KEYS;
                reach.enter(start);
                tile(s, head, t, start);
            }
            if (out.q != null) {
                for (long i = 0; i < rows; i++) {
                    long to = out.q.at(s.row(), s.queryStart() + call.query(i), call.head(head, i));
                    Gemm.copy(gq + 4 * i * call.keyPitch, 0, to, 0, 1, call.features);
                }
            }
        }

        private void begin(Sequence s, long head, long rows) {
            if (out.bias != null) {
                call.describe(s, head, 0, rows, out.bias, in.q, biasInfo, reach);
            }
            call.describe(s, head, 0, rows, call.bias, in.q, info, reach);
            call.gather(s, head, 0, rows, in.q, call.features, q, call.keyPitch);
            call.gather(s, head, 0, rows, in.gradY, call.values, gy, call.valuePitch);
            PrefixScan.zero(gq, rows * call.keyPitch);
            if (in.y == null) {
                weigh(s, head, rows);
            } else {
                takeWeights(s, head, rows, in.y);
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
        private void takeWeights(Sequence s, long head, long rows, Matrix y) {
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

        /** The same from the scores, in a pass of its own. */
        private void weigh(Sequence s, long head, long rows) {
            Gemm.fill(Float.NEGATIVE_INFINITY, m, 0, 1, rows);
            PrefixScan.zero(sums, 16 * rows);
            PrefixScan.zero(means, 16 * rows);
            reach.rewind();
            for (long t = 0; t < s.tiles(); t++) {
                long start = t * KEYS;
                reach.enter(start);
                if (reach.from < reach.to) {
                    packTile(s, head, t);
                    for (int b = reach.from / ROWS; b * ROWS < reach.to; b++) {
                        int from = Math.max(b * ROWS, reach.from);
                        int to = Math.min((b + 1) * ROWS, reach.to);
                        long n = (long) to - from;
                        score(s, start, from, to);
                        AttentionCall.kernels(AttentionProbe.MAXIMA).maxima(scores, n, m + 4L * from, factors, tops);
                        AttentionCall.kernels(AttentionProbe.SOFTMAX)
                                .softmax(scores, n, m + 4L * from, sums + 64L * from, factors);
                        AttentionCall.kernels(AttentionProbe.WEIGH)
                                .weigh(scores, grads, n, factors, means + 64L * from);
                    }
                }
            }
            AttentionCall.kernels(AttentionProbe.AVERAGE).average(rows, sums, means, inverse, d);
        }

        /** Keys and values of a tile as columns. */
        private void packTile(Sequence s, long head, long number) {
            KeyTiles.packKeys(call, in.k, s, head, number, columns);
            long at = in.v.at(s.row(), s.keyStart() + number * KEYS, head);
            KeyTiles.packColumns(at, in.v.step(), KeyTiles.count(s, number), call.values, valueColumns);
        }

        /** The scores of rows and a tile, and the gradients of their weights. */
        private void score(Sequence s, long start, int from, int to) {
            long n = (long) to - from;
            long row = 4 * call.keyPitch;
            long valueRow = 4 * call.valuePitch;
            long qs = q + from * row;
            long gs = gy + from * valueRow;
            call.scores.run(
                    true, n, qs, row, 4, columns, PITCH, call.features, call.scales, call.zeros, 0, scores, PITCH);
            call.complete(s, start, scores, info + from * AttentionKernels.ROW, reach, from, to);
            call.scores.run(
                    true, n, gs, valueRow, 4, valueColumns, PITCH, call.values, call.ones, call.zeros, 0, grads, PITCH);
        }

        private void tile(Sequence s, long head, long number, long start) {
            long count = KeyTiles.count(s, number);
            long key = s.keyStart() + start;
            PrefixScan.zero(gk, KEYS * call.keyPitch);
            PrefixScan.zero(gv, KEYS * call.valuePitch);
            if (reach.from < reach.to) {
                long at = in.k.at(s.row(), key, head);
                packTile(s, head, number);
                KeyTiles.packRows(at, in.k.step(), count, call.features, rowsOfKeys, call.keyPitch);
                boolean plain = AttentionCall.finite(at, in.k.step(), count, call.features, spare + 192);
                for (int b = reach.from / ROWS; b * ROWS < reach.to; b++) {
                    int from = Math.max(b * ROWS, reach.from);
                    int to = Math.min((b + 1) * ROWS, reach.to);
                    block(s, start, count, from, to, finite[b], plain);
                }
            }
            if (out.k != null) {
                Gemm.copy(gk, 4 * call.keyPitch, out.k.at(s.row(), key, head), out.k.step(), count, call.features);
            }
            if (out.v != null) {
                Gemm.copy(gv, 4 * call.valuePitch, out.v.at(s.row(), key, head), out.v.step(), count, call.values);
            }
        }

        private void block(Sequence s, long start, long count, int from, int to, boolean rowsPlain, boolean keysPlain) {
            long n = (long) to - from;
            long row = 4 * call.keyPitch;
            long valueRow = 4 * call.valuePitch;
            long qs = q + from * row;
            long gs = gy + from * valueRow;
            score(s, start, from, to);
            AttentionCall.kernels(AttentionProbe.GRADIENTS)
                    .gradients(scores, grads, n, m + 4L * from, inverse + 4L * from, d + 4L * from);
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
                long biases = biasInfo + from * AttentionKernels.ROW;
                AttentionCall.kernels(AttentionProbe.ADD_ROWS).addRows(grads, n, biases, 4 * start, count);
            }
        }
    }
}
