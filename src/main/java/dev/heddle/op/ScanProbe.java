package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.ScanKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;

/** The variants of the scan kernels, numbered, and how to run each on one block and a short stretch of time. */
final class ScanProbe {
    private ScanProbe() {}

    private enum Kernel {
        GATHER,
        SCATTER,
        COPY,
        ZERO,
        ADD,
        LARGEST,
        SUM,
        DISCRETISE,
        STATES,
        GATE
    }

    /** Each kernel's variants start at its own multiple of this. */
    private static final int STEP = 64;

    static final int VARIANTS = STEP * Kernel.values().length;

    static final int GATHER = id(Kernel.GATHER, 0);
    static final int SCATTER = id(Kernel.SCATTER, 0);
    static final int COPY = id(Kernel.COPY, 0);
    static final int ZERO = id(Kernel.ZERO, 0);
    static final int ADD = id(Kernel.ADD, 0);
    static final int LARGEST = id(Kernel.LARGEST, 0);
    static final int SUM = id(Kernel.SUM, 0);

    static int discretise(boolean softplus, boolean skip) {
        return id(Kernel.DISCRETISE, 2 * bit(softplus) + bit(skip));
    }

    static int states(int group, Decay decay, Factor b, Output output) {
        return id(Kernel.STATES, scan(group, decay, b, output));
    }

    static int gate(boolean gated, boolean add) {
        return id(Kernel.GATE, 2 * bit(gated) + bit(add));
    }

    /** Of the kernels that take a group of states through time. */
    static int scan(int group, Decay decay, Factor b, Output output) {
        return group / 4 + 2 * (decay.ordinal() + DECAYS.length * (b.ordinal() + 2 * output.ordinal()));
    }

    private static int id(Kernel kernel, int sub) {
        return kernel.ordinal() * STEP + sub;
    }

    private static int bit(boolean b) {
        return b ? 1 : 0;
    }

    static final Decay[] DECAYS = Decay.values();

    private static final int STEPS = 32;

    /** Runs one variant on a block; what it reads is mostly zero, which takes no other path. */
    static long run(ScanKernels k, int lanes, int variant, long scratch) {
        long size = ROW * STEPS * 4;
        long a = scratch;
        long b = a + size;
        long c = b + size;
        long d = c + size;
        long e = d + size;
        long f = e + size;
        long g = f + size;
        int sub = variant % STEP;
        int group = sub % 2 == 0 ? 1 : 4;
        Decay decay = DECAYS[sub / 2 % DECAYS.length];
        int factors = sub / 2 / DECAYS.length;
        Factor bFactor = Factor.values()[factors % 2];
        Output output = Output.values()[factors / 2 % 3];
        boolean first = sub / 2 == 1;
        boolean second = sub % 2 == 1;
        switch (Kernel.values()[variant / STEP]) {
            case GATHER -> k.gather(a, 4 * STEPS, 4, BLOCK, STEPS, 1, b);
            case SCATTER -> k.scatter(a, BLOCK, STEPS, b, 4 * STEPS, 4);
            case COPY -> k.copy(a, ROW, b, ROW, STEPS);
            case ZERO -> k.zero(a, STEPS);
            case ADD -> k.add(a, b, STEPS);
            case LARGEST -> k.largest(a, STEPS, b);
            case SUM -> k.sum(a, size, 2, c, ROW, STEPS, BLOCK);
            case DISCRETISE -> k.discretise(first, second, a, ROW, b, ROW, c, d, e, size, 0, STEPS, 0, BLOCK);
            case STATES -> {
                k.states(group, decay, bFactor, output, a, b, c, ROW, d, ROW, e, f, g, 4 / group, STEPS, BLOCK);
                return 4 * STEPS * BLOCK;
            }
            case GATE -> k.gate(first, second, a, 0, b, ROW, c, ROW, STEPS, 0, BLOCK);
        }
        return (long) STEPS * BLOCK;
    }
}
