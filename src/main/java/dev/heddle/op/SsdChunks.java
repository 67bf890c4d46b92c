package dev.heddle.op;

import static dev.heddle.kernel.SsdChunkKernels.CHUNK;
import static dev.heddle.kernel.SsdChunkKernels.ROW;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;

import dev.heddle.kernel.SsdChunkKernels;
import dev.heddle.op.Sequences.Walk;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * The chunk form of the state-space dual. With a chunk's rows B, C (of its group) and {@code U = dt x}, the state H before it and the decays e,
 *
 * <pre>
 * Y = e_start C H + M U,  M[i][j] = e_ij C_i B_j for j &lt;= i     H' = e_all H + B^T (e_end U)
 * </pre>
 *
 * so a state costs two multiply-adds for each step, where the recurrent form has three. The products of C and B are made first, for all
 * chunks; then pieces of work, one sequence and a few heads each, go through its chunks in the order of time. A row of M U ends
 * with its own step: what comes later is not even multiplied by 0.
 */
final class SsdChunks {
    /** Below these, what is not shared by the states or heads of a group costs more than a third of the work is worth. */
    private static final long MIN_STATES = 64;

    private static final long MIN_HEADS = 4;
    private static final long MIN_STEPS = 2L * CHUNK;
    private static final long WIDTH = 64;

    /** Heads of a piece: rows that are long enough to be read ahead. */
    private static final long MOST_HEADS = 4;

    /** Nanoseconds of a step of one state of one channel, to tell small work from large. */
    private static final double NANOS = 0.05;

    private final SsdRule rule;
    private final Tensor y;
    private final @Nullable Tensor last;
    private final long heads;
    private final long width;
    private final long states;

    /** Heads of a group, and of a piece. */
    private final long perGroup;

    private final long run;

    private final SsdChunkKernels decays =
            SsdChunkProbe.KERNELS.choose(SsdChunkProbe.DECAYS, CHUNK).kernels();
    private final SsdChunkKernels scale;
    private final SsdChunkKernels inputs;
    private final SsdChunkKernels outputs;

    SsdChunks(SsdRule rule, Tensor y, @Nullable Tensor last) {
        this.rule = rule;
        this.y = y;
        this.last = last;
        heads = rule.in.x().dim(2);
        width = rule.in.x().dim(3);
        states = rule.states;
        perGroup = heads / rule.in.b().dim(2);
        run = Math.clamp(perGroup / 8, 1, MOST_HEADS);
        scale = kernels(SsdChunkProbe.SCALE);
        inputs = kernels(SsdChunkProbe.inputs(rule.in.d() != null));
        outputs = kernels(SsdChunkProbe.outputs(rule.z != null));
    }

    private SsdChunkKernels kernels(int variant) {
        return SsdChunkProbe.KERNELS.choose(variant, width).kernels();
    }

    /** Whether chunks of so many steps can be made at all. */
    static boolean possible(Ssd.Inputs in) {
        return SmallProducts.fit(in.x().dim(3));
    }

    /** Whether they are faster for a sequence of so many steps: by its own sizes, so that batch, packing and threads change no bit. */
    static boolean worthwhile(Ssd.Inputs in, long steps) {
        long heads = in.x().dim(2) / in.b().dim(2);
        return in.x().dim(3) % WIDTH == 0 && in.b().dim(3) >= MIN_STATES && heads >= MIN_HEADS && steps >= MIN_STEPS;
    }

    /** The sequences that {@link SsdRule#chunked} names. */
    void run(Workspace scratch) {
        long chunks = 0;
        long[] first = new long[rule.q.count()];
        for (int s = 0; s < first.length; s++) {
            first[s] = chunks;
            chunks += rule.chunked(s) ? (rule.q.length(s) + CHUNK - 1) / CHUNK : 0;
        }
        if (chunks == 0) {
            return;
        }
        long groups = heads / perGroup;
        Tensor products = scratch.empty(DType.F32, groups, chunks, CHUNK, CHUNK);
        Tensor ones = scratch.empty(DType.F32, Math.max(width, CHUNK)).fill(1);
        Tensor zeros = scratch.zeros(DType.F32, Math.max(width, CHUNK));
        try (Use _ = Use.of(y, last, products, ones, zeros)) {
            makeProducts(first, products, ones.address(), zeros.address(), scratch);
            SmallProducts tiles = new SmallProducts(width, ones.address());
            long perSequence = groups * ((perGroup + run - 1) / run);
            int pieces = Math.toIntExact(rule.q.count() * perSequence);
            double nanos = NANOS * rule.q.steps() * heads * width * states;
            try (Slabs slabs = new Slabs(pieces, new Slab(0).end, scratch)) {
                Team.run(
                        pieces,
                        nanos,
                        piece -> slabs.with(slab -> {
                            int s = (int) (piece / perSequence);
                            if (rule.chunked(s)) {
                                long group = piece % perSequence % groups;
                                long from = group * perGroup + piece % perSequence / groups * run;
                                long g = products.address() + (group * chunks(products) + first[s]) * CHUNK * ROW;
                                long to = Math.min(from + run, (group + 1) * perGroup);
                                new Piece(s, from, to, g, tiles, new Slab(slab), zeros.address()).run();
                            }
                        }));
            }
        }
    }

    private static long chunks(Tensor products) {
        return products.dim(1);
    }

    /** {@code C B^T} of each chunk of each group; what lies beyond the last step is undefined. */
    private void makeProducts(long[] first, Tensor products, long ones, long zeros, Workspace scratch) {
        SmallProducts tiles = new SmallProducts(CHUNK, ones);
        long groups = products.dim(0);
        int count = Math.toIntExact(chunks(products));
        int[] sequence = new int[count];
        for (int s = 0; s < first.length; s++) {
            for (long t = 0; rule.chunked(s) && t < rule.q.length(s); t += CHUNK) {
                sequence[Math.toIntExact(first[s] + t / CHUNK)] = s;
            }
        }
        double nanos = NANOS * count * CHUNK * CHUNK * groups * states;
        try (Slabs slabs = new Slabs(count, states * ROW, scratch)) {
            Team.run(
                    count,
                    nanos,
                    chunk -> slabs.with(turned -> {
                        int s = sequence[chunk];
                        long t = (chunk - first[s]) * CHUNK;
                        long steps = Math.min(CHUNK, rule.q.length(s) - t);
                        for (long group = 0; group < groups; group++) {
                            Walk b = factor(rule.in.b(), s, group);
                            Walk c = factor(rule.in.c(), s, group);
                            Gemm.transpose(b.at(t), b.step(), turned, ROW, steps, states);
                            long to = products.address() + (group * count + chunk) * CHUNK * ROW;
                            tiles.multiply(steps, c.at(t), c.step(), 4, turned, ROW, states, zeros, 0, to, ROW);
                        }
                    }));
        }
    }

    private Walk factor(Tensor t, int s, long group) {
        return rule.q.walk(t, s, false).plus(4 * group * t.stride(2));
    }

    /** Where the scratch of a piece lies. */
    private final class Slab {
        final long h;
        final long m;
        final long end;
        final long start;
        final long decayEnd;
        final long du;
        final long y;

        Slab(long slab) {
            h = slab;
            m = h + run * states * 4 * width;
            decayEnd = m + CHUNK * ROW;
            start = decayEnd + ROW;
            du = start + ROW;
            y = du + CHUNK * 4 * width;
            end = y + CHUNK * 4 * width;
        }
    }

    /** Some heads of one sequence. */
    private final class Piece {
        private final int s;
        private final long from;
        private final long to;
        private final long products;
        private final SmallProducts tiles;
        private final Slab slab;
        private final long zeros;
        private final long row = 4 * width;

        Piece(int s, long from, long to, long products, SmallProducts tiles, Slab slab, long zeros) {
            this.s = s;
            this.from = from;
            this.to = to;
            this.products = products;
            this.tiles = tiles;
            this.slab = slab;
            this.zeros = zeros;
        }

        void run() {
            for (long head = from; head < to; head++) {
                load(head);
            }
            long length = rule.q.length(s);
            for (long t = 0; t < length; t += CHUNK) {
                for (long head = from; head < to; head++) {
                    chunk(head, t, Math.min(CHUNK, length - t));
                }
            }
            for (long head = from; head < to && last != null; head++) {
                store(head, last);
            }
        }

        private long h(long head) {
            return slab.h + (head - from) * states * row;
        }

        private void chunk(long head, long t, long steps) {
            long block = head * rule.blocks.perHead;
            Walk x = rule.walk(rule.in.x(), s, block);
            Walk z = rule.walk(rule.z, s, block);
            Walk out = rule.walk(y, s, block);
            Walk dt = rule.dt(s, block);
            Walk b = factor(rule.in.b(), s, head / perGroup);
            Walk c = factor(rule.in.c(), s, head / perGroup);
            float a = SelectiveRule.LOG2_E * rule.in.a().getFloat(head);
            long g = products + t / CHUNK * CHUNK * ROW;
            decays.decays(dt.at(t), dt.step(), a, g, slab.m, slab.decayEnd, slab.start, steps);
            long h = h(head);
            tiles.multiply(steps, c.at(t), c.step(), 4, h, row, states, zeros, 0, slab.y, row);
            inputs.inputs(
                    rule.in.d() != null,
                    x.at(t),
                    x.step(),
                    dt.at(t),
                    dt.step(),
                    slab.start,
                    rule.skips(block),
                    slab.du,
                    slab.y,
                    steps,
                    width);
            for (long i = 0; i < steps; i++) {
                long yi = slab.y + i * row;
                tiles.multiply(1, slab.m + i * ROW, 0, 4, slab.du, row, i + 1, yi, 0, yi, 0);
            }
            outputs.outputs(rule.z != null, slab.y, z.at(t), z.step(), out.at(t), out.step(), steps, width);
            scale.scale(slab.du, slab.decayEnd, 4, steps, width);
            scale.scale(h, slab.start + 4 * (steps - 1), 0, states, width);
            tiles.multiply(states, b.at(t), 4, b.step(), slab.du, row, steps, h, row, h, row);
        }

        private void load(long head) {
            Tensor h0 = rule.h0;
            for (long n = 0; n < states; n++) {
                for (long p = 0; p < width; p++) {
                    float v = h0 == null ? 0 : ALL.get(F32, at(h0, head, p, n));
                    ALL.set(F32, h(head) + n * row + 4 * p, v);
                }
            }
        }

        private void store(long head, Tensor to) {
            for (long n = 0; n < states; n++) {
                for (long p = 0; p < width; p++) {
                    ALL.set(F32, at(to, head, p, n), ALL.get(F32, h(head) + n * row + 4 * p));
                }
            }
        }

        private long at(Tensor t, long head, long p, long n) {
            return t.address() + 4 * (s * t.stride(0) + head * t.stride(1) + p * t.stride(2) + n * t.stride(3));
        }
    }
}
