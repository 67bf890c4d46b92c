package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LifKernels;
import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Runs integrate-and-fire neurons over time.
 *
 * @param leak how much of its distance from {@code reset} the membrane loses in a step
 * @param gain what an input counts for
 * @param drive 1 if the gain is the leak, for the leak's gradient, else 0
 */
record LifRun(
        boolean soft,
        boolean detached,
        Surrogate surrogate,
        float leak,
        float gain,
        float drive,
        float threshold,
        float reset) {
    static final Dispatch<LifKernels> KERNELS = new Dispatch<>(LifKernels.class, LifProbe.VARIANTS, LifProbe::run);

    private static final double NANOS = 0.3;

    /** Into so many parts, if they do not get too narrow, the neurons of a batch are split. */
    private static final long PARTS = 4;

    private static final long NARROWEST = 384;
    private static final long WIDEST = 2048;

    /** Steps between two states that the backward keeps. */
    private static final long STRETCH = 64;

    /** The outputs of a forward; absent ones are not wanted. */
    record Outputs(
            @Nullable Tensor spike,
            @Nullable SpikeBits bits,
            @Nullable Tensor v,
            @Nullable Tensor last) {}

    /** What the backward makes; absent ones are not wanted. The last is one value. */
    record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor leak) {}

    private static Channels channels(Tensor x) {
        long neurons = x.dim(2);
        long parts = Math.max(1, PARTS / Math.max(1, x.dim(0)));
        long width = Math.clamp(neurons / parts / 64 * 64, NARROWEST, WIDEST);
        return new Channels(x.dim(0), neurons, width);
    }

    private static long state(@Nullable Tensor v0, long otherwise, long sequence, long neuron) {
        return v0 == null ? otherwise : v0.address() + 4 * (sequence * v0.stride(0) + neuron);
    }

    void forward(Tensor x, @Nullable Tensor v0, Outputs out, Workspace scratch) {
        Channels channels = channels(x);
        long neurons = x.dim(2);
        long steps = x.dim(1);
        long pad = 4 * channels.lastWidth();
        Tensor memory = scratch.empty(DType.U8, channels.chunks(), 3, pad);
        Tensor rest = scratch.empty(DType.F32, neurons).fill(reset);
        Tensor words = out.bits == null ? null : out.bits.words();
        boolean packed = words != null;
        try (Use _ = Use.of(x, v0, out.spike, words, out.v, out.last, memory, rest)) {
            Channels.Kernels<LifKernels> kernels = channels.kernels(KERNELS, LifProbe.forward(soft, packed));
            long wordRow = words == null ? 0 : 8 * words.stride(0);
            channels.run(NANOS * x.size(), (chunk, b, c, count) -> {
                long own = memory.address() + 3L * chunk * pad;
                Steps xs = Steps.of(x, 0, b, c);
                Steps spikes = Steps.of(out.spike, own, b, c);
                long before = state(v0, rest.address() + 4 * c, b, c);
                boolean ring = out.v == null;
                Steps vs = ring ? new Steps(own + pad, pad) : Steps.of(out.v, 0, b, c);
                long bits = words == null ? 0 : words.address() + b * steps * wordRow + c / 64 * 8;
                kernels.run(
                        count,
                        (k, o, n) -> steps(
                                k,
                                packed,
                                xs.first() + o,
                                xs.step(),
                                spikes.first() + o,
                                spikes.step(),
                                bits + o / 256 * 8,
                                wordRow,
                                o / 4 % 64,
                                before + o,
                                vs.first() + o,
                                vs.step(),
                                ring,
                                steps,
                                n));
                if (out.last != null) {
                    long t = steps - 1;
                    long end = steps == 0 ? before : ring ? vs.at(t % 2) : vs.at(t);
                    copy(end, state(out.last, 0, b, c), count);
                }
            });
        }
    }

    private void steps(
            LifKernels k,
            boolean packed,
            long x,
            long xs,
            long spike,
            long ss,
            long bits,
            long bs,
            long bit,
            long before,
            long v,
            long vs,
            boolean ring,
            long steps,
            long columns) {
        k.forward(
                soft,
                packed,
                x,
                xs,
                spike,
                ss,
                bits,
                bs,
                bit,
                before,
                v,
                vs,
                ring ? -1 : 1,
                leak,
                gain,
                threshold,
                reset,
                steps,
                columns);
    }

    private static void copy(long from, long to, long columns) {
        MemorySegment.copy(Raw.ALL, from, Raw.ALL, to, 4 * columns);
    }

    void backward(
            Tensor x,
            @Nullable Tensor v0,
            @Nullable Tensor v,
            @Nullable Tensor gradSpike,
            @Nullable Tensor gradV,
            @Nullable Tensor gradLast,
            Gradients g,
            Workspace scratch) {
        Channels channels = channels(x);
        long batch = x.dim(0);
        long neurons = x.dim(2);
        boolean learned = g.leak != null;
        Tensor rest = scratch.empty(DType.F32, neurons).fill(reset);
        Tensor zeros = scratch.zeros(DType.F32, neurons);
        Tensor carry = scratch.zeros(DType.F32, batch, neurons);
        if (gradLast != null) {
            carry.copyFrom(gradLast);
        }
        Tensor leaks = scratch.zeros(DType.F32, 1, learned ? batch * neurons : 0);
        long kept = v == null ? (x.dim(1) + STRETCH - 1) / STRETCH : 0;
        Tensor memory = scratch.empty(DType.F32, channels.chunks(), 2 + STRETCH + kept, channels.lastWidth());
        try (Use _ = Use.of(x, v0, v, gradSpike, gradV, g.x, rest, zeros, carry, leaks, memory)) {
            Channels.Kernels<LifKernels> forward = channels.kernels(KERNELS, LifProbe.forward(soft, false));
            Channels.Kernels<LifKernels> backward =
                    channels.kernels(KERNELS, LifProbe.backward(soft, detached, learned, surrogate.slope));
            channels.run(3 * NANOS * x.size(), (chunk, b, c, count) -> {
                long waste = memory.address() + 4L * chunk * memory.stride(0);
                long own = 4 * (b * neurons + c);
                new Back(
                                forward,
                                backward,
                                count,
                                x.dim(1),
                                Steps.of(x, 0, b, c),
                                Steps.of(gradSpike, zeros.address() + 4 * c, b, c),
                                Steps.of(gradV, zeros.address() + 4 * c, b, c),
                                Steps.of(g.x, waste, b, c),
                                state(v0, rest.address() + 4 * c, b, c),
                                carry.address() + own,
                                learned ? leaks.address() + own : 0,
                                waste,
                                4 * memory.stride(1))
                        .run(v == null ? null : Steps.of(v, 0, b, c));
            });
        }
        if (g.v0 != null) {
            g.v0.copyFrom(carry);
        }
        if (g.leak != null) {
            Reduction.builder().build().forward(leaks, g.leak, scratch);
        }
    }

    /** The backward of a chunk. Its memory: a row that nobody reads, v before each step of a stretch, v before each stretch. */
    private final class Back {
        private final Channels.Kernels<LifKernels> forward;
        private final Channels.Kernels<LifKernels> backward;
        private final long count;
        private final long steps;
        private final Steps x;
        private final Steps gs;
        private final Steps gv;
        private final Steps gx;
        private final long start;
        private final long carry;
        private final long leaks;
        private final long waste;
        private final long row;

        Back(
                Channels.Kernels<LifKernels> forward,
                Channels.Kernels<LifKernels> backward,
                long count,
                long steps,
                Steps x,
                Steps gs,
                Steps gv,
                Steps gx,
                long start,
                long carry,
                long leaks,
                long waste,
                long row) {
            this.forward = forward;
            this.backward = backward;
            this.count = count;
            this.steps = steps;
            this.x = x;
            this.gs = gs;
            this.gv = gv;
            this.gx = gx;
            this.start = start;
            this.carry = carry;
            this.leaks = leaks;
            this.waste = waste;
            this.row = row;
        }

        void run(@Nullable Steps v) {
            if (v != null) {
                back(1, steps - 1, v);
                back(0, Math.min(1, steps), new Steps(start, 0));
                return;
            }
            Steps stretch = new Steps(waste + row, row);
            Steps kept = new Steps(stretch.at(STRETCH + 1), row);
            long stretches = (steps + STRETCH - 1) / STRETCH;
            if (stretches > 0) {
                copy(start, kept.first(), count);
            }
            for (long i = 0; i + 1 < stretches; i++) {
                again(i * STRETCH, STRETCH, kept.at(i), stretch);
                copy(stretch.at(STRETCH), kept.at(i + 1), count);
            }
            for (long i = stretches - 1; i >= 0; i--) {
                long many = Math.min(STRETCH, steps - i * STRETCH);
                again(i * STRETCH, many, kept.at(i), stretch);
                back(i * STRETCH, many, stretch);
            }
        }

        /** v before each of {@code many} steps and after the last, as rows of {@code to}. */
        private void again(long first, long many, long before, Steps to) {
            copy(before, to.first(), count);
            forward.run(
                    count,
                    (k, o, n) -> steps(
                            k,
                            false,
                            x.at(first) + o,
                            x.step(),
                            waste + o,
                            0,
                            0,
                            0,
                            0,
                            to.first() + o,
                            to.at(1) + o,
                            to.step(),
                            false,
                            many,
                            n));
        }

        /** The gradients of some steps, given v before each. */
        private void back(long first, long many, Steps before) {
            long last = first + many - 1;
            if (many <= 0) {
                return;
            }
            backward.run(
                    count,
                    (k, o, n) -> k.backward(
                            soft,
                            detached,
                            leaks != 0,
                            surrogate.slope,
                            x.at(last) + o,
                            x.step(),
                            before.at(many - 1) + o,
                            before.step(),
                            gs.at(last) + o,
                            gs.step(),
                            gv.at(last) + o,
                            gv.step(),
                            gx.at(last) + o,
                            gx.step(),
                            carry + o,
                            leaks + o,
                            leak,
                            gain,
                            drive,
                            threshold,
                            reset,
                            surrogate.alpha,
                            many,
                            n));
        }
    }

    interface RowWork {
        void run(LifKernels kernels, long x, long y, long out, long columns);
    }

    /** Elementwise work of tensors of one shape, whose rows may lie apart. */
    static void rows(int variant, double nanos, Tensor x, Tensor y, Tensor out, RowWork work) {
        boolean flat = x.isContiguous() && y.isContiguous() && out.isContiguous();
        long xs = flat ? 0 : Checks.rowBytes("x", x);
        long ys = flat ? 0 : Checks.rowBytes("y", y);
        long os = flat ? 0 : Checks.rowBytes("out", out);
        long rows = flat ? 1 : Checks.rows(x);
        long columns = flat ? x.size() : x.dim(-1);
        if (x.size() == 0) {
            return;
        }
        Channels channels = new Channels(rows, columns, 1 << 14);
        try (Use _ = Use.of(x, y, out)) {
            Channels.Kernels<LifKernels> kernels = channels.kernels(KERNELS, variant);
            channels.run(
                    nanos * x.size(),
                    (_, r, c, count) -> kernels.run(
                            count,
                            (k, o, n) -> work.run(
                                    k,
                                    x.address() + r * xs + 4 * c + o,
                                    y.address() + r * ys + 4 * c + o,
                                    out.address() + r * os + 4 * c + o,
                                    n)));
        }
    }
}
