package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.SpmmGradKernels;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.kernel.WarmUp;
import dev.heddle.memory.Block;
import org.junit.jupiter.api.Test;

/** Warm-up runs kernels on inputs of its own: those, too, must stay within their memory. */
class SpmmProbeTest {
    @Test
    void everyProbeStaysInItsScratch() {
        for (Backend b : Backends.usable()) {
            Backends.with(b.checked(), () -> {
                int lanes = b.lanes();
                for (int tile = 1; tile <= RowSweep.MAX_TILE; tile++) {
                    for (SpmmKernels.Reduce r : SpmmKernels.Reduce.values()) {
                        for (SpmmKernels.Message m : SpmmKernels.Message.values()) {
                            forward(lanes, SpmmProbe.rows(m, r, tile));
                        }
                    }
                    for (SpmmGradKernels.Scale s : SpmmGradKernels.Scale.values()) {
                        backward(lanes, SpmmGradProbe.gradX(s, tile));
                    }
                }
                for (int tile = 1; tile <= RowSweep.MAX_ARG_TILE; tile *= 2) {
                    for (SpmmKernels.Extremum r : SpmmKernels.Extremum.values()) {
                        forward(lanes, SpmmProbe.argRows(SpmmKernels.Message.MUL, r, tile));
                    }
                    for (boolean flag : new boolean[] {false, true}) {
                        backward(lanes, SpmmGradProbe.argGradX(flag, tile));
                        backward(lanes, SpmmGradProbe.fullGradX(flag, tile));
                    }
                }
                for (boolean flag : new boolean[] {false, true}) {
                    backward(lanes, SpmmGradProbe.gradW(flag, !flag, 0));
                    for (int blocks = 2; blocks <= 8; blocks *= 2) {
                        backward(lanes, SpmmGradProbe.gradW(true, flag, blocks));
                    }
                    backward(lanes, SpmmGradProbe.argGradW(flag));
                    backward(lanes, SpmmGradProbe.fullGradW(flag, !flag));
                    backward(lanes, SpmmGradProbe.fullArgGradW(flag));
                }
            });
        }
    }

    private static void forward(int lanes, int variant) {
        Dispatch.Chosen<SpmmKernels> k = SpmmForward.KERNELS.choose(variant, lanes);
        zeroed(scratch -> SpmmProbe.run(k.kernels(), k.lanes(), variant, scratch));
    }

    private static void backward(int lanes, int variant) {
        Dispatch.Chosen<SpmmGradKernels> k = SpmmBackward.KERNELS.choose(variant, lanes);
        zeroed(scratch -> SpmmGradProbe.run(k.kernels(), k.lanes(), variant, scratch));
    }

    private interface Probe {
        long run(long scratch);
    }

    private static void zeroed(Probe probe) {
        Block block = new Block(WarmUp.SCRATCH, true);
        assertTrue(probe.run(block.segment().address()) > 0);
        block.free();
    }
}
