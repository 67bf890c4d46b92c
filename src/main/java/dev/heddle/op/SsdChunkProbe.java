package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SsdChunkKernels;

/** The variants of the kernels of the chunk form, numbered, and how to run each. */
final class SsdChunkProbe {
    private SsdChunkProbe() {}

    static final int DECAYS = 0;
    static final int SCALE = 1;

    static int inputs(boolean skip) {
        return skip ? 3 : 2;
    }

    static int outputs(boolean gated) {
        return gated ? 5 : 4;
    }

    static final Dispatch<SsdChunkKernels> KERNELS = new Dispatch<>(SsdChunkKernels.class, 6, SsdChunkProbe::run);

    static long run(SsdChunkKernels k, int lanes, int variant, long scratch) {
        long steps = SsdChunkKernels.CHUNK;
        long columns = 64;
        long row = 4 * columns;
        long a = scratch;
        long b = a + row * steps;
        long c = b + row * steps;
        long d = c + row * steps;
        switch (variant) {
            case DECAYS -> k.decays(a, 4, -1, b, c, d, d + SsdChunkKernels.ROW, steps);
            case SCALE -> k.scale(a, b, 4, steps, columns);
            case 2, 3 -> k.inputs(variant == 3, a, row, b, 4, b, b + row, c, d, steps, columns);
            default -> k.outputs(variant == 5, a, b, row, c, row, steps, columns);
        }
        return steps * columns;
    }
}
