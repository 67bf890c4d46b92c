package dev.heddle.op;

import dev.heddle.parallel.Team;

/**
 * Splits elementwise work on {@code rows} by {@code columns} into chunks of about equal size: some rows, or part of one. No
 * part is narrower than a chunk where a row is wider, so that none falls below the width of a vector.
 */
record Grid(long rows, long columns, long step, long parts) {
    /** Elements of a chunk: some microseconds of work. */
    private static final long CHUNK = 1 << 15;

    interface Body {
        /** Works on {@code count} rows from {@code row} on, on {@code width} columns from {@code column} on. */
        void run(long row, long count, long column, long width);
    }

    static Grid of(long rows, long columns) {
        return new Grid(rows, columns, Math.max(1, CHUNK / Math.max(columns, 1)), Math.max(1, columns / CHUNK));
    }

    /** Columns of the narrowest part. */
    long narrowest() {
        return Math.min(columns, CHUNK);
    }

    void run(double nanos, Body body) {
        long rowChunks = (rows + step - 1) / step;
        Team.run(Math.toIntExact(rowChunks * parts), nanos * rows * columns, chunk -> {
            long row = chunk / parts * step;
            long part = chunk % parts;
            long from = part * CHUNK;
            long to = part == parts - 1 ? columns : from + CHUNK;
            body.run(row, Math.min(step, rows - row), from, to - from);
        });
    }
}
