package dev.heddle.bench;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Message;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * The first call in a JVM that has just started: SpMM over 1,000 edges, 64 features. Starts a number of fresh JVMs and prints
 * the time from entering {@code forward} to its return, for building the operator, and from the JVM's start to the first result.
 */
public final class ColdStart {
    private ColdStart() {}

    public static void main(String[] args) throws Exception {
        if (args.length == 0) {
            System.out.println(once());
            return;
        }
        int jvms = Integer.parseInt(args[0]);
        double[][] millis = new double[3][jvms];
        for (int i = 0; i < jvms; i++) {
            List<String> command = new ArrayList<>();
            command.add(ProcessHandle.current().info().command().orElseThrow());
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), ColdStart.class.getName()));
            Process p = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            String line = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (p.waitFor() != 0) {
                throw new IllegalStateException(line);
            }
            String[] values = line.trim().split(" ");
            millis[0][i] = Double.parseDouble(values[0]);
            millis[1][i] = Double.parseDouble(values[1]);
            millis[2][i] = Double.parseDouble(values[2]);
        }
        print("first forward", millis[0]);
        print("building the operator", millis[1]);
        print("JVM start to first result", millis[2]);
    }

    private static String once() {
        int nodes = 200;
        int edges = 1000;
        SplittableRandom r = new SplittableRandom(1);
        long[] indptr = new long[nodes + 1];
        for (int i = 0; i < nodes; i++) {
            indptr[i + 1] = (long) edges * (i + 1) / nodes;
        }
        CsrGraph graph = CsrGraph.of(indptr, r.ints(edges, 0, nodes).toArray(), nodes);
        Tensor x = Tensor.zeros(DType.F32, nodes, 64).fill(1);
        Tensor w = Tensor.zeros(DType.F32, edges).fill(0.5f);
        long before = System.nanoTime();
        Spmm spmm = Spmm.builder().message(Message.MUL).build();
        double build = (System.nanoTime() - before) / 1e6;
        long start = System.nanoTime();
        Tensor y = spmm.forward(graph, x, w).y();
        double forward = (System.nanoTime() - start) / 1e6;
        double all = System.currentTimeMillis()
                - ManagementFactory.getRuntimeMXBean().getStartTime();
        if (y.getFloat(0, 63) != 2.5f) {
            throw new AssertionError(y.getFloat(0, 63));
        }
        return String.format(Locale.ROOT, "%.3f %.3f %.0f", forward, build, all);
    }

    private static void print(String what, double[] millis) {
        System.out.printf(
                Locale.ROOT,
                "%-26s %.1f ms [%.1f .. %.1f]%n",
                what,
                Interleaved.quantile(millis, 0.5),
                Interleaved.quantile(millis, 0),
                Interleaved.quantile(millis, 1));
    }
}
