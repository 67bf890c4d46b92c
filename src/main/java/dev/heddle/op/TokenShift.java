package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.TokenShiftKernels;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * Tokens mixed with the ones before them: {@code y_m,t = x_t mix_m + p_t (1 - mix_m)} ({@link Form#MIX}, RWKV-4), or {@code x_t + (p_t - x_t)
 * mix_m} ({@link Form#LERP}, RWKV-6 and 7), where {@code p_t = x_{t-1}}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [B, L, C]}, {@code mix} is {@code [M, C]}: M mixtures at once; {@code y} is {@code [M, B, L, C]};
 *   <li>{@code state}, optional, is {@code [B, C]}: the token before the first, 0 without it. The result's state is the last token,
 *       or the state given if there is no token. Handing it on makes calls one: a step is a call with L = 1.
 * </ul>
 *
 * <p>Gradients: a token has one from its own step and one from the next. That of mix is {@code sum of grad_y (x - p)}, negative for
 * LERP: in time within blocks of 256 steps, then over the blocks of all sequences.
 *
 * <p>Tensors may be views whose last axis is contiguous. An output may not overlap an input.
 */
public final class TokenShift {
    /** Whose weight it is. */
    public enum Form {
        /** The token's own. */
        MIX,
        /** That of the token before. */
        LERP
    }

    private static final int GRAD_X = 2;
    private static final int GRAD_MIX = GRAD_X + 8;
    static final int VARIANTS = GRAD_MIX + 2;
    static final Dispatch<TokenShiftKernels> KERNELS =
            new Dispatch<>(TokenShiftKernels.class, VARIANTS, TokenShift::probe);

    private static final double NANOS = 0.2;

    /** Steps of a chunk; part of the definition of mix's gradient. */
    private static final long BLOCK = 256;

    /** Channels of a chunk. */
    private static final long WIDTH = 256;

    private final boolean lerp;

    private TokenShift(boolean lerp) {
        this.lerp = lerp;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: MIX. */
    public static final class Builder {
        private Form form = Form.MIX;

        private Builder() {}

        /** Whose weight mix is. */
        public Builder form(Form form) {
            this.form = form;
            return this;
        }

        public TokenShift build() {
            return new TokenShift(form == Form.LERP);
        }
    }

    /** The mixtures, and the last token. */
    public record Result(Tensor y, Tensor state) {}

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor mix,
            @Nullable Tensor state) {}

    /** Computes the mixtures and the last token as new tensors. */
    public Result forward(Tensor x, Tensor mix, @Nullable Tensor state) {
        check(x, mix, state);
        Tensor y = Tensor.zeros(DType.F32, mix.dim(0), x.dim(0), x.dim(1), x.dim(2));
        Tensor last = Tensor.zeros(DType.F32, x.dim(0), x.dim(2));
        try (Workspace scratch = new Workspace()) {
            run(x, mix, state, y, last, scratch);
        }
        return new Result(y, last);
    }

    /**
     * The same into {@code y} and, if it is wanted, {@code last}.
     *
     * @param last may be {@code state} itself, which it then replaces
     */
    public void forward(
            Tensor x, Tensor mix, @Nullable Tensor state, Tensor y, @Nullable Tensor last, Workspace scratch) {
        check(x, mix, state);
        checkMixtures("y", y, x, mix);
        checkState("last", last, x);
        new Apart().in("x", x).in("mix", mix).in("state", state).out("y", y);
        new Apart().in("x", x).in("mix", mix).in("y", y).out("last", last);
        if (last != null) {
            Checks.sameOrApart("last", last, "state", state);
        }
        run(x, mix, state, y, last, scratch);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradState of the last token; null for zeros
     */
    public Gradients backward(Tensor x, Tensor mix, @Nullable Tensor state, Tensor gradY, @Nullable Tensor gradState) {
        check(x, mix, state);
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, x.shape().toArray()),
                Tensor.zeros(DType.F32, mix.shape().toArray()),
                Tensor.zeros(DType.F32, x.dim(0), x.dim(2)));
        try (Workspace scratch = new Workspace()) {
            backward(x, mix, state, gradY, gradState, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     */
    public void backward(
            Tensor x,
            Tensor mix,
            @Nullable Tensor state,
            Tensor gradY,
            @Nullable Tensor gradState,
            Gradients gradients,
            Workspace scratch) {
        check(x, mix, state);
        checkMixtures("gradY", gradY, x, mix);
        checkState("gradState", gradState, x);
        checkState("gradState0", gradients.state, x);
        if (gradients.x != null) {
            Checks.like("gradX", gradients.x, DType.F32, "x", x);
            Checks.contiguousRow("gradX", gradients.x);
        }
        if (gradients.mix != null) {
            Checks.like("gradMix", gradients.mix, DType.F32, "mix", mix);
            Checks.contiguous("gradMix", gradients.mix);
        }
        new Apart()
                .in("x", x)
                .in("mix", mix)
                .in("state", state)
                .in("gradY", gradY)
                .in("gradState", gradState)
                .out("gradX", gradients.x)
                .out("gradMix", gradients.mix)
                .out("gradState0", gradients.state);
        runGradX(x, mix, gradY, gradState, gradients, scratch);
        if (gradients.mix != null) {
            runGradMix(x, state, gradY, gradients.mix, scratch);
        }
    }

    // ------------------------------------------------------------------ checks

    private static void check(Tensor x, Tensor mix, @Nullable Tensor state) {
        Checks.type("x", x, DType.F32);
        Checks.rank("x", x, 3);
        Checks.contiguousRow("x", x);
        Checks.type("mix", mix, DType.F32);
        Checks.rank("mix", mix, 2);
        Checks.shape("mix", mix, DType.F32, mix.dim(0), x.dim(2));
        Checks.contiguous("mix", mix);
        checkState("state", state, x);
    }

    private static void checkState(String name, @Nullable Tensor t, Tensor x) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, x.dim(0), x.dim(2));
            Checks.contiguousRow(name, t);
        }
    }

    private static void checkMixtures(String name, Tensor t, Tensor x, Tensor mix) {
        Checks.shape(name, t, DType.F32, mix.dim(0), x.dim(0), x.dim(1), x.dim(2));
        Checks.contiguousRow(name, t);
    }

    // ------------------------------------------------------------------ work

    /** Blocks of time in a sequence. */
    private static long blocks(Tensor x) {
        return (x.dim(1) + BLOCK - 1) / BLOCK;
    }

    private static Channels channels(Tensor x) {
        return new Channels(x.dim(0) * blocks(x), x.dim(2), WIDTH);
    }

    private static long row(Tensor x, long b, long t) {
        return x.address() + 4 * (b * x.stride(0) + t * x.stride(1));
    }

    private static long stateRow(@Nullable Tensor state, long otherwise, long b) {
        return state == null ? otherwise : state.address() + 4 * b * state.stride(0);
    }

    private static long mixtures(Tensor y, long m, long b, long t) {
        return y.address() + 4 * (m * y.stride(0) + b * y.stride(1) + t * y.stride(2));
    }

    private void run(Tensor x, Tensor mix, @Nullable Tensor state, Tensor y, @Nullable Tensor last, Workspace scratch) {
        Channels channels = channels(x);
        long steps = x.dim(1);
        Tensor zeros = scratch.zeros(DType.F32, x.dim(2));
        try (Use _ = Use.of(x, mix, state, y, zeros)) {
            Channels.Kernels<TokenShiftKernels> kernels = channels.kernels(KERNELS, lerp ? 1 : 0);
            channels.run(NANOS * y.size(), (_, s, c, count) -> {
                long b = s / blocks(x);
                long t = s % blocks(x) * BLOCK;
                long before = t == 0 ? stateRow(state, zeros.address(), b) : row(x, b, t - 1);
                for (long m = 0; m < mix.dim(0); m++) {
                    long out = mixtures(y, m, b, t);
                    long weights = mix.address() + 4 * m * x.dim(2);
                    kernels.run(
                            count,
                            (k, o, n) -> k.forward(
                                    lerp,
                                    before + 4 * c + o,
                                    row(x, b, t) + 4 * c + o,
                                    4 * x.stride(1),
                                    weights + 4 * c + o,
                                    out + 4 * c + o,
                                    4 * y.stride(2),
                                    Math.min(BLOCK, steps - t),
                                    n));
                }
            });
        }
        if (last != null && steps > 0) {
            last.copyFrom(x.select(1, steps - 1));
        } else if (last != null && state == null) {
            last.fill(0);
        } else if (last != null && state != null && state != last) {
            last.copyFrom(state);
        }
    }

    private void runGradX(
            Tensor x, Tensor mix, Tensor gradY, @Nullable Tensor gradState, Gradients g, Workspace scratch) {
        long steps = x.dim(1);
        if (steps == 0) {
            if (g.state != null) {
                copyOrZero(gradState, g.state);
            }
            return;
        }
        Channels channels = channels(x);
        Tensor zeros = scratch.zeros(DType.F32, x.dim(2));
        Tensor gx = g.x;
        Tensor gs = g.state;
        try (Use _ = Use.of(x, mix, gradY, gradState, gx, gs, zeros)) {
            Channels.Kernels<TokenShiftKernels> inner = channels.kernels(KERNELS, gradXVariant(lerp, true, true));
            Channels.Kernels<TokenShiftKernels> end = channels.kernels(KERNELS, gradXVariant(lerp, true, false));
            Channels.Kernels<TokenShiftKernels> start = channels.kernels(KERNELS, gradXVariant(lerp, false, true));
            channels.run(2 * NANOS * gradY.size(), (_, s, c, count) -> {
                long b = s / blocks(x);
                long t = s % blocks(x) * BLOCK;
                Part part = new Part(mix, gradY, b, c, count);
                if (gx != null) {
                    long many = Math.min(BLOCK, steps - 1 - t);
                    part.run(inner, true, true, t, zeros.address(), row(gx, b, t), 4 * gx.stride(1), many);
                    if (t + BLOCK >= steps) {
                        long more = stateRow(gradState, zeros.address(), b);
                        part.run(end, true, false, steps - 1, more, row(gx, b, steps - 1), 0, 1);
                    }
                }
                if (gs != null && t == 0) {
                    part.run(
                            start,
                            false,
                            true,
                            -1,
                            zeros.address(),
                            gs.address() + 4 * b * gs.stride(0),
                            0,
                            1); // its next step is the first
                }
            });
        }
    }

    private static void copyOrZero(@Nullable Tensor from, Tensor to) {
        if (from == null) {
            to.fill(0);
        } else {
            to.copyFrom(from);
        }
    }

    /** Some channels of a sequence. */
    private final class Part {
        private final Tensor mix;
        private final Tensor gradY;
        private final long b;
        private final long c;
        private final long count;

        Part(Tensor mix, Tensor gradY, long b, long c, long count) {
            this.mix = mix;
            this.gradY = gradY;
            this.b = b;
            this.c = c;
            this.count = count;
        }

        void run(
                Channels.Kernels<TokenShiftKernels> kernels,
                boolean own,
                boolean next,
                long t,
                long more,
                long out,
                long outStep,
                long steps) {
            kernels.run(
                    count,
                    (k, o, n) -> k.gradX(
                            lerp,
                            own,
                            next,
                            mixtures(gradY, 0, b, t) + 4 * c + o,
                            4 * Math.max(1, gradY.stride(2)),
                            4 * gradY.stride(0),
                            mix.address() + 4 * c + o,
                            4 * mix.dim(1),
                            mix.dim(0),
                            more + 4 * c + o,
                            out + 4 * c + o,
                            outStep,
                            steps,
                            n));
        }
    }

    private void runGradMix(Tensor x, @Nullable Tensor state, Tensor gradY, Tensor gradMix, Workspace scratch) {
        Channels channels = channels(x);
        long steps = x.dim(1);
        long mixtures = gradMix.dim(0);
        long columns = x.dim(2);
        long parts = x.dim(0) * blocks(x);
        Tensor zeros = scratch.zeros(DType.F32, columns);
        Tensor sums = scratch.empty(DType.F32, mixtures, parts, columns);
        try (Use _ = Use.of(x, state, gradY, zeros, sums, gradMix)) {
            Channels.Kernels<TokenShiftKernels> kernels = channels.kernels(KERNELS, GRAD_MIX + (lerp ? 1 : 0));
            channels.run(NANOS * gradY.size(), (_, s, c, count) -> {
                long b = s / blocks(x);
                long t = s % blocks(x) * BLOCK;
                long before = t == 0 ? stateRow(state, zeros.address(), b) : row(x, b, t - 1);
                for (long m = 0; m < mixtures; m++) {
                    long g = mixtures(gradY, m, b, t);
                    long sum = sums.address() + 4 * (m * parts + s) * columns;
                    kernels.run(
                            count,
                            (k, o, n) -> k.gradMix(
                                    lerp,
                                    before + 4 * c + o,
                                    row(x, b, t) + 4 * c + o,
                                    4 * x.stride(1),
                                    g + 4 * c + o,
                                    4 * gradY.stride(2),
                                    sum + 4 * c + o,
                                    Math.min(BLOCK, steps - t),
                                    n));
                }
            });
            for (long m = 0; m < mixtures; m++) {
                Gemm.Matrix rows = new Gemm.Matrix(sums.address() + 4 * m * parts * columns, 4 * columns, 4);
                ColumnSum.run(parts, columns, rows, gradMix.address() + 4 * m * columns, false, scratch);
            }
        }
    }

    private static int gradXVariant(boolean lerp, boolean own, boolean next) {
        return GRAD_X + (lerp ? 1 : 0) + (own ? 2 : 0) + (next ? 4 : 0);
    }

    static long probe(TokenShiftKernels k, int lanes, int variant, long scratch) {
        long steps = 16;
        long columns = 8L * lanes;
        long row = 4 * columns;
        long matrix = row * (steps + 1);
        boolean lerp = variant % 2 == 1;
        if (variant < GRAD_X) {
            k.forward(lerp, scratch, scratch + row, row, scratch, scratch + matrix, row, steps, columns);
        } else if (variant < GRAD_MIX) {
            int i = variant - GRAD_X;
            k.gradX(
                    lerp,
                    (i & 2) != 0,
                    (i & 4) != 0,
                    scratch,
                    row,
                    matrix,
                    scratch,
                    row,
                    3,
                    scratch,
                    scratch + 3 * matrix,
                    row,
                    steps,
                    columns);
        } else {
            k.gradMix(lerp, scratch, scratch + row, row, scratch, row, scratch + matrix, steps, columns);
        }
        return steps * columns;
    }
}
