package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.GatV2;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * GATv2: {@code xl = x W_l^T + b_l} and {@code xr = x W_r^T + b_r} in heads, scores {@code <att, leaky_relu(xl_j + xr_i)>} over the edges into a node and
 * its self loop, heads side by side or averaged, + bias. Parameters: {@code lin_l.weight}, {@code lin_r.weight [H * F, in]}, {@code lin_l.bias}, {@code
 * lin_r.bias [H * F]}, {@code att [1, H, F]}, {@code bias}. After PyG {@code GATv2Conv}.
 */
public final class GatV2Conv extends GraphConv {
    private final Tensor left;
    private final Tensor leftBias;
    private final Tensor right;
    private final Tensor rightBias;
    private final Tensor att;
    private final Tensor bias;
    private final boolean concat;
    private final GatV2 attention;

    private GatV2Conv(Map<String, Tensor> parameters, boolean concat, float negativeSlope) {
        super(parameters);
        left = parameter("lin_l.weight");
        leftBias = parameter("lin_l.bias");
        right = parameter("lin_r.weight");
        rightBias = parameter("lin_r.bias");
        att = parameter("att");
        bias = parameter("bias");
        this.concat = concat;
        this.attention = GatV2.of(negativeSlope);
    }

    /** A layer with these parameters; with {@code concat} the heads stand side by side, else their mean is taken. */
    public static GatV2Conv of(Map<String, Tensor> parameters, boolean concat, float negativeSlope) {
        return new GatV2Conv(parameters, concat, negativeSlope);
    }

    /** A layer with Glorot's random weights and a slope of 0.2. */
    public static GatV2Conv create(long in, long heads, long width, boolean concat, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long all = heads * width;
        return of(
                Map.of(
                        "lin_l.weight", glorot(random, in, all, all, in),
                        "lin_l.bias", Tensor.zeros(DType.F32, all),
                        "lin_r.weight", glorot(random, in, all, all, in),
                        "lin_r.bias", Tensor.zeros(DType.F32, all),
                        "att", glorot(random, heads, width, 1, heads, width),
                        "bias", Tensor.zeros(DType.F32, concat ? all : width)),
                concat,
                0.2f);
    }

    @Override
    Forward run(CsrGraph graph, Tensor x) {
        CsrGraph loops = graph.withSelfLoops();
        long heads = att.dim(1);
        long f = att.dim(2);
        long n = x.dim(0);
        Tensor xl = LINEAR.forward(x, left, leftBias).reshape(n, heads, f);
        Tensor xr = LINEAR.forward(x, right, rightBias).reshape(n, heads, f);
        Tensor a = att.contiguous().reshape(heads, f);
        GatV2.Result r = attention.forward(loops, xl, xr, a, null, false);
        Tensor y = plus(Heads.join(r.y(), concat).copy(), bias);
        return new Forward(y, (gradY, into) -> {
            into.put("bias", columnSums(gradY));
            GatV2.Gradients g = attention.backward(loops, xl, xr, a, null, r, Heads.split(gradY, heads, f, concat));
            into.put("att", Objects.requireNonNull(g.att()).reshape(1, heads, f));
            Tensor gl = Objects.requireNonNull(g.xl()).reshape(n, heads * f);
            Tensor gr = Objects.requireNonNull(g.xr()).reshape(n, heads * f);
            Tensor gradX = linearBackward(x, left, gl, "lin_l", true, into);
            return Arithmetic.ADD.forward(gradX, linearBackward(x, right, gr, "lin_r", true, into));
        });
    }
}
