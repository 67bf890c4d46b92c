package dev.heddle.op;

import dev.heddle.kernel.HalfSpmmKernels;

/** The variants of sums of half types, numbered, and how to run each on a tiny graph. */
final class HalfSumsProbe {
    private HalfSumsProbe() {}

    /** Tiles are up to 4. */
    private static final int STEP = 8;

    static final int VARIANTS = 8 * STEP;

    static int rows(boolean bfloat, boolean weighted, boolean mean, int tile) {
        return ((bfloat ? 4 : 0) + (weighted ? 2 : 0) + (mean ? 1 : 0)) * STEP + tile;
    }

    /** Runs one variant. */
    static long run(HalfSpmmKernels k, int lanes, int variant, long scratch) {
        int tile = variant % STEP;
        if (lanes == 1 && tile > 1) {
            tile = HalfSums.MAX_TILE;
        }
        int kind = variant / STEP;
        TinyCsr t = TinyCsr.at(scratch + HalfSpmmKernels.SCRATCH, lanes, tile);
        long s = t.stride();
        k.rows(
                (kind & 4) != 0,
                (kind & 2) != 0,
                (kind & 1) != 0,
                tile,
                t.ptr(),
                t.idx(),
                t.w(),
                4,
                t.x(),
                s,
                t.y(),
                2 * s,
                t.last(),
                scratch,
                0,
                TinyCsr.ROWS);
        return 2 * t.elements();
    }
}
