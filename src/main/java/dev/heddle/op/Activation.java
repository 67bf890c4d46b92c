package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.PointwiseKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * The elementwise functions that a network puts between its layers: {@code y = f(x)}, {@code grad_x = grad_y f'(x)}.
 *
 * <p>{@code x} is float32 of any shape; all axes but the last count rows, which may lie apart. {@code y} has its shape, and may be {@code x}.
 *
 * <p>Results are accurate relatively, in the tails too (GELU: absolutely). NaN gives NaN.
 */
public enum Activation {
    /** {@code e^x} */
    EXP,
    /** {@code 1 / (1 + e^-x)} */
    SIGMOID,
    /** {@code tanh x} */
    TANH,
    /** {@code ln(1 + e^x)} */
    SOFTPLUS,
    /** {@code x sigmoid(x)}; NaN for -infinity */
    SILU,
    /** {@code x/2 (1 + erf(x / sqrt 2))}; NaN for -infinity */
    GELU_ERF,
    /** {@code x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))}; NaN for -infinity */
    GELU_TANH,
    /** {@code max(x, 0)}, with derivative 0 at 0 */
    RELU,
    /** {@code max(x, 0)^2} */
    RELU_SQUARED;

    private static final int COUNT = values().length;
    private static final Dispatch<PointwiseKernels> KERNELS =
            new Dispatch<>(PointwiseKernels.class, 2 * COUNT, Activation::probe);

    private static final double NANOS = 0.4;

    /** The same function under the name that the kernels know. */
    private final dev.heddle.kernel.Activation kernel = dev.heddle.kernel.Activation.valueOf(name());

    /** Computes y. */
    public Tensor forward(Tensor x) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        forward(x, y);
        return y;
    }

    /** Computes into {@code y}, which may be {@code x}. */
    public void forward(Tensor x, Tensor y) {
        Checks.type("x", x, DType.F32);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.sameOrApart("y", y, "x", x);
        run(ordinal(), x, x, y, (k, u, _, w, n) -> k.forward(kernel, u, w, n));
    }

    /** Computes the gradient of x. */
    public Tensor backward(Tensor x, Tensor gradY) {
        Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            backward(x, gradY, gx, false, scratch);
        }
        return gx;
    }

    /**
     * The same into {@code gradX}, which may be {@code x} or {@code gradY} unless it accumulates.
     *
     * @param accumulate whether the gradient is added to what {@code gradX} holds
     */
    public void backward(Tensor x, Tensor gradY, Tensor gradX, boolean accumulate, Workspace scratch) {
        Checks.type("x", x, DType.F32);
        Checks.like("gradY", gradY, DType.F32, "x", x);
        Checks.like("gradX", gradX, DType.F32, "x", x);
        if (accumulate) {
            new Apart().in("x", x).in("gradY", gradY).out("gradX", gradX);
        } else {
            Checks.sameOrApart("gradX", gradX, "x", x);
            Checks.sameOrApart("gradX", gradX, "gradY", gradY);
        }
        Accumulate.into(
                gradX,
                accumulate,
                scratch,
                out -> run(COUNT + ordinal(), x, gradY, out, (k, u, v, w, n) -> k.backward(kernel, u, v, w, n)));
    }

    private interface Pass {
        void run(PointwiseKernels kernels, long x, long gy, long out, long n);
    }

    private static void run(int variant, Tensor x, Tensor gy, Tensor out, Pass pass) {
        boolean flat = x.isContiguous() && gy.isContiguous() && out.isContiguous();
        long xs = flat ? 0 : Checks.rowBytes("x", x);
        long gs = flat ? 0 : Checks.rowBytes("gradY", gy);
        long os = flat ? 0 : Checks.rowBytes("out", out);
        long rows = flat ? 1 : Checks.rows(x);
        long columns = flat ? x.size() : x.dim(-1);
        if (x.size() == 0) {
            return;
        }
        try (Use _ = Use.of(x, gy, out)) {
            long u = x.address();
            long v = gy.address();
            long w = out.address();
            Dispatch.Chosen<PointwiseKernels> wide = KERNELS.choose(variant, columns);
            PointwiseKernels narrow = KERNELS.choose(variant, 1).kernels();
            Grid.of(rows, columns).run(NANOS, (row, count, column, width) -> {
                long most = width - width % wide.lanes();
                for (long r = row; r < row + count; r++) {
                    long o = 4 * column;
                    pass.run(wide.kernels(), u + r * xs + o, v + r * gs + o, w + r * os + o, most);
                    if (most < width) {
                        o += 4 * most;
                        pass.run(narrow, u + r * xs + o, v + r * gs + o, w + r * os + o, width - most);
                    }
                }
            });
        }
    }

    /** In place, on rows of contiguous memory. */
    void rows(long address, long stride, long rows, long columns) {
        if (columns == 0) {
            return;
        }
        Dispatch.Chosen<PointwiseKernels> wide = KERNELS.choose(ordinal(), columns);
        long most = columns - columns % wide.lanes();
        for (long r = 0; r < rows; r++, address += stride) {
            wide.kernels().forward(kernel, address, address, most);
            if (most < columns) {
                long rest = address + 4 * most;
                KERNELS.choose(ordinal(), 1).kernels().forward(kernel, rest, rest, columns - most);
            }
        }
    }

    private static long probe(PointwiseKernels k, int lanes, int variant, long scratch) {
        long n = 1024;
        dev.heddle.kernel.Activation f = dev.heddle.kernel.Activation.values()[variant % COUNT];
        if (variant < COUNT) {
            k.forward(f, scratch, scratch + 4 * n, n);
        } else {
            k.backward(f, scratch, scratch, scratch + 4 * n, n);
        }
        return n;
    }
}
