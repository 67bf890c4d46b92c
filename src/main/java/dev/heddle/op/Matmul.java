package dev.heddle.op;

import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Matrix product: {@code y = f(a b + bias)}, {@code y[m, n] = f(bias[n] + sum_k a[m, k] b[k, n])}.
 *
 * <ul>
 *   <li>{@code a} is float32 {@code [..., M, K]}, or {@code [..., K, M]} with {@code transposeA};
 *   <li>{@code b} is float32 {@code [K, N]}, or {@code [N, K]} with {@code transposeB}, the layout of a Linear weight; or it has the leading axes
 *       of {@code a} too, and each matrix of {@code a} is multiplied by its own of {@code b};
 *   <li>{@code bias}, optional, is float32 {@code [N]}; {@code y} is {@code [..., M, N]}.
 * </ul>
 *
 * <p>All extents may be 0; K = 0 gives the bias, or 0. Inputs and outputs may be views if their rows are contiguous and their
 * matrices lie at one distance. An output may not overlap an input. Matrix times vector and the outer product are cases of
 * this: M, N or K is 1.
 *
 * <p>The terms of an element are added by blocks of 256 k: within a block one chain of fused multiply-adds from 0 in the order
 * of k, then the blocks in order onto the bias. So the bits of an element follow from its row of a, its column of b, its bias
 * and K: not from M, N or a transposition, not from vector width or threads. A row alone has the bits that it has among
 * others.
 *
 * <p>Gradients: {@code grad_a = grad_y b^T}, {@code grad_b = a^T grad_y}, {@code grad_bias = sum over m of grad_y}, each in the layout in which the
 * input is stored and summed in the same way, over all matrices where b is shared by them. With an activation, {@code grad_y} is
 * first multiplied by its derivative, for which the product is computed again.
 *
 * <p>Scratch: at most about 8 MiB for B; a column block of C where N is no multiple of the tile's width; with an activation,
 * backward needs the space of y.
 */
public final class Matmul {
    private final boolean transposeA;
    private final boolean transposeB;
    private final @Nullable Activation activation;

    private Matmul(boolean transposeA, boolean transposeB, @Nullable Activation activation) {
        this.transposeA = transposeA;
        this.transposeB = transposeB;
        this.activation = activation;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: nothing transposed, no activation. */
    public static final class Builder {
        private boolean transposeA;
        private boolean transposeB;
        private @Nullable Activation activation;

        private Builder() {}

        /** Whether {@code a} is stored as {@code [K, M]}. */
        public Builder transposeA(boolean transposeA) {
            this.transposeA = transposeA;
            return this;
        }

        /** Whether {@code b} is stored as {@code [N, K]}. */
        public Builder transposeB(boolean transposeB) {
            this.transposeB = transposeB;
            return this;
        }

        /** The function f, applied while the sums are in cache. */
        public Builder activation(Activation activation) {
            this.activation = activation;
            return this;
        }

        public Matmul build() {
            return new Matmul(transposeA, transposeB, activation);
        }
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor bias) {}

    /** Computes {@code f(a b)}. */
    public Tensor forward(Tensor a, Tensor b) {
        return forward(a, b, null);
    }

    /** Computes {@code f(a b + bias)}; without the bias if it is null. */
    public Tensor forward(Tensor a, Tensor b, @Nullable Tensor bias) {
        Extents e = extents(a, b);
        Tensor y = Tensor.zeros(DType.F32, e.shapeOfY.toArray());
        try (Workspace scratch = new Workspace()) {
            forward(a, b, bias, y, scratch);
        }
        return y;
    }

    /** Computes {@code f(a b + bias)} into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Tensor a, Tensor b, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        Extents e = extents(a, b);
        checkBias("bias", bias, e);
        Checks.shape("y", y, DType.F32, e.shapeOfY.toArray());
        checkMatrices("y", y);
        new Apart().in("a", a).in("b", b).in("bias", bias).out("y", y);
        run(e, a, b, bias, y, activation, scratch);
    }

    private void run(
            Extents e, Tensor a, Tensor b, @Nullable Tensor bias, Tensor y, @Nullable Activation f, Workspace scratch) {
        try (Use _ = Use.of(a, b, bias, y)) {
            boolean one = e.foldable(a, y) && !transposeA;
            product(e.m, e.n, e.k, e, one, left(a), a, right(b), e.shared ? null : b, y)
                    .bias(bias == null ? 0 : bias.address())
                    .activation(f)
                    .run(scratch);
        }
    }

    /**
     * The products of all matrices of the batch; {@code one} if their rows follow each other so that they are one product.
     *
     * @param of a tensor that has the batch of left-hand operands, and {@code other} of right-hand ones if they have one
     */
    private static Gemm product(
            long m,
            long n,
            long k,
            Extents e,
            boolean one,
            Matrix left,
            Tensor of,
            Matrix right,
            @Nullable Tensor other,
            Tensor out) {
        if (one) {
            return new Gemm(e.batch * m, n, k).a(left).b(right).c(stored(out));
        }
        return new Gemm(m, n, k)
                .a(left)
                .b(right)
                .c(stored(out))
                .batch(e.batch, batchBytes(of), other == null ? 0 : batchBytes(other), batchBytes(out));
    }

    /** The gradients that are wanted, as new tensors; of a product without a bias, or without an activation. */
    public Gradients backward(Tensor a, Tensor b, Tensor gradY, boolean wantA, boolean wantB, boolean wantBias) {
        return backward(a, b, null, gradY, wantA, wantB, wantBias);
    }

    /**
     * The gradients that are wanted, as new tensors.
     *
     * @param bias the forward's, which only an activation needs
     */
    public Gradients backward(
            Tensor a, Tensor b, @Nullable Tensor bias, Tensor gradY, boolean wantA, boolean wantB, boolean wantBias) {
        Extents e = extents(a, b);
        Gradients g = new Gradients(
                wantA ? Tensor.zeros(DType.F32, a.shape().toArray()) : null,
                wantB ? Tensor.zeros(DType.F32, b.shape().toArray()) : null,
                wantBias ? Tensor.zeros(DType.F32, e.n) : null);
        try (Workspace scratch = new Workspace()) {
            backward(a, b, bias, gradY, g.a, g.b, g.bias, false, scratch);
        }
        return g;
    }

    /** The gradients into the tensors given; of a product without a bias, or without an activation. */
    public void backward(
            Tensor a,
            Tensor b,
            Tensor gradY,
            @Nullable Tensor gradA,
            @Nullable Tensor gradB,
            @Nullable Tensor gradBias,
            boolean accumulate,
            Workspace scratch) {
        backward(a, b, null, gradY, gradA, gradB, gradBias, accumulate, scratch);
    }

    /**
     * The gradients into the tensors given; a null one is not computed.
     *
     * @param bias the forward's, which only an activation needs
     * @param accumulate whether they are added to what the tensors hold
     */
    public void backward(
            Tensor a,
            Tensor b,
            @Nullable Tensor bias,
            Tensor gradY,
            @Nullable Tensor gradA,
            @Nullable Tensor gradB,
            @Nullable Tensor gradBias,
            boolean accumulate,
            Workspace scratch) {
        Extents e = extents(a, b);
        checkBias("bias", bias, e);
        Checks.shape("gradY", gradY, DType.F32, e.shapeOfY.toArray());
        checkMatrices("gradY", gradY);
        checkOutput("gradA", gradA, a.shape());
        checkOutput("gradB", gradB, b.shape());
        checkBias("gradBias", gradBias, e);
        new Apart()
                .in("a", a)
                .in("b", b)
                .in("bias", bias)
                .in("gradY", gradY)
                .out("gradA", gradA)
                .out("gradB", gradB)
                .out("gradBias", gradBias);
        Tensor g = gradY;
        if (activation != null) {
            g = scratch.empty(DType.F32, e.shapeOfY.toArray());
            run(e, a, b, bias, g, null, scratch);
            activation.backward(g, gradY, g, false, scratch);
        }
        try (Use _ = Use.of(a, b, g, gradA, gradB, gradBias)) {
            if (gradA != null) {
                gradientOfA(e, b, g, gradA, accumulate, scratch);
            }
            if (gradB != null) {
                gradientOfB(e, a, g, gradB, accumulate, scratch);
            }
            if (gradBias != null) {
                gradientOfBias(e, g, gradBias, accumulate, scratch);
            }
        }
    }

    private void gradientOfA(Extents e, Tensor b, Tensor g, Tensor gradA, boolean accumulate, Workspace scratch) {
        Tensor own = e.shared ? null : b;
        if (transposeA) {
            Gemm product = new Gemm(e.k, e.m, e.n)
                    .a(right(b))
                    .b(stored(g).transposed())
                    .c(stored(gradA))
                    .batch(e.batch, own == null ? 0 : batchBytes(own), batchBytes(g), batchBytes(gradA));
            product.accumulate(accumulate).run(scratch);
            return;
        }
        boolean one = e.foldable(g, gradA);
        product(e.m, e.k, e.n, e, one, stored(g), g, right(b).transposed(), own, gradA)
                .accumulate(accumulate)
                .run(scratch);
    }

    private void gradientOfB(Extents e, Tensor a, Tensor g, Tensor gradB, boolean accumulate, Workspace scratch) {
        if (!e.shared) {
            overMatrices(e, e.m, a, g, gradB)
                    .batch(e.batch, batchBytes(transposeB ? g : a), batchBytes(transposeB ? a : g), batchBytes(gradB))
                    .accumulate(accumulate)
                    .run(scratch);
        } else if (e.batch == 0 || (e.foldable(a, g) && !transposeA)) {
            overMatrices(e, e.batch * e.m, a, g, gradB).accumulate(accumulate).run(scratch);
        } else {
            for (long i = 0; i < e.batch; i++) {
                overMatrices(e, e.m, item(a, i), item(g, i), gradB)
                        .accumulate(accumulate || i > 0)
                        .run(scratch);
            }
        }
    }

    /** {@code a^T g}, or {@code g^T a} where b is stored transposed. */
    private Gemm overMatrices(Extents e, long m, Tensor a, Tensor g, Tensor gradB) {
        return transposeB
                ? new Gemm(e.n, e.k, m).a(stored(g).transposed()).b(left(a)).c(stored(gradB))
                : new Gemm(e.k, e.n, m).a(left(a).transposed()).b(stored(g)).c(stored(gradB));
    }

    private static void gradientOfBias(Extents e, Tensor g, Tensor gradBias, boolean accumulate, Workspace scratch) {
        if (Checks.uneven(g, 1) < 0) {
            ColumnSum.run(e.batch * e.m, e.n, stored(g), gradBias.address(), accumulate, scratch);
            return;
        }
        for (long i = 0; i < e.batch; i++) {
            ColumnSum.run(e.m, e.n, stored(item(g, i)), gradBias.address(), accumulate || i > 0, scratch);
        }
    }

    // ------------------------------------------------------------------ matrices in tensors

    private Matrix left(Tensor a) {
        return transposeA ? stored(a).transposed() : stored(a);
    }

    private Matrix right(Tensor b) {
        return transposeB ? stored(b).transposed() : stored(b);
    }

    /** The first matrix, as it is stored; or all of them as one, if they are foldable. */
    private static Matrix stored(Tensor t) {
        return new Matrix(t.address(), Checks.itemBytes(t, 1), 4);
    }

    private static long batchBytes(Tensor t) {
        return Checks.itemBytes(t, 2);
    }

    /** A matrix of the batch. */
    private static Tensor item(Tensor t, long i) {
        Tensor view = t;
        long rest = i;
        while (view.rank() > 2) {
            long inner = 1;
            for (int d = 1; d < view.rank() - 2; d++) {
                inner *= view.dim(d);
            }
            view = view.select(0, rest / inner);
            rest %= inner;
        }
        return view;
    }

    // ------------------------------------------------------------------ checks

    /** @param shared whether b is one matrix for the whole batch */
    private record Extents(long batch, long m, long n, long k, boolean shared, Shape shapeOfY) {
        /** Whether the matrices of both follow each other as their rows do, and share b: then they are one tall matrix. */
        boolean foldable(Tensor a, Tensor y) {
            return shared && Checks.uneven(a, 1) < 0 && Checks.uneven(y, 1) < 0;
        }
    }

    private Extents extents(Tensor a, Tensor b) {
        checkMatrices("a", a);
        checkMatrices("b", b);
        long k = a.dim(transposeA ? -2 : -1);
        boolean shared = b.rank() == 2;
        if (!shared && !sameBatch(a, b)) {
            throw new IllegalArgumentException("b: shape " + b.shape()
                    + ", must have two axes or the leading axes of a, whose shape is " + a.shape());
        }
        if (k != b.dim(transposeB ? -1 : -2)) {
            throw new IllegalArgumentException("b: shape " + b.shape() + (transposeB ? ", transposed," : "")
                    + " does not follow a of shape " + a.shape() + (transposeA ? ", transposed" : ""));
        }
        long[] y = a.shape().toArray();
        y[y.length - 2] = a.dim(transposeA ? -1 : -2);
        y[y.length - 1] = b.dim(transposeB ? -2 : -1);
        long batch = 1;
        for (int i = 0; i < y.length - 2; i++) {
            batch *= y[i];
        }
        return new Extents(batch, y[y.length - 2], y[y.length - 1], k, shared, Shape.of(y));
    }

    private static boolean sameBatch(Tensor a, Tensor b) {
        boolean same = a.rank() == b.rank();
        for (int i = 0; same && i < a.rank() - 2; i++) {
            same = a.dim(i) == b.dim(i);
        }
        return same;
    }

    /** Contiguous rows, and matrices at one distance. */
    private static void checkMatrices(String name, Tensor t) {
        Checks.type(name, t, DType.F32);
        if (t.rank() < 2) {
            throw new IllegalArgumentException(
                    name + ": shape " + t.shape() + " has " + t.rank() + " axes, must have at least 2");
        }
        Checks.contiguousRow(name, t);
        int uneven = Checks.uneven(t, 2);
        if (uneven >= 0) {
            throw Checks.gaps(name, t, "axis " + uneven);
        }
    }

    private static void checkBias(String name, @Nullable Tensor bias, Extents e) {
        if (bias != null) {
            Checks.shape(name, bias, DType.F32, e.n);
            Checks.contiguous(name, bias);
        }
    }

    private static void checkOutput(String name, @Nullable Tensor out, Shape shape) {
        if (out != null) {
            Checks.shape(name, out, DType.F32, shape.toArray());
            checkMatrices(name, out);
        }
    }
}
