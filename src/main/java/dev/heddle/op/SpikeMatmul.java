package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I64;

import dev.heddle.kernel.Tuning;
import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The product of spikes with a matrix: {@code y = s w + bias}, where s is 0 or 1. The rows of w where there is a spike are added, the
 * others are not read: what stands there, NaN too, does not matter.
 *
 * <ul>
 *   <li>{@code s} is float32 {@code [M, K]} of 0 and 1, or {@link SpikeBits} of M rows of K;
 *   <li>{@code w} is float32 {@code [K, N]}, or {@code [N, K]} with {@link Builder#transposeB}; or a {@link PackedWeight} of {@code [N, K]} in any of its
 *       storages;
 *   <li>{@code bias}, optional, is float32 {@code [N]}; {@code y} is {@code [M, N]}.
 * </ul>
 *
 * <p>The bits are those of {@link Matmul}, or {@link Linear}, with the same s and finite weights: k in ascending order, in blocks of
 * 256 or of a group. Where many rows have many spikes and all weights are finite, the product is computed densely, because that is
 * faster then; from which rate on hangs on the weight's storage. A transposed matrix of floats is worth turning round for many rows
 * only; pack it once to have products of few rows skip work.
 *
 * <p>Gradients: {@code grad_s = grad_y w^T}, {@code grad_w = s^T grad_y}, in which only rows of grad_y with a spike count, {@code grad_bias = sum of
 * grad_y}.
 *
 * <p>Rows of matrices may lie apart. An output may not overlap an input.
 */
public final class SpikeMatmul {
    private final boolean transposeB;
    private final @Nullable SynapseCounter counter;

    private SpikeMatmul(boolean transposeB, @Nullable SynapseCounter counter) {
        this.transposeB = transposeB;
        this.counter = counter;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: w as {@code [K, N]}, nothing counted. */
    public static final class Builder {
        private boolean transposeB;
        private @Nullable SynapseCounter counter;

        private Builder() {}

        /** Whether a tensor w is {@code [N, K]}. */
        public Builder transposeB(boolean transposeB) {
            this.transposeB = transposeB;
            return this;
        }

        /** Has forward products counted. */
        public Builder counter(SynapseCounter counter) {
            this.counter = counter;
            return this;
        }

        public SpikeMatmul build() {
            return new SpikeMatmul(transposeB, counter);
        }
    }

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor s,
            @Nullable Tensor w,
            @Nullable Tensor bias) {}

    /** Computes y from spikes as floats. */
    public Tensor forward(Tensor s, Tensor w, @Nullable Tensor bias) {
        return forward(SpikeBits.of(matrix("s", s)), w, bias);
    }

    /** Computes y from packed spikes. */
    public Tensor forward(SpikeBits s, Tensor w, @Nullable Tensor bias) {
        Tensor y = Tensor.zeros(DType.F32, s.rows(), outputs(s.columns(), w));
        try (Workspace scratch = new Workspace()) {
            forward(s, w, bias, y, scratch);
        }
        return y;
    }

    /** Computes y from packed spikes and a packed weight. */
    public Tensor forward(SpikeBits s, PackedWeight w, @Nullable Tensor bias) {
        Tensor y = Tensor.zeros(DType.F32, s.rows(), w.outputs());
        try (Workspace scratch = new Workspace()) {
            forward(s, w, bias, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(Tensor s, Tensor w, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        matrix("s", s);
        Checks.apart("y", y, "s", s);
        check(s.dim(0), outputs(s.dim(1), w), bias, y);
        forward(bits(s, scratch), w, bias, y, scratch);
    }

    /** Computes into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(SpikeBits s, Tensor w, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        check(s.rows(), outputs(s.columns(), w), bias, y);
        Checks.apart("y", y, "w", w);
        count(s, y.dim(1));
        try (Use _ = Use.of(s.words(), w, bias, y)) {
            product(s, w, transposeB, bias == null ? 0 : bias.address(), stored(y), y.dim(1), scratch);
        }
    }

    /** Computes into {@code y}; memory that it needs meanwhile comes from {@code scratch}. */
    public void forward(SpikeBits s, PackedWeight w, @Nullable Tensor bias, Tensor y, Workspace scratch) {
        if (s.columns() != w.inputs()) {
            throw new IllegalArgumentException(
                    "w: a packed weight of " + w.inputs() + " inputs does not follow rows of " + s.columns());
        }
        check(s.rows(), w.outputs(), bias, y);
        count(s, w.outputs());
        try (Use _ = Use.of(s.words(), bias, y);
                Use _ = w.use()) {
            long start = bias == null ? 0 : bias.address();
            if (isDense(s, denseRate(w.storage())) && w.isFinite()) {
                new Gemm(s.rows(), w.outputs(), s.columns())
                        .a(floats(s, scratch))
                        .b(w.source())
                        .c(stored(y))
                        .bias(start)
                        .run(scratch);
            } else {
                new SpikeWalk(s, w.source().depth(), scratch).multiply(w, start, stored(y));
            }
        }
    }

    /** The gradients that are wanted, as new tensors. */
    public Gradients backward(Tensor s, Tensor w, Tensor gradY, boolean wantS, boolean wantW, boolean wantBias) {
        Gradients g = new Gradients(
                wantS ? Tensor.zeros(DType.F32, s.shape().toArray()) : null,
                wantW ? Tensor.zeros(DType.F32, w.shape().toArray()) : null,
                wantBias ? Tensor.zeros(DType.F32, gradY.dim(-1)) : null);
        try (Workspace scratch = new Workspace()) {
            backward(s, w, gradY, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     */
    public void backward(Tensor s, Tensor w, Tensor gradY, Gradients gradients, Workspace scratch) {
        matrix("s", s);
        long m = s.dim(0);
        long k = s.dim(1);
        long n = outputs(k, w);
        Checks.shape("gradY", gradY, DType.F32, m, n);
        Checks.rowBytes("gradY", gradY);
        like("gradS", gradients.s, "s", s);
        like("gradW", gradients.w, "w", w);
        if (gradients.bias != null) {
            Checks.shape("gradBias", gradients.bias, DType.F32, n);
            Checks.contiguous("gradBias", gradients.bias);
        }
        new Apart()
                .in("s", s)
                .in("w", w)
                .in("gradY", gradY)
                .out("gradS", gradients.s)
                .out("gradW", gradients.w)
                .out("gradBias", gradients.bias);
        try (Use _ = Use.of(s, w, gradY, gradients.s, gradients.w, gradients.bias)) {
            Matrix g = stored(gradY);
            if (gradients.s != null) {
                Matrix turned = transposeB ? stored(w) : stored(w).transposed();
                new Gemm(m, k, n).a(g).b(turned).c(stored(gradients.s)).run(scratch);
            }
            if (gradients.w != null) {
                gradW(s, gradY, gradients.w, scratch);
            }
            if (gradients.bias != null) {
                ColumnSum.run(m, n, g, gradients.bias.address(), false, scratch);
            }
        }
    }

    private void gradW(Tensor s, Tensor gradY, Tensor gradW, Workspace scratch) {
        Tensor turned = scratch.empty(DType.F32, s.dim(1), s.dim(0)).copyFrom(s.transpose(0, 1));
        SpikeBits bits = bits(turned, scratch);
        Tensor out = transposeB ? scratch.empty(DType.F32, s.dim(1), gradY.dim(1)) : gradW;
        try (Use _ = Use.of(bits.words(), out)) {
            product(bits, gradY, false, 0, stored(out), gradY.dim(1), scratch);
        }
        if (transposeB) {
            gradW.copyFrom(out.transpose(0, 1));
        }
    }

    // ------------------------------------------------------------------ work

    private static void product(
            SpikeBits s, Tensor w, boolean transposed, long bias, Matrix y, long n, Workspace scratch) {
        boolean full = isDense(s, Tuning.SPIKE_DENSE_RATE_F32);
        boolean dense = full || (transposed && s.rows() < Tuning.SPIKE_TURNED_ROWS);
        if (dense && SpikeWalk.isFinite(w, scratch)) {
            new Gemm(s.rows(), n, s.columns())
                    .a(floats(s, scratch))
                    .b(transposed ? stored(w).transposed() : stored(w))
                    .c(y)
                    .bias(bias)
                    .run(scratch);
            return;
        }
        Tensor turned =
                transposed ? scratch.empty(DType.F32, w.dim(1), w.dim(0)).copyFrom(w.transpose(0, 1)) : w;
        try (Use _ = Use.of(turned)) {
            new SpikeWalk(s, Tuning.MATMUL_DEPTH, scratch).multiply(stored(turned), n, bias, y);
        }
    }

    private static boolean isDense(SpikeBits s, double rate) {
        return s.rows() >= Tuning.SPIKE_DENSE_ROWS && spikes(s) > rate * s.rows() * s.columns();
    }

    private static double denseRate(PackedWeight.Storage storage) {
        return switch (storage) {
            case F32 -> Tuning.SPIKE_DENSE_RATE_F32;
            case BF16 -> Tuning.SPIKE_DENSE_RATE_BF16;
            case F16 -> Tuning.SPIKE_DENSE_RATE_F16;
            case I8 -> Tuning.SPIKE_DENSE_RATE_I8;
        };
    }

    private static long spikes(SpikeBits s) {
        Tensor words = s.words();
        long sum = 0;
        try (Use _ = Use.of(words)) {
            for (long a = words.address(), end = a + 8 * words.size(); a != end; a += 8) {
                sum += Long.bitCount(ALL.get(I64, a));
            }
        }
        return sum;
    }

    private void count(SpikeBits s, long outputs) {
        if (counter != null) {
            counter.add(spikes(s), s.rows() * s.columns(), outputs);
        }
    }

    private static SpikeBits bits(Tensor s, Workspace scratch) {
        try (Use _ = Use.of(s)) {
            return SpikeBits.of(s.address(), Checks.rowBytes("s", s), s.dim(0), s.dim(1), scratch);
        }
    }

    private static Matrix floats(SpikeBits s, Workspace scratch) {
        Tensor f = scratch.empty(DType.F32, s.rows(), s.columns());
        s.unpack(f);
        return stored(f);
    }

    private static Matrix stored(Tensor t) {
        return new Matrix(t.address(), Checks.rowBytes("", t), 4);
    }

    // ------------------------------------------------------------------ checks

    private static Tensor matrix(String name, Tensor t) {
        Checks.type(name, t, DType.F32);
        Checks.rank(name, t, 2);
        Checks.rowBytes(name, t);
        return t;
    }

    private long outputs(long inputs, Tensor w) {
        matrix("w", w);
        if (w.dim(transposeB ? 1 : 0) != inputs) {
            throw new IllegalArgumentException("w: shape " + w.shape() + (transposeB ? ", transposed," : "")
                    + " does not follow rows of " + inputs + " spikes");
        }
        return w.dim(transposeB ? 0 : 1);
    }

    private static void check(long m, long n, @Nullable Tensor bias, Tensor y) {
        Checks.shape("y", y, DType.F32, m, n);
        Checks.rowBytes("y", y);
        if (bias != null) {
            Checks.shape("bias", bias, DType.F32, n);
            Checks.contiguous("bias", bias);
        }
        Checks.apart("y", y, "bias", bias);
    }

    private static void like(String name, @Nullable Tensor t, String otherName, Tensor other) {
        if (t != null) {
            Checks.like(name, t, DType.F32, otherName, other);
            Checks.rowBytes(name, t);
        }
    }
}
