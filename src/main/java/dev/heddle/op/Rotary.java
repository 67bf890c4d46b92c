package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.RotaryKernels;
import dev.heddle.memory.Raw;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;

/**
 * Rotary position encoding: at position p the pair of features i and {@code i + R/2} is turned by the angle {@code p base^(-2 i / R)}:
 * {@code y_i = x_i cos - x_(i + R/2) sin}, {@code y_(i + R/2) = x_(i + R/2) cos + x_i sin}. Features from R on stay as they are.
 *
 * <p>{@code x} is float32 {@code [B, L, H, F]} with contiguous features, R even and at most F; step t has position {@code offset + t}. y
 * is like x and may be x. The gradient is turned back: {@link #backward} is {@link #forward} with the opposite angles.
 *
 * <p>Cosines and sines are those of the exact angle, in a table for all positions that is made once.
 *
 * <p>After "RoFormer", arXiv 2104.09864, with halves for pairs as in GPT-NeoX.
 */
public final class Rotary {
    private static final Dispatch<RotaryKernels> KERNELS = new Dispatch<>(RotaryKernels.class, 2, Rotary::probe);
    private static final double NANOS = 0.3;
    private static final int STEPS = 64;

    private final Tensor table;
    private final long positions;
    private final long half;

    private Rotary(long features, long positions, double base) {
        this.positions = positions;
        half = features / 2;
        table = Tensor.zeros(DType.F32, positions, 2, half);
        for (long i = 0; i < half; i++) {
            double turn = StrictMath.pow(base, -2.0 * i / features);
            for (long p = 0; p < positions; p++) {
                long at = table.address() + 4 * (p * features + i);
                Raw.ALL.set(Raw.F32, at, (float) StrictMath.cos(p * turn));
                Raw.ALL.set(Raw.F32, at + 4 * half, (float) StrictMath.sin(p * turn));
            }
        }
    }

    /** @param features how many are turned, R */
    public static Builder builder(long features) {
        return new Builder(features);
    }

    /** Defaults: base 10000, 2048 positions. */
    public static final class Builder {
        private final long features;
        private long positions = 2048;
        private double base = 10000;

        private Builder(long features) {
            if (features < 0 || features % 2 != 0) {
                throw new IllegalArgumentException("features: " + features + ", must be even");
            }
            this.features = features;
        }

        /** How many positions there may be. */
        public Builder positions(long positions) {
            if (positions < 0) {
                throw new IllegalArgumentException("positions: " + positions + ", must not be negative");
            }
            this.positions = positions;
            return this;
        }

        /** The base of the angles. */
        public Builder base(double base) {
            if (!(base > 0 && base < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException("base: " + base + ", must be positive");
            }
            this.base = base;
            return this;
        }

        public Rotary build() {
            return new Rotary(features, positions, base);
        }
    }

    /** Computes y; the first step has position {@code offset}. */
    public Tensor forward(Tensor x, long offset) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        forward(x, offset, y);
        return y;
    }

    /** Computes into {@code y}, which may be {@code x}. */
    public void forward(Tensor x, long offset, Tensor y) {
        run(false, "x", x, offset, "y", y);
    }

    /** Computes the gradient of x. */
    public Tensor backward(Tensor gradY, long offset) {
        Tensor gradX = Tensor.zeros(DType.F32, gradY.shape().toArray());
        backward(gradY, offset, gradX);
        return gradX;
    }

    /** The same into {@code gradX}, which may be {@code gradY}. */
    public void backward(Tensor gradY, long offset, Tensor gradX) {
        run(true, "gradY", gradY, offset, "gradX", gradX);
    }

    private void run(boolean back, String name, Tensor x, long offset, String outName, Tensor y) {
        Checks.type(name, x, DType.F32);
        Checks.rank(name, x, 4);
        Checks.contiguousRows(name, x);
        Checks.like(outName, y, DType.F32, name, x);
        Checks.contiguousRows(outName, y);
        Checks.sameOrApart(outName, y, name, x);
        if (x.dim(3) < 2 * half) {
            throw new IllegalArgumentException(
                    name + ": shape " + x.shape() + ", must have " + 2 * half + " features or more");
        }
        if (offset < 0 || offset + x.dim(1) > positions) {
            throw new IndexOutOfBoundsException(
                    "offset: positions " + offset + " to " + (offset + x.dim(1)) + ", but there are " + positions);
        }
        long steps = x.dim(1);
        long heads = x.dim(2);
        long perRow = PrefixScan.ceil(steps, STEPS);
        RotaryKernels k = KERNELS.choose(back ? 1 : 0, half).kernels();
        try (Use _ = Use.of(x, y, table)) {
            Matrix from = Matrix.of(x);
            Matrix to = Matrix.of(y);
            long rest = x.dim(3) - 2 * half;
            int chunks = Math.toIntExact(x.dim(0) * perRow);
            Team.run(chunks, NANOS * x.size(), chunk -> {
                long b = chunk / perRow;
                long t = chunk % perRow * STEPS;
                long n = Math.min(STEPS, steps - t);
                long angles = table.address() + 8 * half * (offset + t);
                k.rotate(
                        back,
                        from.at(b, t, 0),
                        from.step(),
                        from.head(),
                        to.at(b, t, 0),
                        to.step(),
                        to.head(),
                        angles,
                        half,
                        heads,
                        n);
                for (long h = 0; rest > 0 && from.address() != to.address() && h < heads; h++) {
                    long o = 8 * half;
                    Gemm.copy(from.at(b, t, h) + o, from.step(), to.at(b, t, h) + o, to.step(), n, rest);
                }
            });
        }
    }

    private static long probe(RotaryKernels k, int lanes, int variant, long scratch) {
        long half = lanes + 1L;
        long head = 8 * half;
        long out = scratch + (256 << 10);
        k.rotate(variant == 1, scratch, 4 * head, head, out, 4 * head, head, scratch, half, 4, 16);
        return 16 * 4 * 2 * half;
    }
}
