package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.EdgeAttentionKernels;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.memory.Raw;

/** The variants of attention over edges, numbered, and how to run each on a tiny graph. */
final class EdgeAttentionProbe {
    private EdgeAttentionProbe() {}

    /** Each kernel's variants start at their own multiple of this. */
    private static final int STEP = 32;

    private enum Kernel {
        FORWARD,
        GRAD,
        TRANSPOSED_GRAD,
        WEIGHTS,
        MEANS,
        COMBINE
    }

    static final int VARIANTS = STEP * Kernel.values().length;

    static final Dispatch<EdgeAttentionKernels> KERNELS =
            new Dispatch<>(EdgeAttentionKernels.class, VARIANTS, EdgeAttentionProbe::run);

    static final int MEANS = id(Kernel.MEANS, 0);
    static final int COMBINE = id(Kernel.COMBINE, 0);

    static int forward(Score score, int tile) {
        return id(Kernel.FORWARD, score.ordinal() * 8 + tile);
    }

    static int grad(Score score, boolean transposed, int tile) {
        return id(transposed ? Kernel.TRANSPOSED_GRAD : Kernel.GRAD, score.ordinal() * 8 + tile);
    }

    static int weights(Score score) {
        return id(Kernel.WEIGHTS, score.ordinal() * 8);
    }

    private static int id(Kernel kernel, int sub) {
        return kernel.ordinal() * STEP + sub;
    }

    /** An edge is worth several elements: its score is much of the work. */
    private static final int WORTH = 8;

    /** Runs one variant. */
    static long run(EdgeAttentionKernels k, int lanes, int variant, long scratch) {
        Kernel kernel = Kernel.values()[variant / STEP];
        Score score = Score.values()[variant % STEP / 8];
        int tile = Math.max(1, variant % 8);
        if (lanes == 1 && tile > 1) {
            tile = EdgeAttention.MAX_TILE;
        }
        long own = EdgeAttentionKernels.ACCUMULATORS + 4096;
        TinyCsr t = TinyCsr.at(scratch + own, lanes, tile);
        long s = t.stride();
        long n = t.columns();
        long stats = t.pad();
        long means = stats + 8 * TinyCsr.ROWS;
        long zeros = means + 4 * TinyCsr.ROWS;
        long att = zeros + s;
        int rows = TinyCsr.ROWS;
        for (int i = 1; i < rows * n; i++) { // both sides of each comparison, as in real data
            Raw.ALL.set(Raw.F32, t.x() + 4L * i, (i * 37 % 19 - 9) * 0.1f);
        }
        for (int i = 0; i < 2 * rows; i++) {
            Raw.ALL.set(Raw.F32, stats + 4L * i, 20f);
        }
        for (int e = 0; e < TinyCsr.EDGES; e++) {
            Raw.ALL.set(Raw.I32, t.perm() + 4L * e, e);
        }
        long x = t.x();
        switch (kernel) {
            case FORWARD ->
                k.forward(
                        score, tile, t.ptr(), t.idx(), x, s, x, s, x + s, zeros, 0, x, s, t.y(), s, stats, 8, 0.2f, 1,
                        n, n, scratch, 0, rows);
            case GRAD, TRANSPOSED_GRAD ->
                k.grad(
                        score,
                        kernel == Kernel.TRANSPOSED_GRAD,
                        tile,
                        t.ptr(),
                        t.idx(),
                        t.perm(),
                        x,
                        s,
                        x,
                        s,
                        x + s,
                        zeros,
                        0,
                        x,
                        s,
                        x,
                        s,
                        stats,
                        8,
                        means,
                        4,
                        t.y(),
                        s,
                        t.arg(),
                        s,
                        t.w(),
                        s,
                        att,
                        0.2f,
                        1,
                        n,
                        n,
                        scratch,
                        0,
                        rows);
            case WEIGHTS ->
                k.weights(
                        score, t.ptr(), t.idx(), x, s, x, s, x + s, zeros, 0, stats, 8, t.w(), 4, 0.2f, 1, n, scratch,
                        0, rows);
            case MEANS -> k.means(x, s, x, s, means, 4, 1, n, scratch, 0, rows);
            case COMBINE -> {
                k.combine(x, s, stats, 8, rows, t.y(), t.w(), 1, n, scratch);
                return (long) WORTH * rows * n;
            }
        }
        return WORTH * t.elements();
    }
}
