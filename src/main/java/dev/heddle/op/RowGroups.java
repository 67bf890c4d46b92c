package dev.heddle.op;

import dev.heddle.graph.RowSplit;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * The rows of a graph in at most {@link #MAX} groups, each with scratch memory of its own, which so does not grow with the
 * graph. The groups follow from the graph alone.
 */
final class RowGroups {
    private RowGroups() {}

    static final int MAX = 64;

    /** Works on rows {@code row} to {@code rowEnd} with scratch that no other thread has. */
    interface Body {
        void run(long row, long rowEnd, long scratch);
    }

    /** Works on rows {@code row} to {@code rowEnd} of one group. */
    interface GroupBody {
        void run(int group, long row, long rowEnd);
    }

    /** How many groups there are of so many pieces. */
    static int count(int pieces) {
        return Math.min(pieces, MAX);
    }

    /** All rows, those with very many edges like others. */
    static void run(RowSplit split, double nanos, long bytes, Workspace workspace, Body body) {
        run(split, split.pieces(), nanos, bytes, workspace, body);
    }

    /** All rows but those with very many edges. */
    static void runOrdinary(RowSplit split, double nanos, long bytes, Workspace workspace, Body body) {
        run(split, split.chunks(), nanos, bytes, workspace, body);
    }

    /** The same, for who keeps memory of its own for each group. */
    static void runOrdinary(RowSplit split, double nanos, GroupBody body) {
        run(split, split.chunks(), nanos, body);
    }

    private static void run(RowSplit split, int pieces, double nanos, long bytes, Workspace workspace, Body body) {
        Tensor memory = workspace.empty(DType.U8, count(pieces), bytes);
        try (Use _ = Use.of(memory)) {
            long address = memory.address();
            run(split, pieces, nanos, (group, row, end) -> body.run(row, end, address + group * bytes));
        }
    }

    private static void run(RowSplit split, int pieces, double nanos, GroupBody body) {
        int groups = count(pieces);
        Team.run(groups, nanos, g -> {
            int end = (int) ((g + 1L) * pieces / groups);
            for (int p = (int) ((long) g * pieces / groups); p < end; p++) {
                body.run(g, split.firstRow(p), split.endRow(p));
            }
        });
    }
}
