package dev.heddle.op;

import dev.heddle.bench.Bar;
import dev.heddle.bench.ExtraMemory;
import dev.heddle.bench.Graphs;
import dev.heddle.bench.SecondCore;
import dev.heddle.bench.Torch;
import dev.heddle.graph.CsrGraph;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
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

/** Attention along edges, 4 heads of 32, beside what PyTorch composes: gathers, a softmax by scatters, a weighted scatter. */
@Bar(method = "heddleGat", peer = "torchGat", atLeast = 2.5)
@Bar(method = "heddleGatBackward", peer = "torchGatBackward", atLeast = 2.5)
@Bar(method = "heddleDot", peer = "torchDot", atLeast = 2)
@Bar(method = "heddleDotBackward", peer = "torchDotBackward", atLeast = 2)
@Bar(method = "heddleGatOnTwo", peer = "heddleGat", atLeast = 1.6)
@Bar(method = "heddleDotOnTwo", peer = "heddleDot", atLeast = 1.6)
@Bar(method = "heddleSoftmax", peer = "torchSoftmax", atLeast = 3)
@ExtraMemory
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
public class GraphAttentionBenchmark {
    private static final int HEADS = 4;
    private static final int WIDTH = 32;

    /** Softmax over edges, as PyG composes it. */
    private static final String SOFTMAX = """
            def softmax(s: Tensor, dst: Tensor, n: int):
              i = dst.unsqueeze(1).expand_as(s)
              m = torch.full([n, s.size(1)], float("-inf")).scatter_reduce(0, i, s.detach(), "amax")
              e = (s - m.index_select(0, dst)).exp()
              u = torch.zeros([n, s.size(1)]).index_add(0, dst, e)
              return e / u.index_select(0, dst)
            """;

    private static final String GAT = SOFTMAX + """
            def gat(x: Tensor, el: Tensor, er: Tensor, src: Tensor, dst: Tensor, n: int):
              s = torch.leaky_relu(el.index_select(0, src) + er.index_select(0, dst), 0.2)
              a = softmax(s, dst, n)
              return torch.zeros([n, x.size(1), x.size(2)]).index_add(0, dst, x.index_select(0, src) * a.unsqueeze(2))
            """;

    private static final String DOT = SOFTMAX + """
            def dot(q: Tensor, k: Tensor, v: Tensor, src: Tensor, dst: Tensor, n: int):
              s = (q.index_select(0, dst) * k.index_select(0, src)).sum(2) * 0.17677669
              a = softmax(s, dst, n)
              return torch.zeros([n, v.size(1), v.size(2)]).index_add(0, dst, v.index_select(0, src) * a.unsqueeze(2))
            """;

    @Param({"uniform", "power"})
    public String graph;

    private CsrGraph csr;
    private Tensor x;
    private Tensor q;
    private Tensor k;
    private Tensor el;
    private Tensor er;
    private Tensor scores;
    private Tensor alpha;
    private Tensor gradY;
    private Gat.Result gat;
    private GraphAttention.Result dot;
    private Gat.Gradients gatGradients;
    private GraphAttention.Gradients dotGradients;
    private final SecondCore secondCore = new SecondCore();
    private final Gat gatOp = Gat.create();
    private final GraphAttention dotOp = GraphAttention.create();

    private org.bytedeco.pytorch.Tensor src;
    private org.bytedeco.pytorch.Tensor dst;
    private Torch torchSoftmax;
    private Torch torchGat;
    private Torch torchGatBackward;
    private Torch torchDot;
    private Torch torchDotBackward;

    @Setup
    public void setUp() {
        csr = Graphs.of(graph);
        long n = csr.nDst();
        Random32 r = new Random32();
        x = r.normal(n, HEADS, WIDTH);
        q = r.normal(n, HEADS, WIDTH);
        k = r.normal(n, HEADS, WIDTH);
        gradY = r.normal(n, HEADS, WIDTH);
        el = r.normal(n, HEADS);
        er = r.normal(n, HEADS);
        scores = r.normal(csr.nnz(), HEADS);
        alpha = like(scores);
        gat = new Gat.Result(like(x), Tensor.zeros(DType.F32, n, 2, HEADS), null);
        dot = new GraphAttention.Result(like(x), Tensor.zeros(DType.F32, n, 2, HEADS), null);
        gatGradients = new Gat.Gradients(like(x), like(el), like(er), null);
        dotGradients = new GraphAttention.Gradients(like(q), like(k), like(x), null);
        csr.transpose();
        src = Torch.longs(csr.indices());
        dst = Torch.longs(csr.destinations().toIntArray());
        torchSoftmax = Torch.script(SOFTMAX + "def f(s: Tensor, dst: Tensor, n: int):\n  return softmax(s, dst, n)\n");
        torchGat = Torch.script(GAT
                + "def f(x: Tensor, el: Tensor, er: Tensor, src: Tensor, dst: Tensor, n: int):\n"
                + "  return gat(x, el, er, src, dst, n)\n");
        torchDot = Torch.script(DOT
                + "def f(q: Tensor, k: Tensor, v: Tensor, src: Tensor, dst: Tensor, n: int):\n"
                + "  return dot(q, k, v, src, dst, n)\n");
        torchGatBackward = Torch.script(GAT
                + "def f(x: Tensor, el: Tensor, er: Tensor, src: Tensor, dst: Tensor, n: int, g: Tensor):\n"
                + "  a = x.detach().requires_grad_(True)\n"
                + "  b = el.detach().requires_grad_(True)\n"
                + "  c = er.detach().requires_grad_(True)\n"
                + "  y = gat(a, b, c, src, dst, n)\n"
                + "  of: Optional[List[Optional[Tensor]]] = [g]\n"
                + "  return torch.autograd.grad([y], [a, b, c], of)[0]\n");
        torchDotBackward = Torch.script(DOT
                + "def f(q: Tensor, k: Tensor, v: Tensor, src: Tensor, dst: Tensor, n: int, g: Tensor):\n"
                + "  a = q.detach().requires_grad_(True)\n"
                + "  b = k.detach().requires_grad_(True)\n"
                + "  c = v.detach().requires_grad_(True)\n"
                + "  y = dot(a, b, c, src, dst, n)\n"
                + "  of: Optional[List[Optional[Tensor]]] = [g]\n"
                + "  return torch.autograd.grad([y], [a, b, c], of)[0]\n");
        Torch.threads(1);
        heddleGat();
        agree(gat.y(), torchGat.floats(view(x), view(el), view(er), src, dst, n));
        heddleDot();
        agree(dot.y(), torchDot.floats(view(q), view(k), view(x), src, dst, n));
        heddleSoftmax();
        agree(alpha, torchSoftmax.floats(view(scores), dst, n));
    }

    private static org.bytedeco.pytorch.Tensor view(Tensor t) {
        return Torch.view(t);
    }

    /** What is compared must be the same thing. */
    private static void agree(Tensor ours, float[] theirs) {
        Random32.agree(ours.toFloatArray(), theirs, 1e-3);
    }

    private static Tensor like(Tensor t) {
        return Tensor.zeros(DType.F32, t.shape().toArray());
    }

    @Benchmark
    public void heddleSoftmax() {
        Team.with(1, () -> EdgeSoftmax.forward(csr, scores, alpha));
    }

    @Benchmark
    public void torchSoftmax() {
        torchSoftmax.run(view(scores), dst, csr.nDst());
    }

    @Benchmark
    public void heddleGat() {
        Team.with(1, () -> gatOp.forward(csr, x, el, er, null, gat));
    }

    @Benchmark
    public void heddleGatOnTwo() {
        Team.with(2, () -> gatOp.forward(csr, x, el, er, null, gat));
    }

    @Benchmark
    public void torchGat() {
        torchGat.run(view(x), view(el), view(er), src, dst, csr.nDst());
    }

    /** The forward pass is part of it, as it is of PyTorch's. */
    @Benchmark
    public void heddleGatBackward() {
        Team.with(1, () -> {
            gatOp.forward(csr, x, el, er, null, gat);
            gatOp.backward(csr, x, el, er, null, gat, gradY, gatGradients);
        });
    }

    @Benchmark
    public void torchGatBackward() {
        torchGatBackward.run(view(x), view(el), view(er), src, dst, csr.nDst(), view(gradY));
    }

    @Benchmark
    public void heddleDot() {
        Team.with(1, () -> dotOp.forward(csr, q, k, x, null, dot));
    }

    @Benchmark
    public void heddleDotOnTwo() {
        Team.with(2, () -> dotOp.forward(csr, q, k, x, null, dot));
    }

    @Benchmark
    public void torchDot() {
        torchDot.run(view(q), view(k), view(x), src, dst, csr.nDst());
    }

    /** The forward pass is part of it, as it is of PyTorch's. */
    @Benchmark
    public void heddleDotBackward() {
        Team.with(1, () -> {
            dotOp.forward(csr, q, k, x, null, dot);
            dotOp.backward(csr, q, k, x, null, dot, gradY, dotGradients);
        });
    }

    @Benchmark
    public void torchDotBackward() {
        torchDotBackward.run(view(q), view(k), view(x), src, dst, csr.nDst(), view(gradY));
    }

    @Benchmark
    public void probe() {
        secondCore.probe(1);
    }

    @Benchmark
    public void probeOnTwo() {
        secondCore.probe(2);
    }
}
