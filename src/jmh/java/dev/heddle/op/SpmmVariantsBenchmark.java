package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Graphs;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Every message with every reduction, after all of them have run in this JVM, beside a loop written for that pair alone. */
@Bar(method = "heddle", peer = "handWritten", atLeast = 1 / 1.15)
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(
        value = 1,
        jvmArgsPrepend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Dheddle.backend=vector",
            "-Xmx4g"
        })
public class SpmmVariantsBenchmark {
    @Param({"COPY", "MUL", "ADD"})
    public String message;

    @Param({"SUM", "MEAN", "MAX", "MIN"})
    public String reduce;

    private final CsrGraph csr = Graphs.of("uniform");
    private Tensor x;
    private @Nullable Tensor w;
    private Tensor y;
    private Spmm op;
    private SpecialisedSpmm handWritten;

    @Setup
    public void setUp() {
        Random32 r = new Random32();
        x = r.normal(csr.nSrc(), SpecialisedSpmm.FEATURES);
        Tensor weights = r.normal(csr.nnz());
        y = Tensor.zeros(DType.F32, csr.nDst(), SpecialisedSpmm.FEATURES);
        for (Message m : Message.values()) {
            for (Reduce d : Reduce.values()) {
                Spmm other = Spmm.builder().message(m).reduce(d).build();
                for (int i = 0; i < 8; i++) {
                    other.forward(csr, x, m == Message.COPY ? null : weights, y, null);
                }
            }
        }
        op = Spmm.builder()
                .message(Message.valueOf(message))
                .reduce(Reduce.valueOf(reduce))
                .build();
        w = message.equals("COPY") ? null : weights;
        handWritten = SpecialisedSpmm.of(Message.valueOf(message), Reduce.valueOf(reduce), csr, x, weights, y);
        heddle();
        float[] ours = y.toFloatArray();
        handWritten.run();
        float[] theirs = y.toFloatArray();
        for (int i = 0; i < ours.length; i++) {
            if (Math.abs(ours[i] - theirs[i]) > 1e-4f) {
                throw new AssertionError("element " + i + ": " + ours[i] + ", by hand " + theirs[i]);
            }
        }
    }

    @Benchmark
    public void heddle() {
        Team.with(1, () -> op.forward(csr, x, w, y, null));
    }

    @Benchmark
    public void handWritten() {
        handWritten.run();
    }
}
