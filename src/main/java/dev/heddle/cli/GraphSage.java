package dev.heddle.cli;

import dev.heddle.graph.CsrGraph;
import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.Matmul;
import dev.heddle.op.Reduce;
import dev.heddle.op.Spmm;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Two layers of GraphSAGE on a directed graph, forward and backward: {@code relu([x, mean over what it uses, mean over what uses it]
 * W1 + b1)}, then the same on the hidden features without the relu. Neighbour means are written beside the features, into one
 * matrix, so that a layer is one product.
 *
 * <p>Hamilton, Ying and Leskovec, "Inductive representation learning on large graphs", NeurIPS 2017.
 */
final class GraphSage implements AutoCloseable {
    private final CsrGraph uses;
    private final CsrGraph usedBy;
    private final long nodes;
    private final long hidden;
    private final Tensor input;
    private final List<Tensor> parameters;
    private final Workspace forward = new Workspace();
    private final Workspace scratch = new Workspace();
    private final Spmm mean = Spmm.builder().reduce(Reduce.MEAN).build();
    private final Matmul matmul = Matmul.builder().build();
    private long edges;
    private long forwardNanos;
    private long backwardNanos;
    private @Nullable Tensor first;
    private @Nullable Tensor second;

    GraphSage(CsrGraph uses, Tensor x, int hidden, int classes, long seed) {
        this.uses = uses;
        this.usedBy = uses.transpose().graph();
        this.nodes = x.dim(0);
        this.hidden = hidden;
        SplittableRandom random = new SplittableRandom(seed);
        parameters = List.of(
                glorot(random, 3 * x.dim(1), hidden),
                Tensor.zeros(DType.F32, hidden),
                glorot(random, 3L * hidden, classes),
                Tensor.zeros(DType.F32, classes));
        // the means of the input never change: taken once
        input = Tensor.zeros(DType.F32, nodes, 3 * x.dim(1));
        input.slice(1, 0, x.dim(1)).copyFrom(x);
        gather(x, input);
        edges = 0; // what is timed is training
        forwardNanos = 0;
    }

    private static Tensor glorot(SplittableRandom random, long in, long out) {
        float bound = (float) Math.sqrt(6.0 / (in + out));
        float[] w = new float[(int) (in * out)];
        for (int i = 0; i < w.length; i++) {
            w[i] = (float) random.nextDouble(-bound, bound);
        }
        return Tensor.of(w, in, out);
    }

    /** W1, b1, W2, b2. */
    List<Tensor> parameters() {
        return parameters;
    }

    /** Both means of {@code x}, beside it in {@code all}. */
    private void gather(Tensor x, Tensor all) {
        long f = x.dim(1);
        long start = System.nanoTime();
        mean.forward(uses, x, null, all.slice(1, f, 2 * f), null);
        mean.forward(usedBy, x, null, all.slice(1, 2 * f, 3 * f), null);
        forwardNanos += System.nanoTime() - start;
        edges += 2 * uses.nnz();
    }

    /** The logits of every node; they live until the next call. */
    Tensor forward() {
        forward.reset();
        Tensor h1 = forward.empty(DType.F32, nodes, hidden);
        matmul.forward(input, parameters.get(0), parameters.get(1), h1, scratch());
        Tensor all = forward.empty(DType.F32, nodes, 3 * hidden);
        Activation.RELU.forward(h1, all.slice(1, 0, hidden));
        gather(all.slice(1, 0, hidden), all);
        Tensor logits = forward.empty(DType.F32, nodes, parameters.get(3).size());
        matmul.forward(all, parameters.get(2), parameters.get(3), logits, scratch());
        first = h1;
        second = all;
        return logits;
    }

    /** The gradients of the parameters, in their order, for that of the logits. */
    List<Tensor> backward(Tensor gradLogits) {
        if (first == null || second == null) {
            throw new IllegalStateException("forward comes first");
        }
        List<Tensor> grads = parameters.stream()
                .map(p -> forward.empty(DType.F32, p.shape().toArray()))
                .toList();
        Tensor gradAll = forward.empty(DType.F32, nodes, 3 * hidden);
        matmul.backward(second, parameters.get(2), gradLogits, gradAll, grads.get(2), grads.get(3), false, scratch());
        Tensor h = second.slice(1, 0, hidden);
        Tensor byUses = forward.empty(DType.F32, nodes, hidden);
        Tensor byUsers = forward.empty(DType.F32, nodes, hidden);
        long start = System.nanoTime();
        mean.backward(uses, h, null, gradAll.slice(1, hidden, 2 * hidden), null, byUses, null, false, scratch());
        mean.backward(usedBy, h, null, gradAll.slice(1, 2 * hidden, 3 * hidden), null, byUsers, null, false, scratch());
        backwardNanos += System.nanoTime() - start;
        Tensor gradH = forward.empty(DType.F32, nodes, hidden);
        Arithmetic.ADD.forward(byUses, byUsers, gradH);
        Arithmetic.ADD.forward(gradH, gradAll.slice(1, 0, hidden), gradH);
        Activation.RELU.backward(first, gradH, gradH, false, scratch());
        matmul.backward(input, parameters.get(0), gradH, null, grads.get(0), grads.get(1), false, scratch());
        return grads;
    }

    private Workspace scratch() {
        scratch.reset();
        return scratch;
    }

    /** Edges gathered over in a second of forward passes, and of backward passes. */
    double[] edgesPerSecond(int epochs) {
        return new double[] {1e9 * edges / forwardNanos, 1e9 * 2 * uses.nnz() * epochs / backwardNanos};
    }

    @Override
    public void close() {
        forward.close();
        scratch.close();
    }
}
