package dev.heddle.op;

import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/** Splits work on independent rows into chunks of about equal size, each with scratch memory of its own. */
final class Rows {
    private Rows() {}

    /**
     * Columns that probes of kernels over rows take in turn: whole blocks of 64 alone, blocks and a rest, a rest alone. A way that
     * warm-up did not take is not in the compiled code.
     */
    static final int[] PROBE_WIDTHS = {256, 228, 40};

    /** Elements of a chunk: some ten microseconds of work. */
    private static final long CHUNK = 1 << 15;

    interface Body {
        /** Works on some rows with this many bytes of scratch as were asked for. */
        void run(long first, long count, long scratch);
    }

    /**
     * Runs {@code body} over all rows.
     *
     * @param nanos of one element, roughly
     * @param bytes of scratch for a chunk
     */
    static void run(long rows, long columns, double nanos, long bytes, Workspace scratch, Body body) {
        runBy(rows, Math.max(1, CHUNK / Math.max(columns, 1)), nanos * columns, bytes, scratch, body);
    }

    /** Runs {@code body} by chunks of {@code step} rows. */
    static void runBy(long rows, long step, double rowNanos, long bytes, Workspace scratch, Body body) {
        if (rows == 0) {
            return;
        }
        int chunks = Math.toIntExact((rows + step - 1) / step);
        Tensor memory = scratch.empty(DType.U8, chunks, bytes);
        try (Use _ = Use.of(memory)) {
            long address = memory.address();
            Team.run(chunks, rowNanos * rows, chunk -> {
                long first = chunk * step;
                body.run(first, Math.min(step, rows - first), address + chunk * bytes);
            });
        }
    }
}
