package dev.heddle.nn;

import dev.heddle.op.AarenAttention;
import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.AttentionState;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Matmul;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A stack of attention layers with learned queries, each followed by a feed-forward network, as in "Attention as an RNN", arXiv
 * 2405.13956: {@code x = x + W_o aaren(W_q token, W_k n, W_v n)} with {@code n = norm(x)}, {@code x = x + W_2 gelu(W_1 norm(x))}, and a last
 * norm. A layer's query does not depend on its input, so all that a stream has to remember is one {@link AttentionState} per layer.
 *
 * <p>Input and output are float32 {@code [B, L, D]}. Time runs in order: a stream has the bits of the sequence, at constant memory and
 * time per step.
 *
 * <p>{@link #parameters} gives the parameters; changing them (an optimiser does) changes the module. A module may be used by several
 * threads at once as long as nobody does.
 */
public final class Aaren {
    private static final int PER_LAYER = 17;
    private static final int NORM = 0;
    private static final int TOKEN = 2;
    private static final int QUERY = 3;
    private static final int KEY = 5;
    private static final int VALUE = 7;
    private static final int OUT = 9;
    private static final int NORM_2 = 11;
    private static final int HIDDEN = 13;
    private static final int BACK = 15;

    private static final Matmul LINEAR = Matmul.builder().transposeB(true).build();
    private static final LayerNorm LAYER_NORM = LayerNorm.builder().build();
    private static final AarenAttention ATTENTION =
            AarenAttention.builder().timeOrdered(true).build();

    private final int width;
    private final int heads;
    private final int layers;
    private final List<Tensor> parameters = new ArrayList<>();

    private Aaren(Builder b) {
        width = b.width;
        heads = b.heads;
        layers = b.layers;
        Random random = new Random(b.seed);
        for (int i = 0; i < layers; i++) {
            norm();
            parameters.add(normal(random, 1, 1, width));
            for (int p = 0; p < 4; p++) {
                linear(random, width, width);
            }
            norm();
            linear(random, b.hidden, width);
            linear(random, width, b.hidden);
        }
        norm();
    }

    /**
     * Starts a module.
     *
     * @param width D, a multiple of {@code heads}
     * @param heads of the attention
     */
    public static Builder builder(int width, int heads) {
        return new Builder(width, heads);
    }

    /** Defaults: one layer, a hidden width of 4 D, seed 0. */
    public static final class Builder {
        private final int width;
        private final int heads;
        private int layers = 1;
        private int hidden;
        private long seed;

        private Builder(int width, int heads) {
            if (heads < 1 || width < 1 || width % heads != 0) {
                throw new IllegalArgumentException("width " + width + " is no multiple of " + heads + " heads");
            }
            this.width = width;
            this.heads = heads;
            hidden = 4 * width;
        }

        /** How many layers there are. */
        public Builder layers(int layers) {
            this.layers = positive("layers", layers);
            return this;
        }

        /** The width between the two matrices of a feed-forward network. */
        public Builder hidden(int hidden) {
            this.hidden = positive("hidden", hidden);
            return this;
        }

        /** What the first parameters are drawn from. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        private static int positive(String name, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(name + ": " + value + ", must be positive");
            }
            return value;
        }

        public Aaren build() {
            return new Aaren(this);
        }
    }

    private void norm() {
        parameters.add(Tensor.zeros(DType.F32, width).fill(1));
        parameters.add(Tensor.zeros(DType.F32, width));
    }

    private void linear(Random random, int outputs, int inputs) {
        parameters.add(normal(random, 1 / Math.sqrt((double) inputs), outputs, inputs));
        parameters.add(Tensor.zeros(DType.F32, outputs));
    }

    private static Tensor normal(Random random, double deviation, long... shape) {
        float[] values = new float[(int) (shape[0] * shape[1])];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return Tensor.of(values, shape);
    }

    /**
     * The parameters. For each layer: weight and bias of the first norm; the query token {@code [1, D]}; weight and bias of the projections
     * of query, keys, values and result; those of the second norm; those of the feed-forward network. Then those of the last norm.
     */
    public List<Tensor> parameters() {
        return List.copyOf(parameters);
    }

    private Tensor parameter(int layer, int index) {
        return parameters.get(layer * PER_LAYER + index);
    }

    /** What streams remember: a state per layer, and memory for a step. One thread may use it at a time. */
    public static final class State implements AutoCloseable {
        private final List<AttentionState> layers;
        private final Workspace scratch = new Workspace();

        private State(List<AttentionState> layers) {
            this.layers = layers;
        }

        /** The states of the layers. */
        public List<AttentionState> layers() {
            return List.copyOf(layers);
        }

        /** The same streams once more, independent of these from now on. */
        public State copy() {
            return new State(layers.stream().map(AttentionState::copy).toList());
        }

        /** Frees the memory for steps. */
        @Override
        public void close() {
            scratch.close();
        }
    }

    /** Streams that have seen nothing. */
    public State start(long streams) {
        List<AttentionState> states = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            states.add(AttentionState.empty(streams, heads, width / heads));
        }
        return new State(states);
    }

    /** Computes y, from the start. */
    public Tensor forward(Tensor x) {
        check("x", x, 3);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace();
                State state = start(x.dim(0))) {
            y.copyFrom(run(x, state.layers, new Pass(x.dim(0), x.dim(1)), scratch));
        }
        return y;
    }

    /**
     * The next steps of some streams: {@code state} becomes the state after them.
     *
     * @param x float32 {@code [N, D]} for one step, {@code [N, L, D]} for several
     * @param y like x
     */
    public void forward(State state, Tensor x, Tensor y) {
        check("x", x, x.rank() == 2 ? 2 : 3);
        if (!y.shape().equals(x.shape()) || y.dtype() != DType.F32) {
            throw new IllegalArgumentException(
                    "y: " + y.dtype() + " " + y.shape() + ", must be that of x, " + x.shape());
        }
        if (state.layers.size() != layers || state.layers.getFirst().streams() != x.dim(0)) {
            throw new IllegalArgumentException("state: " + state.layers.size() + " layers of "
                    + state.layers.getFirst().streams() + " streams, but x has shape " + x.shape());
        }
        long steps = x.rank() == 2 ? 1 : x.dim(1);
        state.scratch.reset();
        Tensor all = x.contiguous().reshape(x.dim(0), steps, width);
        Tensor result = run(all, state.layers, new Pass(x.dim(0), steps), state.scratch);
        y.copyFrom(result.reshape(x.shape().toArray()));
    }

    /** Gradients of the input, and of the parameters in their order. */
    public record Gradients(Tensor x, List<Tensor> parameters) {}

    /** Computes all gradients; the forward pass is computed again. */
    public Gradients backward(Tensor x, Tensor gradY) {
        check("x", x, 3);
        if (!gradY.shape().equals(x.shape()) || gradY.dtype() != DType.F32) {
            throw new IllegalArgumentException(
                    "gradY: " + gradY.dtype() + " " + gradY.shape() + ", must be that of x, " + x.shape());
        }
        List<Tensor> grads = new ArrayList<>();
        parameters.forEach(p -> grads.add(Tensor.zeros(DType.F32, p.shape().toArray())));
        Tensor gradX = Tensor.zeros(DType.F32, x.shape().toArray());
        try (Workspace scratch = new Workspace();
                State state = start(x.dim(0))) {
            Pass pass = new Pass(x.dim(0), x.dim(1));
            run(x, state.layers, pass, scratch);
            gradX.copyFrom(
                    pass.backward(gradY, grads, scratch).reshape(x.shape().toArray()));
        }
        return new Gradients(gradX, grads);
    }

    private void check(String name, Tensor t, int rank) {
        if (t.dtype() != DType.F32 || t.rank() != rank || t.dim(rank - 1) != width) {
            throw new IllegalArgumentException(name + ": " + t.dtype() + " " + t.shape() + ", must be float32 of "
                    + rank + " axes, the last " + width);
        }
    }

    private Tensor run(Tensor x, List<AttentionState> states, Pass pass, Workspace scratch) {
        Tensor h = x.contiguous().reshape(pass.rows(), width);
        for (int i = 0; i < layers; i++) {
            h = pass.layer(i, h, states.get(i), scratch);
        }
        pass.last = h;
        return pass.norm(layers, NORM, h, scratch).reshape(pass.batch, pass.steps, width);
    }

    /** What a layer's backward pass needs of its forward pass. */
    private record Kept(
            Tensor x,
            Tensor normed,
            Tensor query,
            Tensor keys,
            Tensor values,
            Tensor attended,
            Tensor middle,
            Tensor normed2,
            Tensor hidden,
            Tensor activated) {}

    /** One pass over all layers. Tensors are {@code [B L, ...]} and come from the workspace. */
    private final class Pass {
        private final long batch;
        private final long steps;
        private final List<Kept> kept = new ArrayList<>();
        private Tensor last = Tensor.zeros(DType.F32, 0);

        Pass(long batch, long steps) {
            this.batch = batch;
            this.steps = steps;
        }

        long rows() {
            return batch * steps;
        }

        private Tensor split(Tensor t) {
            return t.reshape(batch, steps, heads, width / heads);
        }

        private Tensor norm(int layer, int index, Tensor x, Workspace scratch) {
            Tensor y = like(x, scratch);
            LAYER_NORM.forward(x, parameter(layer, index), parameter(layer, index + 1), y, scratch);
            return y;
        }

        private Tensor linear(int layer, int index, Tensor x, Workspace scratch) {
            Tensor weight = parameter(layer, index);
            Tensor y = scratch.empty(DType.F32, x.dim(0), weight.dim(0));
            LINEAR.forward(x, weight, parameter(layer, index + 1), y, scratch);
            return y;
        }

        Tensor layer(int layer, Tensor x, AttentionState state, Workspace scratch) {
            Tensor normed = norm(layer, NORM, x, scratch);
            Tensor query =
                    linear(layer, QUERY, parameter(layer, TOKEN), scratch).reshape(heads, width / heads);
            Tensor keys = split(linear(layer, KEY, normed, scratch));
            Tensor values = split(linear(layer, VALUE, normed, scratch));
            Tensor attended = like(values, scratch);
            ATTENTION.forward(query, keys, values, state, null, attended, state, scratch);
            Tensor flat = attended.reshape(rows(), width);
            Tensor middle = linear(layer, OUT, flat, scratch);
            Arithmetic.ADD.forward(middle, x, middle);
            Tensor normed2 = norm(layer, NORM_2, middle, scratch);
            Tensor hidden = linear(layer, HIDDEN, normed2, scratch);
            Tensor activated = like(hidden, scratch);
            Activation.GELU_ERF.forward(hidden, activated);
            Tensor y = linear(layer, BACK, activated, scratch);
            Arithmetic.ADD.forward(y, middle, y);
            kept.add(new Kept(x, normed, query, keys, values, flat, middle, normed2, hidden, activated));
            return y;
        }

        private static Tensor like(Tensor t, Workspace scratch) {
            return scratch.empty(DType.F32, t.shape().toArray());
        }

        /** The gradient of x; those of the layer's parameters are added to {@code grads}. */
        private Tensor linearBack(int layer, int index, Tensor x, Tensor gy, List<Tensor> grads, Workspace scratch) {
            Tensor gx = like(x, scratch);
            int at = layer * PER_LAYER + index;
            LINEAR.backward(x, parameter(layer, index), gy, gx, grads.get(at), grads.get(at + 1), false, scratch);
            return gx;
        }

        private Tensor normBack(int layer, int index, Tensor x, Tensor gy, List<Tensor> grads, Workspace scratch) {
            Tensor gx = like(x, scratch);
            int at = layer * PER_LAYER + index;
            LAYER_NORM.backward(x, parameter(layer, index), gy, gx, grads.get(at), grads.get(at + 1), false, scratch);
            return gx;
        }

        Tensor backward(Tensor gradY, List<Tensor> grads, Workspace scratch) {
            Tensor g = gradY.contiguous().reshape(rows(), width);
            g = normBack(layers, NORM, last, g, grads, scratch);
            for (int i = layers - 1; i >= 0; i--) {
                g = layerBack(i, kept.get(i), g, grads, scratch);
            }
            return g;
        }

        private Tensor layerBack(int layer, Kept k, Tensor gy, List<Tensor> grads, Workspace scratch) {
            Tensor gh = linearBack(layer, BACK, k.activated, gy, grads, scratch);
            Activation.GELU_ERF.backward(k.hidden, gh, gh, false, scratch);
            Tensor gn = linearBack(layer, HIDDEN, k.normed2, gh, grads, scratch);
            Tensor gm = normBack(layer, NORM_2, k.middle, gn, grads, scratch);
            Arithmetic.ADD.forward(gm, gy, gm);
            Tensor ga = split(linearBack(layer, OUT, k.attended, gm, grads, scratch));
            Tensor gq = like(k.query, scratch);
            Tensor gk = like(k.keys, scratch);
            Tensor gv = like(k.values, scratch);
            AarenAttention.Gradients a = new AarenAttention.Gradients(gq, gk, gv, null, null, null);
            ATTENTION.backward(k.query, k.keys, k.values, null, null, ga, null, null, null, a, scratch);
            Tensor token = parameter(layer, TOKEN);
            grads.get(layer * PER_LAYER + TOKEN)
                    .copyFrom(linearBack(layer, QUERY, token, gq.reshape(1, width), grads, scratch));
            Tensor gn1 = linearBack(layer, KEY, k.normed, gk.reshape(rows(), width), grads, scratch);
            Tensor more = linearBack(layer, VALUE, k.normed, gv.reshape(rows(), width), grads, scratch);
            Arithmetic.ADD.forward(gn1, more, gn1);
            Tensor gx = normBack(layer, NORM, k.x, gn1, grads, scratch);
            Arithmetic.ADD.forward(gx, gm, gx);
            return gx;
        }
    }
}
