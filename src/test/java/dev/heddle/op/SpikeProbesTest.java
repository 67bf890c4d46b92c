package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.WarmUp;
import dev.heddle.memory.Block;
import org.junit.jupiter.api.Test;

/** Warm-up runs kernels on inputs of its own: those, too, must stay within their memory. */
class SpikeProbesTest {
    @Test
    void everyProbeStaysInItsScratch() {
        probe(Wkv4.KERNELS, Wkv4.VARIANTS, Wkv4::probe);
        probe(TokenShift.KERNELS, TokenShift.VARIANTS, TokenShift::probe);
        probe(SpikeWalk.KERNELS, SpikeWalk.VARIANTS, SpikeWalk::probe);
        probe(Wkv6.KERNELS, Wkv6.VARIANTS, Wkv6::probe);
        probe(Wkv7.KERNELS, Wkv7.VARIANTS, Wkv7::probe);
        probe(AdaptiveLif.KERNELS, AdaptiveLif.VARIANTS, AdaptiveLif::probe);
        probe(LifRun.KERNELS, LifProbe.VARIANTS, LifProbe::run);
    }

    private static <K> void probe(Dispatch<K> dispatch, int variants, Dispatch.Probe<K> probe) {
        for (Backend b : Backends.usable()) {
            Backends.with(b.checked(), () -> {
                for (int variant = 0; variant < variants; variant++) {
                    Dispatch.Chosen<K> k = dispatch.choose(variant, Long.MAX_VALUE);
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
