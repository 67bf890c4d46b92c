package dev.heddle.op;

import dev.heddle.op.AttentionCall.Sequence;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Workspace;

/** Where the keys and values of attention are, by tiles of 64 keys: the keys transposed, a row for each feature. */
interface KeyTiles {
    /** One tile; memory of its own for what must be packed first. */
    final class Tile {
        long keys;
        long values;
        long valueStep;

        /** Whether all values are finite. */
        boolean finite;

        final long room;

        Tile(AttentionCall call, Workspace scratch) {
            room = scratch.empty(DType.F32, size(call) + 16).address();
        }

        static long size(AttentionCall call) {
            return AttentionCall.KEYS * (call.features + call.valuePitch);
        }
    }

    /** Finds the tile for one head of the keys of one sequence. */
    void find(int sequence, long head, long number, Tile tile);

    /** Packs a tile when it is asked for: for queries that are done in one block, so that each tile is asked for once. */
    record Lazy(AttentionCall call, Matrix k, Matrix v) implements KeyTiles {
        @Override
        public void find(int sequence, long head, long number, Tile tile) {
            Sequence s = call.sequences[sequence];
            packKeys(call, k, s, head, number, tile.room);
            tile.keys = tile.room;
            long values = tile.room + 4 * AttentionCall.KEYS * call.features;
            long spare = tile.room + 4 * Tile.size(call);
            long from = v.at(s.row(), s.keyStart() + number * AttentionCall.KEYS, head);
            long count = count(s, number);
            tile.finite = AttentionCall.finite(from, v.step(), count, call.values, spare);
            if (call.values == call.valuePitch) {
                tile.values = from;
                tile.valueStep = v.step();
            } else {
                packValues(call, v, s, head, number, values);
                tile.values = values;
                tile.valueStep = 4 * call.valuePitch;
            }
        }
    }

    /** All tiles, packed before. */
    final class Packed implements KeyTiles {
        private final AttentionCall call;
        private final long[] before;
        private final boolean[] finite;
        private final long memory;
        private final long size;

        Packed(AttentionCall call, Matrix k, Matrix v, Workspace scratch) {
            this.call = call;
            before = new long[call.sequences.length + 1];
            for (int i = 0; i < call.sequences.length; i++) {
                before[i + 1] = before[i] + call.sequences[i].tiles();
            }
            long tiles = before[call.sequences.length] * call.keyHeads;
            size = 4 * Tile.size(call) + 64;
            finite = new boolean[Math.toIntExact(tiles)];
            memory = scratch.empty(DType.F32, tiles, size / 4).address();
            int chunks = (int) Math.min(64, tiles);
            Team.run(chunks, 0.3 * tiles * size / 4, c -> {
                int sequence = 0;
                for (long i = tiles * c / chunks; i < tiles * (c + 1) / chunks; i++) {
                    while (i >= before[sequence + 1] * call.keyHeads) {
                        sequence++;
                    }
                    Sequence s = call.sequences[sequence];
                    long rest = i - before[sequence] * call.keyHeads;
                    pack(k, v, s, rest % call.keyHeads, rest / call.keyHeads, (int) i);
                }
            });
        }

        private void pack(Matrix k, Matrix v, Sequence s, long head, long number, int index) {
            long keys = memory + index * size;
            long values = keys + 4 * AttentionCall.KEYS * call.features;
            packKeys(call, k, s, head, number, keys);
            packValues(call, v, s, head, number, values);
            long spare = memory + (index + 1) * size - 64;
            finite[index] = AttentionCall.finite(values, 4 * call.valuePitch, count(s, number), call.values, spare);
        }

        @Override
        public void find(int sequence, long head, long number, Tile tile) {
            long index = (before[sequence] + number) * call.keyHeads + head;
            tile.keys = memory + index * size;
            tile.values = tile.keys + 4 * AttentionCall.KEYS * call.features;
            tile.valueStep = 4 * call.valuePitch;
            tile.finite = finite[(int) index];
        }
    }

    /** How many keys a tile has. */
    static long count(Sequence s, long number) {
        return Math.min(AttentionCall.KEYS, s.keys() - number * AttentionCall.KEYS);
    }

    /** The keys of a tile as columns; what is beyond the last is 0. */
    static void packKeys(AttentionCall call, Matrix k, Sequence s, long head, long number, long to) {
        long from = k.at(s.row(), s.keyStart() + number * AttentionCall.KEYS, head);
        packColumns(from, k.step(), count(s, number), call.features, to);
    }

    /** Rows of {@code length} floats as columns of a matrix with {@code KEYS} columns; those beyond the last are 0. */
    static void packColumns(long from, long step, long count, long length, long to) {
        Gemm.transpose(from, step, to, 4 * AttentionCall.KEYS, count, length);
        if (count < AttentionCall.KEYS) {
            Gemm.fill(0, to + 4 * count, 4 * AttentionCall.KEYS, length, AttentionCall.KEYS - count);
        }
    }

    /** The values of a tile in rows that are padded with 0. */
    static void packValues(AttentionCall call, Matrix v, Sequence s, long head, long number, long to) {
        long from = v.at(s.row(), s.keyStart() + number * AttentionCall.KEYS, head);
        packRows(from, v.step(), count(s, number), call.values, to, call.valuePitch);
    }

    /** Rows of {@code columns} floats as rows of {@code pitch}, padded with 0. */
    static void packRows(long from, long step, long count, long columns, long to, long pitch) {
        Gemm.copy(from, step, to, 4 * pitch, count, columns);
        if (columns < pitch) {
            Gemm.fill(0, to + 4 * columns, 4 * pitch, count, pitch - columns);
        }
    }
}
