package dev.heddle.op;

import com.sun.management.ThreadMXBean;
import dev.heddle.Heddle;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Random;
import java.util.function.IntFunction;

/** What {@link SteadyStateTest} runs: prints a line for each operation, and what a small and a large call allocate. */
public final class SteadyStateProbe {
    private SteadyStateProbe() {}

    /** For kernels to be compiled, on a machine that has other work, too. */
    private static final Duration WARMING = Duration.ofSeconds(90);

    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final int CALLS = 10;

    /** For the records that say what a chunk of the work is. */
    private static final long SLACK = 200_000;

    /** Calls of a size. */
    @SuppressWarnings("ImmutableEnumChecker") // the functions have no state
    enum Op {
        SUM(n -> spmm(n, Reduce.SUM, 1)),
        MAXIMUM_OF_FINITE(n -> spmm(n, Reduce.MAX, 1)),
        MAXIMUM_WITH_NAN(n -> spmm(n, Reduce.MAX, Float.NaN)),
        MATMUL(n -> {
            Tensor a = normal(n, 64);
            Tensor b = normal(64, 64);
            Matmul op = Matmul.builder().build();
            return () -> op.forward(a, b);
        }),
        LAYER_NORM(n -> {
            Tensor x = normal(n, 100);
            LayerNorm op = LayerNorm.builder().build();
            return () -> op.forward(x, null, null);
        }),
        SOFTMAX(n -> {
            Tensor x = normal(n, 100);
            Softmax op = Softmax.builder().build();
            return () -> op.forward(x);
        }),
        EDGE_SOFTMAX(n -> {
            CsrGraph graph = graph(n);
            Tensor scores = normal(8L * n, 4);
            return () -> EdgeSoftmax.forward(graph, scores);
        }),
        GAT(n -> {
            CsrGraph graph = graph(n);
            Tensor x = normal(100, 4, 16);
            Tensor el = normal(100, 4);
            Tensor er = normal(n, 4);
            Gat op = Gat.create();
            return () -> op.forward(graph, x, el, er, null, false);
        }),
        PNA(n -> {
            CsrGraph graph = graph(n);
            Tensor x = normal(100, 64);
            Pna op = Pna.builder().averageDegrees(2, 8).build();
            return () -> op.forward(graph, x);
        }),
        SCAN(n -> {
            SelectiveScan op = SelectiveScan.builder().build();
            SelectiveScan.Inputs in = SelectiveScan.Inputs.of(
                    normal(1, n, 64),
                    normal(1, n, 64).fill(0.1f),
                    normal(64, 16).fill(-1),
                    normal(1, n, 16),
                    normal(1, n, 16));
            return () -> op.forward(in);
        }),
        PREFIX(n -> {
            Tensor s = normal(1, n, 4);
            Tensor v = normal(1, n, 4, 64);
            PrefixAttention op = PrefixAttention.builder().build();
            return () -> op.forward(s, v);
        }),
        WKV4(n -> {
            Tensor k = normal(1, n, 64);
            Tensor w = normal(64).fill(-0.5f);
            Wkv4 op = Wkv4.builder().build();
            return () -> op.forward(k, k, w, w, null);
        }),
        LIF(n -> {
            Tensor x = normal(1, n, 64);
            Lif op = Lif.builder().build();
            return () -> op.forward(x, null);
        }),
        CAUSAL(n -> {
            Tensor q = normal(n / 40, 40, 2, 64);
            CausalAttention op = CausalAttention.builder().build();
            return () -> op.forward(q, q, q);
        });

        private final IntFunction<Runnable> sized;

        Op(IntFunction<Runnable> sized) {
            this.sized = sized;
        }
    }

    private static CsrGraph graph(int n) {
        long[] indptr = new long[n + 1];
        for (int i = 1; i <= n; i++) {
            indptr[i] = 8L * i;
        }
        return CsrGraph.of(indptr, new Random(1).ints(8L * n, 0, 100).toArray(), 100);
    }

    private static Runnable spmm(int n, Reduce reduce, float first) {
        CsrGraph graph = graph(n);
        Tensor x = normal(100, 64);
        x.setFloat(first, 0, 0);
        Tensor w = normal(8L * n);
        Tensor y = Tensor.zeros(DType.F32, n, 64);
        Spmm op = Spmm.builder().message(Message.MUL).reduce(reduce).build();
        return () -> op.forward(graph, x, w, y, null);
    }

    private static Tensor normal(long... shape) {
        return Trial.normal(new Random(1), shape);
    }

    /** Runs those named. */
    public static void main(String[] args) throws InterruptedException {
        for (String name : args) {
            Op op = Op.valueOf(name);
            Runnable small = op.sized.apply(200);
            Runnable large = op.sized.apply(3_200);
            boolean warm = Heddle.warmUp(() -> Team.with(1, large), WARMING);
            long few = allocated(small);
            long many = allocated(large);
            long end = System.nanoTime() + PATIENCE.toNanos();
            while (many - few >= SLACK && System.nanoTime() < end) { // inputs unlike the warm-up's: compiled once more
                few = Math.min(few, allocated(small));
                many = Math.min(many, allocated(large));
            }
            System.out.println(op + (warm && many - few < SLACK ? " steady" : " not steady") + ", warm " + warm + ", "
                    + few + " and " + many + " bytes");
        }
    }

    private static long allocated(Runnable call) {
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long[] bytes = new long[1];
        Team.with(1, () -> {
            long before = thread.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < CALLS; i++) {
                call.run();
            }
            bytes[0] = (thread.getCurrentThreadAllocatedBytes() - before) / CALLS;
        });
        return bytes[0];
    }
}
