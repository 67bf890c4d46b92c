package dev.heddle.op;

import dev.heddle.kernel.CausalConvKernels;
import dev.heddle.kernel.Dispatch;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The causal convolution over checked arguments. A piece of work is a range of time of one row of the batch and a block of
 * channels; it goes through the sequences that lie in the range. Where a step reads inputs from before its sequence, the rows
 * of the state and of x are first laid side by side.
 */
final class ConvForward {
    static final Dispatch<CausalConvKernels> KERNELS =
            new Dispatch<>(CausalConvKernels.class, ConvProbe.VARIANTS, ConvProbe::run);

    /** Channels of a piece: mostly whole rows, which are read in a stream. */
    private static final long CHANNELS = 2048;

    /** Steps of a piece: enough for the few rows that are read twice not to matter. */
    private static final long STEPS = 256;

    /** Nanoseconds for one element, to tell small work from large. */
    static final double NANOS = 0.4;

    private final Sequences q;
    private final Tensor x;
    private final Tensor w;
    private final @Nullable Tensor bias;
    private final @Nullable Tensor state;
    private final boolean silu;
    private final long channels;
    private final long taps;

    ConvForward(Sequences q, Tensor x, Tensor w, @Nullable Tensor bias, @Nullable Tensor state, boolean silu) {
        this.q = q;
        this.x = x;
        this.w = w;
        this.bias = bias;
        this.state = state;
        this.silu = silu;
        channels = x.dim(2);
        taps = w.dim(1);
    }

    /** The number of taps that a kernel is woven for; 0 if any number. */
    static int unrolled(long taps) {
        return taps >= 2 && taps <= CausalConvKernels.MAX_TAPS ? (int) taps : 0;
    }

    /** Weights as rows, and a bias for each channel. */
    record Weights(Tensor rows, Tensor bias) {
        static Weights of(Tensor w, @Nullable Tensor bias, Workspace scratch) {
            long channels = w.dim(0);
            Tensor b = bias == null ? scratch.zeros(DType.F32, channels) : bias;
            Tensor turned = w.transpose(0, 1);
            if (turned.isContiguous()) {
                return new Weights(turned, b);
            }
            Tensor rows = scratch.empty(DType.F32, w.dim(1), channels);
            KERNELS.choose(ConvProbe.TRANSPOSE, 1)
                    .kernels()
                    .transpose(
                            w.address(),
                            4 * w.stride(0),
                            4 * w.stride(1),
                            rows.address(),
                            4 * channels,
                            w.dim(1),
                            channels);
            return new Weights(rows, b);
        }
    }

    void run(Tensor y, @Nullable Tensor next, Workspace scratch) {
        if (channels == 0) {
            return;
        }
        long blocks = (channels + CHANNELS - 1) / CHANNELS;
        long stretches = (x.dim(1) + STEPS - 1) / STEPS;
        int chunks = Math.toIntExact(Math.multiplyExact(x.dim(0) * stretches, blocks));
        long row = 4 * Math.min(CHANNELS, channels);
        try (Use _ = Use.of(x, w, bias, state, y, next);
                Slabs slabs = new Slabs(chunks, 2 * (taps - 1) * row, scratch)) {
            Weights weights = Weights.of(w, bias, scratch);
            try (Use _ = Use.of(weights.rows, weights.bias)) {
                Job job = new Job(weights, y);
                double nanos = NANOS * x.dim(0) * x.dim(1) * channels;
                Team.run(
                        chunks,
                        nanos,
                        chunk -> slabs.with(slab -> {
                            long channel = chunk % blocks * CHANNELS;
                            long stretch = chunk / blocks;
                            job.piece(stretch / stretches, stretch % stretches * STEPS, channel, slab);
                        }));
                if (next != null && taps > 1) {
                    advance(next, KERNELS.choose(ConvProbe.COPY, channels).kernels());
                }
            }
        }
    }

    /** The last rows of (state, x), the oldest first, so that a state may be written over itself. */
    private void advance(Tensor next, CausalConvKernels copy) {
        long rows = taps - 1;
        for (int s = 0; s < q.count(); s++) {
            long length = q.length(s);
            long old = Math.max(0, rows - length);
            Walk to = walk(next, s);
            if (old > 0) {
                Walk from = state == null ? null : walk(state, s);
                for (long i = 0; i < old; i++) {
                    if (from == null) {
                        next.select(0, s).select(0, i).fill(0);
                    } else {
                        copy.copy(from.at(i + rows - old), 0, to.at(i), 0, 1, channels);
                    }
                }
            }
            Walk from = q.walk(x, s, false);
            copy.copy(from.at(length - (rows - old)), from.step(), to.at(old), to.step(), rows - old, channels);
        }
    }

    /** The rows of a state. */
    private static Walk walk(Tensor state, int s) {
        return new Walk(state.address() + 4L * s * state.stride(0), 4 * state.stride(1));
    }

    private final class Job {
        private final Weights weights;
        private final Tensor y;
        private final int unrolled = unrolled(taps);
        private final CausalConvKernels whole;
        private final CausalConvKernels part;
        private final CausalConvKernels copy;

        Job(Weights weights, Tensor y) {
            this.weights = weights;
            this.y = y;
            int variant = ConvProbe.forward(unrolled, silu);
            part = KERNELS.choose(variant, channels % CHANNELS).kernels();
            whole = channels < CHANNELS
                    ? part
                    : KERNELS.choose(variant, CHANNELS).kernels();
            copy = KERNELS.choose(ConvProbe.COPY, channels % CHANNELS == 0 ? CHANNELS : channels % CHANNELS)
                    .kernels();
        }

        void piece(long batch, long from, long channel, long slab) {
            long to = Math.min(from + STEPS, x.dim(1));
            for (int s = q.at(batch, from); s < q.count() && q.row(s) == batch && q.start(s) < to; s++) {
                long first = Math.max(from, q.start(s)) - q.start(s);
                long end = Math.min(to, q.start(s) + q.length(s)) - q.start(s);
                if (first < end) {
                    steps(s, first, end, channel, slab);
                }
            }
        }

        private void steps(int s, long first, long end, long channel, long slab) {
            long columns = Math.min(CHANNELS, channels - channel);
            CausalConvKernels k = columns == CHANNELS ? whole : part;
            Walk xs = q.walk(x, s, false).plus(4 * channel);
            Walk ys = q.walk(y, s, false).plus(4 * channel);
            long head = Math.min(end, taps - 1);
            if (first < head) {
                Walk rows = new Walk(slab, 4 * columns);
                Head.lay(copy, rows, state, s, channel, xs, first, head, taps, columns);
                run(k, rows.first(), rows.step(), ys.at(first), ys.step(), channel, head - first, columns);
                first = head;
            }
            run(k, xs.at(first - taps + 1), xs.step(), ys.at(first), ys.step(), channel, end - first, columns);
        }

        private void run(
                CausalConvKernels k, long xt, long xs, long yt, long ys, long channel, long steps, long columns) {
            k.forward(
                    unrolled,
                    silu,
                    taps,
                    xt,
                    xs,
                    weights.rows.address() + 4 * channel,
                    4 * channels,
                    weights.bias.address() + 4 * channel,
                    yt,
                    ys,
                    steps,
                    columns);
        }
    }

    /** The rows that the first steps of a sequence read, side by side: the end of the state, then the start of x. */
    static final class Head {
        private Head() {}

        /** Lays out the {@code to - from + taps - 1} rows that steps {@code from} to {@code to} read, where {@code to < taps}. */
        static void lay(
                CausalConvKernels copy,
                Walk rows,
                @Nullable Tensor state,
                int s,
                long channel,
                Walk x,
                long from,
                long to,
                long taps,
                long columns) {
            long old = taps - 1 - from;
            if (state != null) {
                Walk st = walk(state, s).plus(4 * channel);
                copy.copy(st.at(from), st.step(), rows.first(), rows.step(), old, columns);
            } else {
                copy.zero(rows.first(), old * columns);
            }
            copy.copy(x.first(), x.step(), rows.at(old), rows.step(), to, columns);
        }
    }
}
