package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SpmmGradKernels;
import dev.heddle.kernel.SpmmGradKernels.Scale;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Pass;
import dev.heddle.op.RowSweep.RowKernel;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The gradients of {@link Spmm}. */
record SpmmBackward(Message message, Reduce reduce) {
    static final Dispatch<SpmmGradKernels> KERNELS =
            new Dispatch<>(SpmmGradKernels.class, SpmmGradProbe.VARIANTS, SpmmGradProbe::run);

    /** The gradient of x, gathered over the transposed graph. */
    void gradX(
            CsrGraph.Transpose transpose,
            CsrGraph graph,
            Layout l,
            Tensor x,
            @Nullable Tensor w,
            Target g,
            Tensor gradX) {
        boolean arg = reduce.isExtremum();
        boolean mean = reduce == Reduce.MEAN;
        boolean weighted = message == Message.MUL;
        boolean full = weighted && l.weight() == Weight.FULL;
        if (weighted) {
            Spmm.requireNarrow(graph, "the gradient of x through weights");
        }
        // a weight that only adds does not touch the gradient of x, so its heads need no passes of their own
        Layout columns = weighted ? l : new Layout(Weight.NONE, l.heads(), l.columns(), l.ranked());
        try (Use _ = graph.use();
                Use _ = transpose.use()) {
            Edges e = new Edges(columns, transpose.graph().indicesAddress(), x, w);
            long ptr = graph.indptrAddress();
            long perm = transpose.permAddress();
            Scale scale = scale(weighted, mean);
            RowKernel<SpmmGradKernels> rows;
            List<Pass<SpmmGradKernels>> passes;
            if (full && arg) {
                passes = RowSweep.passes(KERNELS, columns, RowSweep.MAX_FULL_ARG_TILE, SpmmGradProbe::fullArgGradX);
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels()
                        .fullArgGradX(
                                p.tile(),
                                tptr,
                                e.indices(),
                                perm,
                                e.w(p),
                                e.ws(),
                                g.at(p),
                                g.argAt(p),
                                g.stride(),
                                gx,
                                gxs,
                                p.last(),
                                row,
                                end);
            } else if (full) {
                passes = RowSweep.passes(
                        KERNELS, columns, RowSweep.MAX_ARG_TILE, tile -> SpmmGradProbe.fullGradX(mean, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels()
                        .fullGradX(
                                mean,
                                p.tile(),
                                ptr,
                                tptr,
                                e.indices(),
                                perm,
                                e.w(p),
                                e.ws(),
                                g.at(p),
                                g.stride(),
                                gx,
                                gxs,
                                p.last(),
                                row,
                                end);
            } else if (arg) {
                passes = RowSweep.passes(
                        KERNELS, columns, RowSweep.MAX_ARG_TILE, tile -> SpmmGradProbe.argGradX(weighted, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels()
                        .argGradX(
                                weighted,
                                p.tile(),
                                tptr,
                                e.indices(),
                                perm,
                                e.w(p),
                                e.ws(),
                                g.at(p),
                                g.argAt(p),
                                g.stride(),
                                gx,
                                gxs,
                                p.last(),
                                row,
                                end);
            } else {
                passes = RowSweep.passes(KERNELS, columns, RowSweep.MAX_TILE, tile -> SpmmGradProbe.gradX(scale, tile));
                rows = (p, tptr, gx, _, gxs, row, end) -> p.kernels()
                        .gradX(
                                scale,
                                p.tile(),
                                ptr,
                                tptr,
                                e.indices(),
                                perm,
                                e.w(p),
                                e.ws(),
                                g.at(p),
                                g.stride(),
                                gx,
                                gxs,
                                p.last(),
                                row,
                                end);
            }
            Target out = Target.of(columns, gradX, null);
            RowSweep.run(
                    transpose.graph(),
                    columns,
                    out,
                    passes,
                    rows,
                    rows,
                    (part, _, stride, hub, gx, _) ->
                            SpmmForward.fold(SpmmKernels.Reduce.SUM, part, stride, hub, gx, columns.columns()));
        }
    }

    /** The gradient of w, edge by edge. */
    void gradW(CsrGraph graph, Layout l, Tensor x, @Nullable Tensor w, Target g, Tensor gradW) {
        boolean arg = reduce.isExtremum();
        boolean mean = reduce == Reduce.MEAN;
        boolean multiplied = message == Message.MUL;
        boolean full = l.weight() == Weight.FULL;
        long columns = l.width();
        int variant = full
                ? arg ? SpmmGradProbe.fullArgGradW(multiplied) : SpmmGradProbe.fullGradW(multiplied, mean)
                : arg
                        ? SpmmGradProbe.argGradW(multiplied)
                        : SpmmGradProbe.gradW(multiplied, mean, blocks(multiplied, columns));
        // sums along features hold a whole block of partial sums, so they run at any number of columns
        Dispatch.Chosen<SpmmGradKernels> chosen = KERNELS.choose(variant, full ? columns : Long.MAX_VALUE);
        SpmmGradKernels k = chosen.kernels();
        int blocks = chosen.lanes() == 1 ? 0 : blocks(multiplied, columns);
        RowSplit split = graph.rowSplit();
        int pieces = split.chunks() + split.hubs();
        try (Use _ = graph.use();
                Workspace scratch = new Workspace()) {
            Edges e = new Edges(l, graph.indicesAddress(), x, w);
            long ptr = graph.indptrAddress();
            long gw = gradW.address();
            long gws = 4 * gradW.stride(0);
            long pads = scratch.zeros(DType.U8, pieces, SpmmGradKernels.SCRATCH).address();
            Team.run(pieces, 2 * RowSweep.NANOS * graph.nnz() * l.heads() * l.columns(), c -> {
                boolean chunk = c < split.chunks();
                long row =
                        chunk ? split.start(c) : split.hub(c - split.chunks()).row();
                long end = chunk ? split.end(c) : row + 1;
                long pad = pads + (long) SpmmGradKernels.SCRATCH * c;
                for (long h = 0; h < l.groups(); h++) {
                    long xh = e.x() + e.xHead() * h;
                    long gh = g.y() + g.headStride() * h;
                    long ah = g.arg() + g.headStride() * h;
                    long out = gw + 4 * h;
                    if (full && arg) {
                        k.fullArgGradW(
                                multiplied,
                                ptr,
                                e.indices(),
                                xh,
                                e.xs(),
                                gh,
                                ah,
                                g.stride(),
                                out,
                                gws,
                                columns,
                                row,
                                end);
                    } else if (full) {
                        k.fullGradW(
                                multiplied,
                                mean,
                                ptr,
                                e.indices(),
                                xh,
                                e.xs(),
                                gh,
                                g.stride(),
                                out,
                                gws,
                                columns,
                                row,
                                end);
                    } else if (arg) {
                        k.argGradW(
                                multiplied,
                                ptr,
                                e.indices(),
                                xh,
                                e.xs(),
                                gh,
                                ah,
                                g.stride(),
                                out,
                                gws,
                                columns,
                                pad,
                                row,
                                end);
                    } else {
                        k.gradW(
                                multiplied,
                                mean,
                                blocks,
                                ptr,
                                e.indices(),
                                xh,
                                e.xs(),
                                gh,
                                g.stride(),
                                out,
                                gws,
                                columns,
                                pad,
                                row,
                                end);
                    }
                }
            });
        }
    }

    /** How many blocks of 16 columns there are, if a kernel is woven for it. */
    private static int blocks(boolean multiplied, long columns) {
        return multiplied && (columns == 32 || columns == 64 || columns == 128) ? (int) columns / 16 : 0;
    }

    private static Scale scale(boolean weighted, boolean mean) {
        if (weighted) {
            return mean ? Scale.WEIGHT_MEAN : Scale.WEIGHT;
        }
        return mean ? Scale.MEAN : Scale.ONE;
    }
}
