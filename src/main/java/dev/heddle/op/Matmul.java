package dev.heddle.op;

import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Matrix product: {@code y = a b + bias}, {@code y[m, n] = sum_k a[m, k] b[k, n] + bias[n]}.
 *
 * <ul>
 *   <li>{@code a} is float32 {@code [M, K]}, or {@code [K, M]} with {@code transposeA};
 *   <li>{@code b} is float32 {@code [K, N]}, or {@code [N, K]} with {@code transposeB}, the layout of a Linear weight;
 *   <li>{@code bias}, optional, is float32 {@code [N]}; {@code y} is {@code [M, N]}.
 * </ul>
 *
 * <p>All extents may be 0; K = 0 gives the bias, or 0. Matrices may be views with contiguous rows. An output may not
 * overlap an input.
 *
 * <p>The terms of an element are added by blocks of 256 k: within a block one chain of fused multiply-adds in the order of
 * k, then the blocks in order onto the bias. So the bits of an element follow from its row of a, its column of b, its bias
 * and K: not from M, N or a transposition, not from the vector width or the threads. A row alone has the bits that it has
 * among others.
 *
 * <p>Gradients: {@code grad_a = grad_y b^T}, {@code grad_b = a^T grad_y}, {@code grad_bias = sum over m of grad_y}, each in the
 * layout in which the input is stored and summed in the same way.
 *
 * <p>Scratch: B packed, at most about 8 MiB for any N; columns beyond the last multiple of 64 are computed in a padded
 * copy.
 */
public final class Matmul {
    private final boolean transposeA;
    private final boolean transposeB;

    private Matmul(boolean transposeA, boolean transposeB) {
        this.transposeA = transposeA;
        this.transposeB = transposeB;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: nothing transposed. */
    public static final class Builder {
        private boolean transposeA;
        private boolean transposeB;

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

        public Matmul build() {
            return new Matmul(transposeA, transposeB);
        }
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor bias) {}

    private record Extents(long m, long n, long k) {}

    /** Computes {@code a b}. */
    public Tensor forward(Tensor a, Tensor b) {
        return forward(a, b, null);
    }

    /** Computes {@code a b + bias}; without the bias if it is null. */
    public Tensor forward(Tensor a, Tensor b, @Nullable Tensor bias) {
        Extents e = extents(a, b);
        checkBias("bias", bias, e);
        Tensor y = Tensor.zeros(DType.F32, e.m, e.n);
        try (Workspace scratch = new Workspace()) {
            run(e, a, b, bias, y, scratch);
        }
        return y;
    }

    /** Computes {@code a b + bias} into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Tensor a, Tensor b, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        Extents e = extents(a, b);
        checkBias("bias", bias, e);
        Checks.shape("y", y, DType.F32, e.m, e.n);
        Checks.rowBytes("y", y);
        new Apart().in("a", a).in("b", b).in("bias", bias).out("y", y);
        run(e, a, b, bias, y, scratch);
    }

    private void run(Extents e, Tensor a, Tensor b, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        try (Use _ = Use.of(a, b, bias, y)) {
            if (bias == null) {
                Gemm.run(e.m, e.n, e.k, left(a), right(b), stored(y), false, scratch);
            } else {
                Gemm.run(e.m, e.n, e.k, left(a), right(b), stored(y), bias.address(), scratch);
            }
        }
    }

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(Tensor a, Tensor b, Tensor gradY, boolean wantA, boolean wantB, boolean wantBias) {
        Extents e = extents(a, b);
        checkGradient(gradY, e);
        Gradients g = new Gradients(
                wantA ? Tensor.zeros(DType.F32, a.shape().toArray()) : null,
                wantB ? Tensor.zeros(DType.F32, b.shape().toArray()) : null,
                wantBias ? Tensor.zeros(DType.F32, e.n) : null);
        try (Workspace scratch = new Workspace()) {
            runBackward(e, a, b, gradY, g, false, scratch);
        }
        return g;
    }

    /**
     * The gradients into the tensors given; a null one is not computed.
     *
     * @param accumulate whether they are added to what the tensors hold
     */
    public void backward(
            Tensor a,
            Tensor b,
            Tensor gradY,
            @Nullable Tensor gradA,
            @Nullable Tensor gradB,
            @Nullable Tensor gradBias,
            boolean accumulate,
            Workspace scratch) {
        Extents e = extents(a, b);
        checkGradient(gradY, e);
        checkOutput("gradA", gradA, a.shape());
        checkOutput("gradB", gradB, b.shape());
        checkOutput("gradBias", gradBias, Shape.of(e.n));
        new Apart()
                .in("a", a)
                .in("b", b)
                .in("gradY", gradY)
                .out("gradA", gradA)
                .out("gradB", gradB)
                .out("gradBias", gradBias);
        runBackward(e, a, b, gradY, new Gradients(gradA, gradB, gradBias), accumulate, scratch);
    }

    private void runBackward(
            Extents e, Tensor a, Tensor b, Tensor gradY, Gradients grads, boolean accumulate, Workspace scratch) {
        try (Use _ = Use.of(a, b, gradY, grads.a, grads.b, grads.bias)) {
            Matrix g = stored(gradY);
            if (grads.a != null) {
                Matrix bt = right(b).transposed();
                if (transposeA) {
                    Gemm.run(e.k, e.m, e.n, right(b), g.transposed(), stored(grads.a), accumulate, scratch);
                } else {
                    Gemm.run(e.m, e.k, e.n, g, bt, stored(grads.a), accumulate, scratch);
                }
            }
            if (grads.b != null) {
                if (transposeB) {
                    Gemm.run(e.n, e.k, e.m, g.transposed(), left(a), stored(grads.b), accumulate, scratch);
                } else {
                    Gemm.run(e.k, e.n, e.m, left(a).transposed(), g, stored(grads.b), accumulate, scratch);
                }
            }
            if (grads.bias != null) {
                ColumnSum.run(e.m, e.n, g, grads.bias.address(), accumulate, scratch);
            }
        }
    }

    private Matrix left(Tensor a) {
        return transposeA ? stored(a).transposed() : stored(a);
    }

    private Matrix right(Tensor b) {
        return transposeB ? stored(b).transposed() : stored(b);
    }

    private static Matrix stored(Tensor t) {
        return new Matrix(t.address(), Checks.rowBytes("", t), 4);
    }

    // ------------------------------------------------------------------ checks

    private Extents extents(Tensor a, Tensor b) {
        matrix("a", a);
        matrix("b", b);
        long k = a.dim(transposeA ? 0 : 1);
        if (k != b.dim(transposeB ? 1 : 0)) {
            throw new IllegalArgumentException("b: shape " + b.shape() + (transposeB ? ", transposed," : "")
                    + " does not follow a of shape " + a.shape() + (transposeA ? ", transposed" : ""));
        }
        return new Extents(a.dim(transposeA ? 1 : 0), b.dim(transposeB ? 0 : 1), k);
    }

    private static void matrix(String name, Tensor t) {
        Checks.type(name, t, DType.F32);
        Checks.rank(name, t, 2);
        Checks.rowBytes(name, t);
    }

    private static void checkBias(String name, @Nullable Tensor bias, Extents e) {
        if (bias != null) {
            Checks.shape(name, bias, DType.F32, e.n);
            Checks.contiguous(name, bias);
        }
    }

    private static void checkGradient(Tensor gradY, Extents e) {
        Checks.shape("gradY", gradY, DType.F32, e.m, e.n);
        Checks.rowBytes("gradY", gradY);
    }

    private static void checkOutput(String name, @Nullable Tensor out, Shape shape) {
        if (out != null) {
            Checks.shape(name, out, DType.F32, shape.toArray());
            Checks.rowBytes(name, out);
        }
    }
}
