package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.LinearAttentionKernels;
import dev.heddle.kernel.LinearAttentionKernels.Decay;
import dev.heddle.memory.Raw;
import dev.heddle.op.PrefixScan.Matrix;
import dev.heddle.op.Tiles.Pass;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The loops of linear and of gated linear attention, on addresses that were checked before. A unit is a head of a sequence: its
 * steps are copied side by side, then scanned. The normaliser of linear attention is one more column of the values, all 1.
 */
final class LinearAttentionScan {
    static final Dispatch<LinearAttentionKernels> KERNELS =
            new Dispatch<>(LinearAttentionKernels.class, LinearAttentionProbe.VARIANTS, LinearAttentionProbe::run);

    private static final long CHUNKS = 32;
    private static final double NANOS = 0.15;

    /** Sums kept for the gradients of decays, of all steps of a block together. */
    private static final long BLOCK_SUMS = 1 << 16;

    /**
     * What an operator computes.
     *
     * @param extra columns that the values have more than v: 1 with a normaliser
     * @param elu whether queries and keys go through elu + 1
     * @param divide whether the sums are divided by the normaliser plus {@code eps}
     */
    record Form(long keys, long values, int extra, boolean elu, boolean divide, float eps, float scale) {
        long columns() {
            return values + extra;
        }
    }

    /** The operands {@code [B, L, H, K or V]}; decay may be absent. */
    record Inputs(Matrix q, Matrix k, Matrix v, @Nullable Matrix decay) {}

    /** Addresses of the sums {@code [N, H, K, V]} and {@code [N, H, K]} without gaps; 0 where there are none. */
    record Sums(long s, long z) {
        static final Sums NONE = new Sums(0, 0);
    }

    /** Gradients that come in, and where those go that are wanted; null and 0 where there is none. */
    record Gradients(
            @Nullable Matrix y,
            Sums last,
            @Nullable Matrix q,
            @Nullable Matrix k,
            @Nullable Matrix v,
            @Nullable Matrix decay,
            Sums first) {}

    private final Sequences sequences;
    private final long heads;
    private final Form form;
    private final Inputs in;

    /** The passes over the columns of values and of keys, for each kind of decay. */
    private final List<List<Pass<LinearAttentionKernels>>> overValues = new ArrayList<>();

    private final List<List<Pass<LinearAttentionKernels>>> overKeys = new ArrayList<>();
    private final List<Pass<LinearAttentionKernels>> dots;

    LinearAttentionScan(Sequences sequences, long heads, Form form, Inputs in) {
        this.sequences = sequences;
        this.heads = heads;
        this.form = form;
        this.in = in;
        for (Decay d : Decay.values()) {
            overValues.add(Tiles.over(
                    KERNELS, form.columns(), LinearAttentionProbe.TILES, tile -> LinearAttentionProbe.scan(tile, d)));
            overKeys.add(Tiles.over(
                    KERNELS, form.keys, LinearAttentionProbe.TILES, tile -> LinearAttentionProbe.scan(tile, d)));
        }
        dots = Tiles.over(KERNELS, form.keys, LinearAttentionProbe.TILES, LinearAttentionProbe::dots);
    }

    private static LinearAttentionKernels kernels(int variant, long columns) {
        return KERNELS.choose(variant, columns).kernels();
    }

    private interface Work {
        void run(Unit unit, long sequence, long head);
    }

    private void eachUnit(boolean backward, Workspace scratch, Work work) {
        long units = sequences.count() * heads;
        long chunks = Math.min(CHUNKS, units);
        Unit[] memory = new Unit[(int) chunks];
        for (int i = 0; i < memory.length; i++) {
            memory[i] = new Unit(backward, scratch);
        }
        double nanos = NANOS * sequences.steps() * heads * form.keys * (form.columns() + 4) * (backward ? 5 : 1);
        Team.run((int) chunks, nanos, c -> {
            for (long i = units * c / chunks; i < units * (c + 1) / chunks; i++) {
                work.run(memory[c], i / heads, i % heads);
            }
        });
    }

    void forward(Sums first, Matrix y, Sums last, Workspace scratch) {
        eachUnit(false, scratch, (unit, sequence, head) -> {
            unit.begin(sequence, head, first);
            unit.scanValues(unit.s);
            unit.put(y, unit.n, form.columns(), form.values, form.divide);
            unit.putSums(unit.s, last);
        });
    }

    void backward(Sums first, Gradients g, Workspace scratch) {
        eachUnit(true, scratch, (unit, sequence, head) -> {
            unit.begin(sequence, head, first);
            unit.gradients(g, first);
        });
    }

    private long longest() {
        long most = 0;
        for (long i = 0; i < sequences.count(); i++) {
            most = Math.max(most, sequences.length(i));
        }
        return most;
    }

    /** One head of one sequence, and memory for it. All matrices have a row per step, without gaps. */
    private final class Unit {
        private final long q;
        private final long k;
        private final long v;
        private final long d;

        /** What comes out of the scan: the result, before it is divided. */
        private final long n;

        /** The sums by keys and by values, and their gradients. */
        private final long s;

        private final long turned;
        private final long gs;
        private final long gTurned;
        private final long gn;
        private final long out;

        /** Sums before each block of steps, then after each step of a block, and the gradients likewise. */
        private final long blockSteps;

        /** Gradients of decays. */
        private final long gd;

        private final long starts;
        private final long inBlock;
        private final long gInBlock;

        private long sequence;
        private long head;
        private long steps;

        Unit(boolean backward, Workspace scratch) {
            long length = longest();
            long keys = form.keys;
            long columns = form.columns();
            long size = keys * columns;
            q = floats(scratch, length * keys);
            k = floats(scratch, length * keys);
            v = floats(scratch, length * columns);
            d = floats(scratch, in.decay == null ? 0 : length * keys);
            n = floats(scratch, length * columns);
            s = floats(scratch, size);
            blockSteps = Math.clamp(BLOCK_SUMS / Math.max(size, 1), 1, Math.max(length, 1));
            boolean decays = backward && in.decay != null;
            turned = floats(scratch, backward ? size : 0);
            gs = floats(scratch, backward ? size : 0);
            gTurned = floats(scratch, backward ? size : 0);
            gn = floats(scratch, backward ? length * columns : 0);
            out = floats(scratch, backward ? length * Math.max(keys, columns) : 0);
            gd = floats(scratch, decays ? length * keys : 0);
            starts = floats(scratch, decays ? (length / blockSteps + 1) * size : 0);
            inBlock = floats(scratch, decays ? (blockSteps + 1) * size : 0);
            gInBlock = floats(scratch, decays ? (blockSteps + 1) * size : 0);
        }

        private static long floats(Workspace scratch, long count) {
            return scratch.empty(DType.F32, count + 16).address();
        }

        void begin(long sequence, long head, Sums first) {
            this.sequence = sequence;
            this.head = head;
            steps = sequences.length(sequence);
            take(in.q, form.keys, q, form.keys);
            take(in.k, form.keys, k, form.keys);
            take(in.v, form.values, v, form.columns());
            if (form.extra > 0) {
                Gemm.fill(1, v + 4 * form.values, 4 * form.columns(), steps, 1);
            }
            if (in.decay != null) {
                take(in.decay, form.keys, d, form.keys);
            }
            if (form.elu) {
                elu(false, q, q);
                elu(false, k, k);
            }
            takeSums(first, s);
        }

        private long at(Matrix m) {
            return m.at(sequences.row(sequence), sequences.start(sequence), head);
        }

        private void take(Matrix from, long columns, long to, long pitch) {
            Gemm.copy(at(from), from.step(), to, 4 * pitch, steps, columns);
        }

        private void elu(boolean gradient, long x, long to) {
            long columns = steps * form.keys;
            int lanes = KERNELS.lanes(columns);
            long whole = columns / lanes * lanes;
            int variant = gradient ? LinearAttentionProbe.ELU_GRADIENT : LinearAttentionProbe.ELU;
            kernels(variant, lanes).elu(gradient, x, 0, to, 0, whole, 1);
            kernels(variant, 1).elu(gradient, x + 4 * whole, 0, to + 4 * whole, 0, columns - whole, 1);
        }

        private long sumsAt(long address, long size) {
            return address + 4 * (sequence * heads + head) * size;
        }

        /** Sums and normaliser side by side; zeros where there are none. */
        private void takeSums(Sums from, long to) {
            long pitch = 4 * form.columns();
            PrefixScan.zero(to, form.keys * form.columns());
            if (from.s != 0) {
                long at = sumsAt(from.s, form.keys * form.values);
                Gemm.copy(at, 4 * form.values, to, pitch, form.keys, form.values);
            }
            if (from.z != 0) {
                Gemm.copy(sumsAt(from.z, form.keys), 4, to + 4 * form.values, pitch, form.keys, 1);
            }
        }

        void putSums(long from, Sums to) {
            long pitch = 4 * form.columns();
            if (to.s != 0) {
                long at = sumsAt(to.s, form.keys * form.values);
                Gemm.copy(from, pitch, at, 4 * form.values, form.keys, form.values);
            }
            if (to.z != 0) {
                Gemm.copy(from + 4 * form.values, pitch, sumsAt(to.z, form.keys), 4, form.keys, 1);
            }
        }

        /** Rows of {@code pitch} floats as rows of a matrix of the caller. */
        void put(@Nullable Matrix to, long from, long pitch, long columns, boolean divide) {
            if (to == null) {
                return;
            }
            if (divide) {
                kernels(LinearAttentionProbe.DIVIDE, Long.MAX_VALUE)
                        .divide(from, 4 * pitch, form.eps, at(to), to.step(), columns, steps);
            } else {
                Gemm.copy(from, 4 * pitch, at(to), to.step(), steps, columns);
            }
        }

        /** The result of each step, from the sums at {@code sums}, which become those after the last. */
        void scanValues(long sums) {
            Decay decay = in.decay == null ? Decay.NONE : Decay.ROWS;
            long keys = 4 * form.keys;
            long columns = 4 * form.columns();
            for (Pass<LinearAttentionKernels> p : overValues.get(decay.ordinal())) {
                long o = p.from();
                p.kernels()
                        .scan(
                                p.tile(),
                                decay,
                                sums + o,
                                0,
                                columns,
                                form.keys,
                                d,
                                keys,
                                k,
                                keys,
                                v + o,
                                columns,
                                q,
                                keys,
                                form.scale,
                                n + o,
                                columns,
                                p.last(),
                                steps);
            }
        }

        /**
         * Steps {@code from} to {@code to} of the sums by values, {@code S_j = d S_j + x_j u}, result {@code sum_j w_j S_j} into {@link
         * #out}.
         *
         * @param back whether from the last of them to the first; a step's decay is then that of the step after it, and the last
         *     step of the sequence has none
         * @param keep bytes from the sums to those after a step; 0 to keep the last only
         */
        private void scanKeys(long sums, long from, long to, boolean back, long x, long u, long w, long keep) {
            if (from >= to) {
                return;
            }
            if (back && in.decay != null && to == steps) {
                scanKeys(Decay.NONE, sums, to - 1, 1, true, x, u, w, keep);
                scanKeys(Decay.COLUMNS, sums + keep, to - 2, to - 1 - from, true, x, u, w, keep);
            } else {
                Decay decay = in.decay == null ? Decay.NONE : Decay.COLUMNS;
                scanKeys(decay, sums, back ? to - 1 : from, to - from, back, x, u, w, keep);
            }
        }

        private void scanKeys(
                Decay decay, long sums, long step, long count, boolean back, long x, long u, long w, long keep) {
            long keys = 4 * form.keys;
            long columns = 4 * form.columns();
            long sign = back ? -1 : 1;
            for (Pass<LinearAttentionKernels> p : overKeys.get(decay.ordinal())) {
                long o = p.from();
                long decays = decay == Decay.NONE ? d : d + (back ? step + 1 : step) * keys + o;
                p.kernels()
                        .scan(
                                p.tile(),
                                decay,
                                sums + o,
                                keep,
                                keys,
                                form.columns(),
                                decays,
                                sign * keys,
                                x + step * columns,
                                sign * columns,
                                u + step * keys + o,
                                sign * keys,
                                w + step * columns,
                                sign * columns,
                                1,
                                out + step * keys + o,
                                sign * keys,
                                p.last(),
                                count);
            }
        }

        // -------------------------------------------------------------- backward

        void gradients(Gradients g, Sums first) {
            long keys = form.keys;
            long columns = form.columns();
            Gemm.transpose(s, 4 * columns, turned, 4 * keys, keys, columns);
            takeGradient(g);
            // queries: the sums by values, in time
            if (g.q != null) {
                scanKeys(turned, 0, steps, false, v, k, gn, 0);
                putKeys(g.q, in.q, q);
            }
            // values and the first sums: the gradients of the sums by keys, against time
            takeSums(g.last, gs);
            if (g.v != null || g.first.s != 0 || g.first.z != 0) {
                scanValuesBack();
                put(g.v, out, columns, form.values, false);
                if (in.decay != null && steps > 0) {
                    for (long i = 0; i < keys; i++) {
                        kernels(LinearAttentionProbe.SCALE, Long.MAX_VALUE)
                                .scale(Raw.ALL.get(Raw.F32, d + 4 * i), gs + 4 * i * columns, columns);
                    }
                }
                putSums(gs, g.first);
            }
            // keys and decays: the same by values
            if (g.k != null || g.decay != null) {
                takeSums(g.last, gs);
                Gemm.transpose(gs, 4 * columns, gTurned, 4 * keys, keys, columns);
                if (g.decay != null) {
                    takeSums(first, s);
                    Gemm.transpose(s, 4 * columns, turned, 4 * keys, keys, columns);
                    decays(g.decay);
                } else {
                    scanKeys(gTurned, 0, steps, true, gn, q, v, 0);
                }
                putKeys(g.k, in.k, k);
            }
        }

        /** The gradients of what the scan gave, times the scale: the queries' part in the gradients of sums has it too. */
        private void takeGradient(Gradients g) {
            PrefixScan.zero(gn, steps * form.columns());
            if (g.y == null) {
                return;
            }
            if (form.divide) {
                scanValues(s);
                kernels(LinearAttentionProbe.DIVIDE_GRADIENT, Long.MAX_VALUE)
                        .divideGradient(
                                at(g.y),
                                g.y.step(),
                                n,
                                4 * form.columns(),
                                form.eps,
                                gn,
                                4 * form.columns(),
                                form.values,
                                steps);
            } else {
                take(g.y, form.values, gn, form.columns());
                kernels(LinearAttentionProbe.SCALE, Long.MAX_VALUE).scale(form.scale, gn, steps * form.columns());
            }
        }

        /** The gradients of keys, into {@link #out}, and of decays: block by block, the sums of a block's steps computed again. */
        private void decays(Matrix to) {
            long size = form.keys * form.columns();
            long blocks = PrefixScan.ceil(steps, blockSteps);
            for (long b = 0; b < blocks; b++) {
                PrefixScan.copy(turned, starts + 4 * b * size, size);
                scanKeys(turned, b * blockSteps, Math.min(steps, (b + 1) * blockSteps), false, v, k, gn, 0);
            }
            for (long b = blocks - 1; b >= 0; b--) {
                long from = b * blockSteps;
                long end = Math.min(steps, from + blockSteps);
                long count = end - from;
                PrefixScan.copy(starts + 4 * b * size, inBlock, size);
                scanKeys(inBlock, from, end, false, v, k, gn, 4 * size);
                PrefixScan.copy(gTurned, gInBlock, size);
                scanKeys(gInBlock, from, end, true, gn, q, v, 4 * size);
                PrefixScan.copy(gInBlock + 4 * count * size, gTurned, size);
                for (Pass<LinearAttentionKernels> p : dots) {
                    long o = p.from();
                    p.kernels()
                            .columnDots(
                                    p.tile(),
                                    inBlock + o,
                                    4 * size,
                                    gInBlock + 4 * count * size + o,
                                    -4 * size,
                                    4 * form.keys,
                                    form.columns(),
                                    gd + 4 * from * form.keys + o,
                                    4 * form.keys,
                                    p.last(),
                                    count);
                }
            }
            put(to, gd, form.keys, form.keys, false);
        }

        private void putKeys(@Nullable Matrix to, Matrix x, long mapped) {
            if (to == null) {
                return;
            }
            if (form.elu) {
                take(x, form.keys, mapped, form.keys);
                elu(true, mapped, out);
                elu(false, mapped, mapped);
            }
            put(to, out, form.keys, form.keys, false);
        }

        private void scanValuesBack() {
            if (steps == 0) {
                return;
            }
            if (in.decay == null) {
                scanValuesBack(Decay.NONE, steps - 1, steps);
            } else {
                scanValuesBack(Decay.NONE, steps - 1, 1);
                scanValuesBack(Decay.ROWS, steps - 2, steps - 1);
            }
        }

        private void scanValuesBack(Decay decay, long step, long count) {
            long keys = 4 * form.keys;
            long columns = 4 * form.columns();
            for (Pass<LinearAttentionKernels> p : overValues.get(decay.ordinal())) {
                long o = p.from();
                p.kernels()
                        .scan(
                                p.tile(),
                                decay,
                                gs + o,
                                0,
                                columns,
                                form.keys,
                                decay == Decay.NONE ? d : d + (step + 1) * keys,
                                -keys,
                                q + step * keys,
                                -keys,
                                gn + step * columns + o,
                                -columns,
                                k + step * keys,
                                -keys,
                                1,
                                out + step * columns + o,
                                -columns,
                                p.last(),
                                count);
            }
        }
    }
}
