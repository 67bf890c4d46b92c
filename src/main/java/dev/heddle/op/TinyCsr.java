package dev.heddle.op;

import dev.heddle.memory.Raw;

/**
 * A graph and matrices small enough for the first-level cache, for warming kernels up: rows of common length, one without
 * edges and one that a NaN comes into, so that no path is new later. Matrices are a tile wide, less a bit, so that the last
 * vector overlaps.
 */
record TinyCsr(
        int tile,
        long columns,
        long last,
        long stride,
        long ptr,
        long idx,
        long perm,
        long x,
        long w,
        long y,
        long arg,
        long pad) {
    static final int ROWS = 8;
    private static final int DEGREE = 20;
    static final int EDGES = (ROWS - 1) * DEGREE;

    static TinyCsr at(long scratch, int lanes, int tile) {
        long columns = tile == 1 ? lanes : (long) tile * lanes - lanes / 4;
        long stride = 4 * columns;
        long idx = scratch + 8 * (ROWS + 1);
        long perm = idx + 4 * EDGES;
        long x = perm + 4 * EDGES;
        long w = x + stride * ROWS;
        long y = w + stride * EDGES;
        long arg = y + stride * EDGES;
        for (int r = 0; r <= ROWS; r++) {
            Raw.ALL.set(Raw.I64, scratch + 8L * r, (long) Math.min(r, ROWS - 1) * DEGREE);
        }
        for (int e = 0; e < EDGES; e++) {
            Raw.ALL.set(Raw.I32, idx + 4L * e, e < DEGREE ? 0 : 1 + e * 5 % (ROWS - 1));
        }
        Raw.ALL.set(Raw.F32, x, Float.NaN);
        return new TinyCsr(
                tile, columns, 4 * (columns - lanes), stride, scratch, idx, perm, x, w, y, arg, arg + stride * EDGES);
    }

    /** What a pass over all edges works on. */
    long elements() {
        return EDGES * columns;
    }
}
