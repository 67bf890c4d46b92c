package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.HalfSpmmKernels;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Pass;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Sums and means of features in a half type, which are read as they are: the same order of additions, and so the same bits, as if
 * they had been widened first. A kernel takes two columns at a time, so their number must be even.
 *
 * @param pairs of columns in a row
 */
record HalfSums(CsrGraph graph, Tensor x, @Nullable Tensor w, boolean mean, long pairs, Tensor y) {
    static final int MAX_TILE = 4;

    static final Dispatch<HalfSpmmKernels> KERNELS =
            new Dispatch<>(HalfSpmmKernels.class, HalfSumsProbe.VARIANTS, HalfSumsProbe::run);

    static boolean isHalf(Tensor x) {
        return x.dtype() == DType.F16 || x.dtype() == DType.BF16;
    }

    /** Whether a message and a reduction of these features is computed here: a weight may only be one for all of a row. */
    static boolean take(Message message, Reduce reduce, Tensor x, @Nullable Tensor w) {
        return isHalf(x)
                && !reduce.isExtremum()
                && (message == Message.COPY || (message == Message.MUL && w != null && w.rank() == 1))
                && x.rank() > 1
                && columns(x) % 2 == 0;
    }

    private static long columns(Tensor x) {
        return x.rank() == 3 ? x.dim(1) * x.dim(2) : x.dim(1);
    }

    static HalfSums of(CsrGraph graph, Tensor x, @Nullable Tensor w, Reduce reduce, Tensor y) {
        return new HalfSums(graph, x, w, reduce == Reduce.MEAN, columns(x) / 2, y);
    }

    private boolean bfloat() {
        return x.dtype() == DType.BF16;
    }

    void run() {
        RowSplit split = graph.rowSplit();
        double nanosPerEdge = RowSweep.NANOS * 2 * pairs;
        long ys = 4 * y.stride(0);
        long at = y.address();
        List<Pass<HalfSpmmKernels>> passes = passes(mean);
        try (Workspace workspace = new Workspace()) {
            RowGroups.runOrdinary(
                    split,
                    nanosPerEdge * graph.nnz(),
                    HalfSpmmKernels.SCRATCH,
                    workspace,
                    (row, end, scratch) -> rows(passes, mean, graph.indptrAddress(), at, ys, scratch, row, end));
            if (split.hubs() > 0) {
                hubs(split, nanosPerEdge, workspace);
            }
        }
    }

    private void hubs(RowSplit split, double nanosPerEdge, Workspace workspace) {
        List<Pass<HalfSpmmKernels>> passes = passes(false);
        long bytes = 8 * pairs;
        long parts = workspace.empty(DType.U8, RowSplit.MAX_PARTS, bytes).address();
        long scratch = workspace
                .empty(DType.U8, RowSplit.MAX_PARTS, HalfSpmmKernels.SCRATCH)
                .address();
        for (int h = 0; h < split.hubs(); h++) {
            RowSplit.Hub hub = split.hub(h);
            Team.run(hub.parts(), nanosPerEdge * hub.edges(), i -> {
                long own = scratch + (long) HalfSpmmKernels.SCRATCH * i;
                rows(passes, false, hub.bounds(), parts, bytes, own, i, i + 1L);
            });
            SpmmKernels.Reduce fold = mean ? SpmmKernels.Reduce.MEAN : SpmmKernels.Reduce.SUM;
            SpmmForward.fold(fold, parts, bytes, hub, y.address() + 4 * y.stride(0) * hub.row(), 2 * pairs);
        }
    }

    private List<Pass<HalfSpmmKernels>> passes(boolean mean) {
        Layout columns = new Layout(Weight.NONE, 1, pairs, false);
        return RowSweep.passes(KERNELS, columns, MAX_TILE, tile -> HalfSumsProbe.rows(bfloat(), w != null, mean, tile));
    }

    private void rows(
            List<Pass<HalfSpmmKernels>> passes,
            boolean mean,
            long indptr,
            long to,
            long stride,
            long scratch,
            long row,
            long end) {
        for (Pass<HalfSpmmKernels> p : passes) {
            p.kernels()
                    .rows(
                            bfloat(),
                            w != null,
                            mean,
                            p.tile(),
                            indptr,
                            graph.indicesAddress(),
                            w == null ? 0 : w.address(),
                            w == null ? 0 : 4 * w.stride(0),
                            x.address() + p.from(),
                            2 * x.stride(0),
                            to + 2 * p.from(),
                            stride,
                            p.last(),
                            scratch,
                            row,
                            end);
        }
    }
}
