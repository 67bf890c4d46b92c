package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.kernel.SpmmKernels.Extremum;
import dev.heddle.kernel.SpmmKernels.FullMessage;
import dev.heddle.memory.Raw;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Fold;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Pass;
import dev.heddle.op.RowSweep.RowKernel;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Variant;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;

/**
 * One forward call of {@link Spmm}: which kernels it takes, and their arguments.
 *
 * @param finite whether this is an extremum without positions of which it is known that no message is NaN
 */
record SpmmForward(Message message, Reduce reduce, boolean arg, boolean finite, Layout layout, Edges edges)
        implements Variant, RowKernel<SpmmKernels>, Fold {
    static final Dispatch<SpmmKernels> KERNELS = new Dispatch<>(SpmmKernels.class, SpmmProbe.VARIANTS, SpmmProbe::run);

    /** How many elements are looked at in a chunk. */
    private static final int LOOK = 1 << 16;

    private static final double LOOK_NANOS = 0.2;

    SpmmForward(Message message, Reduce reduce, boolean arg, Layout layout, Edges edges) {
        this(message, reduce, arg, false, layout, edges);
    }

    /** Whether no element is infinite or NaN. */
    static boolean isFinite(Tensor t) {
        long n = t.size();
        try (Workspace scratch = new Workspace(64)) {
            long found = scratch.zeros(DType.I32, 1).address();
            long x = t.address();
            int chunks = Math.toIntExact((n + LOOK - 1) / LOOK);
            Team.run(chunks, LOOK_NANOS * n, c -> {
                long from = (long) c * LOOK;
                long count = Math.min(LOOK, n - from);
                KERNELS.choose(SpmmProbe.findInfinite(), count).kernels().findInfinite(x + 4 * from, count, found);
            });
            return Raw.ALL.get(Raw.I32, found) == 0;
        }
    }

    void run(CsrGraph graph, Target target) {
        int max = arg
                ? full() ? RowSweep.MAX_FULL_ARG_TILE : RowSweep.MAX_ARG_TILE
                : full() ? RowSweep.MAX_ARG_TILE : RowSweep.MAX_TILE;
        List<Pass<SpmmKernels>> passes = RowSweep.passes(KERNELS, layout, max, this);
        SpmmForward parts =
                reduce == Reduce.MEAN ? new SpmmForward(message, Reduce.SUM, arg, finite, layout, edges) : this;
        RowSweep.run(graph, layout, target, passes, this, parts, this);
    }

    private boolean full() {
        return layout.weight() == Weight.FULL;
    }

    @Override
    public int of(int tile) {
        if (full()) {
            return arg
                    ? SpmmProbe.fullArgRows(fullMessage(), extremum(), tile)
                    : SpmmProbe.fullRows(fullMessage(), kernelReduce(), tile);
        }
        if (finite) {
            return SpmmProbe.finiteRows(kernelMessage(), extremum(), tile);
        }
        return arg
                ? SpmmProbe.argRows(kernelMessage(), extremum(), tile)
                : SpmmProbe.rows(kernelMessage(), kernelReduce(), tile);
    }

    @Override
    public void run(Pass<SpmmKernels> p, long ptr, long y, long args, long ys, long row, long end) {
        SpmmKernels k = p.kernels();
        long idx = edges.indices();
        long w = edges.w(p);
        long ws = edges.ws();
        long x = edges.x(p);
        long xs = edges.xs();
        if (full() && arg) {
            k.fullArgRows(fullMessage(), extremum(), p.tile(), ptr, idx, w, ws, x, xs, y, args, ys, p.last(), row, end);
        } else if (full()) {
            k.fullRows(fullMessage(), kernelReduce(), p.tile(), ptr, idx, w, ws, x, xs, y, ys, p.last(), row, end);
        } else if (finite) {
            k.finiteRows(kernelMessage(), extremum(), p.tile(), ptr, idx, w, ws, x, xs, y, ys, p.last(), row, end);
        } else if (arg) {
            k.argRows(kernelMessage(), extremum(), p.tile(), ptr, idx, w, ws, x, xs, y, args, ys, p.last(), row, end);
        } else {
            k.rows(kernelMessage(), kernelReduce(), p.tile(), ptr, idx, w, ws, x, xs, y, ys, p.last(), row, end);
        }
    }

    @Override
    public void run(long part, long partArg, long stride, RowSplit.Hub hub, long y, long args) {
        if (arg) {
            KERNELS.choose(SpmmProbe.argFold(extremum()), layout.columns())
                    .kernels()
                    .argFold(extremum(), part, partArg, stride, hub.parts(), y, args, layout.columns());
        } else {
            fold(kernelReduce(), part, stride, hub, y, layout.columns());
        }
    }

    /** Combines the parts of one row, in order. */
    static void fold(SpmmKernels.Reduce r, long part, long stride, RowSplit.Hub hub, long y, long columns) {
        KERNELS.choose(SpmmProbe.fold(r), columns)
                .kernels()
                .fold(r, part, stride, hub.parts(), hub.edges(), y, columns);
    }

    // ------------------------------------------------------------------ words of the kernels

    private SpmmKernels.Message kernelMessage() {
        return switch (message) {
            case COPY -> SpmmKernels.Message.COPY;
            case MUL -> SpmmKernels.Message.MUL;
            case ADD -> SpmmKernels.Message.ADD;
        };
    }

    private FullMessage fullMessage() {
        return message == Message.MUL ? FullMessage.MUL : FullMessage.ADD;
    }

    private SpmmKernels.Reduce kernelReduce() {
        return switch (reduce) {
            case SUM -> SpmmKernels.Reduce.SUM;
            case MEAN -> SpmmKernels.Reduce.MEAN;
            case MAX -> SpmmKernels.Reduce.MAX;
            case MIN -> SpmmKernels.Reduce.MIN;
        };
    }

    private Extremum extremum() {
        return reduce == Reduce.MAX ? Extremum.MAX : Extremum.MIN;
    }
}
