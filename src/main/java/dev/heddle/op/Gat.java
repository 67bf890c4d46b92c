package dev.heddle.op;

import static dev.heddle.op.EdgeAttention.like;

import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.op.EdgeAttention.Wanted;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention of a graph attention network: {@code y_i = sum over the edges e into i of alpha_e x_j}, where {@code alpha} is the softmax
 * over those edges of {@code leaky_relu(el_j + er_i + ee_e)}, for every head by itself.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [nSrc, H, F]}, projected; {@code el [nSrc, H]} and {@code er [nDst, H]} are the parts of the score.
 *   <li>{@code ee [nnz, H]}, optional, is the edge's own part. {@code y} is {@code [nDst, H, F]}.
 * </ul>
 *
 * <p>One pass over a row's edges, in blocks of 128 with a running maximum; scores and weights exist for one block at a time, so
 * memory beyond the outputs does not grow with the number of edges. Rows of more than 8192 edges are cut into parts that are
 * combined. Sums go in CSR order. Views must be contiguous in all axes but the first; an output may not overlap an input.
 *
 * <p>A score of -infinity removes its edge; a row without edges, or of nothing else, gives 0. +infinity or NaN makes the row of its
 * head NaN. The backward pass is for at most 2^31 - 1 edges and computes the weights again.
 *
 * <p>Gradients: with {@code d_e = alpha_e (<grad_y_i, x_j> - <grad_y_i, y_i>)} times the slope there, {@code grad_ee = d}, {@code grad_er} sums d
 * over the edges into a node, {@code grad_el} over those out of it, {@code grad_x_j = sum alpha_e grad_y_i}.
 *
 * <p>After PyG {@code GATConv.edge_update} and {@code message}.
 */
public final class Gat {
    private final float slope;

    private Gat(float slope) {
        this.slope = slope;
    }

    /** The operator with a leaky_relu of slope 0.2. */
    public static Gat create() {
        return of(0.2f);
    }

    /**
     * The operator with another slope.
     *
     * @param negativeSlope the slope of leaky_relu where its argument is not positive; not negative itself
     */
    public static Gat of(float negativeSlope) {
        if (!(negativeSlope >= 0) || negativeSlope == Float.POSITIVE_INFINITY) {
            throw new IllegalArgumentException("negativeSlope: " + negativeSlope + ", must be finite and not negative");
        }
        return new Gat(negativeSlope);
    }

    /**
     * What a forward pass leaves. A caller who gives it as a destination may leave {@code alpha} out.
     *
     * @param y {@code [nDst, H, F]}
     * @param stats {@code [nDst, 2, H]}, contiguous: the largest score of each row and the sum of {@code exp(s - largest)}, from which the
     *     backward pass makes the weights again
     * @param alpha {@code [nnz, H]}, the weights, if they were asked for
     */
    public record Result(Tensor y, Tensor stats, @Nullable Tensor alpha) {}

    /** The gradients of the inputs; as a destination, those that are null are not computed. */
    public record Gradients(
            @Nullable Tensor x,
            @Nullable Tensor el,
            @Nullable Tensor er,
            @Nullable Tensor ee) {}

    /** Computes y and, if it is wanted, alpha. */
    public Result forward(CsrGraph graph, Tensor x, Tensor el, Tensor er, @Nullable Tensor ee, boolean wantAlpha) {
        EdgeAttention a = attention(graph, x, el, er, ee);
        Result r = new Result(a.newResult(), a.newStats(), wantAlpha ? a.newAlpha() : null);
        a.run(r.y, r.stats, r.alpha);
        return r;
    }

    /** Computes into the tensors given. */
    public void forward(CsrGraph graph, Tensor x, Tensor el, Tensor er, @Nullable Tensor ee, Result into) {
        EdgeAttention a = attention(graph, x, el, er, ee);
        a.requireResult(into.y, into.stats, into.alpha);
        new Apart()
                .in("x", x)
                .in("el", el)
                .in("er", er)
                .in("ee", ee)
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
            Tensor x,
            Tensor el,
            Tensor er,
            @Nullable Tensor ee,
            @Nullable Result result,
            Tensor gradY) {
        EdgeAttention a = attention(graph, x, el, er, ee);
        a.requireGradY(gradY);
        Gradients all = new Gradients(like(x), like(el), like(er), ee == null ? null : like(ee));
        runBackward(a, result, gradY, all);
        return all;
    }

    /** The gradients into the tensors given; a null one is not computed. */
    public void backward(
            CsrGraph graph,
            Tensor x,
            Tensor el,
            Tensor er,
            @Nullable Tensor ee,
            @Nullable Result result,
            Tensor gradY,
            Gradients into) {
        EdgeAttention a = attention(graph, x, el, er, ee);
        a.requireGradY(gradY);
        EdgeAttention.requireGradient("x", x, into.x);
        EdgeAttention.requireGradient("el", el, into.el);
        EdgeAttention.requireGradient("er", er, into.er);
        EdgeAttention.requireGradient("ee", ee, into.ee);
        new Apart()
                .in("x", x)
                .in("el", el)
                .in("er", er)
                .in("ee", ee)
                .in("gradY", gradY)
                .out("grad x", into.x)
                .out("grad el", into.el)
                .out("grad er", into.er)
                .out("grad ee", into.ee);
        runBackward(a, result, gradY, into);
    }

    private static void runBackward(EdgeAttention a, @Nullable Result r, Tensor gradY, Gradients g) {
        a.runBackward(
                gradY, r == null ? null : r.y, r == null ? null : r.stats, new Wanted(g.er, g.el, g.x, g.ee, null));
    }

    private EdgeAttention attention(CsrGraph graph, Tensor x, Tensor el, Tensor er, @Nullable Tensor ee) {
        EdgeAttention.requireValues("x", x, graph.nSrc());
        long heads = x.dim(1);
        EdgeAttention.require("el", el, graph.nSrc(), heads);
        EdgeAttention.require("er", er, graph.nDst(), heads);
        if (ee != null) {
            EdgeAttention.require("ee", ee, graph.nnz(), heads);
        }
        return new EdgeAttention(Score.ADDED, graph, er, el, null, ee, x, slope);
    }
}
