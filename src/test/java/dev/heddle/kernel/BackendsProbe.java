package dev.heddle.kernel;

import dev.heddle.Heddle;
import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Message;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.time.Duration;
import java.util.Arrays;

/** A program that uses Heddle before and after it is warm, and tells which backend served. */
public final class BackendsProbe {
    private BackendsProbe() {}

    public static void main(String[] args) throws InterruptedException {
        CsrGraph graph = CsrGraph.of(new long[] {0, 3, 3, 5}, new int[] {0, 1, 1, 2, 0}, 3);
        Tensor x = Tensor.zeros(DType.F32, 3, 64).fill(0.3f);
        Tensor w = Tensor.of(new float[] {1, 2, 3, 4, 5});
        Spmm spmm = Spmm.builder().message(Message.MUL).build();
        System.out.println("first call on " + Backends.current());
        float[] cold = spmm.forward(graph, x, w).y().toFloatArray();
        boolean warm = Heddle.warmUp(() -> spmm.forward(graph, x, w), Duration.ofSeconds(100));
        System.out.println("warm " + warm);
        System.out.println("then on " + Backends.current());
        float[] hot = spmm.forward(graph, x, w).y().toFloatArray();
        System.out.println("same bits " + Arrays.equals(cold, hot));
        System.out.println(Heddle.describe());
    }
}
