package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.Torch;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
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
 * The selective scan, everything fused, beside the least that its arithmetic takes (one exp2 and three multiply-adds a state, in
 * registers), a scalar loop over Math.exp, and the sequential reference in PyTorch.
 */
@Bar(method = "heddle", peer = "registersOnly", atLeast = 0.5)
@Bar(method = "heddle", peer = "scalarMathExp", atLeast = 25, where = "threads=1")
@Bar(method = "heddle", peer = "torchSequential", atLeast = 20)
@Bar(method = "heddle", peer = "heddleOneThread", atLeast = 1.6, where = "threads=2")
@Bar(method = "heddleBackward", peer = "heddle", atLeast = 1 / 3.5)
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
public class SelectiveScanBenchmark {
    private static final int STATES = 16;

    @Param({"1x2048x1536", "8x512x768"})
    public String shape;

    @Param({"1", "2"})
    public int threads;

    private long batch;
    private long steps;
    private long channels;
    private SelectiveScan.Inputs in;
    private Tensor y;
    private Tensor gy;
    private SelectiveScan.Gradients into;
    private Workspace scratch;
    private Torch torch;
    private org.bytedeco.pytorch.Tensor[] views;
    private float[][] arrays;
    private float[] scalarY;
    private final SelectiveScan op = SelectiveScan.builder().deltaSoftplus(true).build();

    @Setup
    public void setUp() {
        String[] s = shape.split("x");
        batch = Long.parseLong(s[0]);
        steps = Long.parseLong(s[1]);
        channels = Long.parseLong(s[2]);
        Random32 r = new Random32();
        Tensor a = Tensor.zeros(DType.F32, channels, STATES);
        for (long d = 0; d < channels; d++) {
            for (int n = 0; n < STATES; n++) {
                a.setFloat(-(n + 1), d, n);
            }
        }
        in = new SelectiveScan.Inputs(
                r.normal(batch, steps, channels),
                r.affine(0.5, -4, batch, steps, channels),
                a,
                r.normal(batch, steps, STATES),
                r.normal(batch, steps, STATES),
                r.normal(channels),
                r.normal(batch, steps, channels),
                r.affine(0.1, 0, channels),
                null,
                null);
        y = Tensor.zeros(DType.F32, batch, steps, channels);
        gy = r.normal(batch, steps, channels);
        into = new SelectiveScan.Gradients(
                zeros(in.u()),
                zeros(in.delta()),
                zeros(a),
                zeros(in.b()),
                zeros(in.c()),
                zeros(in.d()),
                zeros(in.z()),
                zeros(in.deltaBias()),
                null);
        scratch = new Workspace();
        Tensor[] all = {in.u(), in.delta(), in.a(), in.b(), in.c(), in.d(), in.z(), in.deltaBias()};
        views = new org.bytedeco.pytorch.Tensor[all.length];
        arrays = new float[all.length][];
        for (int i = 0; i < all.length; i++) {
            views[i] = Torch.view(all[i]);
            arrays[i] = all[i].toFloatArray();
        }
        scalarY = new float[(int) y.size()];
        torch = Torch.script("""
                def f(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor):
                  dt = torch.softplus(delta + bias)
                  dA = torch.exp(dt.unsqueeze(-1) * A)
                  dBu = (dt * u).unsqueeze(-1) * B.unsqueeze(2)
                  h = torch.zeros([u.size(0), u.size(2), A.size(1)])
                  ys: List[Tensor] = []
                  for i in range(u.size(1)):
                    h = dA[:, i] * h + dBu[:, i]
                    ys.append((h * C[:, i].unsqueeze(1)).sum(-1))
                  y = torch.stack(ys, 1) + u * D
                  return y * torch.silu(z)
                """);
        Torch.threads(threads);
        op.forward(in, y, null, scratch);
        Random32.agree(y.toFloatArray(), torch.floats((Object[]) views), 1e-3);
        scalarMathExp();
        Random32.agree(y.toFloatArray(), scalarY, 1e-3);
        checkMemory();
    }

    /** What the backward needs beside the gradients, which is to be a sixteenth of all states at most. */
    private void checkMemory() {
        long states = 4 * batch * steps * channels * STATES;
        try (Workspace own = new Workspace()) {
            Team.with(threads, () -> op.backward(in, gy, null, into, own));
            System.out.println("backward: " + own.capacity() + " bytes of scratch; all states: " + states);
            if (own.capacity() > states / 16) {
                throw new AssertionError(own.capacity() + " bytes are more than 1/16 of " + states);
            }
        }
    }

    private static Tensor zeros(Tensor like) {
        return Tensor.zeros(DType.F32, like.shape().toArray());
    }

    @Benchmark
    public void heddle() {
        Team.with(threads, () -> op.forward(in, y, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void heddleOneThread() {
        Team.with(1, () -> op.forward(in, y, null, scratch));
        scratch.reset();
    }

    @Benchmark
    public void heddleBackward() {
        Team.with(threads, () -> op.backward(in, gy, null, into, scratch));
        scratch.reset();
    }

    @Benchmark
    public void torchSequential() {
        torch.run((Object[]) views);
    }

    /** One thread, channel by channel, as one writes it. */
    @Benchmark
    public void scalarMathExp() {
        float[] h = new float[STATES];
        int length = (int) steps;
        int width = (int) channels;
        for (int b = 0; b < batch; b++) {
            for (int d = 0; d < width; d++) {
                Arrays.fill(h, 0);
                for (int t = 0; t < length; t++) {
                    int row = b * length + t;
                    int at = row * width + d;
                    float x = arrays[0][at];
                    float v = arrays[1][at] + arrays[7][d];
                    float dt = (float) (Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))));
                    float sum = arrays[5][d] * x;
                    for (int n = 0; n < STATES; n++) {
                        h[n] = (float) Math.exp(dt * arrays[2][d * STATES + n]) * h[n]
                                + dt * x * arrays[3][row * STATES + n];
                        sum += h[n] * arrays[4][row * STATES + n];
                    }
                    float z = arrays[6][at];
                    scalarY[at] = sum * z / (1 + (float) Math.exp(-z));
                }
            }
        }
    }

    private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;

    /** As many exp2, 0 where they vanish, and triples of multiply-adds as the scan has states, on registers; as fast with any number of threads asked. */
    @Benchmark
    public float registersOnly() {
        long groups = batch * steps * channels * STATES / S.length() / 4 / threads;
        float[] sums = new float[threads];
        Team.with(threads, () -> Team.run(threads, 1e9, chunk -> sums[chunk] = registers(groups)));
        return sums[0];
    }

    /** Written flat, as the scan's kernels are woven: calls would stay calls here. */
    private static float registers(long groups) {
        FloatVector dt = FloatVector.broadcast(S, 0.01f);
        FloatVector a0 = FloatVector.broadcast(S, -1.4f);
        FloatVector a1 = FloatVector.broadcast(S, -2.9f);
        FloatVector a2 = FloatVector.broadcast(S, -4.3f);
        FloatVector a3 = FloatVector.broadcast(S, -5.8f);
        FloatVector h0 = dt;
        FloatVector h1 = dt;
        FloatVector h2 = dt;
        FloatVector h3 = dt;
        FloatVector y = dt;
        FloatVector magic = FloatVector.broadcast(S, 0x1.8p23f);
        FloatVector c6 = FloatVector.broadcast(S, 0x1.416b5ep-13f);
        FloatVector c5 = FloatVector.broadcast(S, 0x1.5f082ep-10f);
        FloatVector c4 = FloatVector.broadcast(S, 0x1.3b2dep-7f);
        FloatVector c3 = FloatVector.broadcast(S, 0x1.c6af7cp-5f);
        FloatVector c2 = FloatVector.broadcast(S, 0x1.ebfbdcp-3f);
        FloatVector c1 = FloatVector.broadcast(S, 0x1.62e43p-1f);
        FloatVector one = FloatVector.broadcast(S, 1f);
        for (long i = 0; i < groups; i++) {
            FloatVector t0 = dt.fma(a0, magic);
            FloatVector r0 = dt.fma(a0, magic.sub(t0));
            FloatVector p0 = r0.fma(c6, c5)
                    .fma(r0, c4)
                    .fma(r0, c3)
                    .fma(r0, c2)
                    .fma(r0, c1)
                    .fma(r0, one);
            p0 = p0.reinterpretAsInts()
                    .add(t0.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                    .reinterpretAsFloats();
            p0 = p0.blend(0f, t0.compare(VectorOperators.LT, 0x1.8p23f - 125));
            h0 = p0.fma(h0, dt.mul(a1));
            y = h0.fma(a1, y);
            FloatVector t1 = dt.fma(a1, magic);
            FloatVector r1 = dt.fma(a1, magic.sub(t1));
            FloatVector p1 = r1.fma(c6, c5)
                    .fma(r1, c4)
                    .fma(r1, c3)
                    .fma(r1, c2)
                    .fma(r1, c1)
                    .fma(r1, one);
            p1 = p1.reinterpretAsInts()
                    .add(t1.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                    .reinterpretAsFloats();
            p1 = p1.blend(0f, t1.compare(VectorOperators.LT, 0x1.8p23f - 125));
            h1 = p1.fma(h1, dt.mul(a2));
            y = h1.fma(a2, y);
            FloatVector t2 = dt.fma(a2, magic);
            FloatVector r2 = dt.fma(a2, magic.sub(t2));
            FloatVector p2 = r2.fma(c6, c5)
                    .fma(r2, c4)
                    .fma(r2, c3)
                    .fma(r2, c2)
                    .fma(r2, c1)
                    .fma(r2, one);
            p2 = p2.reinterpretAsInts()
                    .add(t2.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                    .reinterpretAsFloats();
            p2 = p2.blend(0f, t2.compare(VectorOperators.LT, 0x1.8p23f - 125));
            h2 = p2.fma(h2, dt.mul(a3));
            y = h2.fma(a3, y);
            FloatVector t3 = dt.fma(a3, magic);
            FloatVector r3 = dt.fma(a3, magic.sub(t3));
            FloatVector p3 = r3.fma(c6, c5)
                    .fma(r3, c4)
                    .fma(r3, c3)
                    .fma(r3, c2)
                    .fma(r3, c1)
                    .fma(r3, one);
            p3 = p3.reinterpretAsInts()
                    .add(t3.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                    .reinterpretAsFloats();
            p3 = p3.blend(0f, t3.compare(VectorOperators.LT, 0x1.8p23f - 125));
            h3 = p3.fma(h3, dt.mul(a0));
            y = h3.fma(a0, y);
            dt = dt.add(1e-9f);
        }
        return y.reduceLanes(VectorOperators.ADD);
    }
}
