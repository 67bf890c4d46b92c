package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Wkv6Kernels;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The recurrences of RWKV-5 and 6, with a matrix of state for each head: {@code y_t[j] = sum over i of r_t[i] (S[i,j] + u[i] k_t[i] v_t[j])}, then
 * {@code S[i,j] = w_t[i] S[i,j] + k_t[i] v_t[j]}.
 *
 * <ul>
 *   <li>{@code r}, {@code k}, {@code v} and {@code y} are float32 {@code [B, L, H, N]} with contiguous N;
 *   <li>{@code w}, the factor of decay in [0, 1], is {@code [B, L, H, N]} (RWKV-6) or {@code [H, N]}, the same at all times (RWKV-5); {@code u} is {@code [H, N]};
 *   <li>{@code s0}, optional, is {@code [B, H, N, N]}, key before value: the state before the first step, 0 without it; the result has the state
 *       after the last.
 * </ul>
 *
 * <p>Steps run in the order of time and sums over i in that of i, so a sequence has the same bits in one call, in any cut into
 * calls and step by step, alone and in a batch. The part of u is the sum of r u k, over 16 partial sums folded in halves, times v.
 *
 * <p>Gradients of every input, also through the last state. The backward keeps the state before each block of 32 steps of the
 * heads that it works on, one for each thread.
 *
 * <p>An output may not overlap an input. After BlinkDL/RWKV-LM.
 */
public final class Wkv6 {
    private static final int[] SIZES = {2, 1};
    private static final int SCAN = 0;
    private static final int SWEEP = SCAN + 8;
    private static final int DOTS = SWEEP + 4;
    private static final int SCALE = DOTS + 2;
    private static final int SUM = SCALE + 2;
    static final int VARIANTS = SUM + 1;
    static final Dispatch<Wkv6Kernels> KERNELS = new Dispatch<>(Wkv6Kernels.class, VARIANTS, Wkv6::probe);

    private static final long BLOCK = WkvHead.BLOCK;

    /** Rows of state in a tile. */
    private static final int ROWS = 4;

    /** Nanoseconds for an element of the state and a step. */
    private static final double NANOS = 0.08;

    private Wkv6() {}

    public static Builder builder() {
        return new Builder();
    }

    /** There is nothing to choose. */
    public static final class Builder {
        private Builder() {}

        public Wkv6 build() {
            return new Wkv6();
        }
    }

    /** The results of every step, and the states after the last. */
    public record Result(Tensor y, Tensor s) {}

    /** Those that were asked for. */
    public record Gradients(
            @Nullable Tensor r,
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor w,
            @Nullable Tensor u,
            @Nullable Tensor s0) {}

    /** Computes y and the last state as new tensors. */
    public Result forward(Tensor r, Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Tensor s0) {
        check(r, k, v, w, u, s0);
        Tensor y = Tensor.zeros(DType.F32, r.shape().toArray());
        Tensor s = s0 == null ? Tensor.zeros(DType.F32, states(r)) : s0.copy();
        try (Workspace scratch = new Workspace()) {
            run(r, k, v, w, u, y, s, scratch);
        }
        return new Result(y, s);
    }

    /**
     * Computes into {@code y} and {@code s}; memory that it needs meanwhile comes from {@code scratch}.
     *
     * @param s may be {@code s0} itself, which it then replaces
     */
    public void forward(
            Tensor r,
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Tensor s0,
            Tensor y,
            Tensor s,
            Workspace scratch) {
        check(r, k, v, w, u, s0);
        WkvHead.like("y", y, "r", r);
        WkvHead.state("s", s, r);
        new Apart()
                .in("r", r)
                .in("k", k)
                .in("v", v)
                .in("w", w)
                .in("u", u)
                .out("y", y)
                .out("s", s);
        Checks.sameOrApart("s", s, "s0", s0);
        Checks.apart("y", y, "s0", s0);
        if (s0 == null) {
            s.fill(0);
        } else if (s0 != s) {
            s.copyFrom(s0);
        }
        run(r, k, v, w, u, y, s, scratch);
    }

    /**
     * All gradients, as new tensors.
     *
     * @param gradY null for zeros
     * @param gradS of the last state; null for zeros
     */
    public Gradients backward(
            Tensor r,
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Tensor s0,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS) {
        check(r, k, v, w, u, s0);
        long[] shape = r.shape().toArray();
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, shape),
                Tensor.zeros(DType.F32, w.shape().toArray()),
                Tensor.zeros(DType.F32, u.shape().toArray()),
                Tensor.zeros(DType.F32, states(r)));
        try (Workspace scratch = new Workspace()) {
            backward(r, k, v, w, u, s0, gradY, gradS, g, scratch);
        }
        return g;
    }

    /**
     * The gradients that {@code gradients} has a tensor for, into it; memory that it needs meanwhile comes from {@code
     * scratch}.
     */
    public void backward(
            Tensor r,
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Tensor s0,
            @Nullable Tensor gradY,
            @Nullable Tensor gradS,
            Gradients gradients,
            Workspace scratch) {
        check(r, k, v, w, u, s0);
        WkvHead.like("gradY", gradY, "r", r);
        WkvHead.state("gradS", gradS, r);
        WkvHead.like("gradR", gradients.r, "r", r);
        WkvHead.like("gradK", gradients.k, "r", r);
        WkvHead.like("gradV", gradients.v, "r", r);
        WkvHead.like("gradW", gradients.w, "w", w);
        WkvHead.like("gradU", gradients.u, "u", u);
        WkvHead.state("gradS0", gradients.s0, r);
        new Apart()
                .in("r", r)
                .in("k", k)
                .in("v", v)
                .in("w", w)
                .in("u", u)
                .in("s0", s0)
                .in("gradY", gradY)
                .in("gradS", gradS)
                .out("gradR", gradients.r)
                .out("gradK", gradients.k)
                .out("gradV", gradients.v)
                .out("gradW", gradients.w)
                .out("gradU", gradients.u)
                .out("gradS0", gradients.s0);
        Tensor gy = gradY == null ? scratch.zeros(DType.F32, r.shape().toArray()) : gradY;
        runBackward(r, k, v, w, u, s0, gy, gradS, gradients, scratch);
    }

    private static long[] states(Tensor r) {
        return new long[] {r.dim(0), r.dim(2), r.dim(3), r.dim(3)};
    }

    private static void check(Tensor r, Tensor k, Tensor v, Tensor w, Tensor u, @Nullable Tensor s0) {
        WkvHead.first("r", r);
        WkvHead.like("k", k, "r", r);
        WkvHead.like("v", v, "r", r);
        Checks.shape("u", u, DType.F32, r.dim(2), r.dim(3));
        Checks.contiguous("u", u);
        if (w.rank() == 2) {
            WkvHead.like("w", w, "u", u);
            Checks.contiguous("w", w);
        } else {
            WkvHead.like("w", w, "r", r);
        }
        WkvHead.state("s0", s0, r);
    }

    // ------------------------------------------------------------------ kernels

    private static int variant(int base, int tile, int rows) {
        return base + tile - 1 + (rows == 1 ? 0 : 2);
    }

    private static int scan(int tile, int rows, boolean lanewise) {
        return variant(SCAN, tile, rows) + (lanewise ? 4 : 0);
    }

    /** The kernels of one kind: for tiles of four rows, and of one. */
    private record Grid(List<Pass<Wkv6Kernels>> four, List<Pass<Wkv6Kernels>> one) {
        interface Work {
            void run(Pass<Wkv6Kernels> pass, int rows, long row);
        }

        void run(long n, Work work) {
            long i = 0;
            for (; i + ROWS <= n; i += ROWS) {
                for (Pass<Wkv6Kernels> p : four) {
                    work.run(p, ROWS, i);
                }
            }
            for (; i < n; i++) {
                for (Pass<Wkv6Kernels> p : one) {
                    work.run(p, 1, i);
                }
            }
        }

        static Grid scans(long n, boolean lanewise) {
            return new Grid(
                    Tiles.over(KERNELS, n, SIZES, t -> scan(t, ROWS, lanewise)),
                    Tiles.over(KERNELS, n, SIZES, t -> scan(t, 1, lanewise)));
        }

        static Grid of(int base, long n) {
            return new Grid(
                    Tiles.over(KERNELS, n, SIZES, t -> variant(base, t, ROWS)),
                    Tiles.over(KERNELS, n, SIZES, t -> variant(base, t, 1)));
        }
    }

    /** What a thread has to itself, and the kernels that work by the step. */
    private static class Rows {
        final long n;
        final long c;
        private final long pads;
        private final Wkv6Kernels dots;
        private final Wkv6Kernels weightedDots;
        private final Wkv6Kernels scale;
        private final Wkv6Kernels weightedScale;
        final Wkv6Kernels sum;

        static final long BYTES = 4 * BLOCK + Wkv6Kernels.PADS;

        Rows(Kernels k, long n, long memory) {
            this.n = n;
            pads = memory;
            c = memory + Wkv6Kernels.PADS;
            dots = k.dots;
            weightedDots = k.weightedDots;
            scale = k.scale;
            weightedScale = k.weightedScale;
            sum = k.sum;
            Gemm.fill(0, pads, 0, 1, Wkv6Kernels.PADS / 4);
        }

        void dots(Steps a, Steps b, long t, long steps) {
            dots.dots(false, a.at(t), a.step(), b.at(t), b.step(), a.first(), n, c, steps, pads);
        }

        void dots(Steps a, Steps b, long u, long t, long steps) {
            weightedDots.dots(true, a.at(t), a.step(), b.at(t), b.step(), u, n, c, steps, pads);
        }

        void scale(Steps x, long t, long y, long ys, long steps) {
            scale.scale(false, c, x.at(t), x.step(), x.first(), y, ys, steps, n);
        }

        void scale(Steps x, long u, long t, long y, long ys, long steps) {
            weightedScale.scale(true, c, x.at(t), x.step(), u, y, ys, steps, n);
        }
    }

    /** Chosen by the calling thread. */
    private static final class Kernels {
        private final Wkv6Kernels dots = KERNELS.choose(DOTS, Long.MAX_VALUE).kernels();
        private final Wkv6Kernels weightedDots =
                KERNELS.choose(DOTS + 1, Long.MAX_VALUE).kernels();
        private final Wkv6Kernels scale;
        private final Wkv6Kernels weightedScale;
        private final Wkv6Kernels sum;
        private final Grid scan;

        Kernels(long n) {
            scale = KERNELS.choose(SCALE, n).kernels();
            weightedScale = KERNELS.choose(SCALE + 1, n).kernels();
            sum = KERNELS.choose(SUM, n).kernels();
            scan = Grid.scans(n, false);
        }
    }

    private static Steps decay(Tensor w, long b, long h) {
        return w.rank() == 2 ? new Steps(w.address() + 4 * h * w.dim(1), 0) : Steps.ofHead(w, b, h);
    }

    // ------------------------------------------------------------------ forward

    private static void run(Tensor r, Tensor k, Tensor v, Tensor w, Tensor u, Tensor y, Tensor s, Workspace scratch) {
        long heads = r.dim(2);
        long n = r.dim(3);
        long steps = r.dim(1);
        if (r.size() == 0) {
            return;
        }
        int chunks = Math.toIntExact(r.dim(0) * heads);
        Kernels kernels = new Kernels(n);
        try (Slabs slabs = new Slabs(chunks, Rows.BYTES + Stage.bytes(n), scratch);
                Use _ = Use.of(r, k, v, w, u, y, s)) {
            Team.run(
                    chunks,
                    NANOS * r.size() * n,
                    chunk -> slabs.with(slab -> {
                        long b = chunk / heads;
                        long h = chunk % heads;
                        Rows rows = new Rows(kernels, n, slab);
                        Stage stage = new Stage(slab + Rows.BYTES, n);
                        Steps out = Steps.ofHead(y, b, h);
                        for (long t = 0; t < steps; t += BLOCK) {
                            long many = Math.min(BLOCK, steps - t);
                            Steps rs = stage.in(Steps.ofHead(r, b, h), t, many, 0);
                            Steps ks = stage.in(Steps.ofHead(k, b, h), t, many, 1);
                            Steps vs = stage.in(Steps.ofHead(v, b, h), t, many, 2);
                            Steps ws = stage.in(decay(w, b, h), t, many, 3);
                            Steps ys = stage.rows(4);
                            rows.dots(rs, ks, u.address() + 4 * h * n, 0, many);
                            rows.scale(vs, 0, ys.first(), ys.step(), many);
                            long state = s.address() + 4L * chunk * n * n;
                            scan(kernels.scan, n, rs, ks, ws, vs, 0, 1, ys.first(), ys.step(), state, many);
                            Gemm.copy(ys.first(), ys.step(), out.at(t), out.step(), many, n);
                        }
                    }));
        }
    }

    /**
     * A head's rows of a block of steps, without gaps: where they lie, in rows of all heads, they fall into few sets of L1, and a
     * block, which is read once for each tile of the state, would not stay there.
     */
    private record Stage(long memory, long n) {
        static long bytes(long n) {
            return 20 * BLOCK * n;
        }

        Steps rows(int number) {
            return new Steps(memory + 4L * number * BLOCK * n, 4 * n);
        }

        Steps in(Steps x, long t, long steps, int number) {
            Steps to = rows(number);
            Gemm.copy(x.at(t), x.step(), to.first(), to.step(), steps, n);
            return to;
        }
    }

    /** Some steps, from step t on in the direction given, of a state in place. */
    private static void scan(
            Grid grid,
            long n,
            Steps r,
            Steps k,
            Steps w,
            Steps v,
            long t,
            long direction,
            long y,
            long ys,
            long state,
            long steps) {
        grid.run(
                n,
                (p, rows, i) -> p.kernels()
                        .scan(
                                p.tile(),
                                rows,
                                false,
                                r.at(t) + 4 * i,
                                direction * r.step(),
                                k.at(t) + 4 * i,
                                direction * k.step(),
                                w.at(t) + 4 * i,
                                direction * w.step(),
                                v.at(t) + p.from(),
                                direction * v.step(),
                                y + p.from(),
                                direction * ys,
                                state + 4 * n * i + p.from(),
                                state + 4 * n * i + p.from(),
                                4 * n,
                                p.last(),
                                steps));
    }

    // ------------------------------------------------------------------ backward

    private static void runBackward(
            Tensor r,
            Tensor k,
            Tensor v,
            Tensor w,
            Tensor u,
            @Nullable Tensor s0,
            Tensor gy,
            @Nullable Tensor gs,
            Gradients g,
            Workspace scratch) {
        long batch = r.dim(0);
        long heads = r.dim(2);
        long n = r.dim(3);
        long blocks = WkvHead.blocks(r.dim(1));
        int chunks = n == 0 ? 0 : Math.toIntExact(batch * heads);
        Tensor sums = scratch.zeros(DType.F32, 2, batch * blocks, heads * n);
        long bytes = Back.bytes(n, blocks);
        BackKernels kernels = new BackKernels(n);
        try (Slabs slabs = new Slabs(chunks, bytes, scratch);
                Use _ = Use.of(r, k, v, w, u, s0, gy, gs, g.r, g.k, g.v, g.w, g.u, g.s0, sums)) {
            Team.run(
                    chunks,
                    8 * NANOS * r.size() * n,
                    chunk -> slabs.with(slab -> {
                        long b = chunk / heads;
                        long h = chunk % heads;
                        long sum = sums.address() + 4 * (b * blocks * heads + h) * n;
                        new Back(
                                        kernels,
                                        r.dim(1),
                                        n,
                                        slab,
                                        Steps.ofHead(r, b, h),
                                        Steps.ofHead(k, b, h),
                                        Steps.ofHead(v, b, h),
                                        decay(w, b, h),
                                        u.address() + 4 * h * n,
                                        Steps.ofHead(gy, b, h),
                                        new Steps(sum, 4 * heads * n),
                                        new Steps(sum + 4 * sums.stride(0), 4 * heads * n))
                                .run(s0, gs, chunk, b, h, g);
                    }));
            if (g.u != null) {
                sum(sums.select(0, 0), g.u, scratch);
            }
            if (g.w != null && g.w.rank() == 2) {
                sum(sums.select(0, 1), g.w, scratch);
            }
        }
    }

    private static void sum(Tensor rows, Tensor to, Workspace scratch) {
        Gemm.Matrix m = new Gemm.Matrix(rows.address(), 4 * rows.dim(1), 4);
        ColumnSum.run(rows.dim(0), rows.dim(1), m, to.address(), false, scratch);
    }

    private static final class BackKernels {
        final Kernels steps;
        final Grid lanewise;
        final Grid sweep;

        BackKernels(long n) {
            steps = new Kernels(n);
            lanewise = Grid.scans(n, true);
            sweep = Grid.of(SWEEP, n);
        }
    }

    /** The backward of a head. Its states are turned round, with lanes over keys, but for the gradient of v. */
    private static final class Back extends Rows {
        private final BackKernels kernels;
        private final long steps;
        private final long blocks;
        private final Steps r;
        private final Steps k;
        private final Steps v;
        private final Steps w;
        private final long u;
        private final Steps gy;

        /** A row of sums for each block, for the gradients of u and of a constant w. */
        private final Steps ofU;

        private final Steps ofW;

        private final long row;
        private final long state;

        /** A row of ones; two matrices of rows; two states; the tiles of a block; the states before each block. */
        private final long ones;

        private final long first;
        private final long second;
        private final long g;
        private final long tiles;
        private final Steps kept;

        static long bytes(long n, long blocks) {
            long vectors = ROWS * (long) SIZES[0];
            return BYTES
                    + 4 * (Math.max(n, BLOCK) + 2 * BLOCK * n + (2 + blocks) * n * n)
                    + BLOCK * vectors * Wkv6Kernels.SLOT;
        }

        Back(
                BackKernels kernels,
                long steps,
                long n,
                long memory,
                Steps r,
                Steps k,
                Steps v,
                Steps w,
                long u,
                Steps gy,
                Steps ofU,
                Steps ofW) {
            super(kernels.steps, n, memory);
            this.kernels = kernels;
            this.steps = steps;
            this.blocks = WkvHead.blocks(steps);
            this.r = r;
            this.k = k;
            this.v = v;
            this.w = w;
            this.u = u;
            this.gy = gy;
            this.ofU = ofU;
            this.ofW = ofW;
            row = 4 * n;
            state = row * n;
            tiles = memory + BYTES;
            ones = tiles + BLOCK * ROWS * SIZES[0] * Wkv6Kernels.SLOT;
            first = ones + 4 * Math.max(n, BLOCK);
            second = first + BLOCK * row;
            g = second + BLOCK * row;
            kept = new Steps(g + state, state);
            Gemm.fill(1, ones, 0, 1, Math.max(n, BLOCK));
        }

        void run(@Nullable Tensor s0, @Nullable Tensor gs, long index, long b, long h, Gradients to) {
            WkvHead.start(s0, index, kept.first(), n, true);
            for (long i = 0; i < blocks; i++) {
                ofReceptance(i, to.r == null ? null : Steps.ofHead(to.r, b, h));
            }
            if (to.v != null || to.s0 != null) {
                WkvHead.start(gs, index, g, n, false);
                for (long i = blocks - 1; i >= 0; i--) {
                    ofValues(i, to.v == null ? null : Steps.ofHead(to.v, b, h));
                }
                if (to.s0 != null) {
                    Gemm.copy(g, row, to.s0.address() + index * state, row, n, n);
                }
            }
            if (to.k != null || to.w != null) {
                WkvHead.start(gs, index, g, n, true);
                for (long i = blocks - 1; i >= 0; i--) {
                    ofKeysAndDecay(
                            i,
                            to.k == null ? null : Steps.ofHead(to.k, b, h),
                            to.w == null || to.w.rank() == 2 ? null : Steps.ofHead(to.w, b, h));
                }
            }
        }

        private long many(long i) {
            return Math.min(BLOCK, steps - i * BLOCK);
        }

        private void deliver(long rows, @Nullable Steps to, long i) {
            if (to != null) {
                Gemm.copy(rows, row, to.at(i * BLOCK), to.step(), many(i), n);
            }
        }

        /** The gradients of r, and the state before the next block. */
        private void ofReceptance(long i, @Nullable Steps to) {
            long t = i * BLOCK;
            dots(v, gy, t, many(i));
            sum.sum(c, r.at(t), r.step(), k.at(t), k.step(), ofU.at(i), many(i), n);
            scale(k, u, t, first, row, many(i));
            long next = i + 1 < blocks ? kept.at(i + 1) : g;
            kernels.lanewise.run(
                    n,
                    (p, rows, j) -> p.kernels()
                            .scan(
                                    p.tile(),
                                    rows,
                                    true,
                                    gy.at(t) + 4 * j,
                                    gy.step(),
                                    v.at(t) + 4 * j,
                                    v.step(),
                                    w.at(t) + p.from(),
                                    w.step(),
                                    k.at(t) + p.from(),
                                    k.step(),
                                    first + p.from(),
                                    row,
                                    kept.at(i) + row * j + p.from(),
                                    next + row * j + p.from(),
                                    row,
                                    p.last(),
                                    many(i)));
            deliver(first, to, i);
        }

        /** Backwards in time the gradients of v are a recurrence like the forward one. */
        private void ofValues(long i, @Nullable Steps to) {
            long t = i * BLOCK;
            long last = t + many(i) - 1;
            dots(r, k, u, t, many(i));
            scale(gy, t, first, row, many(i));
            scan(kernels.steps.scan, n, k, r, w, gy, last, -1, first + row * (many(i) - 1), row, g, many(i));
            deliver(first, to, i);
        }

        private void ofKeysAndDecay(long i, @Nullable Steps toK, @Nullable Steps toW) {
            long t = i * BLOCK;
            long last = t + many(i) - 1;
            dots(v, gy, t, many(i));
            scale(r, u, t, first, row, many(i));
            Gemm.fill(0, second, row, many(i), n);
            // the state is made again tile by tile, just before it is needed
            kernels.sweep.run(n, (p, rows, j) -> {
                p.kernels()
                        .replay(
                                p.tile(),
                                rows,
                                v.at(t) + 4 * j,
                                v.step(),
                                w.at(t) + p.from(),
                                w.step(),
                                k.at(t) + p.from(),
                                k.step(),
                                kept.at(i) + row * j + p.from(),
                                row,
                                p.last(),
                                tiles,
                                many(i));
                p.kernels()
                        .sweep(
                                p.tile(),
                                rows,
                                v.at(last) + 4 * j,
                                v.step(),
                                gy.at(last) + 4 * j,
                                gy.step(),
                                w.at(last) + p.from(),
                                w.step(),
                                r.at(last) + p.from(),
                                r.step(),
                                first + row * (many(i) - 1) + p.from(),
                                row,
                                second + row * (many(i) - 1) + p.from(),
                                row,
                                g + row * j + p.from(),
                                row,
                                p.last(),
                                tiles,
                                many(i));
            });
            deliver(first, toK, i);
            deliver(second, toW, i);
            sum.sum(ones, second, row, ones, 0, ofW.at(i), many(i), n);
        }
    }

    static long probe(Wkv6Kernels f, int lanes, int variant, long scratch) {
        long steps = BLOCK;
        int tile = variant % 2 + 1;
        int rows = variant < DOTS && variant / 2 % 2 == 1 ? ROWS : 1;
        long columns = (long) tile * lanes;
        long wide = Math.max(columns, 64);
        long row = 4 * wide;
        long matrix = row * steps;
        long last = 4L * lanes * (tile - 1);
        long a = scratch + Wkv6Kernels.PADS;
        long b = a + matrix;
        long c = b + matrix;
        long s = c + matrix;
        long tiles = s + matrix;
        long end = row * (steps - 1);
        if (variant < SWEEP) {
            boolean lanewise = variant >= 4;
            f.scan(tile, rows, lanewise, a, row, a, row, b, row, b, row, c, row, s, s, row, last, steps);
        } else if (variant < DOTS) {
            f.replay(tile, rows, a, row, b, row, b, row, s, row, last, tiles, steps);
            f.sweep(
                    tile, rows, a + end, row, a + end, row, b + end, row, b + end, row, c + end, row, c + end, row, s,
                    row, last, tiles, steps);
        } else if (variant < SCALE) {
            f.dots(variant > DOTS, a, row, b, row, a, 64, c, steps, scratch);
            return steps * 64;
        } else if (variant < SUM) {
            f.scale(variant > SCALE, a, b, row, b, c, row, steps, wide);
            return steps * wide;
        } else {
            f.sum(a, b, row, b, row, c, steps, wide);
            return steps * wide;
        }
        return steps * columns * rows;
    }
}
