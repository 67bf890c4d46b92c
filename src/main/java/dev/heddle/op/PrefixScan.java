package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.PrefixGradKernels;
import dev.heddle.kernel.PrefixKernels;
import dev.heddle.memory.Raw;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The loops around the kernels of prefix attention: sequences and groups of heads in parallel, time in blocks. All of it on
 * addresses that were checked before.
 */
final class PrefixScan {
    static final Dispatch<PrefixKernels> KERNELS =
            new Dispatch<>(PrefixKernels.class, PrefixProbe.VARIANTS, PrefixProbe::run);

    static final Dispatch<PrefixGradKernels> GRAD_KERNELS =
            new Dispatch<>(PrefixGradKernels.class, PrefixProbe.GRAD_VARIANTS, PrefixProbe::run);

    static final int[] SCAN_TILES = {8, 4, 3, 2, 1};
    static final int[] GRADIENT_TILES = {4, 3, 2, 1};

    /** Steps of a block at most, and steps times heads: three planes of 2 KiB stay in the first-level cache. */
    private static final long BLOCK_STEPS = 64;

    private static final long BLOCK_ROWS = 512;

    /** Bytes of a step that one thread takes at least: parts of pages defeat the prefetchers of the caches. */
    private static final long GROUP_BYTES = 4096;

    /** Chunks at most; each has scratch memory of its own. */
    static final long MAX_CHUNKS = 32;

    /** From so many steps on, and up to so many values per step, a sequence is cut into pieces of time. */
    static final long LONG_STEPS = 32768;

    static final long FEW_VALUES = 256;
    static final long PIECE_STEPS = 4096;

    /** Nanoseconds for one value of one step, to tell small work from large. */
    private static final double NANOS = 0.2;

    /** A matrix {@code [B, L, H]} or {@code [B, L, H, F]}: its first element, and the bytes along the first three axes. */
    record Matrix(long address, long row, long step, long head) {
        static Matrix of(Tensor t) {
            return new Matrix(t.address(), 4 * t.stride(0), 4 * t.stride(1), 4 * t.stride(2));
        }

        /** {@code [N, H]} or {@code [N, H, F]}: one step. */
        static Matrix ofStep(Tensor t) {
            return new Matrix(t.address(), 4 * t.stride(0), 0, 4 * t.stride(1));
        }

        /** One that is read, or written, in the same place always. */
        static Matrix still(long address) {
            return new Matrix(address, 0, 0, 0);
        }

        long at(long b, long t, long h) {
            return address + b * row + t * step + h * head;
        }
    }

    /** States of streams: addresses of {@code m [N, H]}, {@code u [N, H]} and {@code w [N, H, F]} without gaps. */
    record States(long m, long u, long w) {
        static States of(AttentionState s) {
            return of(s.m(), s.u(), s.w());
        }

        static States of(Tensor m, Tensor u, Tensor w) {
            return new States(m.address(), u.address(), w.address());
        }

        static States empty(Workspace scratch, long streams, long heads, long features) {
            return of(
                    scratch.empty(DType.F32, streams, heads),
                    scratch.empty(DType.F32, streams, heads),
                    scratch.empty(DType.F32, streams, heads, features));
        }

        States at(long head, long features) {
            return new States(m + 4 * head, u + 4 * head, w + 4 * head * features);
        }
    }

    private final Sequences sequences;
    private final long heads;
    private final long features;
    private final boolean reverse;

    /** Heads that a thread takes together, and the steps of a block of them. */
    private final long group;

    private final long groups;
    private final long block;

    PrefixScan(Sequences sequences, long heads, long features, boolean reverse) {
        this.sequences = sequences;
        this.heads = heads;
        this.features = features;
        this.reverse = reverse;
        long whole = Math.max(1, Math.min(heads, ceil(GROUP_BYTES, 4 * Math.max(features, 1))));
        groups = Math.max(1, heads / whole);
        group = ceil(heads, groups);
        block = Math.max(1, Math.min(BLOCK_STEPS, BLOCK_ROWS / Math.max(group, 1)));
    }

    static long ceil(long x, long by) {
        return (x + by - 1) / by;
    }

    /** Bytes of a plane of {@code n} floats. */
    static long plane(long n) {
        return ceil(4 * n, 64) * 64;
    }

    /** For chains of scalars, of which no lanes can be made. */
    static PrefixKernels twin() {
        return KERNELS.choose(PrefixProbe.EXPONENTIALS, 1).kernels();
    }

    static List<Pass<PrefixKernels>> scans(long features, boolean output) {
        return Tiles.over(KERNELS, features, SCAN_TILES, tile -> PrefixProbe.scan(tile, output));
    }

    /** One step of {@code n} heads that appends values {@code v} side by side; the planes are at {@code coef}. */
    static void append(
            List<Pass<PrefixKernels>> passes,
            long v,
            long w,
            long features,
            long coef,
            long plane,
            long n,
            long zeros) {
        long head = 4 * features;
        for (Pass<PrefixKernels> p : passes) {
            long o = p.from();
            p.kernels().scan(p.tile(), false, v + o, 0, head, 0, 0, 0, w + o, head, p.last(), coef, plane, n, 1, zeros);
        }
    }

    /** Copies floats. */
    static void copy(long from, long to, long count) {
        Raw.ALL.asSlice(to, 4 * count).copyFrom(Raw.ALL.asSlice(from, 4 * count));
    }

    static void zero(long to, long count) {
        Raw.ALL.asSlice(to, 4 * count).fill((byte) 0);
    }

    /** All of a state of {@code n} heads. */
    private void copyState(States from, States to, long n) {
        copy(from.m, to.m, n);
        copy(from.u, to.u, n);
        copy(from.w, to.w, n * features);
    }

    /** The state of {@code n} heads at the start: a copy of {@code initial}, or empty. */
    private void start(@Nullable States initial, States to, long n) {
        if (initial == null) {
            for (long h = 0; h < n; h++) {
                Raw.ALL.set(Raw.F32, to.m + 4 * h, Float.NEGATIVE_INFINITY);
            }
        } else if (initial.m != to.m) {
            copyState(initial, to, n);
        }
        clean(to, n, features);
    }

    /** Whatever u and w say, a maximum of -infinity means that there was nothing. */
    static void clean(States states, long n, long features) {
        for (long h = 0; h < n; h++) {
            if (Raw.ALL.get(Raw.F32, states.m + 4 * h) == Float.NEGATIVE_INFINITY) {
                Raw.ALL.set(Raw.F32, states.u + 4 * h, 0);
                zero(states.w + 4 * h * features, features);
            }
        }
    }

    /** One group of heads of one sequence. */
    private record Unit(long sequence, long head, long heads) {}

    private Unit unit(long index) {
        long from = index % groups * group;
        return new Unit(index / groups, from, Math.min(group, heads - from));
    }

    private interface Work {
        void run(Unit unit, int chunk);
    }

    private long chunks() {
        return Math.min(MAX_CHUNKS, sequences.count() * groups);
    }

    private void eachUnit(double nanosPerValue, Work work) {
        long units = sequences.count() * groups;
        long chunks = chunks();
        double nanos = nanosPerValue * sequences.steps() * heads * (features + 16);
        Team.run((int) chunks, nanos, c -> {
            for (long i = units * c / chunks; i < units * (c + 1) / chunks; i++) {
                work.run(unit(i), c);
            }
        });
    }

    // ------------------------------------------------------------------ forward

    /** What the scan reads and writes; y is absent where only the state is wanted. */
    private record Scan(
            PrefixKernels chains,
            PrefixKernels exponentials,
            List<Pass<PrefixKernels>> passes,
            Matrix s,
            Matrix v,
            @Nullable Matrix y) {}

    private Scan scan(Matrix s, Matrix v, @Nullable Matrix y) {
        return scan(scans(features, y != null), s, v, y);
    }

    private static Scan scan(List<Pass<PrefixKernels>> passes, Matrix s, Matrix v, @Nullable Matrix y) {
        PrefixKernels exponentials =
                KERNELS.choose(PrefixProbe.EXPONENTIALS, Long.MAX_VALUE).kernels();
        return new Scan(twin(), exponentials, passes, s, v, y);
    }

    /**
     * Computes y and, in {@code last}, the final states.
     *
     * @param initial may be {@code last} itself
     * @param ordered whether no sequence may be cut into pieces of time
     */
    void forward(
            Matrix s, Matrix v, @Nullable States initial, Matrix y, States last, boolean ordered, Workspace scratch) {
        start(initial, last, sequences.count() * heads);
        Scan scan = scan(s, v, y);
        long zeros = scratch.zeros(DType.F32, features).address();
        long[] coefs = coefs(scratch, chunks());
        eachUnit(NANOS, (unit, chunk) -> {
            if (ordered || !isLong(unit.sequence)) {
                States state = last.at(unit.sequence * heads + unit.head, features);
                advance(scan, unit, 0, sequences.length(unit.sequence), state, coefs[chunk], zeros);
            }
        });
        for (long k = 0; k < sequences.count() && !ordered; k++) {
            if (isLong(k)) {
                forwardByPieces(scan, scan(s, v, null), k, last.at(k * heads, features), zeros, scratch);
            }
        }
    }

    /** A property of one sequence alone, so that it has the same bits in every batch. */
    private boolean isLong(long sequence) {
        return heads * features <= FEW_VALUES && sequences.length(sequence) >= LONG_STEPS;
    }

    private long[] coefs(Workspace scratch, long count) {
        long[] coefs = new long[(int) count];
        for (int i = 0; i < coefs.length; i++) {
            coefs[i] = scratch.empty(DType.F32, planes() / 4).address();
        }
        return coefs;
    }

    /**
     * The states of all pieces but the last from nothing, in parallel; the state before each piece by combining them in
     * order; then the pieces again, each from the state before it, in parallel.
     */
    private void forwardByPieces(Scan scan, Scan stateOnly, long k, States last, long zeros, Workspace scratch) {
        long steps = sequences.length(k);
        int pieces = (int) ceil(steps, PIECE_STEPS);
        Unit all = new Unit(k, 0, heads);
        States local = States.empty(scratch, pieces, heads, features);
        States before = States.empty(scratch, pieces, heads, features);
        long[] coefs = coefs(scratch, pieces);
        double nanos = NANOS * steps * heads * (features + 16);
        Team.run(pieces - 1, nanos, p -> {
            States state = local.at(p * heads, features);
            start(null, state, heads);
            advance(stateOnly, all, p * PIECE_STEPS, (p + 1) * PIECE_STEPS, state, coefs[p], zeros);
        });
        copyState(last, before, heads);
        PrefixKernels merge = twin();
        long plane = plane(heads);
        for (int p = 1; p < pieces; p++) {
            States sum = before.at(p * heads, features);
            States next = local.at((p - 1) * heads, features);
            copyState(before.at((p - 1) * heads, features), sum, heads);
            merge.merge(sum.m, sum.u, next.m, next.u, heads, coefs[0], plane);
            append(stateOnly.passes, next.w, sum.w, features, coefs[0], plane, heads, zeros);
        }
        Team.run(pieces, nanos, p -> {
            long end = Math.min(steps, (p + 1) * PIECE_STEPS);
            advance(scan, all, p * PIECE_STEPS, end, before.at(p * heads, features), coefs[p], zeros);
        });
        copyState(before.at((pieces - 1) * heads, features), last, heads);
    }

    /** Where step {@code i} of a sequence, in the order of the scan, lies in its row. */
    private long time(long sequence, long i) {
        return sequences.start(sequence) + (reverse ? sequences.length(sequence) - 1 - i : i);
    }

    private long ahead(long step) {
        return reverse ? -step : step;
    }

    private void advance(Scan x, Unit unit, long from, long to, States state, long coef, long zeros) {
        for (long i = from; i < to; i += block) {
            long steps = Math.min(block, to - i);
            weigh(x, unit, i, steps, state, coef);
            long b = sequences.row(unit.sequence);
            long t = time(unit.sequence, i);
            Matrix y = x.y == null ? Matrix.still(0) : x.y;
            scanBlock(
                    x,
                    y.at(b, t, unit.head),
                    ahead(y.step),
                    y.head,
                    x.v.at(b, t, unit.head),
                    state.w,
                    coef,
                    unit.heads,
                    steps,
                    zeros);
        }
    }

    private void weigh(Scan x, Unit unit, long i, long steps, States state, long coef) {
        long s = x.s.at(sequences.row(unit.sequence), time(unit.sequence, i), unit.head);
        long plane = plane(steps * unit.heads);
        x.chains.distances(s, ahead(x.s.step), x.s.head, unit.heads, steps, state.m, coef);
        x.exponentials.exponentials(coef, plane);
        x.chains.sums(state.u, coef, plane, unit.heads, steps);
    }

    private void scanBlock(
            Scan x, long y, long yStep, long yHead, long v, long w, long coef, long unitHeads, long steps, long zeros) {
        long plane = plane(steps * unitHeads);
        for (Pass<PrefixKernels> p : x.passes) {
            long o = p.from();
            p.kernels()
                    .scan(
                            p.tile(),
                            x.y != null,
                            v + o,
                            ahead(x.v.step),
                            x.v.head,
                            y + o,
                            yStep,
                            yHead,
                            w + o,
                            4 * features,
                            p.last(),
                            coef,
                            plane,
                            unitHeads,
                            steps,
                            zeros);
        }
    }

    // ------------------------------------------------------------------ backward

    /**
     * The gradients that came in, for y and for u and w of the final states, and where those that are wanted go; addresses
     * are 0 and matrices null where there is none.
     */
    record Gradients(
            @Nullable Matrix y,
            long lastU,
            long lastW,
            @Nullable Matrix s,
            @Nullable Matrix v,
            long m0,
            long u0,
            long w0) {}

    /** Everything that the units of a backward pass share. */
    private record Backward(
            Scan states,
            Scan results,
            List<Pass<PrefixGradKernels>> passes,
            boolean whole,
            PrefixKernels dots,
            @Nullable States initial,
            @Nullable Matrix y,
            Gradients g,
            long zeros,
            long ones,
            long still) {}

    /**
     * The memory of one chunk of a backward pass: the state before each block and its planes, results and terms of one block,
     * and what is carried from block to block.
     */
    private record Desk(
            States saved, long coef, Matrix y, Matrix p, long gw, long d, long yLater, long pads, long sums) {}

    /**
     * Computes the gradients that have a place. The states before each block are computed first and kept; the results of a
     * block are computed again from there.
     *
     * @param initial not read where {@code g} wants nothing of it and it is null
     * @param y the forward's result, if it is known: then only m and u are computed again
     */
    void backward(Matrix s, Matrix v, @Nullable States initial, @Nullable Matrix y, Gradients g, Workspace scratch) {
        Tensor ones = scratch.empty(DType.F32, features);
        ones.fill(1);
        boolean whole = features % 16 == 0;
        Scan states = scan(y == null ? scans(features, false) : List.of(), s, v, null);
        Backward x = new Backward(
                states,
                scan(scans(features, true), s, v, Matrix.still(0)),
                Tiles.over(GRAD_KERNELS, features, GRADIENT_TILES, tile -> PrefixProbe.gradients(tile, whole)),
                whole,
                KERNELS.choose(PrefixProbe.DOTS, Long.MAX_VALUE).kernels(),
                initial,
                y,
                g,
                scratch.zeros(DType.F32, features).address(),
                ones.address(),
                scratch.empty(DType.F32, features).address());
        Desk[] desks = new Desk[(int) chunks()];
        for (int i = 0; i < desks.length; i++) {
            desks[i] = desk(y == null, scratch);
        }
        eachUnit(3 * NANOS, (unit, chunk) -> backward(x, unit, desks[chunk]));
    }

    /** Bytes of the three planes of a block. */
    private long planes() {
        return 3 * plane(block * group);
    }

    private static PrefixGradKernels gradKernels(int variant) {
        return GRAD_KERNELS.choose(variant, Long.MAX_VALUE).kernels();
    }

    private Desk desk(boolean again, Workspace scratch) {
        long longest = 0;
        for (long k = 0; k < sequences.count(); k++) {
            longest = Math.max(longest, sequences.length(k));
        }
        long blocks = Math.max(1, ceil(longest, block));
        return new Desk(
                States.of(
                        scratch.empty(DType.F32, blocks, group),
                        scratch.empty(DType.F32, blocks, group),
                        scratch.empty(DType.F32, again ? blocks : 1, group, features)),
                scratch.empty(DType.F32, blocks, planes() / 4).address(),
                rows(scratch, again ? features : 0),
                rows(scratch, features % 16 == 0 ? 0 : ceil(features, 16) * 16),
                scratch.empty(DType.F32, group, features).address(),
                scratch.empty(DType.F32, group, features).address(),
                scratch.empty(DType.F32, group, features).address(),
                scratch.zeros(DType.F32, 48).address(),
                scratch.zeros(DType.F32, block * group + 15, 16).address());
    }

    /** A row for each step and head of a block. */
    private Matrix rows(Workspace scratch, long columns) {
        long address = scratch.zeros(DType.F32, block, group, columns).address();
        return new Matrix(address, 0, 4 * group * columns, 4 * columns);
    }

    private void backward(Backward x, Unit unit, Desk desk) {
        long steps = sequences.length(unit.sequence);
        long blocks = ceil(steps, block);
        long at = unit.sequence * heads + unit.head;
        save(x, unit, at, desk, blocks);
        carryIn(x.g, at, unit.heads, desk);
        for (long b = blocks - 1; b >= 0; b--) {
            long coef = desk.coef + b * planes();
            long count = Math.min(block, steps - b * block);
            if (b == blocks - 1) {
                weigh(x.results, unit, b * block, count, saved(x, desk, b), coef);
            }
            block(x, unit, b * block, count, saved(x, desk, b), coef, desk);
        }
        carryOut(x, at, unit.heads, desk);
    }

    private States saved(Backward x, Desk desk, long b) {
        States saved = desk.saved.at(b * group, features);
        return x.y == null ? saved : new States(saved.m, saved.u, desk.saved.w);
    }

    /** The state before each block, and the planes of all but the last. */
    private void save(Backward x, Unit unit, long at, Desk desk, long blocks) {
        States state = saved(x, desk, 0);
        start(x.initial == null ? null : x.initial.at(at, features), state, unit.heads);
        for (long b = 1; b < blocks; b++) {
            States next = saved(x, desk, b);
            copy(state.m, next.m, unit.heads);
            copy(state.u, next.u, unit.heads);
            if (x.y == null) {
                copy(state.w, next.w, unit.heads * features);
            }
            advance(x.states, unit, (b - 1) * block, b * block, next, desk.coef + (b - 1) * planes(), x.zeros);
            state = next;
        }
    }

    /**
     * The gradients of the final state are what a step after the last, with a result of 0, asks for; that of u is like one
     * more value, of the first feature.
     */
    private void carryIn(Gradients g, long at, long unitHeads, Desk desk) {
        if (g.lastW == 0) {
            zero(desk.gw, unitHeads * features);
        } else {
            copy(g.lastW + 4 * at * features, desk.gw, unitHeads * features);
        }
        zero(desk.yLater, unitHeads * features);
        zero(desk.d, unitHeads * features);
        for (long h = 0; h < unitHeads && g.lastU != 0 && features > 0; h++) {
            Raw.ALL.set(Raw.F32, desk.d + 4 * h * features, -Raw.ALL.get(Raw.F32, g.lastU + 4 * (at + h)));
        }
    }

    private void block(Backward x, Unit unit, long i, long steps, States before, long coef, Desk desk) {
        long row = sequences.row(unit.sequence);
        if (x.y == null) {
            long v = x.results.v.at(row, time(unit.sequence, i), unit.head);
            scanBlock(
                    x.results, desk.y.address, desk.y.step, desk.y.head, v, before.w, coef, unit.heads, steps, x.zeros);
        }
        Gradients g = x.g;
        long end = time(unit.sequence, i + steps - 1);
        Matrix y = x.y == null ? desk.y : x.y;
        long head = unit.head + unit.heads - 1;
        long yEnd = x.y == null ? desk.y.at(0, steps - 1, unit.heads - 1) : y.at(row, end, head);
        Matrix gy = g.y == null ? Matrix.still(x.zeros) : g.y;
        Matrix gv = g.v == null ? Matrix.still(x.still) : g.v;
        Matrix v = x.results.v;
        long plane = plane(steps * unit.heads);
        long state = 4 * features * (unit.heads - 1);
        zero(desk.sums, 16 * steps * unit.heads);
        Matrix terms = x.whole ? new Matrix(desk.sums, 0, 64 * unit.heads, 64) : desk.p;
        for (Pass<PrefixGradKernels> p : x.passes) {
            long o = p.from();
            long term = terms.at(0, steps - 1, unit.heads - 1) + (x.whole ? o % 64 : o);
            p.kernels()
                    .gradients(
                            p.tile(),
                            x.whole,
                            v.at(row, end, head) + o,
                            ahead(v.step),
                            v.head,
                            yEnd + o,
                            x.y == null ? y.step : ahead(y.step),
                            y.head,
                            gy.at(row, end, head) + o,
                            ahead(gy.step),
                            gy.head,
                            gv.at(row, end, head) + o,
                            ahead(gv.step),
                            gv.head,
                            term,
                            terms.step,
                            terms.head,
                            desk.gw + state + o,
                            desk.d + state + o,
                            desk.yLater + state + o,
                            4 * features,
                            p.last(),
                            coef,
                            plane,
                            unit.heads,
                            steps,
                            x.zeros);
        }
        if (g.s != null) {
            long gs = g.s.at(row, time(unit.sequence, i), unit.head);
            if (!x.whole) {
                gradKernels(PrefixProbe.PARTIALS)
                        .partials(desk.p.address, desk.p.head, desk.p.step, unit.heads, steps, desk.sums);
            }
            gradKernels(PrefixProbe.GRAD_SCORES)
                    .gradScores(desk.sums, gs, ahead(g.s.step), g.s.head, coef, unit.heads, steps);
        }
    }

    /** The gradients of the initial state; an empty one has none. */
    private void carryOut(Backward x, long at, long unitHeads, Desk desk) {
        Gradients g = x.g;
        States initial = x.initial;
        if (initial == null || (g.m0 == 0 && g.u0 == 0 && g.w0 == 0)) {
            return;
        }
        States first = initial.at(at, features);
        long row = 4 * features;
        for (long h = 0; h < unitHeads; h++) {
            States head = first.at(h, features);
            boolean empty = Raw.ALL.get(Raw.F32, head.m) == Float.NEGATIVE_INFINITY;
            long gw = desk.gw + row * h;
            float sum = dot(x, desk.d + row * h, x.ones, desk) + dot(x, desk.yLater + row * h, gw, desk);
            float gu0 = empty ? 0 : -sum;
            if (g.m0 != 0) {
                float w = empty ? 0 : dot(x, head.w, gw, desk);
                Raw.ALL.set(Raw.F32, g.m0 + 4 * (at + h), empty ? 0 : Math.fma(Raw.ALL.get(Raw.F32, head.u), gu0, w));
            }
            if (g.u0 != 0) {
                Raw.ALL.set(Raw.F32, g.u0 + 4 * (at + h), gu0);
            }
            if (g.w0 != 0) {
                long to = g.w0 + row * (at + h);
                if (empty) {
                    zero(to, features);
                } else {
                    copy(gw, to, features);
                }
            }
        }
    }

    private float dot(Backward x, long a, long b, Desk desk) {
        long out = desk.coef;
        x.dots.dots(a, 0, 0, b, 0, 0, features, 1, out, 0, 0, 1, 1, desk.pads);
        return Raw.ALL.get(Raw.F32, out);
    }
}
