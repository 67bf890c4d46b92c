package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.PnaKernels;
import dev.heddle.memory.Raw;

/** The variants of the kernels of principal neighbourhood aggregation, and how to run each on a tiny graph. */
final class PnaProbe {
    private PnaProbe() {}

    static final int COLLECT = 16;
    static final int DEVIATIONS = 17;
    static final int STD_GRAD = 18;
    static final int FINISH = 19;
    private static final int SQUARES = 24;
    static final int VARIANTS = 32;
    static final int MAX_TILE = 4;

    static final Dispatch<PnaKernels> KERNELS = new Dispatch<>(PnaKernels.class, VARIANTS, PnaProbe::run);

    static int aggregate(boolean std, int tile) {
        return (std ? 8 : 0) + tile;
    }

    static int squares(int tile) {
        return SQUARES + tile;
    }

    /** Runs one variant. */
    static long run(PnaKernels k, int lanes, int variant, long scratch) {
        int tile = variant < COLLECT || variant > SQUARES ? variant % 8 : MAX_TILE;
        if (lanes == 1 && tile > 1) {
            tile = MAX_TILE;
        }
        TinyCsr t = TinyCsr.at(scratch + PnaKernels.SCRATCH, lanes, tile);
        long s = t.stride();
        long n = t.columns();
        int rows = TinyCsr.ROWS;
        long list = t.pad();
        for (int i = 0; i < 4; i++) {
            Raw.ALL.set(Raw.I64, list + 8L * i, (long) (i < 3 ? i : PnaKernels.STD));
        }
        switch (variant) {
            case FINISH -> {
                k.finish(t.w(), 3f, list, 4, t.w(), 2, t.y(), n, scratch);
                return 8 * n;
            }
            case COLLECT -> {
                k.collect(t.w(), s, s, t.x(), 2, t.y(), s, n, 0, rows);
                return 2L * rows * n;
            }
            case DEVIATIONS -> k.deviations(t.ptr(), t.idx(), t.x(), s, t.x(), s, t.y(), t.arg(), n, 0, rows);
            case STD_GRAD -> k.stdGrad(t.ptr(), t.idx(), t.x(), s, t.x(), t.w(), s, t.y(), s, n, 0, rows);
            case SQUARES + 1, SQUARES + 2, SQUARES + 4 ->
                k.squares(tile, t.ptr(), t.idx(), t.x(), s, t.x(), 3f, t.y(), s, n, 0, rows);
            default ->
                k.aggregate(
                        variant >= 8,
                        tile,
                        t.ptr(),
                        t.idx(),
                        t.x(),
                        s,
                        t.y(),
                        4 * s,
                        list,
                        4,
                        t.w(),
                        1,
                        n,
                        scratch,
                        0,
                        rows);
        }
        return t.elements();
    }
}
