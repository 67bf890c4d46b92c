package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Gat;
import dev.heddle.op.Matmul;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * Graph attention: {@code h = x W^T} in heads, scores {@code leaky_relu(<att_src, h_j> + <att_dst, h_i>)} over the edges into a node and its self
 * loop, heads side by side or averaged, + bias. Parameters: {@code lin_src.weight [H * F, in]}, {@code att_src}, {@code att_dst [1, H, F]}, {@code
 * bias}. After PyG {@code GATConv}.
 */
public final class GatConv extends GraphConv {
    private final Tensor weight;
    private final Tensor source;
    private final Tensor destination;
    private final Tensor bias;
    private final boolean concat;
    private final Gat attention;

    private GatConv(Map<String, Tensor> parameters, boolean concat, float negativeSlope) {
        super(parameters);
        weight = parameter("lin_src.weight");
        source = parameter("att_src");
        destination = parameter("att_dst");
        bias = parameter("bias");
        this.concat = concat;
        this.attention = Gat.of(negativeSlope);
    }

    /** A layer with these parameters; with {@code concat} the heads stand side by side, else their mean is taken. */
    public static GatConv of(Map<String, Tensor> parameters, boolean concat, float negativeSlope) {
        return new GatConv(parameters, concat, negativeSlope);
    }

    /** A layer with Glorot's random weights and a slope of 0.2. */
    public static GatConv create(long in, long heads, long width, boolean concat, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return of(
                Map.of(
                        "lin_src.weight", glorot(random, in, heads * width, heads * width, in),
                        "att_src", glorot(random, heads, width, 1, heads, width),
                        "att_dst", glorot(random, heads, width, 1, heads, width),
                        "bias", Tensor.zeros(DType.F32, concat ? heads * width : width)),
                concat,
                0.2f);
    }

    @Override
    Forward run(CsrGraph graph, Tensor x) {
        CsrGraph loops = graph.withSelfLoops();
        long heads = source.dim(1);
        long f = source.dim(2);
        Tensor rows = LINEAR.forward(x, weight);
        Tensor h = rows.reshape(rows.dim(0), heads, f);
        Tensor toSource = Heads.blocks(source);
        Tensor toDestination = Heads.blocks(destination);
        Tensor el = PRODUCT.forward(rows, toSource);
        Tensor er = PRODUCT.forward(rows, toDestination);
        Gat.Result r = attention.forward(loops, h, el, er, null, false);
        Tensor y = plus(Heads.join(r.y(), concat).copy(), bias);
        return new Forward(y, (gradY, into) -> {
            into.put("bias", columnSums(gradY));
            Gat.Gradients g = attention.backward(loops, h, el, er, null, r, Heads.split(gradY, heads, f, concat));
            Matmul.Gradients s = PRODUCT.backward(rows, toSource, Objects.requireNonNull(g.el()), true, true, false);
            Matmul.Gradients d =
                    PRODUCT.backward(rows, toDestination, Objects.requireNonNull(g.er()), true, true, false);
            into.put("att_src", Heads.ofBlocks(Objects.requireNonNull(s.b()), source));
            into.put("att_dst", Heads.ofBlocks(Objects.requireNonNull(d.b()), destination));
            Tensor all = Objects.requireNonNull(g.x()).reshape(rows.shape().toArray());
            Arithmetic.ADD.forward(all, Objects.requireNonNull(s.a()), all);
            Arithmetic.ADD.forward(all, Objects.requireNonNull(d.a()), all);
            return linearBackward(x, weight, all, "lin_src", false, into);
        });
    }
}
