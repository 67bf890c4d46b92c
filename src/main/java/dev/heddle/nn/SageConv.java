package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Reduce;
import dev.heddle.op.RmsNorm;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * GraphSAGE: {@code y = agg W_l^T + b_l + x W_r^T}, {@code agg_i} the mean or maximum of x over the edges into i; with {@code normalize} each row
 * is divided by its length, or by 1e-12 where it is shorter. Parameters: {@code lin_l.weight}, {@code lin_r.weight [out, in]}, {@code lin_l.bias [out]}.
 * After PyG {@code SAGEConv}.
 */
public final class SageConv extends GraphConv {
    private final Tensor left;
    private final Tensor bias;
    private final Tensor right;
    private final boolean normalize;
    private final Spmm aggregate;

    private SageConv(Map<String, Tensor> parameters, Reduce reduce, boolean normalize) {
        super(parameters);
        left = parameter("lin_l.weight");
        bias = parameter("lin_l.bias");
        right = parameter("lin_r.weight");
        this.normalize = normalize;
        this.aggregate = Spmm.builder().reduce(reduce).build();
    }

    /** A layer with these parameters. */
    public static SageConv of(Map<String, Tensor> parameters, Reduce reduce, boolean normalize) {
        return new SageConv(parameters, reduce, normalize);
    }

    /** A layer of means with Glorot's random weights. */
    public static SageConv create(long in, long out, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return of(
                Map.of(
                        "lin_l.weight", glorot(random, in, out, out, in),
                        "lin_l.bias", Tensor.zeros(DType.F32, out),
                        "lin_r.weight", glorot(random, in, out, out, in)),
                Reduce.MEAN,
                false);
    }

    @Override
    Forward run(CsrGraph graph, Tensor x) {
        Spmm.Result taken = aggregate.forward(graph, x, null);
        Tensor z = LINEAR.forward(taken.y(), left, bias);
        Arithmetic.ADD.forward(z, LINEAR.forward(x, right), z);
        // the root of a mean square is a length over sqrt(F)
        RmsNorm norm = RmsNorm.builder().eps(Float.MIN_NORMAL).build();
        Tensor scale = Tensor.zeros(DType.F32, z.dim(1)).fill((float) (1 / Math.sqrt((double) Math.max(1, z.dim(1)))));
        Tensor y = normalize ? norm.forward(z, scale, null, null) : z;
        return new Forward(y, (gradY, into) -> {
            Tensor gradZ = normalize
                    ? Objects.requireNonNull(norm.backward(z, scale, null, null, gradY, true, false, false, false)
                            .x())
                    : gradY;
            Tensor gradTaken = linearBackward(taken.y(), left, gradZ, "lin_l", true, into);
            Tensor gradX = linearBackward(x, right, gradZ, "lin_r", false, into);
            Tensor through = Objects.requireNonNull(aggregate
                    .backward(graph, x, null, gradTaken, taken.arg(), true, false)
                    .x());
            return Arithmetic.ADD.forward(gradX, through);
        });
    }
}
