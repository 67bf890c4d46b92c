package dev.heddle.op;

import dev.heddle.kernel.LinearAttentionKernels;
import dev.heddle.kernel.LinearAttentionKernels.Decay;

/** The kernels of linear attention, numbered, and how to run each on a tiny problem. */
final class LinearAttentionProbe {
    private LinearAttentionProbe() {}

    static final int[] TILES = {4, 3, 2, 1};
    private static final int SCAN = 0;
    private static final int DOTS = SCAN + 4 * 3;
    static final int ELU = DOTS + 4;
    static final int ELU_GRADIENT = ELU + 1;
    static final int DIVIDE = ELU_GRADIENT + 1;
    static final int DIVIDE_GRADIENT = DIVIDE + 1;
    static final int SCALE = DIVIDE_GRADIENT + 1;
    static final int VARIANTS = SCALE + 1;

    private static final int ROWS = 16;
    private static final int STEPS = 8;

    static int scan(int tile, Decay decay) {
        return SCAN + 3 * (tile - 1) + decay.ordinal();
    }

    static int dots(int tile) {
        return DOTS + tile - 1;
    }

    static long run(LinearAttentionKernels k, int lanes, int variant, long scratch) {
        long other = scratch + (256 << 10);
        long out = other + (256 << 10);
        if (variant >= ELU) {
            switch (variant) {
                case ELU, ELU_GRADIENT -> k.elu(variant == ELU_GRADIENT, scratch, 1024, out, 1024, 256, ROWS);
                case DIVIDE -> k.divide(scratch, 2048, 1, out, 1024, 255, ROWS);
                case SCALE -> k.scale(1, scratch, 256 * ROWS - 1);
                default -> k.divideGradient(scratch, 1024, other, 2048, 1, out, 2048, 255, ROWS);
            }
            return ROWS * 256;
        }
        int asked = variant < DOTS ? variant / 3 + 1 : variant - DOTS + 1;
        int tile =
                lanes == 1 && asked > 1 ? TILES[0] : asked; // the twin is woven for the smallest and the largest tile
        long columns = tile == 1 ? lanes : (long) tile * lanes - lanes / 4;
        long pitch = 4 * columns;
        long last = 4 * (columns - lanes);
        if (variant < DOTS) {
            Decay decay = Decay.values()[variant % 3];
            long step = ROWS * pitch;
            k.scan(
                    tile, decay, scratch, step, pitch, ROWS, other, 0, other, 0, other, 0, other, 0, 1, out, pitch,
                    last, STEPS);
        } else {
            k.columnDots(tile, scratch, ROWS * pitch, other, 0, pitch, ROWS, out, pitch, last, STEPS);
        }
        return STEPS * ROWS * columns;
    }
}
