package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.WarmUp;
import dev.heddle.memory.Block;

/** Warm-up runs kernels on inputs of its own: those, too, must stay within their memory. */
final class Probes {
    private Probes() {}

    /** Runs variants on every backend woven with checks. */
    static <K> void run(Dispatch<K> kernels, int[] variants, Dispatch.Probe<K> probe) {
        for (Backend b : Backends.usable()) {
            Backends.with(b.checked(), () -> {
                for (int variant : variants) {
                    Dispatch.Chosen<K> k = kernels.choose(variant, b.lanes());
                    Block block = new Block(WarmUp.SCRATCH, true);
                    assertTrue(probe.run(
                                    k.kernels(),
                                    k.lanes(),
                                    variant,
                                    block.segment().address())
                            > 0);
                    block.free();
                }
            });
        }
    }
}
