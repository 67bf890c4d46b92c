package dev.heddle.op;

import static dev.heddle.op.EdgeAttention.like;

import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.op.EdgeAttention.Wanted;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention along the edges of a graph: {@code y_i = sum over the edges e into i of alpha_e v_j}, where {@code alpha} is the softmax over
 * those edges of {@code scale <q_i, k_j> + bias_e}, for every head by itself.
 *
 * <ul>
 *   <li>{@code q [nDst, H, F]}, {@code k [nSrc, H, F]} and {@code v [nSrc, H, Fv]} are float32; {@code y} is {@code [nDst, H, Fv]}.
 *   <li>{@code bias [nnz, H]}, optional, is added to the scores; -infinity removes the edge, whose k and v are not read then.
 * </ul>
 *
 * <p>One pass over a row's edges, in blocks of 128 with a running maximum; scores and weights exist for one block at a time, so
 * memory beyond the outputs does not grow with the number of edges. Rows of more than 8192 edges are cut into parts that are
 * combined. Sums go in CSR order. Views must be contiguous in all axes but the first; an output may not overlap an input.
 *
 * <p>A score of -infinity removes its edge; a row without edges, or of nothing else, gives 0. +infinity or NaN makes the row of its
 * head NaN. The backward pass is for at most 2^31 - 1 edges and computes the weights again. A dot product has 16 partial sums, the feature's number modulo 16, folded in halves.
 *
 * <p>Gradients: with {@code d_e = alpha_e (<grad_y_i, v_j> - <grad_y_i, y_i>)}, {@code grad_bias = d}, {@code grad_q_i = scale sum d_e k_j} over the
 * edges into i, {@code grad_k_j = scale sum d_e q_i} and {@code grad_v_j = sum alpha_e grad_y_i} over those out of j.
 *
 * <p>After PyG {@code TransformerConv.message}.
 */
public final class GraphAttention {
    /** 1/sqrt(F), whatever F is. */
    private static final float BY_WIDTH = Float.NaN;

    private final float scale;

    private GraphAttention(float scale) {
        this.scale = scale;
    }

    /** The operator with a scale of {@code 1/sqrt(F)}. */
    public static GraphAttention create() {
        return new GraphAttention(BY_WIDTH);
    }

    /**
     * The operator with a scale of its own.
     *
     * @param scale of the dot products; finite
     */
    public static GraphAttention of(float scale) {
        if (!Float.isFinite(scale)) {
            throw new IllegalArgumentException("scale: " + scale + ", must be finite");
        }
        return new GraphAttention(scale);
    }

    /**
     * What a forward pass leaves. A caller who gives it as a destination may leave {@code alpha} out.
     *
     * @param y {@code [nDst, H, Fv]}
     * @param stats {@code [nDst, 2, H]}, contiguous: the largest score of each row and the sum of {@code exp(s - largest)}, from which the
     *     backward pass makes the weights again
     * @param alpha {@code [nnz, H]}, the weights, if they were asked for
     */
    public record Result(Tensor y, Tensor stats, @Nullable Tensor alpha) {}

    /** The gradients of the inputs; as a destination, those that are null are not computed. */
    public record Gradients(
            @Nullable Tensor q,
            @Nullable Tensor k,
            @Nullable Tensor v,
            @Nullable Tensor bias) {}

    /** Computes y and, if it is wanted, alpha. */
    public Result forward(CsrGraph graph, Tensor q, Tensor k, Tensor v, @Nullable Tensor bias, boolean wantAlpha) {
        EdgeAttention a = attention(graph, q, k, v, bias);
        Result r = new Result(a.newResult(), a.newStats(), wantAlpha ? a.newAlpha() : null);
        a.run(r.y, r.stats, r.alpha);
        return r;
    }

    /** Computes into the tensors given. */
    public void forward(CsrGraph graph, Tensor q, Tensor k, Tensor v, @Nullable Tensor bias, Result into) {
        EdgeAttention a = attention(graph, q, k, v, bias);
        a.requireResult(into.y, into.stats, into.alpha);
        new Apart()
                .in("q", q)
                .in("k", k)
                .in("v", v)
                .in("bias", bias)
                .out("y", into.y)
                .out("stats", into.stats)
                .out("alpha", into.alpha);
        a.run(into.y, into.stats, into.alpha);
    }

    /**
     * The gradients of all inputs, as new tensors.
     *
     * @param result the forward's; computed again if it is null
     */
    public Gradients backward(
            CsrGraph graph,
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable Tensor bias,
            @Nullable Result result,
            Tensor gradY) {
        EdgeAttention a = attention(graph, q, k, v, bias);
        a.requireGradY(gradY);
        Gradients all = new Gradients(like(q), like(k), like(v), bias == null ? null : like(bias));
        runBackward(a, result, gradY, all);
        return all;
    }

    /** The gradients into the tensors given; a null one is not computed. */
    public void backward(
            CsrGraph graph,
            Tensor q,
            Tensor k,
            Tensor v,
            @Nullable Tensor bias,
            @Nullable Result result,
            Tensor gradY,
            Gradients into) {
        EdgeAttention a = attention(graph, q, k, v, bias);
        a.requireGradY(gradY);
        EdgeAttention.requireGradient("q", q, into.q);
        EdgeAttention.requireGradient("k", k, into.k);
        EdgeAttention.requireGradient("v", v, into.v);
        EdgeAttention.requireGradient("bias", bias, into.bias);
        new Apart()
                .in("q", q)
                .in("k", k)
                .in("v", v)
                .in("bias", bias)
                .in("gradY", gradY)
                .out("grad q", into.q)
                .out("grad k", into.k)
                .out("grad v", into.v)
                .out("grad bias", into.bias);
        runBackward(a, result, gradY, into);
    }

    private static void runBackward(EdgeAttention a, @Nullable Result r, Tensor gradY, Gradients g) {
        a.runBackward(
                gradY, r == null ? null : r.y, r == null ? null : r.stats, new Wanted(g.q, g.k, g.v, g.bias, null));
    }

    private EdgeAttention attention(CsrGraph graph, Tensor q, Tensor k, Tensor v, @Nullable Tensor bias) {
        EdgeAttention.requireValues("v", v, graph.nSrc());
        EdgeAttention.requireValues("k", k, graph.nSrc());
        long heads = v.dim(1);
        long columns = k.dim(2);
        EdgeAttention.require("k", k, graph.nSrc(), heads, columns);
        EdgeAttention.require("q", q, graph.nDst(), heads, columns);
        if (bias != null) {
            EdgeAttention.require("bias", bias, graph.nnz(), heads);
        }
        float factor = Float.isNaN(scale) ? (float) (1 / Math.sqrt((double) Math.max(columns, 1))) : scale;
        return new EdgeAttention(Score.DOT, graph, q, k, null, bias, v, factor);
    }
}
