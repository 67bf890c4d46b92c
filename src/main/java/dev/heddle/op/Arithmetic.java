package dev.heddle.op;

import dev.heddle.kernel.ArithmeticKernels;
import dev.heddle.kernel.ArithmeticKernels.Operator;
import dev.heddle.kernel.Dispatch;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * Elementwise arithmetic: {@code y = a op b}.
 *
 * <p>{@code a} and {@code y} are float32 {@code [..., C]}. {@code b} has the shape of {@code a}, or that of its last axes: it is repeated
 * over the others then. All axes but the last count rows, which may lie apart. {@code y} may be {@code a}, and {@code b} where
 * that is not repeated.
 */
public enum Arithmetic {
    /** {@code y = a + b} */
    ADD(Operator.ADD),
    /** {@code y = a - b} */
    SUB(Operator.SUB),
    /** {@code y = a * b} */
    MUL(Operator.MUL),
    /** {@code y = a / b} */
    DIV(Operator.DIV);

    private static final int AXPY = Operator.values().length;
    private static final Dispatch<ArithmeticKernels> KERNELS =
            new Dispatch<>(ArithmeticKernels.class, AXPY + 1, Arithmetic::probe);

    private static final double NANOS = 0.2;

    private final Operator operator;

    Arithmetic(Operator operator) {
        this.operator = operator;
    }

    /** Computes y. */
    public Tensor forward(Tensor a, Tensor b) {
        Tensor y = Tensor.zeros(DType.F32, a.shape().toArray());
        forward(a, b, y);
        return y;
    }

    /** Computes into {@code y}. */
    public void forward(Tensor a, Tensor b, Tensor y) {
        run(
                operator.ordinal(),
                a,
                b,
                y,
                (k, u, us, v, vs, w, ws, columns, rows) -> k.binary(operator, u, us, v, vs, w, ws, columns, rows));
    }

    /** {@code y += x} for floats whose number is a multiple of 16. */
    static void add(long x, long y, long n) {
        ArithmeticKernels kernels = KERNELS.choose(Operator.ADD.ordinal(), 16).kernels();
        kernels.binary(Operator.ADD, y, 0, x, 0, y, 0, n, 1);
    }

    /** {@code y = alpha a + b} with one rounding; {@code b} is repeated as elsewhere. */
    public static void axpy(float alpha, Tensor a, Tensor b, Tensor y) {
        run(
                AXPY,
                a,
                b,
                y,
                (k, u, us, v, vs, w, ws, columns, rows) -> k.axpy(alpha, u, us, v, vs, w, ws, columns, rows));
    }

    private interface Pass {
        void run(ArithmeticKernels kernels, long a, long as, long b, long bs, long y, long ys, long columns, long rows);
    }

    private static void run(int variant, Tensor a, Tensor b, Tensor y, Pass pass) {
        Checks.type("a", a, DType.F32);
        Checks.type("b", b, DType.F32);
        Checks.like("y", y, DType.F32, "a", a);
        long as = Checks.rowBytes("a", a);
        long bs = Checks.rowBytes("b", b);
        long ys = Checks.rowBytes("y", y);
        long repeats = repeats(a, b);
        Checks.sameOrApart("y", y, "a", a);
        if (repeats == 1) {
            Checks.sameOrApart("y", y, "b", b);
        } else {
            Checks.apart("y", y, "b", b);
        }
        if (a.size() == 0) {
            return;
        }
        try (Use _ = Use.of(a, b, y)) {
            long u = a.address();
            long v = b.address();
            long w = y.address();
            boolean flat = repeats == 1 && a.isContiguous() && b.isContiguous() && y.isContiguous();
            long rows = flat ? 1 : Checks.rows(a);
            long columns = flat ? a.size() : a.dim(-1);
            Grid grid = Grid.of(rows, columns);
            ArithmeticKernels k = KERNELS.choose(variant, grid.narrowest()).kernels();
            long group = Checks.rows(b);
            grid.run(NANOS, (row, count, column, width) -> {
                long o = 4 * column;
                if (group == 1) {
                    pass.run(k, u + row * as + o, as, v + o, 0, w + row * ys + o, ys, width, count);
                    return;
                }
                for (long r = row, n; r < row + count; r += n) {
                    n = Math.min(group - r % group, row + count - r);
                    pass.run(k, u + r * as + o, as, v + r % group * bs + o, bs, w + r * ys + o, ys, width, n);
                }
            });
        }
    }

    /** How often the rows of {@code b} go into those of {@code a}. */
    private static long repeats(Tensor a, Tensor b) {
        boolean suffix = b.rank() >= 1 && b.rank() <= a.rank();
        for (int i = 1; suffix && i <= b.rank(); i++) {
            suffix = a.dim(-i) == b.dim(-i);
        }
        if (!suffix) {
            throw new IllegalArgumentException(
                    "b: shape " + b.shape() + ", must be that of a, " + a.shape() + ", or of its last axes");
        }
        return b.size() == 0 ? 1 : a.size() / b.size();
    }

    private static long probe(ArithmeticKernels k, int lanes, int variant, long scratch) {
        long y = scratch + (64 << 10);
        if (variant == AXPY) {
            k.axpy(0.5f, scratch, 1024, y, 1024, y, 1024, 256, 8);
        } else {
            k.binary(Operator.values()[variant], scratch, 1024, scratch, 1024, y, 1024, 256, 8);
        }
        return 256 * 8;
    }
}
