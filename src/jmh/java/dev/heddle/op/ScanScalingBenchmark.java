package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Growth;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The selective scan in length, in channels and in batch, one after another from 1x1024x64, beside as many calls of that size on
 * pieces of the same tensors: time is linear where the two take the same.
 */
@Bar(method = "heddle", peer = "callsOf1x1024x64", atLeast = 0.8)
@Growth(
        method = "heddle",
        param = "shape",
        sizes = {"batch", "length", "channels"})
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsPrepend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Dheddle.backend=vector",
            "-Xmx8g"
        })
public class ScanScalingBenchmark {
    private static final long STEPS = 1024;
    private static final long CHANNELS = 64;

    @Param({
        "1x1024x64",
        "1x8192x64",
        "1x65536x64",
        "1x1048576x64",
        "1x1024x256",
        "1x1024x1024",
        "1x1024x4096",
        "4x1024x64",
        "16x1024x64",
        "64x1024x64"
    })
    public String shape;

    private SelectiveScan.Inputs in;
    private Tensor y;
    private final List<SelectiveScan.Inputs> pieces = new ArrayList<>();
    private final List<Tensor> pieceOfY = new ArrayList<>();
    private Workspace scratch;
    private final SelectiveScan op = SelectiveScan.builder().deltaSoftplus(true).build();

    @Setup
    public void setUp() {
        String[] s = shape.split("x");
        long batch = Long.parseLong(s[0]);
        long steps = Long.parseLong(s[1]);
        long channels = Long.parseLong(s[2]);
        Random32 r = new Random32();
        in = new SelectiveScan.Inputs(
                r.normal(batch, steps, channels),
                r.affine(0.5, -4, batch, steps, channels),
                Tensor.zeros(DType.F32, channels, 16).fill(-1),
                r.normal(batch, steps, 16),
                r.normal(batch, steps, 16),
                r.normal(channels),
                r.normal(batch, steps, channels),
                null,
                null,
                null);
        y = Tensor.zeros(DType.F32, batch, steps, channels);
        for (long b = 0; b < batch; b++) {
            for (long t = 0; t < steps; t += STEPS) {
                for (long d = 0; d < channels; d += CHANNELS) {
                    pieces.add(new SelectiveScan.Inputs(
                            piece(in.u(), b, t, d),
                            piece(in.delta(), b, t, d),
                            in.a().slice(0, d, d + CHANNELS),
                            in.b().slice(0, b, b + 1).slice(1, t, t + STEPS),
                            in.c().slice(0, b, b + 1).slice(1, t, t + STEPS),
                            in.d().slice(0, d, d + CHANNELS),
                            piece(in.z(), b, t, d),
                            null,
                            null,
                            null));
                    pieceOfY.add(piece(y, b, t, d));
                }
            }
        }
        scratch = new Workspace();
    }

    private static Tensor piece(Tensor t, long batch, long step, long channel) {
        return t.slice(0, batch, batch + 1).slice(1, step, step + STEPS).slice(2, channel, channel + CHANNELS);
    }

    @Benchmark
    public void heddle() {
        Team.with(1, () -> op.forward(in, y, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void callsOf1x1024x64() {
        Team.with(1, () -> {
            for (int i = 0; i < pieces.size(); i++) {
                op.forward(pieces.get(i), pieceOfY.get(i), null, scratch);
                scratch.reset();
            }
        });
    }
}
