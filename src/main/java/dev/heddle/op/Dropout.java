package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.DropoutKernels;
import dev.heddle.memory.Raw;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.lang.foreign.MemorySegment;

/**
 * Dropout: {@code y = x / (1 - p)} with probability {@code 1 - p}, else 0, for each element by itself.
 *
 * <p>{@code x} is float32 and contiguous, of any shape; {@code y} has its shape, and may be {@code x}. An element that is dropped does not
 * enter: NaN gives 0.
 *
 * <p>The random numbers come from Philox 4x32-10, a counter-based generator: whether an element is kept follows from the seed,
 * the stream (of a layer, say, or a step) and the element's position alone. The backend, the threads and other calls have no
 * part in it, and backward, given the same two, drops the same elements. An element is kept where a number of 24 bits is below
 * {@code round((1 - p) 2^24)}.
 *
 * <p>Gradient: {@code grad_x = grad_y / (1 - p)} where the element was kept, else 0.
 */
public final class Dropout {
    private static final Dispatch<DropoutKernels> KERNELS = new Dispatch<>(DropoutKernels.class, 1, Dropout::probe);

    private static final int ROUNDS = 10;
    private static final double NANOS = 0.5;

    /** Blocks of a chunk. */
    private static final long CHUNK = 64;

    private final int keep;
    private final float scale;

    private Dropout(double p) {
        keep = (int) Math.rint((1 - p) * (1 << 24));
        scale = p == 1 ? 0 : (float) (1 / (1 - p));
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: p = 0.5. */
    public static final class Builder {
        private double p = 0.5;

        private Builder() {}

        /** The probability that an element is dropped. */
        public Builder p(double p) {
            if (!(p >= 0 && p <= 1)) {
                throw new IllegalArgumentException("p: " + p + ", must be from 0 to 1");
            }
            this.p = p;
            return this;
        }

        public Dropout build() {
            return new Dropout(p);
        }
    }

    /** Computes y. */
    public Tensor forward(Tensor x, long seed, long stream) {
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            forward(x, seed, stream, y, scratch);
        }
        return y;
    }

    /** Computes into {@code y}, which may be {@code x}. */
    public void forward(Tensor x, long seed, long stream, Tensor y, Workspace scratch) {
        run("x", x, seed, stream, "y", y, scratch);
    }

    /** Computes the gradient of x. */
    public Tensor backward(Tensor gradY, long seed, long stream) {
        Tensor gx = Tensor.zeros(DType.F32, gradY.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            backward(gradY, seed, stream, gx, false, scratch);
        }
        return gx;
    }

    /**
     * The same into {@code gradX}, which may be {@code gradY} unless it accumulates.
     *
     * @param accumulate whether the gradient is added to what {@code gradX} holds
     */
    public void backward(Tensor gradY, long seed, long stream, Tensor gradX, boolean accumulate, Workspace scratch) {
        if (accumulate) {
            Checks.like("gradX", gradX, DType.F32, "gradY", gradY);
            Checks.apart("gradX", gradX, "gradY", gradY);
        }
        Accumulate.into(gradX, accumulate, scratch, out -> run("gradY", gradY, seed, stream, "gradX", out, scratch));
    }

    private void run(String xName, Tensor x, long seed, long stream, String yName, Tensor y, Workspace scratch) {
        Checks.type(xName, x, DType.F32);
        Checks.contiguous(xName, x);
        Checks.like(yName, y, DType.F32, xName, x);
        Checks.contiguous(yName, y);
        Checks.sameOrApart(yName, y, xName, x);
        long blocks = x.size() / DropoutKernels.BLOCK;
        long rest = 4 * (x.size() % DropoutKernels.BLOCK);
        long bytes = 4L * DropoutKernels.BLOCK;
        Tensor padded = scratch.zeros(DType.F32, DropoutKernels.BLOCK);
        DropoutKernels k = KERNELS.choose(0, Long.MAX_VALUE).kernels();
        try (Use _ = Use.of(x, y, padded)) {
            long u = x.address();
            long v = y.address();
            long chunks = (blocks + CHUNK - 1) / CHUNK;
            Team.run(Math.toIntExact(chunks), NANOS * x.size(), chunk -> {
                long first = chunk * CHUNK;
                long count = Math.min(CHUNK, blocks - first);
                k.run(u + bytes * first, v + bytes * first, count, first, seed, stream, keep, scale, ROUNDS);
            });
            if (rest > 0) {
                long p = padded.address();
                MemorySegment.copy(Raw.ALL, u + bytes * blocks, Raw.ALL, p, rest);
                k.run(p, p, 1, blocks, seed, stream, keep, scale, ROUNDS);
                MemorySegment.copy(Raw.ALL, p, Raw.ALL, v + bytes * blocks, rest);
            }
        }
    }

    private static long probe(DropoutKernels k, int lanes, int variant, long scratch) {
        k.run(scratch, scratch, 4, 0, 1, 1, 1 << 23, 2, ROUNDS);
        return 4 * DropoutKernels.BLOCK;
    }
}
