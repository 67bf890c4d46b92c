package dev.heddle.nn;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Matmul;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A graph convolution: {@code x [n, in]} to {@code y [n, out]} over a square graph. Its parameters have the names and the layouts of
 * PyG's {@code state_dict}, so a checkpoint's tensors can be used as they are.
 *
 * <p>A layer keeps what its last forward pass left until the backward pass has used it, so it serves one thread at a time.
 */
public abstract sealed class GraphConv permits GatConv, GatV2Conv, GcnConv, GinConv, SageConv {
    static final Matmul LINEAR = Matmul.builder().transposeB(true).build();
    static final Matmul PRODUCT = Matmul.builder().build();

    private final Map<String, Tensor> parameters;
    private @Nullable Saved saved;

    /** What the backward pass needs of the forward pass. */
    interface Saved {
        /** The gradient of x; those of the parameters go to {@code into}. */
        Tensor backward(Tensor gradY, Map<String, Tensor> into);
    }

    /** The gradients of the input and of each parameter, by name. */
    public record Gradients(Tensor x, Map<String, Tensor> parameters) {}

    GraphConv(Map<String, Tensor> parameters) {
        this.parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    }

    /** The parameters themselves, by the names of the {@code state_dict}. */
    public final Map<String, Tensor> parameters() {
        return parameters;
    }

    final Tensor parameter(String name) {
        Tensor t = parameters.get(name);
        if (t == null) {
            throw new IllegalArgumentException(name + ": missing, there are " + parameters.keySet());
        }
        if (t.dtype() != DType.F32) {
            throw new IllegalArgumentException(name + ": elements are " + t.dtype() + ", must be F32");
        }
        return t;
    }

    /** Computes y. */
    public final Tensor forward(CsrGraph graph, Tensor x) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        Forward f = run(graph, x);
        saved = f.saved;
        return f.y;
    }

    /**
     * The gradients of what the last forward pass computed.
     *
     * @throws IllegalStateException if there was none since the last backward pass
     */
    public final Gradients backward(Tensor gradY) {
        Saved s = saved;
        if (s == null) {
            throw new IllegalStateException("backward: no forward pass came before");
        }
        saved = null;
        Map<String, Tensor> into = new LinkedHashMap<>();
        return new Gradients(s.backward(gradY, into), into);
    }

    /** A result and what it leaves. */
    record Forward(Tensor y, Saved saved) {}

    abstract Forward run(CsrGraph graph, Tensor x);

    // ------------------------------------------------------------------ what layers share

    private static Tensor ones(long n) {
        return Tensor.zeros(DType.F32, n, 1).fill(1);
    }

    /** y + bias, row by row. */
    static Tensor plus(Tensor y, Tensor bias) {
        Tensor rows = PRODUCT.forward(ones(y.dim(0)), bias.reshape(1, bias.size()));
        Arithmetic.ADD.forward(y, rows, y);
        return y;
    }

    /** The gradient of a bias: the sum over rows. */
    static Tensor columnSums(Tensor gradY) {
        Tensor one = ones(gradY.dim(0));
        Tensor bias = Tensor.zeros(DType.F32, 1, gradY.dim(1));
        Tensor g = PRODUCT.backward(one, bias, gradY, false, true, false).b();
        return Objects.requireNonNull(g).reshape(gradY.dim(1));
    }

    /** The gradient of x in {@code x W^T + b}; those of W and b go to {@code into}, under {@code name}. */
    static Tensor linearBackward(
            Tensor x, Tensor weight, Tensor gradY, String name, boolean bias, Map<String, Tensor> into) {
        Matmul.Gradients g = LINEAR.backward(x, weight, gradY, true, true, bias);
        into.put(name + ".weight", Objects.requireNonNull(g.b()));
        if (bias) {
            into.put(name + ".bias", Objects.requireNonNull(g.bias()));
        }
        return Objects.requireNonNull(g.a());
    }

    /** Uniform within sqrt(6 / (in + out)). */
    static Tensor glorot(SplittableRandom random, long in, long out, long... shape) {
        double bound = Math.sqrt(6.0 / (in + out));
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] v = new float[Math.toIntExact(t.size())];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) random.nextDouble(-bound, bound);
        }
        return Tensor.of(v, shape);
    }
}
