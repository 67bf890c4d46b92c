package dev.heddle.op;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Warm-up times every vector kernel beside its twin, which is woven for fewer tiles: each must be asked for one that it has. */
class AttentionProbesTest {
    @Test
    void prefixAttention() {
        IntStream scans = IntStream.of(PrefixScan.SCAN_TILES)
                .flatMap(tile -> IntStream.of(PrefixProbe.scan(tile, false), PrefixProbe.scan(tile, true)));
        IntStream others = IntStream.of(PrefixProbe.EXPONENTIALS, PrefixProbe.DOTS);
        Probes.run(PrefixScan.KERNELS, IntStream.concat(others, scans).toArray(), PrefixProbe::run);
    }

    @Test
    void gradientsOfPrefixAttention() {
        Probes.run(PrefixScan.GRAD_KERNELS, all(PrefixProbe.GRAD_VARIANTS), PrefixProbe::run);
    }

    @Test
    void linearAttention() {
        Probes.run(LinearAttentionScan.KERNELS, all(LinearAttentionProbe.VARIANTS), LinearAttentionProbe::run);
    }

    @Test
    void causalAttention() {
        Probes.run(AttentionCall.KERNELS, all(AttentionProbe.VARIANTS), AttentionProbe::run);
    }

    private static int[] all(int variants) {
        return IntStream.range(0, variants).toArray();
    }
}
