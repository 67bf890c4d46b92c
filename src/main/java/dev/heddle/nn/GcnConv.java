package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.GcnNorm;
import dev.heddle.op.Message;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * The convolution of Kipf and Welling: {@code y_i = sum over the edges into i, and its self loop, of s_i s_j (x W^T)_j + bias}, {@code s =
 * deg^-1/2}. Parameters: {@code lin.weight [out, in]}, {@code bias [out]}. After PyG {@code GCNConv}.
 */
public final class GcnConv extends GraphConv {
    private static final GcnNorm NORM = GcnNorm.builder().addSelfLoops(false).build();
    private static final Spmm SUM = Spmm.builder().message(Message.MUL).build();

    private final Tensor weight;
    private final Tensor bias;

    private GcnConv(Map<String, Tensor> parameters) {
        super(parameters);
        weight = parameter("lin.weight");
        bias = parameter("bias");
    }

    /** A layer with these parameters. */
    public static GcnConv of(Map<String, Tensor> parameters) {
        return new GcnConv(parameters);
    }

    /** A layer with Glorot's random weights. */
    public static GcnConv create(long in, long out, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return of(Map.of("lin.weight", glorot(random, in, out, out, in), "bias", Tensor.zeros(DType.F32, out)));
    }

    @Override
    Forward run(CsrGraph graph, Tensor x) {
        CsrGraph loops = graph.withSelfLoops();
        Tensor norm = NORM.forward(loops, null).norm();
        Tensor h = LINEAR.forward(x, weight);
        Tensor y = plus(SUM.forward(loops, h, norm).y(), bias);
        return new Forward(y, (gradY, into) -> {
            into.put("bias", columnSums(gradY));
            Tensor gradH = Objects.requireNonNull(
                    SUM.backward(loops, h, norm, gradY, null, true, false).x());
            return linearBackward(x, weight, gradH, "lin", false, into);
        });
    }
}
