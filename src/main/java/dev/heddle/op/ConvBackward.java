package dev.heddle.op;

import static dev.heddle.op.ConvForward.KERNELS;

import dev.heddle.kernel.CausalConvKernels;
import dev.heddle.kernel.Dispatch;
import dev.heddle.op.CausalConv1d.Gradients;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The gradients of the causal convolution over checked arguments. A piece of work is a part of the sequences and a block of
 * channels. It goes through each sequence from the end, by stretches of time; the gradients before the activation of a
 * stretch and of the K - 1 steps after it lie side by side, and the gradient of x is a convolution of these with the weights
 * in reverse.
 */
final class ConvBackward {
    private static final long CHANNELS = 128;

    /** Steps of a stretch; more where there are more taps. Part of the order of sums over time. */
    private static final long STRETCH = 64;

    /** Parts that the sequences fall into, at most. Part of the order of sums over sequences. */
    private static final int PARTS = 16;

    private final Sequences q;
    private final Tensor x;
    private final Tensor w;
    private final @Nullable Tensor bias;
    private final @Nullable Tensor state;
    private final boolean silu;
    private final long channels;
    private final long taps;
    private final long stretch;
    private final int parts;

    ConvBackward(Sequences q, Tensor x, Tensor w, @Nullable Tensor bias, @Nullable Tensor state, boolean silu) {
        this.q = q;
        this.x = x;
        this.w = w;
        this.bias = bias;
        this.state = state;
        this.silu = silu;
        channels = x.dim(2);
        taps = w.dim(1);
        stretch = Math.max(STRETCH, taps - 1);
        parts = Math.max(1, Math.min(PARTS, q.count()));
    }

    void run(@Nullable Tensor gradY, @Nullable Tensor gradState, Gradients g, Workspace scratch) {
        if (channels == 0) {
            return;
        }
        long blocks = (channels + CHANNELS - 1) / CHANNELS;
        int chunks = Math.toIntExact(parts * blocks);
        long sums = ((taps + 1) * channels + 15) / 16 * 16;
        Tensor partial = scratch.zeros(DType.F32, parts, sums);
        Tensor zeros = scratch.zeros(DType.F32, CHANNELS);
        try (Use _ = Use.of(x, w, bias, state, gradY, gradState, g.x(), g.w(), g.bias(), g.state(), partial, zeros);
                Slabs slabs = new Slabs(chunks, (stretch + 3 * (taps - 1)) * 4 * CHANNELS, scratch)) {
            ConvForward.Weights weights = ConvForward.Weights.of(w, bias, scratch);
            try (Use _ = Use.of(weights.rows(), weights.bias())) {
                Job job = new Job(weights, zeros.address(), gradY, gradState, g);
                double nanos = 3 * ConvForward.NANOS * q.steps() * channels;
                Team.run(
                        chunks,
                        nanos,
                        chunk -> slabs.with(slab -> {
                            int part = (int) (chunk / blocks);
                            long at = partial.address() + 4L * part * sums;
                            job.piece(part, chunk % blocks * CHANNELS, slab, at);
                        }));
            }
            CausalConvKernels add = KERNELS.choose(ConvProbe.ADD, 16).kernels();
            for (int p = 1; p < parts; p++) {
                add.add(partial.address() + 4L * p * sums, partial.address(), sums);
            }
            CausalConvKernels move = KERNELS.choose(ConvProbe.TRANSPOSE, 1).kernels();
            if (g.w() != null) {
                for (long k = 0; k < taps; k++) {
                    column(
                            move,
                            partial.address() + 4 * k * channels,
                            g.w().address() + 4 * k * g.w().stride(1),
                            g.w());
                }
            }
            if (g.bias() != null) {
                column(move, partial.address() + 4 * taps * channels, g.bias().address(), g.bias());
            }
        }
    }

    /** A row of sums to a column of a gradient. */
    private void column(CausalConvKernels move, long from, long to, Tensor gradient) {
        move.transpose(from, 0, 4, to, 4 * gradient.stride(0), channels, 1);
    }

    /** A kernel for whole blocks and one for the last; those that add work on multiples of its lanes, and a twin on the rest. */
    private final class Choice {
        private final Dispatch.Chosen<CausalConvKernels> whole;
        private final Dispatch.Chosen<CausalConvKernels> part;
        private final CausalConvKernels one;

        Choice(int variant) {
            part = KERNELS.choose(variant, channels % CHANNELS);
            whole = channels < CHANNELS ? part : KERNELS.choose(variant, CHANNELS);
            one = KERNELS.choose(variant, 1).kernels();
        }

        CausalConvKernels of(long columns) {
            return (columns == CHANNELS ? whole : part).kernels();
        }

        void exactly(long columns, ScanBlocks.Body<CausalConvKernels> body) {
            Dispatch.Chosen<CausalConvKernels> c = columns == CHANNELS ? whole : part;
            long full = columns - columns % c.lanes();
            if (full > 0) {
                body.run(c.kernels(), 0, full);
            }
            if (full < columns) {
                body.run(one, 4 * full, columns - full);
            }
        }
    }

    private final class Job {
        private final ConvForward.Weights weights;
        private final long zeros;
        private final @Nullable Tensor gradY;
        private final @Nullable Tensor gradState;
        private final Gradients g;
        private final int unrolled = ConvForward.unrolled(taps);
        private final boolean wantInputs;
        private final boolean wantWeights;
        private final Choice slope = new Choice(ConvProbe.slope(unrolled, silu));
        private final Choice back = new Choice(ConvProbe.forward(unrolled, false));
        private final Choice sums = new Choice(ConvProbe.weights(unrolled));
        private final Choice add = new Choice(ConvProbe.ADD);
        private final Choice zero = new Choice(ConvProbe.ZERO);
        private final Choice copy = new Choice(ConvProbe.COPY);

        Job(ConvForward.Weights weights, long zeros, @Nullable Tensor gradY, @Nullable Tensor gradState, Gradients g) {
            this.weights = weights;
            this.zeros = zeros;
            this.gradY = gradY;
            this.gradState = gradState;
            this.g = g;
            wantInputs = g.x() != null || g.state() != null;
            wantWeights = g.w() != null || g.bias() != null;
        }

        void piece(int part, long channel, long slab, long sum) {
            int from = (int) ((long) q.count() * part / parts);
            int to = (int) ((long) q.count() * (part + 1) / parts);
            for (int s = from; s < to; s++) {
                new Pass(s, channel, slab, sum + 4 * channel).run();
            }
        }

        /** One sequence of a piece. */
        private final class Pass {
            private final int s;
            private final long channel;
            private final long columns;
            private final long sum;

            /** The gradients before the activation: a stretch, then the K - 1 steps after it. */
            private final Walk slopes;

            /** Inputs that the first steps read. */
            private final Walk head;

            private final Walk xs;

            Pass(int s, long channel, long slab, long sum) {
                this.s = s;
                this.channel = channel;
                this.sum = sum;
                columns = Math.min(CHANNELS, channels - channel);
                slopes = new Walk(slab, 4 * columns);
                head = new Walk(slopes.at(stretch + taps - 1), 4 * columns);
                xs = q.walk(x, s, false).plus(4 * channel);
            }

            void run() {
                long length = q.length(s);
                long steps = length - Math.max(0, length - 1) / stretch * stretch;
                zero.of(columns).zero(slopes.at(steps), (taps - 1) * columns);
                for (long to = length, from; to > 0; to = from) {
                    from = (to - 1) / stretch * stretch;
                    stretch(from, to);
                    if (from > 0) {
                        copy.of(columns)
                                .copy(
                                        slopes.first(),
                                        slopes.step(),
                                        slopes.at(stretch),
                                        slopes.step(),
                                        taps - 1,
                                        columns);
                    }
                }
                if (g.state() != null) {
                    state(g.state());
                }
                if (gradState != null) {
                    newState(gradState, length);
                }
            }

            private void stretch(long from, long to) {
                long middle = Math.max(from, Math.min(to, taps - 1));
                if (from < middle) {
                    ConvForward.Head.lay(copy.of(columns), head, state, s, channel, xs, from, middle, taps, columns);
                    slopes(head, from, from, middle);
                }
                Walk before = new Walk(xs.at(middle - taps + 1), xs.step());
                slopes(before, from, middle, to);
                if (g.x() != null) {
                    Walk gx = q.walk(g.x(), s, false).plus(4 * channel);
                    back(slopes.first(), gx.at(from), gx.step(), to - from);
                }
            }

            /** Steps {@code first} to {@code end} of a stretch that starts at {@code from}; {@code rows} are what they read. */
            private void slopes(Walk rows, long from, long first, long end) {
                if (first == end) {
                    return;
                }
                Walk gy = gradY == null
                        ? new Walk(zeros, 0)
                        : q.walk(gradY, s, false).plus(4 * channel);
                long w = weights.rows().address() + 4 * channel;
                slope.of(columns)
                        .slope(
                                unrolled,
                                silu,
                                taps,
                                rows.first(),
                                rows.step(),
                                w,
                                4 * channels,
                                weights.bias().address() + 4 * channel,
                                gy.at(first),
                                gy.step(),
                                slopes.at(first - from),
                                slopes.step(),
                                end - first,
                                columns);
                if (wantWeights) {
                    sums.exactly(
                            columns,
                            (k, o, n) -> k.weights(
                                    unrolled,
                                    taps,
                                    rows.first() + o,
                                    rows.step(),
                                    slopes.at(first - from) + o,
                                    slopes.step(),
                                    sum + o,
                                    4 * channels,
                                    sum + 4 * taps * channels + o,
                                    end - first,
                                    n));
                }
            }

            /** Convolves the gradients from {@code at} on with the weights in reverse. */
            private void back(long at, long to, long ts, long steps) {
                if (wantInputs) {
                    back.of(columns)
                            .forward(
                                    unrolled,
                                    false,
                                    taps,
                                    at,
                                    slopes.step(),
                                    weights.rows().address() + 4 * (channel + (taps - 1) * channels),
                                    -4 * channels,
                                    zeros,
                                    to,
                                    ts,
                                    steps,
                                    columns);
                }
            }

            /** The gradient of the old state: no step before the first has a gradient. */
            private void state(Tensor to) {
                long rows = taps - 1;
                copy.of(columns).copy(slopes.first(), slopes.step(), head.first(), head.step(), rows, columns);
                zero.of(columns).zero(slopes.first(), rows * columns);
                copy.of(columns).copy(head.first(), head.step(), slopes.at(rows), slopes.step(), rows, columns);
                back(slopes.first(), row(to, 0), 4 * to.stride(1), rows);
            }

            /** Adds the gradient of the new state to those of the rows that it is made of. */
            private void newState(Tensor from, long length) {
                for (long i = 0; i < taps - 1; i++) {
                    long at = length + i - (taps - 1);
                    Tensor target = at < 0 ? g.state() : g.x();
                    if (target != null) {
                        long row = at < 0
                                ? row(target, length + i)
                                : q.walk(target, s, false).plus(4 * channel).at(at);
                        long source = row(from, i);
                        add.exactly(columns, (k, o, n) -> k.add(source + o, row + o, n));
                    }
                }
            }

            /** A row of a state. */
            private long row(Tensor t, long i) {
                return t.address() + 4 * (s * t.stride(0) + i * t.stride(1) + channel);
            }
        }
    }
}
