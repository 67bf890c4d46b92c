package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LinearScanKernels;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The linear recurrence: {@code h_t = a_t h_{t-1} + b_t}, channel by channel.
 *
 * <ul>
 *   <li>{@code a}, {@code b} and {@code h} are float32 {@code [B, L, D]}: batch, time, channel; a may be 0, 1 or negative;
 *   <li>{@code h0}, optional, is {@code [B, D]}: the state before the first step, 0 without it; {@code last} is the state after the last;
 *   <li>{@code cuSeqlens}, optional and with B = 1, is int32 {@code [S + 1]}: sequence k is the time from {@code cu[k]} to
 *       {@code cu[k + 1]} and gives what it gives alone; h0 and last are then {@code [S, D]}.
 * </ul>
 *
 * <p>With {@code reverse} time runs from the last step to the first, and {@code last} is the state after step 0. An empty sequence
 * returns its initial state.
 *
 * <p>Steps are taken in the order of time with one fused multiply-add each, so any way of cutting a sequence into calls that
 * hand on {@code last} as {@code h0} gives the same bits, and so does any batch, width and number of threads.
 *
 * <p>Gradients: {@code g_t = grad_h_t + a_{t+1} g_{t+1}}, where the last step adds {@code grad_last}; {@code grad_b = g},
 * {@code grad_a_t = g_t h_{t-1}}, {@code grad_h0 = a_1 g_1}.
 *
 * <p>Tensors may be views whose last axis is contiguous. An output may not overlap an input. The forward needs no memory
 * beyond its outputs; the backward needs {@code h} again, takes the forward's if it is given, and else recomputes it from
 * states kept every 64 steps: an L/64 of h and two stretches of 64 steps for each thread.
 */
public final class LinearScan {
    private static final int SCAN = 0;
    private static final int SWEEP = 1;
    private static final int COPY = 2;

    private static final Dispatch<LinearScanKernels> KERNELS =
            new Dispatch<>(LinearScanKernels.class, COPY + 1, LinearScan::probe);

    /** Channels of one piece of work: long enough a row to be read in a stream. */
    private static final long CHANNELS = 256;

    private static final long ROW = 4 * CHANNELS;

    /** Steps between two states that the backward keeps. */
    private static final long STRETCH = 64;

    /** Nanoseconds of one element, to tell small work from large. */
    private static final double NANOS = 0.3;

    private final boolean reverse;

    private LinearScan(boolean reverse) {
        this.reverse = reverse;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: time runs forward. */
    public static final class Builder {
        private boolean reverse;

        private Builder() {}

        /** Whether time runs from the last step to the first. */
        public Builder reverse(boolean reverse) {
            this.reverse = reverse;
            return this;
        }

        public LinearScan build() {
            return new LinearScan(reverse);
        }
    }

    /** All states, and the last of each sequence. */
    public record Result(Tensor h, Tensor last) {}

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor h0) {}

    /** Computes all states as new tensors. */
    public Result forward(Tensor a, Tensor b, @Nullable Tensor h0, @Nullable Tensor cuSeqlens) {
        Sequences q = check(a, b, h0, cuSeqlens);
        Tensor h = Tensor.zeros(DType.F32, a.shape().toArray());
        Tensor last = Tensor.zeros(DType.F32, q.count(), a.dim(2));
        run(q, a, b, h0, h, last);
        return new Result(h, last);
    }

    /** Computes all states into {@code h} and, if it is wanted, the last of each sequence into {@code last}. */
    public void forward(
            Tensor a, Tensor b, @Nullable Tensor h0, @Nullable Tensor cuSeqlens, Tensor h, @Nullable Tensor last) {
        Sequences q = check(a, b, h0, cuSeqlens);
        sequence("h", h, a);
        state("last", last, q, a);
        new Apart().in("a", a).in("b", b).in("h0", h0).out("h", h).out("last", last);
        run(q, a, b, h0, h, last);
    }

    /**
     * The gradients that are wanted, as new tensors.
     *
     * @param h the forward's, if it is at hand
     * @param gradH of all states, and {@code gradLast} of the last ones; 0 where they are null
     */
    public Gradients backward(
            Tensor a,
            Tensor b,
            @Nullable Tensor h0,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor h,
            @Nullable Tensor gradH,
            @Nullable Tensor gradLast,
            boolean wantA,
            boolean wantB,
            boolean wantH0) {
        Sequences q = check(a, b, h0, cuSeqlens);
        checkGradients(q, a, h, gradH, gradLast);
        Gradients g = new Gradients(
                wantA ? Tensor.zeros(DType.F32, a.shape().toArray()) : null,
                wantB ? Tensor.zeros(DType.F32, a.shape().toArray()) : null,
                wantH0 ? Tensor.zeros(DType.F32, q.count(), a.dim(2)) : null);
        try (Workspace scratch = new Workspace()) {
            runBackward(q, a, b, h0, h, gradH, gradLast, g, scratch);
        }
        return g;
    }

    /** The same into the tensors given; a null one is not computed. Memory that it needs meanwhile comes from {@code scratch}. */
    public void backward(
            Tensor a,
            Tensor b,
            @Nullable Tensor h0,
            @Nullable Tensor cuSeqlens,
            @Nullable Tensor h,
            @Nullable Tensor gradH,
            @Nullable Tensor gradLast,
            @Nullable Tensor gradA,
            @Nullable Tensor gradB,
            @Nullable Tensor gradH0,
            Workspace scratch) {
        Sequences q = check(a, b, h0, cuSeqlens);
        checkGradients(q, a, h, gradH, gradLast);
        sequence("gradA", gradA, a);
        sequence("gradB", gradB, a);
        state("gradH0", gradH0, q, a);
        new Apart()
                .in("a", a)
                .in("b", b)
                .in("h0", h0)
                .in("h", h)
                .in("gradH", gradH)
                .in("gradLast", gradLast)
                .out("gradA", gradA)
                .out("gradB", gradB)
                .out("gradH0", gradH0);
        runBackward(q, a, b, h0, h, gradH, gradLast, new Gradients(gradA, gradB, gradH0), scratch);
    }

    // ------------------------------------------------------------------ checks

    private static Sequences check(Tensor a, Tensor b, @Nullable Tensor h0, @Nullable Tensor cuSeqlens) {
        Checks.type("a", a, DType.F32);
        Checks.rank("a", a, 3);
        Checks.contiguousRows("a", a);
        sequence("b", b, a);
        Sequences q = Sequences.of(a, cuSeqlens);
        state("h0", h0, q, a);
        return q;
    }

    private static void checkGradients(
            Sequences q, Tensor a, @Nullable Tensor h, @Nullable Tensor gradH, @Nullable Tensor gradLast) {
        sequence("h", h, a);
        sequence("gradH", gradH, a);
        state("gradLast", gradLast, q, a);
    }

    private static void sequence(String name, @Nullable Tensor t, Tensor a) {
        if (t != null) {
            Checks.like(name, t, DType.F32, "a", a);
            Checks.contiguousRows(name, t);
        }
    }

    private static void state(String name, @Nullable Tensor t, Sequences q, Tensor a) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, q.count(), a.dim(2));
            Checks.contiguousRows(name, t);
        }
    }

    // ------------------------------------------------------------------ work

    private static int chunks(Sequences q, long channels) {
        return Math.toIntExact(Math.multiplyExact(q.count(), (channels + CHANNELS - 1) / CHANNELS));
    }

    /** The kernels for whole and for partial pieces, chosen on the caller's thread. */
    private static final class Kernels {
        final long channels;
        private final LinearScanKernels[] whole = new LinearScanKernels[COPY + 1];
        private final LinearScanKernels[] part = new LinearScanKernels[COPY + 1];

        Kernels(long channels, int... variants) {
            this.channels = channels;
            for (int v : variants) {
                part[v] = KERNELS.choose(v, channels % CHANNELS).kernels();
                whole[v] = channels < CHANNELS
                        ? part[v]
                        : KERNELS.choose(v, CHANNELS).kernels();
            }
        }

        LinearScanKernels of(int variant, long columns) {
            return (columns == CHANNELS ? whole : part)[variant];
        }
    }

    /** Some channels of one sequence. */
    private class Piece {
        final Sequences q;
        final int sequence;
        final long length;
        final long channel;
        final long columns;
        final LinearScanKernels scan;
        final LinearScanKernels copy;

        Piece(Sequences q, Kernels kernels, int chunk) {
            this.q = q;
            sequence = chunk % q.count();
            length = q.length(sequence);
            channel = chunk / q.count() * CHANNELS;
            columns = Math.min(CHANNELS, kernels.channels - channel);
            scan = kernels.of(SCAN, columns);
            copy = kernels.of(COPY, columns);
        }

        /** The rows of {@code t}, or {@code otherwise} for each of them where it is absent. */
        Walk walk(@Nullable Tensor t, long otherwise) {
            if (t == null) {
                return new Walk(otherwise, 0);
            }
            Walk w = q.walk(t, sequence, reverse);
            return new Walk(w.first() + 4 * channel, w.step());
        }

        /** The row of a state {@code [S, D]}, or {@code otherwise} where it is absent. */
        long row(@Nullable Tensor state, long otherwise) {
            return state == null ? otherwise : state.address() + 4 * (sequence * state.stride(0) + channel);
        }

        void scan(Walk a, Walk b, Walk h, long before, long steps) {
            scan.scan(a.first(), a.step(), b.first(), b.step(), h.first(), h.step(), before, steps, columns);
        }
    }

    private void run(Sequences q, Tensor a, Tensor b, @Nullable Tensor h0, Tensor h, @Nullable Tensor last) {
        long channels = a.dim(2);
        try (Workspace scratch = new Workspace(ROW + 256);
                Use _ = Use.of(a, b, h0, h, last)) {
            long zeros = scratch.zeros(DType.F32, CHANNELS).address();
            Kernels kernels = new Kernels(channels, SCAN, COPY);
            Team.run(chunks(q, channels), NANOS * q.steps() * channels, chunk -> {
                Piece p = new Piece(q, kernels, chunk);
                long start = p.row(h0, zeros);
                Walk hs = p.walk(h, 0);
                p.scan(p.walk(a, 0), p.walk(b, 0), hs, start, p.length);
                if (last != null) {
                    p.copy.copy(p.length == 0 ? start : hs.at(p.length - 1), p.row(last, 0), p.columns);
                }
            });
        }
    }

    private void runBackward(
            Sequences q,
            Tensor a,
            Tensor b,
            @Nullable Tensor h0,
            @Nullable Tensor h,
            @Nullable Tensor gradH,
            @Nullable Tensor gradLast,
            Gradients g,
            Workspace scratch) {
        long channels = a.dim(2);
        Tensors tensors = new Tensors(a, b, h0, h, gradH, gradLast, g);
        boolean recompute = tensors.recomputes();
        long kept = recompute ? 1 + q.longest() / STRETCH : 0;
        Tensor constants = scratch.zeros(DType.F32, 3, CHANNELS);
        constants.select(0, 0).fill(1);
        int chunks = chunks(q, channels);
        try (Slabs slabs = new Slabs(chunks, ROW * (2 * STRETCH + kept), scratch);
                Use _ = Use.of(a, b, h0, h, gradH, gradLast, g.a, g.b, g.h0, constants)) {
            long ones = constants.address();
            Kernels kernels = new Kernels(channels, SCAN, SWEEP, COPY);
            double nanos = (recompute ? 4 : 2) * NANOS * q.steps() * channels;
            Team.run(
                    chunks, nanos, chunk -> slabs.with(slab -> new Back(q, kernels, chunk, slab, ones, tensors).run()));
        }
    }

    /** What the backward reads and writes. */
    private record Tensors(
            Tensor a,
            Tensor b,
            @Nullable Tensor h0,
            @Nullable Tensor h,
            @Nullable Tensor gradH,
            @Nullable Tensor gradLast,
            Gradients g) {
        boolean recomputes() {
            return g.a != null && h == null;
        }
    }

    /** The backward of a piece: from its last stretch to its first. */
    private final class Back extends Piece {
        private final LinearScanKernels sweep;

        private final Tensors tensors;

        /** Rows of ones and of zeros. */
        private final long ones;

        private final long zeros;

        /** Scratch: the states before each step of a stretch, the rows of a stretch, and the states before each stretch. */
        private final Walk states;

        private final Walk ring;
        private final Walk kept;

        private final Walk a;
        private final Walk b;
        private final Walk h;
        private final Walk gh;
        private final Walk ga;
        private final Walk gb;
        private final long start;

        /** The rows of a and g after the step that comes next. */
        private long after;

        private long gAfter;

        Back(Sequences q, Kernels kernels, int chunk, long slab, long ones, Tensors t) {
            super(q, kernels, chunk);
            sweep = kernels.of(SWEEP, columns);
            tensors = t;
            this.ones = ones;
            zeros = ones + ROW;
            states = new Walk(slab, ROW);
            ring = new Walk(states.at(STRETCH), ROW);
            kept = new Walk(ring.at(STRETCH), ROW);
            long nowhere = zeros + ROW;
            a = walk(t.a, 0);
            b = walk(t.b, 0);
            h = walk(t.h, zeros);
            gh = walk(t.gradH, zeros);
            ga = walk(t.g.a, nowhere);
            gb = walk(t.g.b, 0);
            start = row(t.h0, zeros);
        }

        void run() {
            boolean recompute = tensors.recomputes();
            boolean given = tensors.g.a != null && tensors.h != null;
            if (recompute) {
                keep();
            }
            after = ones;
            gAfter = row(tensors.gradLast, zeros);
            for (long to = length, from; to > 0; to = from) {
                from = (to - 1) / STRETCH * STRETCH;
                // what nobody wants of g, the recurrence does
                Walk g = tensors.g.b == null ? new Walk(ring.first() - from * ROW, ROW) : gb;
                if (recompute) {
                    restore(from, to);
                    sweep(from, to, g, new Walk(states.first() - from * ROW, ROW));
                } else if (given && from == 0) {
                    sweep(1, to, g, new Walk(h.at(-1), h.step()));
                    sweep(0, 1, g, new Walk(start, 0));
                } else {
                    sweep(from, to, g, given ? new Walk(h.at(-1), h.step()) : new Walk(zeros, 0));
                }
            }
            if (tensors.g.h0 != null) {
                long out = row(tensors.g.h0, 0);
                if (length == 0) {
                    copy.copy(gAfter, out, columns);
                } else {
                    scan(new Walk(after, 0), new Walk(zeros, 0), new Walk(out, 0), gAfter, 1);
                }
            }
        }

        /** Runs forward, and keeps the state before each stretch. */
        private void keep() {
            copy.copy(start, kept.first(), columns);
            for (long t = STRETCH; t < length; t += STRETCH) {
                long before = kept.at(t / STRETCH - 1);
                scan(from(a, t - STRETCH), from(b, t - STRETCH), ring, before, STRETCH - 1);
                Walk next = new Walk(kept.at(t / STRETCH), 0);
                scan(from(a, t - 1), from(b, t - 1), next, ring.at(STRETCH - 2), 1);
            }
        }

        /** The states before each step of a stretch, from the one kept. */
        private void restore(long from, long to) {
            copy.copy(kept.at(from / STRETCH), states.first(), columns);
            scan(from(a, from), from(b, from), new Walk(states.at(1), ROW), states.first(), to - from - 1);
        }

        /** From step {@code to - 1} back to {@code from}; {@code before} walks through the states before each step. */
        private void sweep(long from, long to, Walk g, Walk before) {
            if (from == to) {
                return;
            }
            long t = to - 1;
            sweep.sweep(
                    a.at(t),
                    -a.step(),
                    gh.at(t),
                    -gh.step(),
                    before.at(t),
                    -before.step(),
                    ga.at(t),
                    -ga.step(),
                    g.at(t),
                    -g.step(),
                    after,
                    gAfter,
                    to - from,
                    columns);
            after = a.at(from);
            gAfter = g.at(from);
        }

        private static Walk from(Walk w, long t) {
            return new Walk(w.at(t), w.step());
        }
    }

    /** Runs one variant on a row of two vectors and a bit, 64 steps. */
    private static long probe(LinearScanKernels k, int lanes, int variant, long scratch) {
        long columns = lanes == 1 ? 9 : 2 * lanes + lanes / 4;
        long row = 4 * columns;
        long size = row * STRETCH;
        long end = scratch + size - row;
        switch (variant) {
            case SCAN -> k.scan(scratch, row, scratch + size, row, scratch + 2 * size, row, end, STRETCH, columns);
            case SWEEP ->
                k.sweep(
                        end,
                        -row,
                        end + size,
                        -row,
                        end + 2 * size,
                        -row,
                        end + 3 * size,
                        -row,
                        end + 4 * size,
                        -row,
                        end,
                        end,
                        STRETCH,
                        columns);
            default -> {
                for (long t = 0; t < STRETCH; t++) {
                    k.copy(scratch, scratch + size, columns);
                }
            }
        }
        return columns * STRETCH;
    }
}
