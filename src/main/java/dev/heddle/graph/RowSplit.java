package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How the rows of a graph are cut into pieces of work: ranges of rows with about {@link #CHUNK_EDGES} edges each, and rows with
 * more than {@link #HUB_EDGES}, which are cut into parts themselves. It follows from the row pointers and from constants, so it
 * is the same for any number of threads.
 */
public final class RowSplit {
    /** Enough edges that handing a chunk out costs nothing beside it, few enough that chunks balance. */
    static final long CHUNK_EDGES = 1 << 14;

    /** Rows without edges cost something too. */
    static final long CHUNK_ROWS = 1 << 14;

    /** A row with more edges than this is cut. */
    public static final long HUB_EDGES = 1 << 13;

    /** No row is cut into more parts than this, so that the room for partial results does not grow with the graph. */
    public static final int MAX_PARTS = 64;

    private static final long PART_EDGES = 1 << 12;

    /**
     * A row in parts.
     *
     * @param bounds address of {@code parts + 1} i64 edge positions
     */
    public record Hub(long row, long edges, int parts, long bounds) {}

    private final long[] starts;
    private final long[] ends;
    private final List<Hub> hubs;
    /** Keeps what {@link Hub#bounds} points at. */
    @SuppressWarnings("unused")
    private final Tensor bounds;

    private RowSplit(long[] starts, long[] ends, List<Hub> hubs, Tensor bounds) {
        this.starts = starts;
        this.ends = ends;
        this.hubs = hubs;
        this.bounds = bounds;
    }

    /** @param indptr address of the i64 row pointers */
    static RowSplit of(long indptr, long rows) {
        Ranges ranges = new Ranges();
        List<Long> hubRows = new ArrayList<>();
        long start = 0;
        for (long r = 0; r < rows; r++) {
            long degree = at(indptr, r + 1) - at(indptr, r);
            if (degree > HUB_EDGES) {
                ranges.add(start, r);
                hubRows.add(r);
                start = r + 1;
            } else if (at(indptr, r + 1) - at(indptr, start) >= CHUNK_EDGES || r + 1 - start >= CHUNK_ROWS) {
                ranges.add(start, r + 1);
                start = r + 1;
            }
        }
        ranges.add(start, rows);
        Tensor bounds = Tensor.zeros(DType.I64, hubRows.size(), MAX_PARTS + 1L);
        List<Hub> hubs = new ArrayList<>();
        for (long row : hubRows) {
            hubs.add(cut(indptr, row, bounds.select(0, hubs.size())));
        }
        return new RowSplit(ranges.starts(), ranges.ends(), hubs, bounds);
    }

    private static Hub cut(long indptr, long row, Tensor bounds) {
        long first = at(indptr, row);
        long edges = at(indptr, row + 1) - first;
        long size = Math.max(PART_EDGES, (edges + MAX_PARTS - 1) / MAX_PARTS);
        int parts = (int) ((edges + size - 1) / size);
        for (int i = 0; i <= parts; i++) {
            bounds.setLong(first + Math.min(i * size, edges), i);
        }
        return new Hub(row, edges, parts, bounds.address());
    }

    private static long at(long indptr, long i) {
        return Raw.ALL.get(Raw.I64, indptr + 8 * i);
    }

    /** Growing arrays of range ends; empty ranges are left out. */
    private static final class Ranges {
        private long[] bounds = new long[64];
        private int n;

        void add(long start, long end) {
            if (start == end) {
                return;
            }
            if (2 * n == bounds.length) {
                bounds = Arrays.copyOf(bounds, 2 * bounds.length);
            }
            bounds[2 * n] = start;
            bounds[2 * n++ + 1] = end;
        }

        long[] starts() {
            return pick(0);
        }

        long[] ends() {
            return pick(1);
        }

        private long[] pick(int which) {
            long[] out = new long[n];
            for (int i = 0; i < n; i++) {
                out[i] = bounds[2 * i + which];
            }
            return out;
        }
    }

    /** The number of chunks. */
    public int chunks() {
        return starts.length;
    }

    /** First row of a chunk. */
    public long start(int chunk) {
        return starts[chunk];
    }

    /** The row after its last. */
    public long end(int chunk) {
        return ends[chunk];
    }

    /** Chunks and rows with very many edges together, for work that does not cut those. */
    public int pieces() {
        return chunks() + hubs();
    }

    /** First row of a chunk, or the row with very many edges. */
    public long firstRow(int piece) {
        return piece < chunks() ? start(piece) : hub(piece - chunks()).row();
    }

    /** The row after a piece's last. */
    public long endRow(int piece) {
        return piece < chunks() ? end(piece) : hub(piece - chunks()).row() + 1;
    }

    /** The number of hubs. */
    public int hubs() {
        return hubs.size();
    }

    /** One of the hubs, by its number in row order. */
    public Hub hub(int i) {
        return hubs.get(i);
    }
}
