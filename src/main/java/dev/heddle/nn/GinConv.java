package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * Graph isomorphism: {@code y = nn((1 + eps) x + sum over the edges into i of x_j)}, nn two linear layers with a relu between. Parameters: {@code
 * eps [1]}, {@code nn.0.weight}, {@code nn.0.bias}, {@code nn.2.weight}, {@code nn.2.bias}. After PyG {@code GINConv} with a trained eps.
 */
public final class GinConv extends GraphConv {
    private static final Spmm SUM = Spmm.builder().build();

    private final Tensor eps;
    private final Tensor first;
    private final Tensor firstBias;
    private final Tensor second;
    private final Tensor secondBias;

    private GinConv(Map<String, Tensor> parameters) {
        super(parameters);
        eps = parameter("eps");
        first = parameter("nn.0.weight");
        firstBias = parameter("nn.0.bias");
        second = parameter("nn.2.weight");
        secondBias = parameter("nn.2.bias");
    }

    /** A layer with these parameters. */
    public static GinConv of(Map<String, Tensor> parameters) {
        return new GinConv(parameters);
    }

    /** A layer with Glorot's random weights and an eps of 0. */
    public static GinConv create(long in, long hidden, long out, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return of(Map.of(
                "eps", Tensor.zeros(DType.F32, 1),
                "nn.0.weight", glorot(random, in, hidden, hidden, in),
                "nn.0.bias", Tensor.zeros(DType.F32, hidden),
                "nn.2.weight", glorot(random, hidden, out, out, hidden),
                "nn.2.bias", Tensor.zeros(DType.F32, out)));
    }

    @Override
    Forward run(CsrGraph graph, Tensor x) {
        Tensor z = SUM.forward(graph, x, null).y();
        float own = 1 + eps.reshape(1).getFloat(0);
        Arithmetic.axpy(own, x, z, z);
        Tensor hidden = LINEAR.forward(z, first, firstBias);
        Tensor active = Activation.RELU.forward(hidden);
        Tensor y = LINEAR.forward(active, second, secondBias);
        return new Forward(y, (gradY, into) -> {
            Tensor gradActive = linearBackward(active, second, gradY, "nn.2", true, into);
            Tensor gradZ = linearBackward(z, first, Activation.RELU.backward(hidden, gradActive), "nn.0", true, into);
            into.put("eps", dot(gradZ, x).reshape(eps.shape().toArray()));
            Tensor gradX = Objects.requireNonNull(
                    SUM.backward(graph, x, null, gradZ, null, true, false).x());
            Arithmetic.axpy(own, gradZ, gradX, gradX);
            return gradX;
        });
    }

    private static Tensor dot(Tensor a, Tensor b) {
        return PRODUCT.forward(
                a.contiguous().reshape(1, a.size()), b.contiguous().reshape(b.size(), 1));
    }
}
