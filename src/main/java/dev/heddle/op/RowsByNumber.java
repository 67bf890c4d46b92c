package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.Index;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.GroupKernels;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Pass;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows of matrices chosen by an index: copied out, or reduced over groups. A group is a row of a graph whose sources are the
 * positions of its elements, so a reduction over groups is message passing; only the way back differs, for a position has one
 * group. Arguments are checked; a row is whatever the first axis counts.
 */
final class RowsByNumber {
    private RowsByNumber() {}

    static final Dispatch<GroupKernels> KERNELS =
            new Dispatch<>(GroupKernels.class, RowsByNumberProbe.VARIANTS, RowsByNumberProbe::run);

    /** Bytes of a matrix that are a piece of work. */
    private static final long CHUNK_BYTES = 1 << 18;

    /** Nanoseconds for one feature of one row, to tell small work from large. */
    private static final double NANOS = 0.4;

    // ------------------------------------------------------------------ checks

    /** A float matrix of {@code rows} rows. */
    static void requireRows(String name, Tensor x, long rows, String of) {
        Checks.type(name, x, DType.F32);
        if (x.rank() == 0 || x.dim(0) != rows) {
            throw new IllegalArgumentException(
                    name + ": shape " + x.shape() + ", must have " + rows + " rows, as many as " + of);
        }
        Checks.wholeRows(name, x);
    }

    /** The shape of a matrix with another number of rows. */
    static long[] withRows(Tensor x, long rows) {
        long[] shape = x.shape().toArray();
        shape[0] = rows;
        return shape;
    }

    /** An output with rows like those of x. */
    static void requireLike(String name, Tensor t, DType type, long rows, Tensor x) {
        Checks.shape(name, t, type, withRows(x, rows));
        Checks.wholeRows(name, t);
    }

    /** Kernels walk arg beside its matrix, with one stride for both. */
    static void requireSameStride(Tensor arg, String name, Tensor other) {
        if (arg.size() > 0 && arg.stride(0) != other.stride(0)) {
            throw new IllegalArgumentException(
                    "arg: rows " + arg.stride(0) + " elements apart, but those of " + name + " are " + other.stride(0));
        }
    }

    private static long columns(Tensor x) {
        return x.dim(0) == 0 ? 0 : x.size() / x.dim(0);
    }

    private static long stride(Tensor x) {
        return 4 * x.stride(0);
    }

    // ------------------------------------------------------------------ copies

    /** Rows of a matrix, from one to another. */
    private interface Rows {
        void run(long row, long rowEnd);
    }

    private static void inChunks(long rows, long columns, Rows kernel) {
        long size = Math.max(1, CHUNK_BYTES / (4 * columns));
        int chunks = Math.toIntExact((rows + size - 1) / size);
        Team.run(chunks, NANOS * rows * columns, c -> kernel.run(c * size, Math.min(rows, (c + 1) * size)));
    }

    /** y_e = x_j, j = index_e; for a mean divided by the size of group j. */
    static void gather(Index index, Tensor x, Tensor y, boolean mean) {
        if (y.size() == 0) {
            return;
        }
        CsrGraph groups = mean ? index.groups() : null;
        try (Use _ = Use.of(x, y);
                Use _ = index.use();
                Use _ = groups == null ? Use.of() : groups.use()) {
            long columns = columns(y);
            long from = x.address();
            long to = y.address();
            long sizes = groups == null ? 0 : groups.indptrAddress();
            GroupKernels k =
                    KERNELS.choose(RowsByNumberProbe.gather(mean), columns).kernels();
            inChunks(
                    y.dim(0),
                    columns,
                    (row, end) ->
                            k.gather(mean, index.address(), sizes, from, stride(x), to, stride(y), columns, row, end));
        }
    }

    /** y_e = x_j where arg_j is e, else 0. */
    static void gatherTaken(Index index, Tensor x, Tensor arg, Tensor y) {
        if (y.size() == 0) {
            return;
        }
        try (Use _ = Use.of(x, arg, y);
                Use _ = index.use()) {
            long columns = columns(y);
            long from = x.address();
            long taken = arg.address();
            long to = y.address();
            GroupKernels k =
                    KERNELS.choose(RowsByNumberProbe.GATHER_TAKEN, columns).kernels();
            inChunks(
                    y.dim(0),
                    columns,
                    (row, end) ->
                            k.gatherTaken(index.address(), from, taken, stride(x), to, stride(y), columns, row, end));
        }
    }

    // ------------------------------------------------------------------ reductions

    /** y_i = reduction of the x of group i; arg the position taken. */
    static void reduce(Reduce reduce, Index index, Tensor x, Tensor y, @Nullable Tensor arg) {
        if (y.size() == 0) {
            return;
        }
        CsrGraph groups = index.groups();
        try (Use _ = Use.of(x, y, arg);
                Use _ = groups.use()) {
            Layout layout = new Layout(Weight.NONE, 1, columns(y), false);
            Edges edges = new Edges(layout, groups.indicesAddress(), x, null);
            new SpmmForward(Message.COPY, reduce, arg != null, layout, edges).run(groups, Target.of(layout, y, arg));
            if (arg != null && !index.isAscending()) {
                lookUp(groups, arg);
            }
        }
    }

    /** From positions in the groups to positions in the index. */
    private static void lookUp(CsrGraph groups, Tensor arg) {
        long indices = groups.indicesAddress();
        long columns = columns(arg);
        long at = arg.address();
        GroupKernels k = KERNELS.choose(RowsByNumberProbe.LOOK_UP, 1).kernels();
        inChunks(arg.dim(0), columns, (row, end) -> k.lookUp(indices, at, stride(arg), columns, row, end));
    }

    /** y_i = product of the x of group i. */
    static void product(Index index, Tensor x, Tensor y) {
        if (y.size() == 0) {
            return;
        }
        CsrGraph groups = index.groups();
        try (Use _ = Use.of(x, y);
                Use _ = groups.use()) {
            long columns = columns(y);
            long from = x.address();
            long indices = groups.indicesAddress();
            GroupKernels k = KERNELS.choose(RowsByNumberProbe.PRODUCT, columns).kernels();
            GroupKernels folding =
                    KERNELS.choose(RowsByNumberProbe.PRODUCT_FOLD, columns).kernels();
            RowSweep.RowKernel<GroupKernels> rows = (_, indptr, out, _, ys, row, end) ->
                    k.product(indptr, indices, from, stride(x), out, ys, columns, row, end);
            Layout layout = new Layout(Weight.NONE, 1, columns, false);
            RowSweep.run(
                    groups,
                    layout,
                    Target.of(layout, y, null),
                    List.of(new Pass<>(k, 0, 1, 0, 0)),
                    rows,
                    rows,
                    (part, _, ps, hub, out, _) -> folding.productFold(part, ps, hub.parts(), out, columns));
        }
    }

    /** gradX_e = gradY_i times the product of the other x of its group i. */
    static void productGrad(Index index, Tensor x, Tensor gradY, Tensor gradX) {
        if (gradX.size() == 0) {
            return;
        }
        CsrGraph groups = index.groups();
        RowSplit split = groups.rowSplit();
        try (Use _ = Use.of(x, gradY, gradX);
                Use _ = groups.use()) {
            long columns = columns(gradX);
            long xs = x.address();
            long g = gradY.address();
            long gx = gradX.address();
            GroupKernels k =
                    KERNELS.choose(RowsByNumberProbe.PRODUCT_GRAD, columns).kernels();
            Team.run(
                    split.pieces(),
                    4 * NANOS * gradX.size(),
                    p -> k.productGrad(
                            groups.indptrAddress(),
                            groups.indicesAddress(),
                            xs,
                            stride(x),
                            g,
                            stride(gradY),
                            gx,
                            stride(gradX),
                            columns,
                            split.firstRow(p),
                            split.endRow(p)));
        }
    }
}
