package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.util.ConcurrentModificationException;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * Sorts positions by keys in {@code [0, range)}, stably, in time linear in their number and in the range.
 *
 * <p>Two steps, both parallel. Blocks of the input are dealt into at most {@link #MAX_BUCKETS} buckets of neighbouring keys, then
 * each bucket is sorted by itself: all writes of the first go to few places, and all of the second to a small part of memory.
 * A stable order is unique, so how the work was cut cannot be seen in the result.
 *
 * <p>The inputs are read twice and may be somebody else's memory. What the second reading finds is checked as the first was, so
 * whoever writes to them in between gets an exception, and nothing is written where it does not belong.
 */
final class CountingSort {
    private static final int MAX_BUCKETS = 1 << 10;
    private static final long BLOCK = 1 << 18;
    private static final int MAX_BLOCKS = 256;

    /** Nanoseconds for an element in either step, to tell small work from large. */
    private static final double NANOS = 5;

    /**
     * What is sorted: i32 keys, and i32 values that go with them.
     *
     * @param values null if positions are all that is wanted
     */
    record Input(
            String keyName,
            Tensor keys,
            long range,
            String valueName,
            @Nullable Tensor values,
            long valueRange) {}

    /**
     * Where it goes.
     *
     * @param starts i64 {@code [range + 1]}, zeroed: where each key's elements start
     * @param values i32, null if there are none
     * @param positions i32 or i64, null if they are not wanted
     */
    record Output(
            Tensor starts,
            @Nullable Tensor values,
            @Nullable Tensor positions) {}

    private final Input in;
    private final long n;
    private final long keys;
    private final long values;
    private final long starts;
    private final int shift;
    private final int buckets;
    private final int blocks;
    private final long blockSize;
    /** By block and bucket: where the block's elements of the bucket start, then, while they are dealt, where the next goes. */
    private final long[][] cursors;
    /** By block and bucket: where they end. */
    private final long[][] ends;

    private CountingSort(Input in, Output out) {
        this.in = in;
        n = in.keys.size();
        keys = in.keys.address();
        values = in.values == null ? 0 : in.values.address();
        starts = out.starts.address();
        int s = 0;
        while ((in.range - 1) >> s >= MAX_BUCKETS) {
            s++;
        }
        shift = s;
        buckets = Math.max(1, (int) ((in.range - 1) >> s) + 1);
        blockSize = Math.max(BLOCK, (n + MAX_BLOCKS - 1) / MAX_BLOCKS);
        blocks = (int) ((n + blockSize - 1) / blockSize);
        cursors = new long[blocks][buckets];
        ends = new long[blocks][];
    }

    /**
     * @throws IndexOutOfBoundsException if a key or a value is out of its range, with its position and value
     * @throws ConcurrentModificationException if the input changes meanwhile
     */
    static void sort(Input in, Output out) {
        if (in.keys.size() == 0) {
            return;
        }
        try (Use _ = Use.of(in.keys, in.values, out.starts, out.values, out.positions)) {
            CountingSort sort = new CountingSort(in, out);
            Positions positions = out.positions == null ? NONE : Positions.of(out.positions);
            Columns to = new Columns(0, address(out.values), positions);
            sort.count();
            if (sort.shift == 0) {
                sort.deal(to);
            } else {
                sort.dealAndFinish(to);
            }
        }
    }

    private static long address(@Nullable Tensor t) {
        return t == null ? 0 : t.address();
    }

    private static final Positions NONE = new Positions(0, false);

    /** Keys, values and positions side by side; an address of 0 means that the column is not there. */
    private record Columns(long keys, long values, Positions positions) {
        void putKey(long at, int key) {
            if (keys != 0) {
                Raw.ALL.set(Raw.I32, keys + 4 * at, key);
            }
        }

        void put(long at, int value, long position) {
            if (values != 0) {
                Raw.ALL.set(Raw.I32, values + 4 * at, value);
            }
            if (positions.address() != 0) {
                positions.set(at, position);
            }
        }

        int key(long at) {
            return Raw.ALL.get(Raw.I32, keys + 4 * at);
        }

        int value(long at) {
            return values == 0 ? 0 : Raw.ALL.get(Raw.I32, values + 4 * at);
        }

        long position(long at) {
            return positions.address() == 0 ? 0 : positions.at(at);
        }
    }

    // ------------------------------------------------------------------ dealing into buckets

    private void count() {
        @Nullable String[] wrong = new @Nullable String[blocks];
        Team.run(blocks, NANOS * n, b -> wrong[b] = count(b));
        for (String w : wrong) {
            if (w != null) {
                throw new IndexOutOfBoundsException(w);
            }
        }
        long at = 0;
        for (int bucket = 0; bucket < buckets; bucket++) {
            if (shift == 0) {
                Raw.ALL.set(Raw.I64, starts + 8L * bucket, at);
            }
            for (int b = 0; b < blocks; b++) {
                long count = cursors[b][bucket];
                cursors[b][bucket] = at;
                at += count;
            }
        }
        Raw.ALL.set(Raw.I64, starts + 8 * in.range, n);
        for (int b = 0; b < blocks; b++) {
            ends[b] = b + 1 < blocks ? cursors[b + 1].clone() : afterLast();
        }
    }

    /** Where the last block's share of each bucket ends: at the next bucket. */
    private long[] afterLast() {
        long[] end = new long[buckets];
        for (int bucket = 0; bucket < buckets; bucket++) {
            end[bucket] = bucketEnd(bucket);
        }
        return end;
    }

    private long bucketEnd(int bucket) {
        return bucket + 1 < buckets ? cursors[0][bucket + 1] : n;
    }

    /** Counts a block's elements by bucket; what is wrong with the first bad one, or null. */
    private @Nullable String count(int block) {
        long[] counts = cursors[block];
        long end = Math.min(n, (block + 1) * blockSize);
        for (long e = block * blockSize; e < end; e++) {
            int key = Raw.ALL.get(Raw.I32, keys + 4 * e);
            if (key < 0 || key >= in.range) {
                return wrong(in.keyName, e, key, in.range);
            }
            int value = values == 0 ? 0 : Raw.ALL.get(Raw.I32, values + 4 * e);
            if (value < 0 || (values != 0 && value >= in.valueRange)) {
                return wrong(in.valueName, e, value, in.valueRange);
            }
            counts[key >> shift]++;
        }
        return null;
    }

    private static String wrong(String name, long at, int value, long range) {
        return name + "[" + at + "] = " + value + ", must be in [0, " + range + ")";
    }

    private void deal(Columns to) {
        Team.run(blocks, NANOS * n, b -> deal(b, to));
    }

    private void deal(int block, Columns to) {
        long[] cursor = cursors[block];
        long[] limit = ends[block];
        long end = Math.min(n, (block + 1) * blockSize);
        for (long e = block * blockSize; e < end; e++) {
            int key = Raw.ALL.get(Raw.I32, keys + 4 * e);
            int value = values == 0 ? 0 : Raw.ALL.get(Raw.I32, values + 4 * e);
            boolean sound = key >= 0 && key < in.range && value >= 0 && (values == 0 || value < in.valueRange);
            int bucket = sound ? key >> shift : 0;
            long at = cursor[bucket]++;
            if (!sound || at >= limit[bucket]) {
                throw new ConcurrentModificationException(
                        in.keyName + " or " + in.valueName + " was written to while it was being sorted");
            }
            to.putKey(at, key);
            to.put(at, value, e);
        }
    }

    // ------------------------------------------------------------------ sorting each bucket

    private void dealAndFinish(Columns to) {
        long[] bucketStarts = cursors[0].clone();
        Queue<Workspace> idle = new ConcurrentLinkedQueue<>();
        try (Workspace scratch = new Workspace(4 * n + 256)) {
            Tensor key = scratch.empty(DType.I32, n);
            try (Use _ = Use.of(key)) {
                Columns dealt = new Columns(key.address(), to.values, to.positions);
                deal(dealt);
                Team.run(buckets, NANOS * n, b -> {
                    long first = bucketStarts[b];
                    long end = b + 1 < buckets ? bucketStarts[b + 1] : n;
                    Workspace mine = Objects.requireNonNullElseGet(idle.poll(), Workspace::new);
                    finish(b, first, end, dealt, copy(dealt, first, end, mine));
                    mine.reset();
                    idle.add(mine);
                });
            }
        } finally {
            idle.forEach(Workspace::close);
        }
    }

    /** A copy of the values and positions of one bucket, addressed as they were. */
    private static Columns copy(Columns dealt, long first, long end, Workspace scratch) {
        Positions p = dealt.positions;
        long positions = copy(p.address(), p.wide() ? 8 : 4, first, end, scratch);
        return new Columns(dealt.keys, copy(dealt.values, 4, first, end, scratch), new Positions(positions, p.wide()));
    }

    private static long copy(long column, long width, long first, long end, Workspace scratch) {
        if (column == 0) {
            return 0;
        }
        long to = scratch.empty(DType.I8, width * (end - first)).address();
        MemorySegment.copy(Raw.ALL, column + width * first, Raw.ALL, to, width * (end - first));
        return to - width * first;
    }

    /** Sorts one bucket. The keys' starts serve as cursors meanwhile, which leaves each at the next key's start. */
    private void finish(int bucket, long first, long end, Columns to, Columns from) {
        long key = (long) bucket << shift;
        long keyEnd = Math.min(in.range, key + (1L << shift));
        for (long e = first; e < end; e++) {
            long at = starts + 8L * from.key(e);
            Raw.ALL.set(Raw.I64, at, Raw.ALL.get(Raw.I64, at) + 1);
        }
        long next = first;
        for (long k = key; k < keyEnd; k++) {
            long count = Raw.ALL.get(Raw.I64, starts + 8 * k);
            Raw.ALL.set(Raw.I64, starts + 8 * k, next);
            next += count;
        }
        for (long e = first; e < end; e++) {
            long cursor = starts + 8L * from.key(e);
            long at = Raw.ALL.get(Raw.I64, cursor);
            Raw.ALL.set(Raw.I64, cursor, at + 1);
            to.put(at, from.value(e), from.position(e));
        }
        for (long k = keyEnd - 1; k > key; k--) {
            Raw.ALL.set(Raw.I64, starts + 8 * k, Raw.ALL.get(Raw.I64, starts + 8 * (k - 1)));
        }
        if (key < keyEnd) {
            Raw.ALL.set(Raw.I64, starts + 8 * key, first);
        }
    }
}
