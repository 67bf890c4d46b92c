package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;
import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.ScanGradKernels;
import dev.heddle.kernel.ScanKernels.Decay;
import dev.heddle.kernel.ScanKernels.Factor;
import dev.heddle.kernel.ScanKernels.Output;

/** The variants of the kernels of the scan's gradients, numbered, and how to run each. */
final class ScanGradProbe {
    private ScanGradProbe() {}

    private enum Kernel {
        GATE_GRADIENT,
        RECORD,
        SWEEP,
        HALVE,
        COLLECT,
        FINISH,
        FINISH_SUMS,
        GATE_BACKWARD
    }

    private static final int STEP = 64;

    static final int VARIANTS = STEP * Kernel.values().length;

    static final int FINISH_SUMS = id(Kernel.FINISH_SUMS, 0);

    static int gateBackward(boolean add) {
        return id(Kernel.GATE_BACKWARD, bit(add));
    }

    static int gateGradient(boolean gated) {
        return id(Kernel.GATE_GRADIENT, bit(gated));
    }

    static int record(int group, Decay decay, Factor b, Output output) {
        return id(Kernel.RECORD, ScanProbe.scan(group, decay, b, output));
    }

    static int sweep(int group, boolean given, Factor b, Factor c) {
        return id(Kernel.SWEEP, 8 * bit(given) + 4 * (group / 4) + 2 * b.ordinal() + c.ordinal());
    }

    static int halve(int half) {
        return id(Kernel.HALVE, Integer.numberOfTrailingZeros(half));
    }

    static int collect(int group) {
        return id(Kernel.COLLECT, group / 4);
    }

    static int finish(boolean softplus, boolean skip, boolean add) {
        return id(Kernel.FINISH, 4 * bit(add) + 2 * bit(softplus) + bit(skip));
    }

    private static int id(Kernel kernel, int sub) {
        return kernel.ordinal() * STEP + sub;
    }

    private static int bit(boolean b) {
        return b ? 1 : 0;
    }

    private static final int STEPS = 32;

    /** Runs one variant on a block; what it reads is mostly zero, which takes no other path. */
    static long run(ScanGradKernels k, int lanes, int variant, long scratch) {
        long size = ROW * STEPS * 4;
        long a = scratch;
        long b = a + size;
        long c = b + size;
        long d = c + size;
        long e = d + size;
        long f = e + size;
        long g = f + size;
        long h = g + size + ROW * 4; // states before each step and after the last
        long i = h + size;
        long j = i + size;
        int sub = variant % STEP;
        switch (Kernel.values()[variant / STEP]) {
            case GATE_GRADIENT -> k.gateGradient(sub == 1, a, ROW, b, ROW, c, 0, STEPS, 0, BLOCK);
            case RECORD -> {
                int n = sub % 2 == 0 ? 1 : 4;
                Decay decay = ScanProbe.DECAYS[sub / 2 % ScanProbe.DECAYS.length];
                int factors = sub / 2 / ScanProbe.DECAYS.length;
                Factor bFactor = Factor.values()[factors % 2];
                Output output = Output.values()[factors / 2];
                k.record(n, decay, bFactor, output, a, b, ROW, c, ROW, d, e, f, g, h, STEPS, BLOCK);
                return (long) n * STEPS * BLOCK;
            }
            case SWEEP -> {
                int n = sub / 4 % 2 == 0 ? 1 : 4;
                boolean given = sub / 8 == 1;
                Factor bFactor = Factor.values()[sub / 2 % 2];
                Factor cFactor = Factor.values()[sub % 2];
                long half = size / 2;
                k.sweep(
                        n, given, bFactor, cFactor, a, b, ROW, c, ROW, d, d, d, g, h, e, e + half, i, j, f, f + half,
                        STEPS, BLOCK);
                return (long) n * STEPS * BLOCK;
            }
            case HALVE -> k.halve(a, 1 << sub, STEPS);
            case COLLECT -> k.collect(a, sub == 0 ? 1 : 4, b, ROW, STEPS);
            case FINISH ->
                k.finish(
                        sub / 2 % 2 == 1,
                        sub % 2 == 1,
                        sub / 4 == 1,
                        a,
                        ROW,
                        b,
                        ROW,
                        c,
                        c,
                        d,
                        e,
                        f,
                        g,
                        0,
                        h,
                        ROW,
                        i,
                        ROW,
                        STEPS,
                        0,
                        BLOCK);
            case FINISH_SUMS -> k.finishSums(a, ROW, b, c, d, d + ROW, STEPS, BLOCK);
            case GATE_BACKWARD -> k.gateBackward(sub == 1, a, ROW, b, 0, c, ROW, d, ROW, STEPS, 0, BLOCK);
        }
        return (long) STEPS * BLOCK;
    }
}
