package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.EdgeKernels;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What the two ends of each edge make together: {@code z_e = x_j op y_i} for the edge e from j to i, {@code op} one of {@code +}, {@code
 * -}, {@code *}, or {@code z_e = <x_j, y_i>}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [nSrc, F]} or {@code [nSrc, H, F]}, {@code y} is {@code [nDst, F]} or {@code [nDst, H, F]}.
 *   <li>{@code z} is {@code [nnz, F]} or {@code [nnz, H, F]}; for the dot product {@code [nnz]} or {@code [nnz, H]}.
 * </ul>
 *
 * <p>A dot product has 16 partial sums, the feature's number modulo 16, folded in halves. Views must be contiguous in all axes
 * but the first. An output may not overlap an input.
 *
 * <p>Gradients: {@code grad_x_j} sums over the edges out of j, {@code grad_y_i} over those into i, what {@code grad_z_e} becomes: itself
 * for the sum, negative in y for the difference, times the other end for the products.
 *
 * <p>After DGL {@code gsddmm(op, lhs u, rhs v)}.
 */
public final class Sddmm {
    /** What is made of the two ends. */
    public enum Op {
        /** The dot product over the features. */
        DOT,
        /** x + y. */
        ADD,
        /** x - y. */
        SUB,
        /** x * y, feature by feature. */
        MUL
    }

    private final Op op;

    private Sddmm(Op op) {
        this.op = op;
    }

    /** The operator for one way of making z. */
    public static Sddmm of(Op op) {
        return new Sddmm(op);
    }

    /** Those that were asked for. */
    public record Gradients(@Nullable Tensor x, @Nullable Tensor y) {}

    /** Computes z. */
    public Tensor forward(CsrGraph graph, Tensor x, Tensor y) {
        check(graph, x, y);
        Tensor z = Tensor.zeros(DType.F32, shape(graph, x));
        run(graph, x, y, z);
        return z;
    }

    /** Computes into {@code z}. */
    public void forward(CsrGraph graph, Tensor x, Tensor y, Tensor z) {
        check(graph, x, y);
        Checks.shape("z", z, DType.F32, shape(graph, x));
        Checks.wholeRows("z", z);
        new Apart().in("x", x).in("y", y).out("z", z);
        run(graph, x, y, z);
    }

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(CsrGraph graph, Tensor x, Tensor y, Tensor gradZ, boolean wantX, boolean wantY) {
        check(graph, x, y);
        checkGradient(graph, x, gradZ);
        Tensor gx = wantX ? Tensor.zeros(DType.F32, x.shape().toArray()) : null;
        Tensor gy = wantY ? Tensor.zeros(DType.F32, y.shape().toArray()) : null;
        runBackward(graph, x, y, gradZ, gx, gy);
        return new Gradients(gx, gy);
    }

    /** The gradients into the tensors given; a null one is not computed. */
    public void backward(
            CsrGraph graph, Tensor x, Tensor y, Tensor gradZ, @Nullable Tensor gradX, @Nullable Tensor gradY) {
        check(graph, x, y);
        checkGradient(graph, x, gradZ);
        if (gradX != null) {
            Checks.like("gradX", gradX, DType.F32, "x", x);
            Checks.wholeRows("gradX", gradX);
        }
        if (gradY != null) {
            Checks.like("gradY", gradY, DType.F32, "y", y);
            Checks.wholeRows("gradY", gradY);
        }
        new Apart().in("x", x).in("y", y).in("gradZ", gradZ).out("gradX", gradX).out("gradY", gradY);
        runBackward(graph, x, y, gradZ, gradX, gradY);
    }

    // ------------------------------------------------------------------ checks

    private static void check(CsrGraph graph, Tensor x, Tensor y) {
        Checks.type("x", x, DType.F32);
        if ((x.rank() != 2 && x.rank() != 3) || x.dim(0) != graph.nSrc()) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", must be [nSrc, F] or [nSrc, H, F] with nSrc = " + graph.nSrc());
        }
        long[] wanted = x.shape().toArray();
        wanted[0] = graph.nDst();
        Checks.shape("y", y, DType.F32, wanted);
        Checks.wholeRows("x", x);
        Checks.wholeRows("y", y);
    }

    private void checkGradient(CsrGraph graph, Tensor x, Tensor gradZ) {
        Checks.shape("gradZ", gradZ, DType.F32, shape(graph, x));
        Checks.wholeRows("gradZ", gradZ);
    }

    private long[] shape(CsrGraph graph, Tensor x) {
        long[] shape = x.shape().toArray();
        shape[0] = graph.nnz();
        return op == Op.DOT ? Arrays.copyOf(shape, shape.length - 1) : shape;
    }

    // ------------------------------------------------------------------ forward

    /** Features of a row, all heads together. */
    private static Layout flat(Weight weight, Tensor x) {
        return new Layout(weight, 1, x.rank() == 3 ? x.dim(1) * x.dim(2) : x.dim(1), false);
    }

    /** The layout in which an edge has a weight for each head. */
    private static Layout heads(Tensor x) {
        return x.rank() == 3
                ? new Layout(Weight.HEAD, x.dim(1), x.dim(2), true)
                : new Layout(Weight.SCALAR, 1, x.dim(1), false);
    }

    private void run(CsrGraph graph, Tensor x, Tensor y, Tensor z) {
        if (z.size() == 0) {
            return;
        }
        try (Use _ = Use.of(x, y, z)) {
            if (op == Op.DOT || op == Op.MUL) {
                // the weights of a weighted sum have this for their gradient
                Layout l = op == Op.DOT ? heads(x) : flat(Weight.FULL, x);
                new SpmmBackward(Message.MUL, Reduce.SUM).gradW(graph, l, x, null, Target.of(l, y, null), z);
            } else {
                sum(graph, x, y, z);
            }
        }
    }

    private void sum(CsrGraph graph, Tensor x, Tensor y, Tensor z) {
        boolean minus = op == Op.SUB;
        long columns = flat(Weight.NONE, x).columns();
        EdgeKernels k = EdgeProbe.KERNELS
                .choose(minus ? EdgeProbe.MINUS : EdgeProbe.PLUS, columns)
                .kernels();
        RowSplit split = graph.rowSplit();
        try (Use _ = graph.use()) {
            long xa = x.address();
            long ya = y.address();
            long za = z.address();
            Team.run(
                    split.pieces(),
                    RowSweep.NANOS * z.size(),
                    p -> k.sum(
                            minus,
                            graph.indptrAddress(),
                            graph.indicesAddress(),
                            xa,
                            4 * x.stride(0),
                            ya,
                            4 * y.stride(0),
                            za,
                            4 * z.stride(0),
                            columns,
                            split.firstRow(p),
                            split.endRow(p)));
        }
    }

    // ------------------------------------------------------------------ backward

    private void runBackward(
            CsrGraph graph, Tensor x, Tensor y, Tensor gradZ, @Nullable Tensor gradX, @Nullable Tensor gradY) {
        try (Use _ = Use.of(x, y, gradZ, gradX, gradY)) {
            if (gradX != null && gradX.size() > 0) {
                gradX(graph, x, y, gradZ, gradX);
            }
            if (gradY != null && gradY.size() > 0) {
                gradY(graph, x, gradZ, gradY);
            }
        }
    }

    private void gradX(CsrGraph graph, Tensor x, Tensor y, Tensor gradZ, Tensor gradX) {
        CsrGraph.Transpose transpose = graph.transpose();
        if (op == Op.DOT || op == Op.MUL) {
            Layout l = op == Op.DOT ? heads(x) : flat(Weight.FULL, x);
            new SpmmBackward(Message.MUL, Reduce.SUM)
                    .gradX(transpose, graph, l, x, gradZ, Target.of(l, y, null), gradX);
            return;
        }
        Spmm.requireNarrow(graph, "the gradient of x");
        Layout l = flat(Weight.NONE, x);
        try (Use _ = transpose.use()) {
            Edges edges = new Edges(l, transpose.permAddress(), gradZ, null);
            new SpmmForward(Message.COPY, Reduce.SUM, false, l, edges)
                    .run(transpose.graph(), Target.of(l, gradX, null));
        }
    }

    private void gradY(CsrGraph graph, Tensor x, Tensor gradZ, Tensor gradY) {
        try (Use _ = graph.use();
                Workspace scratch = new Workspace()) {
            if (op == Op.DOT || op == Op.MUL) {
                Layout l = op == Op.DOT ? heads(x) : flat(Weight.FULL, x);
                Edges edges = new Edges(l, graph.indicesAddress(), x, gradZ);
                new SpmmForward(Message.MUL, Reduce.SUM, false, l, edges).run(graph, Target.of(l, gradY, null));
                return;
            }
            Spmm.requireNarrow(graph, "the gradient of y");
            Tensor sign = scratch.empty(DType.F32, 1).fill(op == Op.SUB ? -1 : 1);
            Layout l = flat(Weight.SCALAR, x);
            // every edge is a source of its own here, and all have one weight
            CsrGraph own = graph.rows().index().groups();
            try (Use _ = own.use();
                    Use _ = Use.of(sign)) {
                long z = gradZ.address();
                Edges edges = new Edges(l.weight(), own.indicesAddress(), z, 4 * gradZ.stride(0), 0, sign.address(), 0);
                new SpmmForward(Message.MUL, Reduce.SUM, false, l, edges).run(graph, Target.of(l, gradY, null));
            }
        }
    }
}
