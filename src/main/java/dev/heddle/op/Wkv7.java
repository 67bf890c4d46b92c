package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Wkv7Kernels;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The recurrence of RWKV-7, with a matrix of state (values by keys) for each head: {@code S = S diag(w_t) + (S a_t) b_t^T + v_t k_t^T}, with
 * the old S in {@code S a_t}, and then {@code y_t = S r_t}.
 *
 * <ul>
 *   <li>{@code r}, {@code w} (a factor), {@code k}, {@code v}, {@code a}, {@code b} and {@code y} are float32 {@code [B, L, H, N]} with contiguous N;
 *   <li>{@code initial}, optional, is the state before the first step; the result holds that after the last.
 * </ul>
 *
 * <p>Steps run in the order of time and sums over keys in that of the keys, so a sequence has the same bits in one call, in any
 * cut into calls and step by step, alone and in a batch.
 *
 * <p>Gradients of every input, also through the last state. The backward keeps the state before each block of 32 steps of the
 * heads that it works on, one for each thread.
 *
 * <p>An output may not overlap an input. After BlinkDL/RWKV-LM.
 */
public final class Wkv7 {
    private static final int[] SIZES = {4, 3, 2, 1};
    private static final int[] BACK_SIZES = {2, 1};
    private static final int DOT = 0;
    private static final int SCAN = DOT + 4;
    private static final int RECORD = SCAN + 4;
    private static final int SWEEP = RECORD + 4;
    static final int VARIANTS = SWEEP + 4;
    static final Dispatch<Wkv7Kernels> KERNELS = new Dispatch<>(Wkv7Kernels.class, VARIANTS, Wkv7::probe);

    private static final long BLOCK = WkvHead.BLOCK;

    /**
     * Steps, and heads, whose rows are copied to memory without gaps before a sweep reads them. A head has a row of each of six
     * sequences in another page at every step, and waiting for these takes as long as the arithmetic.
     */
    private static final long STAGE = 16;

    private static final long HEADS = 3;
    private static final long STAGED = 6;

    /** Rows of state in a tile of the backward. */
    private static final int ROWS = 2;

    /** Nanoseconds for an element of the state and a step. */
    private static final double NANOS = 0.1;

    private Wkv7() {}

    public static Builder builder() {
        return new Builder();
    }

    /** There is nothing to choose. */
    public static final class Builder {
        private Builder() {}

        public Wkv7 build() {
            return new Wkv7();
        }
    }

    /** The results of every step, and the states after the last. */
    public record Result(Tensor y, Wkv7State last) {}

    /** Those that were asked for; that of the initial state has values before keys, {@code [B, H, N, N]}. */
    public record Gradients(
            @Nullable Tensor r,
            @Nullable Tensor w,
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor a,
            @Nullable Tensor b,
            @Nullable Tensor s0) {}

    /** Computes y and the last state as new tensors. */
    public Result forward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, @Nullable Wkv7State initial) {
        check(r, w, k, v, a, b, initial);
        Wkv7State last = initial == null ? Wkv7State.empty(r.dim(0), r.dim(2), r.dim(3)) : initial.copy();
        Tensor y = Tensor.zeros(DType.F32, r.shape().toArray());
        try (Workspace scratch = new Workspace()) {
            run(r, w, k, v, a, b, y, last.turned(), scratch);
        }
        return new Result(y, last);
    }

    /**
     * Computes into {@code y} and {@code last}; memory that it needs meanwhile comes from {@code scratch}.
     *
     * @param last may be {@code initial} itself, which it then replaces
     */
    public void forward(
            Tensor r,
            Tensor w,
            Tensor k,
            Tensor v,
            Tensor a,
            Tensor b,
            @Nullable Wkv7State initial,
            Tensor y,
            Wkv7State last,
            Workspace scratch) {
        check(r, w, k, v, a, b, initial);
        WkvHead.like("y", y, "r", r);
        WkvHead.state("last", last.turned(), r);
        new Apart()
                .in("r", r)
                .in("w", w)
                .in("k", k)
                .in("v", v)
                .in("a", a)
                .in("b", b)
                .out("y", y)
                .out("last", last.turned());
        if (initial == null) {
            last.clear();
        } else if (initial != last) {
            Checks.apart("y", y, "initial", initial.turned());
            last.copyFrom(initial);
        }
        run(r, w, k, v, a, b, y, last.turned(), scratch);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradY null for zeros
     * @param gradS of the last state, {@code [B, H, N, N]}, values before keys; null for zeros
     */
    public Gradients backward(
            Tensor r,
            Tensor w,
            Tensor k,
            Tensor v,
            Tensor a,
            Tensor b,
            @Nullable Wkv7State initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS) {
        check(r, w, k, v, a, b, initial);
        long[] shape = r.shape().toArray();
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, r.dim(0), r.dim(2), r.dim(3), r.dim(3)));
        try (Workspace scratch = new Workspace()) {
            backward(r, w, k, v, a, b, initial, gradY, gradS, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     */
    public void backward(
            Tensor r,
            Tensor w,
            Tensor k,
            Tensor v,
            Tensor a,
            Tensor b,
            @Nullable Wkv7State initial,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS,
            Gradients gradients,
            Workspace scratch) {
        check(r, w, k, v, a, b, initial);
        WkvHead.like("gradY", gradY, "r", r);
        WkvHead.state("gradS", gradS, r);
        WkvHead.like("gradR", gradients.r, "r", r);
        WkvHead.like("gradW", gradients.w, "r", r);
        WkvHead.like("gradK", gradients.k, "r", r);
        WkvHead.like("gradV", gradients.v, "r", r);
        WkvHead.like("gradA", gradients.a, "r", r);
        WkvHead.like("gradB", gradients.b, "r", r);
        WkvHead.state("gradS0", gradients.s0, r);
        new Apart()
                .in("r", r)
                .in("w", w)
                .in("k", k)
                .in("v", v)
                .in("a", a)
                .in("b", b)
                .in("initial", initial == null ? null : initial.turned())
                .in("gradY", gradY)
                .in("gradS", gradS)
                .out("gradR", gradients.r)
                .out("gradW", gradients.w)
                .out("gradK", gradients.k)
                .out("gradV", gradients.v)
                .out("gradA", gradients.a)
                .out("gradB", gradients.b)
                .out("gradS0", gradients.s0);
        Tensor gy = gradY == null ? scratch.zeros(DType.F32, r.shape().toArray()) : gradY;
        Tensor s0 = initial == null ? null : initial.turned();
        runBackward(r, w, k, v, a, b, s0, gy, gradS, gradients, scratch);
    }

    private static void check(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, @Nullable Wkv7State initial) {
        WkvHead.first("r", r);
        WkvHead.like("w", w, "r", r);
        WkvHead.like("k", k, "r", r);
        WkvHead.like("v", v, "r", r);
        WkvHead.like("a", a, "r", r);
        WkvHead.like("b", b, "r", r);
        if (initial != null) {
            WkvHead.state("initial", initial.turned(), r);
        }
    }

    // ------------------------------------------------------------------ forward

    /** The tiles of the recurrence, chosen by the calling thread: lanes over values. */
    private record Scans(List<Pass<Wkv7Kernels>> dot, List<Pass<Wkv7Kernels>> scan) {
        static Scans of(long n) {
            return new Scans(
                    Tiles.over(KERNELS, n, SIZES, t -> DOT + t - 1), Tiles.over(KERNELS, n, SIZES, t -> SCAN + t - 1));
        }

        /** sa from a state. */
        void dot(long n, long a, long state, long out) {
            for (Pass<Wkv7Kernels> p : dot) {
                p.kernels().dot(p.tile(), a, state + p.from(), 4 * n, n, p.last(), out + p.from());
            }
        }

        /**
         * Steps from step t on; {@code ahead} is a, or what stands for it, beside the same steps.
         *
         * @param direction 1 or -1
         */
        void scan(
                long n,
                Steps w,
                Steps b,
                Steps k,
                Steps r,
                Steps ahead,
                Steps v,
                Steps y,
                long sa,
                Steps next,
                long state,
                long direction,
                long steps) {
            if (steps <= 0) {
                return;
            }
            for (Pass<Wkv7Kernels> p : scan) {
                p.kernels()
                        .scan(
                                p.tile(),
                                w.first(),
                                direction * w.step(),
                                b.first(),
                                direction * b.step(),
                                k.first(),
                                direction * k.step(),
                                r.first(),
                                direction * r.step(),
                                ahead.first(),
                                direction * ahead.step(),
                                v.first() + p.from(),
                                direction * v.step(),
                                y.first() + p.from(),
                                direction * y.step(),
                                sa + p.from(),
                                next.first() + p.from(),
                                direction * next.step(),
                                state + p.from(),
                                4 * n,
                                n,
                                p.last(),
                                steps);
            }
        }
    }

    private static Steps from(Steps s, long t) {
        return new Steps(s.at(t), s.step());
    }

    private static void run(
            Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor y, Tensor states, Workspace scratch) {
        long heads = r.dim(2);
        long n = r.dim(3);
        long steps = r.dim(1);
        if (r.size() == 0) {
            return;
        }
        long groups = (heads + HEADS - 1) / HEADS;
        int chunks = Math.toIntExact(r.dim(0) * groups);
        Scans scans = Scans.of(n);
        try (Slabs slabs = new Slabs(chunks, Sweep.bytes(n), scratch);
                Use _ = Use.of(r, w, k, v, a, b, y, states)) {
            Team.run(
                    chunks,
                    NANOS * r.size() * n,
                    chunk -> slabs.with(slab -> {
                        long i = chunk / groups;
                        long h = chunk % groups * HEADS;
                        long state = states.address() + 4 * (i * heads + h) * n * n;
                        new Sweep(scans, n, i, h, Math.min(HEADS, heads - h), slab, state)
                                .run(steps, r, w, k, v, a, b, y);
                    }));
        }
    }

    /** All steps of some heads. Its memory: a row of zeros, rows for S a, and those of a stage. */
    private record Sweep(Scans scans, long n, long sequence, long head, long heads, long memory, long states) {
        static long bytes(long n) {
            return 4 * n * (1 + HEADS + STAGED * STAGE * HEADS);
        }

        void run(long steps, Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor y) {
            Steps zeros = new Steps(memory, 0);
            Gemm.fill(0, memory, 0, 1, n);
            for (long j = 0; j < heads; j++) {
                scans.dot(n, of(a, j).first(), state(j), sa(j));
            }
            for (long t = 0; t < steps - 1; t += STAGE) {
                long many = Math.min(STAGE, steps - 1 - t);
                Steps ws = staged(w, t, many, 0);
                Steps bs = staged(b, t, many, 1);
                Steps ks = staged(k, t, many, 2);
                Steps rs = staged(r, t, many, 3);
                Steps as = staged(a, t + 1, many, 4);
                Steps vs = staged(v, t, many, 5);
                for (long j = 0; j < heads; j++) {
                    scan(j, at(ws, j), at(bs, j), at(ks, j), at(rs, j), at(as, j), at(vs, j), from(of(y, j), t), many);
                }
            }
            // nothing is ahead of the last step
            long t = steps - 1;
            for (long j = 0; j < heads; j++) {
                scan(
                        j,
                        from(of(w, j), t),
                        from(of(b, j), t),
                        from(of(k, j), t),
                        from(of(r, j), t),
                        zeros,
                        from(of(v, j), t),
                        from(of(y, j), t),
                        1);
            }
        }

        private void scan(long j, Steps w, Steps b, Steps k, Steps r, Steps a, Steps v, Steps y, long steps) {
            scans.scan(n, w, b, k, r, a, v, y, sa(j), new Steps(sa(j), 0), state(j), 1, steps);
        }

        private Steps of(Tensor x, long j) {
            return Steps.ofHead(x, sequence, head + j);
        }

        private long state(long j) {
            return states + 4 * j * n * n;
        }

        private long sa(long j) {
            return memory + 4 * (1 + j) * n;
        }

        /** Copies some steps of a sequence, the {@code number}th of those that a stage has room for. */
        private Steps staged(Tensor x, long t, long steps, int number) {
            Steps to = new Steps(sa(HEADS) + 4L * number * STAGE * HEADS * n, 4 * heads * n);
            boolean together = x.stride(2) == n;
            for (long j = 0; j < (together ? 1 : heads); j++) {
                Steps rows = of(x, j);
                Gemm.copy(rows.at(t), rows.step(), at(to, j).first(), to.step(), steps, together ? heads * n : n);
            }
            return to;
        }

        /** The rows of a head in a stage. */
        private Steps at(Steps stage, long j) {
            return new Steps(stage.first() + 4 * j * n, stage.step());
        }
    }

    // ------------------------------------------------------------------ backward

    private static int variant(int base, int tile, int rows) {
        return base + tile - 1 + (rows == 1 ? 0 : 2);
    }

    /** Tiles of two rows, and of one. */
    private record Grid(List<Pass<Wkv7Kernels>> two, List<Pass<Wkv7Kernels>> one) {
        static Grid of(int base, long n) {
            return new Grid(
                    Tiles.over(KERNELS, n, BACK_SIZES, t -> variant(base, t, ROWS)),
                    Tiles.over(KERNELS, n, BACK_SIZES, t -> variant(base, t, 1)));
        }

        List<Pass<Wkv7Kernels>> passes(int rows) {
            return rows == 1 ? one : two;
        }
    }

    private static final class BackKernels {
        final Scans scans;
        final Grid record;
        final Grid sweep;

        BackKernels(long n) {
            scans = Scans.of(n);
            record = Grid.of(RECORD, n);
            sweep = Grid.of(SWEEP, n);
        }
    }

    private static void runBackward(
            Tensor r,
            Tensor w,
            Tensor k,
            Tensor v,
            Tensor a,
            Tensor b,
            @Nullable Tensor s0,
            Tensor gy,
            @Nullable Tensor gs,
            Gradients g,
            Workspace scratch) {
        long heads = r.dim(2);
        long n = r.dim(3);
        int chunks = n == 0 ? 0 : Math.toIntExact(r.dim(0) * heads);
        BackKernels kernels = new BackKernels(n);
        try (Slabs slabs = new Slabs(chunks, Back.bytes(n, r.dim(1)), scratch);
                Use _ = Use.of(r, w, k, v, a, b, s0, gy, gs, g.r, g.w, g.k, g.v, g.a, g.b, g.s0)) {
            Team.run(
                    chunks,
                    8 * NANOS * r.size() * n,
                    chunk -> slabs.with(slab -> new Back(
                                    kernels, r.dim(1), n, slab, chunk / heads, chunk % heads, r, w, k, v, a, b, gy)
                            .run(s0, gs, chunk, g)));
        }
    }

    /**
     * The backward of a head. First the recurrence again, for S a; then backwards what comes back to it, for the gradients of S a
     * and of v: a recurrence of the same kind. With both at hand rows of the state know nothing of each other any more.
     */
    private static final class Back {
        private final BackKernels kernels;
        private final long steps;
        private final long n;
        private final long blocks;
        private final long sequence;
        private final long head;
        private final Steps r;
        private final Steps w;
        private final Steps k;
        private final Steps v;
        private final Steps a;
        private final Steps b;
        private final Steps gy;
        private final long row;
        private final long state;

        /** Rows of zeros, of ones, and one that nobody reads. */
        private final long zeros;

        private final long ones;
        private final long waste;
        private final long tiles;

        /** Four matrices of rows; a state; S a and its gradient for each step; the states before each block. */
        private final Steps more;

        private final long g;
        private final Steps sa;
        private final Steps gsa;
        private final Steps kept;

        static long bytes(long n, long steps) {
            long slots = BLOCK * ROWS * BACK_SIZES[0] * Wkv7Kernels.SLOT;
            return slots
                    + 4 * (3 * n + 4 * BLOCK * n + n * n + 2 * (steps + 1) * n + (WkvHead.blocks(steps) + 1) * n * n);
        }

        Back(
                BackKernels kernels,
                long steps,
                long n,
                long memory,
                long sequence,
                long head,
                Tensor r,
                Tensor w,
                Tensor k,
                Tensor v,
                Tensor a,
                Tensor b,
                Tensor gy) {
            this.kernels = kernels;
            this.steps = steps;
            this.n = n;
            this.blocks = WkvHead.blocks(steps);
            this.sequence = sequence;
            this.head = head;
            this.r = Steps.ofHead(r, sequence, head);
            this.w = Steps.ofHead(w, sequence, head);
            this.k = Steps.ofHead(k, sequence, head);
            this.v = Steps.ofHead(v, sequence, head);
            this.a = Steps.ofHead(a, sequence, head);
            this.b = Steps.ofHead(b, sequence, head);
            this.gy = Steps.ofHead(gy, sequence, head);
            row = 4 * n;
            state = row * n;
            tiles = memory;
            zeros = memory + BLOCK * ROWS * BACK_SIZES[0] * Wkv7Kernels.SLOT;
            ones = zeros + row;
            waste = ones + row;
            more = new Steps(waste + row, BLOCK * row);
            g = more.at(4);
            sa = new Steps(g + state, row);
            gsa = new Steps(sa.at(steps + 1), row);
            kept = new Steps(gsa.at(steps + 1), state);
            Gemm.fill(0, zeros, 0, 1, n);
            Gemm.fill(1, ones, 0, 1, n);
        }

        private @Nullable Steps of(@Nullable Tensor t) {
            return t == null ? null : Steps.ofHead(t, sequence, head);
        }

        void run(@Nullable Tensor s0, @Nullable Tensor gs, long index, Gradients to) {
            again(s0, index);
            back(gs, index, of(to.v));
            if (to.s0 != null) {
                WkvHead.transpose(g, to.s0.address() + index * state, n);
            }
            WkvHead.start(s0, index, kept.first(), n, true);
            for (long i = 0; i < blocks; i++) {
                record(i, of(to.r));
            }
            WkvHead.start(gs, index, g, n, false);
            for (long i = blocks - 1; i >= 0; i--) {
                sweep(i);
                deliver(0, of(to.k), i);
                deliver(1, of(to.b), i);
                deliver(2, of(to.w), i);
                deliver(3, of(to.a), i);
            }
        }

        /** The recurrence, for S a of each step. */
        private void again(@Nullable Tensor s0, long index) {
            WkvHead.start(s0, index, g, n, false);
            if (steps > 0) {
                Steps nowhere = new Steps(waste, 0);
                kernels.scans.dot(n, a.first(), g, sa.first());
                kernels.scans.scan(n, w, b, k, r, from(a, 1), v, nowhere, sa.first(), from(sa, 1), g, 1, steps - 1);
            }
        }

        /** What comes back through time to the state: {@code gv = G k}, {@code gsa = G b}, {@code G = G diag(w) + gsa a^T}. */
        private void back(@Nullable Tensor gs, long index, @Nullable Steps to) {
            WkvHead.start(gs, index, g, n, true);
            if (steps == 0) {
                return;
            }
            Steps gv = to == null ? new Steps(waste, 0) : to;
            Steps nothing = new Steps(zeros, 0);
            Steps unchanged = new Steps(ones, 0);
            long t = steps - 1;
            kernels.scans.scan(
                    n,
                    unchanged,
                    nothing,
                    from(r, t),
                    from(k, t),
                    from(b, t),
                    from(gy, t),
                    from(gv, t),
                    zeros,
                    from(gsa, t),
                    g,
                    -1,
                    1);
            kernels.scans.scan(
                    n,
                    from(w, t),
                    from(a, t),
                    from(r, t - 1),
                    from(k, t - 1),
                    from(b, t - 1),
                    from(gy, t - 1),
                    from(gv, t - 1),
                    gsa.at(t),
                    from(gsa, t - 1),
                    g,
                    -1,
                    t);
            Steps nowhere = new Steps(waste, 0);
            kernels.scans.scan(
                    n, w, a, nothing, nothing, nothing, new Steps(zeros, row), nowhere, gsa.first(), nowhere, g, -1, 1);
        }

        private long many(long i) {
            return Math.min(BLOCK, steps - i * BLOCK);
        }

        private void deliver(long matrix, @Nullable Steps to, long i) {
            if (to != null) {
                Gemm.copy(more.at(matrix), row, to.at(i * BLOCK), to.step(), many(i), n);
            }
        }

        private interface Work {
            void run(int rows, long i);
        }

        private void byRows(Work work) {
            long i = 0;
            for (; i + ROWS <= n; i += ROWS) {
                work.run(ROWS, i);
            }
            for (; i < n; i++) {
                work.run(1, i);
            }
        }

        /** The gradients of r, and the state before the next block. */
        private void record(long i, @Nullable Steps to) {
            long t = i * BLOCK;
            Gemm.fill(0, more.first(), row, many(i), n);
            long next = i + 1 < blocks ? kept.at(i + 1) : g;
            byRows((rows, j) -> {
                for (Pass<Wkv7Kernels> p : kernels.record.passes(rows)) {
                    rows(p, rows, false, t, j, kept.at(i), next, many(i));
                }
            });
            deliver(0, to, i);
        }

        private void rows(Pass<Wkv7Kernels> p, int rows, boolean keep, long t, long j, long from, long to, long count) {
            p.kernels()
                    .rows(
                            p.tile(),
                            rows,
                            keep,
                            w.at(t) + p.from(),
                            w.step(),
                            b.at(t) + p.from(),
                            b.step(),
                            k.at(t) + p.from(),
                            k.step(),
                            sa.at(t) + 4 * j,
                            sa.step(),
                            v.at(t) + 4 * j,
                            v.step(),
                            gy.at(t) + 4 * j,
                            gy.step(),
                            more.first() + p.from(),
                            row,
                            from + row * j + p.from(),
                            to + row * j + p.from(),
                            row,
                            p.last(),
                            tiles,
                            count);
        }

        /** The gradients of k, b, w and a. */
        private void sweep(long i) {
            long t = i * BLOCK;
            long last = t + many(i) - 1;
            Gemm.fill(0, more.first(), row, 4 * BLOCK, n);
            byRows((rows, j) -> {
                for (Pass<Wkv7Kernels> p : kernels.sweep.passes(rows)) {
                    rows(p, rows, true, t, j, kept.at(i), 0, many(i));
                    p.kernels()
                            .sweep(
                                    p.tile(),
                                    rows,
                                    w.at(last) + p.from(),
                                    w.step(),
                                    a.at(last) + p.from(),
                                    a.step(),
                                    r.at(last) + p.from(),
                                    r.step(),
                                    sa.at(last) + 4 * j,
                                    sa.step(),
                                    gsa.at(last) + 4 * j,
                                    gsa.step(),
                                    v.at(last) + 4 * j,
                                    v.step(),
                                    gy.at(last) + 4 * j,
                                    gy.step(),
                                    more.first() + row * (many(i) - 1) + p.from(),
                                    more.step(),
                                    row,
                                    g + row * j + p.from(),
                                    row,
                                    p.last(),
                                    tiles,
                                    many(i));
                }
            });
        }
    }

    static long probe(Wkv7Kernels f, int lanes, int variant, long scratch) {
        long steps = BLOCK;
        boolean back = variant >= RECORD;
        int tile = back ? variant % 2 + 1 : lanes == 1 && variant % 4 != 0 ? 4 : variant % 4 + 1;
        int rows = back && variant / 2 % 2 == 1 ? ROWS : 1;
        long columns = (long) tile * lanes;
        long n = 64;
        long row = 4 * n;
        long matrix = row * n;
        long last = 4L * lanes * (tile - 1);
        long a = scratch;
        long b = a + matrix;
        long c = b + matrix;
        long s = c + matrix;
        long more = s + matrix;
        long tiles = more + 4 * matrix;
        long end = row * (steps - 1);
        if (variant < SCAN) {
            f.dot(tile, a, s, row, n, last, c);
            return n * columns;
        }
        if (variant < RECORD) {
            f.scan(tile, a, row, a, row, a, row, a, row, a, row, b, row, c, row, c, more, 0, s, row, n, last, steps);
            return steps * n * columns;
        }
        boolean keep = variant >= SWEEP;
        f.rows(tile, rows, keep, a, row, a, row, a, row, b, row, b, row, b, row, c, row, s, s, row, last, tiles, steps);
        if (keep) {
            long at = a + end;
            f.sweep(
                    tile,
                    rows,
                    at,
                    row,
                    at,
                    row,
                    at,
                    row,
                    b + end,
                    row,
                    b + end,
                    row,
                    b + end,
                    row,
                    b + end,
                    row,
                    more + end,
                    matrix,
                    row,
                    s,
                    row,
                    last,
                    tiles,
                    steps);
        }
        return steps * columns * rows;
    }
}
