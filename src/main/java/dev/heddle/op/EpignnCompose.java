package dev.heddle.op;

import dev.heddle.kernel.EpignnKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * Composition of two distributions over relations, facet by facet: {@code y[e, f, p] = sum over i, j of left[e, f, i] A[f, p, i, j]
 * right[e, f, j]}.
 *
 * <p>{@code left} and {@code right} are float32 {@code [E, Fc, H]}, {@code A} is {@code [Fc, H, H, H]}, contiguous; {@code y} is {@code [E, Fc,
 * H]}. Sums over j go inside those over i, in order. Gradients are to all three inputs; that of A sums over E in order.
 *
 * <p>After erg0dic/gnn-sg {@code model_nbf_fb}.
 */
public final class EpignnCompose {
    private EpignnCompose() {}

    private static final long CHUNK = 64;
    private static final double NANOS = 0.2;

    /** The gradients of all inputs. */
    public record Gradients(Tensor left, Tensor right, Tensor a) {}

    /** Computes y. */
    public static Tensor forward(Tensor left, Tensor right, Tensor a) {
        check(left, right, a);
        Tensor y = Tensor.zeros(DType.F32, left.shape().toArray());
        try (Workspace workspace = new Workspace()) {
            // lanes run over p, so that comes last
            trilinear(left, right, permuted(a, workspace, false), y);
        }
        return y;
    }

    /** The gradients of left, right and A. */
    public static Gradients backward(Tensor left, Tensor right, Tensor a, Tensor gradY) {
        check(left, right, a);
        Checks.like("gradY", gradY, DType.F32, "left", left);
        Checks.wholeRows("gradY", gradY);
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, left.shape().toArray()),
                Tensor.zeros(DType.F32, right.shape().toArray()),
                Tensor.zeros(DType.F32, a.shape().toArray()));
        if (g.a.size() == 0) {
            return g;
        }
        try (Workspace workspace = new Workspace();
                Use _ = Use.of(left, right, gradY, g.a)) {
            trilinear(gradY, left, a, g.right);
            trilinear(gradY, right, permuted(a, workspace, true), g.left);
            long h = left.dim(2);
            EpignnKernels k =
                    EpignnProbe.KERNELS.choose(EpignnProbe.TRILINEAR_GRAD, h).kernels();
            long p = gradY.address();
            long i = left.address();
            long j = right.address();
            long to = g.a.address();
            Team.run(Math.toIntExact(left.dim(1)), NANOS * a.size() * left.dim(0), f -> {
                long o = 4 * h * f;
                k.trilinearGrad(
                        p + o,
                        4 * gradY.stride(0),
                        i + o,
                        4 * left.stride(0),
                        j + o,
                        4 * right.stride(0),
                        to + o * h * h,
                        h,
                        left.dim(0));
            });
        }
        return g;
    }

    private static void check(Tensor left, Tensor right, Tensor a) {
        Checks.type("left", left, DType.F32);
        Checks.rank("left", left, 3);
        Checks.like("right", right, DType.F32, "left", left);
        Checks.wholeRows("left", left);
        Checks.wholeRows("right", right);
        long h = left.dim(2);
        Checks.shape("A", a, DType.F32, left.dim(1), h, h, h);
        Checks.contiguous("A", a);
    }

    /** A[f, p, i, j] as [f, i, j, p], or as [f, p, j, i]. */
    private static Tensor permuted(Tensor a, Workspace workspace, boolean last) {
        Tensor turned = last ? a.transpose(2, 3) : a.transpose(1, 2).transpose(2, 3);
        return workspace.empty(DType.F32, a.shape().toArray()).copyFrom(turned);
    }

    private static void trilinear(Tensor a, Tensor b, Tensor t, Tensor y) {
        if (y.size() == 0) {
            return;
        }
        long rows = y.dim(0);
        long facets = y.dim(1);
        long h = y.dim(2);
        EpignnKernels k = EpignnProbe.KERNELS.choose(EpignnProbe.TRILINEAR, h).kernels();
        try (Use _ = Use.of(a, b, t, y)) {
            long as = a.address();
            long bs = b.address();
            long ts = t.address();
            long ys = y.address();
            int chunks = Math.toIntExact((rows + CHUNK - 1) / CHUNK);
            Team.run(
                    chunks,
                    NANOS * y.size() * h * h,
                    c -> k.trilinear(
                            as,
                            4 * a.stride(0),
                            bs,
                            4 * b.stride(0),
                            ts,
                            ys,
                            4 * y.stride(0),
                            facets,
                            h,
                            c * CHUNK,
                            Math.min(rows, (c + 1) * CHUNK)));
        }
    }
}
