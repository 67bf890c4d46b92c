package dev.heddle.op;

import dev.heddle.kernel.PrefixGradKernels;
import dev.heddle.kernel.PrefixKernels;
import dev.heddle.memory.Raw;

/** The variants of the kernels of prefix attention and its gradients, numbered, and how to run each on a tiny block. */
final class PrefixProbe {
    private PrefixProbe() {}

    static final int EXPONENTIALS = 0;
    static final int DOTS = 1;
    private static final int SCAN = 2;
    static final int VARIANTS = SCAN + 2 * 8;

    static int scan(int tile, boolean output) {
        return SCAN + 2 * (tile - 1) + (output ? 1 : 0);
    }

    private static final int GRADIENTS = 0;
    private static final int GRAD_DOTS = GRADIENTS + 2 * 4;
    static final int GRAD_SCORES = GRAD_DOTS + 4;
    static final int PARTIALS = GRAD_SCORES + 1;
    static final int GRAD_VARIANTS = PARTIALS + 1;

    static int gradients(int tile, boolean whole) {
        return GRADIENTS + 2 * (tile - 1) + (whole ? 1 : 0);
    }

    static int gradDots(int tile) {
        return GRAD_DOTS + tile - 1;
    }

    /** The twin of a kernel, which is timed beside it, is woven for the smallest and the largest tile. */
    private static int tile(int tile, int lanes, int[] sizes) {
        return lanes == 1 && tile > 1 ? sizes[0] : tile;
    }

    private static final int HEADS = 2;
    private static final int STEPS = 24;
    private static final int ROWS = HEADS * STEPS;
    private static final long PLANE = 4096;

    /**
     * Matrices that stay in the first-level cache. They have a few columns less than a tile holds, so that the last vector
     * overlaps; some scores rise, some fall and some do not count, so that no path is new later.
     */
    private record Block(long columns, long last, long head, long plane, long s, long coef, long state, long rows) {
        static Block at(long scratch, int lanes, int tile) {
            long columns = tile == 1 ? lanes : (long) tile * lanes - lanes / 4;
            long plane = PrefixScan.plane(ROWS);
            long coef = scratch + plane;
            long state = coef + 3 * plane;
            long head = 4 * (columns + 15) / 64 * 64 + 64;
            for (int i = 0; i < ROWS; i++) {
                float score = i % 7 == 3 ? Float.NEGATIVE_INFINITY : i * 5 % 8;
                Raw.ALL.set(Raw.F32, scratch + 4L * i, score);
                boolean moved = i % 7 == 1;
                Raw.ALL.set(Raw.F32, coef + 4L * i, i % 7 == 3 ? -0f : moved ? 1 : 0.5f);
                Raw.ALL.set(Raw.F32, coef + plane + 4L * i, moved ? 0.5f : 1);
                Raw.ALL.set(Raw.F32, coef + 2 * plane + 4L * i, 2);
            }
            return new Block(columns, 4 * (columns - lanes), head, plane, scratch, coef, state, state + 512 + 4 * head);
        }

        /** Per head: m and u, or a sum in the making. */
        long number(int i) {
            return state + 64L * i;
        }

        /** One of two states, or zeros. */
        long row(int i) {
            return state + 512 + 2L * i * head;
        }

        long matrix(int i) {
            return row(4) + (long) i * ROWS * head;
        }

        long step() {
            return HEADS * head;
        }
    }

    static long run(PrefixKernels k, int lanes, int variant, long scratch) {
        int tile = variant < SCAN ? 4 : tile((variant - SCAN) / 2 + 1, lanes, PrefixScan.SCAN_TILES);
        Block b = Block.at(scratch, lanes, tile);
        switch (variant) {
            case EXPONENTIALS -> {
                // many, beside which it does not count what making the block takes
                k.exponentials(b.matrix(0), PLANE);
                return PLANE / 4;
            }
            case DOTS ->
                k.dots(
                        b.matrix(0),
                        b.step(),
                        b.head,
                        b.row(0),
                        0,
                        b.head,
                        b.columns,
                        1,
                        b.s,
                        4 * HEADS,
                        4,
                        HEADS,
                        STEPS,
                        b.number(0));
            default ->
                k.scan(
                        tile,
                        (variant - SCAN) % 2 == 1,
                        b.matrix(0),
                        b.step(),
                        b.head,
                        b.matrix(1),
                        b.step(),
                        b.head,
                        b.row(0),
                        b.head,
                        b.last,
                        b.coef,
                        b.plane,
                        HEADS,
                        STEPS,
                        b.row(2));
        }
        return ROWS * b.columns;
    }

    static long run(PrefixGradKernels k, int lanes, int variant, long scratch) {
        int asked = variant < GRAD_DOTS ? variant / 2 + 1 : Math.min(variant - GRAD_DOTS + 1, 4);
        int tile = tile(asked, lanes, PrefixScan.GRADIENT_TILES);
        Block b = Block.at(scratch, lanes, tile);
        long step = b.step();
        if (variant == GRAD_SCORES) {
            k.gradScores(b.matrix(0), b.s, 4 * HEADS, 4, b.coef, HEADS, STEPS);
            return ROWS * 16;
        } else if (variant == PARTIALS) {
            k.partials(b.matrix(0), b.head, step, HEADS, STEPS, b.matrix(1));
        } else if (variant < GRAD_DOTS) {
            long end = step * STEPS - b.head;
            k.gradients(
                    tile,
                    variant % 2 == 1,
                    b.matrix(0) + end,
                    step,
                    b.head,
                    b.matrix(1) + end,
                    step,
                    b.head,
                    b.matrix(2) + end,
                    step,
                    b.head,
                    b.matrix(3) + end,
                    step,
                    b.head,
                    b.matrix(4) + end,
                    step,
                    b.head,
                    b.row(0) + b.head,
                    b.row(1) + b.head,
                    b.row(3) + b.head,
                    b.head,
                    b.last,
                    b.coef,
                    b.plane,
                    HEADS,
                    STEPS,
                    b.row(2));
        } else {
            k.gradDots(
                    tile,
                    b.coef,
                    4 * HEADS,
                    4,
                    1,
                    b.row(0),
                    b.head,
                    b.matrix(0),
                    step,
                    b.head,
                    b.matrix(1),
                    step,
                    b.head,
                    b.row(1),
                    b.head,
                    b.last,
                    HEADS,
                    STEPS,
                    b.row(2));
        }
        return ROWS * b.columns;
    }
}
