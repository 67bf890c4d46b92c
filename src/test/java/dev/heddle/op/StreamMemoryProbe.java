package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.util.Random;

/** What {@link StreamMemoryTest} runs: a million tokens through a stream of each block, one token and many at a time by turns. */
public final class StreamMemoryProbe {
    private StreamMemoryProbe() {}

    private static final int MANY = 199;
    private static final int FIRST = 200 * (1 + MANY);
    private static final int ALL = 1_000_000;

    /** Two bytes for each token: less than anything that a token could leave behind. */
    private static final long SLACK = 2L * ALL;

    public static void main(String[] args) {
        for (MambaStreamTest.Kind kind : MambaStreamTest.Kind.values()) {
            Tensor one = Trial.normal(new Random(1), 1, 1, MambaStreamTest.MODEL);
            Tensor many = Trial.normal(new Random(2), 1, MANY, MambaStreamTest.MODEL);
            Tensor y = Tensor.zeros(DType.F32, 1, MANY, MambaStreamTest.MODEL);
            Tensor y1 = Tensor.zeros(DType.F32, 1, 1, MambaStreamTest.MODEL);
            int[] slot = {0};
            long held = 0;
            long live = 0;
            try (MambaStream stream = kind.stream(MambaStreamTest.parameters(kind), 1)) {
                for (int tokens = 0; tokens < ALL; tokens += 1 + MANY) {
                    if (tokens == FIRST) {
                        held = stream.bytes();
                        live = live();
                    }
                    stream.forward(one, slot, y1);
                    stream.forward(many, slot, y);
                }
                boolean constant = stream.bytes() == held && live() - live < SLACK;
                System.out.println(kind + (constant ? " constant" : " grew") + ", from " + held + " to "
                        + stream.bytes() + " bytes, and " + (live() - live) + " on the heap");
            }
        }
    }

    /** Bytes on the heap that something still refers to; the least of some looks, as other threads leave theirs. */
    private static long live() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            System.gc();
            least = Math.min(
                    least,
                    ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
        }
        return least;
    }
}
