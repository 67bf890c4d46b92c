package dev.heddle.kernel;

import dev.heddle.memory.Block;
import dev.heddle.memory.Raw;
import java.time.Duration;

/** A program whose vector kernels HotSpot never compiles by their name, and which tells what serves in the end. */
public final class WarmUpProbe {
    private static final int N = 1024;

    private WarmUpProbe() {}

    public static void main(String[] args) throws InterruptedException {
        Dispatch<PointwiseKernels> dispatch =
                new Dispatch<>(PointwiseKernels.class, 1, (k, lanes, variant, scratch) -> {
                    k.forward(Activation.SIGMOID, scratch, scratch + 4 * N, N);
                    return N;
                });
        Backends.choice();
        System.out.println("first on " + dispatch.choose(0, N).backend());
        System.out.println("warm " + WarmUp.await(Duration.ofSeconds(100)));
        Dispatch.Chosen<PointwiseKernels> last = dispatch.choose(0, N);
        System.out.println("then on " + last.backend());
        System.out.println("a copy " + last.kernels().getClass().isHidden());
        System.out.println("of its bits "
                + sameBits(last.kernels(), dispatch.load(last.backend()).kernels()));
    }

    private static boolean sameBits(PointwiseKernels a, PointwiseKernels b) {
        Block block = new Block(12L * N, true);
        long x = block.segment().address();
        for (int i = 0; i < N; i++) {
            Raw.ALL.set(Raw.F32, x + 4L * i, i / 100f - 5);
        }
        a.forward(Activation.SIGMOID, x, x + 4 * N, N);
        b.forward(Activation.SIGMOID, x, x + 8 * N, N);
        return block.segment().asSlice(4 * N, 4 * N).mismatch(block.segment().asSlice(8 * N, 4 * N)) < 0;
    }
}
