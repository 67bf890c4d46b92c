package dev.heddle.op;

import static dev.heddle.op.EdgeAttention.like;

import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.EdgeAttentionKernels.Score;
import dev.heddle.op.EdgeAttention.Wanted;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention of GATv2: {@code y_i = sum over the edges e into i of alpha_e xl_j}, where {@code alpha} is the softmax over those edges of
 * {@code sum over f of att_f leaky_relu(xl_j + xr_i + ee_e)_f}, for every head by itself.
 *
 * <ul>
 *   <li>{@code xl [nSrc, H, F]} and {@code xr [nDst, H, F]} are float32, projected; {@code att} is {@code [H, F]}, contiguous.
 *   <li>{@code ee [nnz, H, F]}, optional, is the edge's own part. {@code y} is {@code [nDst, H, F]}.
 * </ul>
 *
 * <p>One pass over a row's edges, in blocks of 128 with a running maximum; scores and weights exist for one block at a time, so
 * memory beyond the outputs does not grow with the number of edges. Rows of more than 8192 edges are cut into parts that are
 * combined. Sums go in CSR order. Views must be contiguous in all axes but the first; an output may not overlap an input.
 *
 * <p>A score of -infinity removes its edge; a row without edges, or of nothing else, gives 0. +infinity or NaN makes the row of its
 * head NaN. The backward pass is for at most 2^31 - 1 edges and computes the weights again. A score has 16 partial sums, the feature's number modulo 16, folded in halves.
 *
 * <p>Gradients: with {@code d_e = alpha_e (<grad_y_i, xl_j> - <grad_y_i, y_i>)} and z the argument of leaky_relu, {@code grad_z_e = d_e att
 * leaky_relu'(z)} is {@code grad_ee}; {@code grad_xr} sums it over the edges into a node, {@code grad_xl} over those out of it with {@code alpha_e
 * grad_y_i}; {@code grad_att} sums {@code d_e leaky_relu(z)} over all edges.
 *
 * <p>After PyG {@code GATv2Conv.message}.
 */
public final class GatV2 {
    private final float slope;

    private GatV2(float slope) {
        this.slope = slope;
    }

    /** The operator with a leaky_relu of slope 0.2. */
    public static GatV2 create() {
        return of(0.2f);
    }

    /**
     * The operator with another slope.
     *
     * @param negativeSlope the slope of leaky_relu where its argument is not positive; not negative itself
     */
    public static GatV2 of(float negativeSlope) {
        if (!(negativeSlope >= 0) || negativeSlope == Float.POSITIVE_INFINITY) {
            throw new IllegalArgumentException("negativeSlope: " + negativeSlope + ", must be finite and not negative");
        }
        return new GatV2(negativeSlope);
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
            @Nullable Tensor xl,
            @Nullable Tensor xr,
            @Nullable Tensor att,
            @Nullable Tensor ee) {}

    /** Computes y and, if it is wanted, alpha. */
    public Result forward(CsrGraph graph, Tensor xl, Tensor xr, Tensor att, @Nullable Tensor ee, boolean wantAlpha) {
        EdgeAttention a = attention(graph, xl, xr, att, ee);
        Result r = new Result(a.newResult(), a.newStats(), wantAlpha ? a.newAlpha() : null);
        a.run(r.y, r.stats, r.alpha);
        return r;
    }

    /** Computes into the tensors given. */
    public void forward(CsrGraph graph, Tensor xl, Tensor xr, Tensor att, @Nullable Tensor ee, Result into) {
        EdgeAttention a = attention(graph, xl, xr, att, ee);
        a.requireResult(into.y, into.stats, into.alpha);
        new Apart()
                .in("xl", xl)
                .in("xr", xr)
                .in("att", att)
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
            Tensor xl,
            Tensor xr,
            Tensor att,
            @Nullable Tensor ee,
            @Nullable Result result,
            Tensor gradY) {
        EdgeAttention a = attention(graph, xl, xr, att, ee);
        a.requireGradY(gradY);
        Gradients all = new Gradients(like(xl), like(xr), like(att), ee == null ? null : like(ee));
        runBackward(a, result, gradY, all);
        return all;
    }

    /** The gradients into the tensors given; a null one is not computed. */
    public void backward(
            CsrGraph graph,
            Tensor xl,
            Tensor xr,
            Tensor att,
            @Nullable Tensor ee,
            @Nullable Result result,
            Tensor gradY,
            Gradients into) {
        EdgeAttention a = attention(graph, xl, xr, att, ee);
        a.requireGradY(gradY);
        EdgeAttention.requireGradient("xl", xl, into.xl);
        EdgeAttention.requireGradient("xr", xr, into.xr);
        EdgeAttention.requireGradient("att", att, into.att);
        EdgeAttention.requireGradient("ee", ee, into.ee);
        new Apart()
                .in("xl", xl)
                .in("xr", xr)
                .in("att", att)
                .in("ee", ee)
                .in("gradY", gradY)
                .out("grad xl", into.xl)
                .out("grad xr", into.xr)
                .out("grad att", into.att)
                .out("grad ee", into.ee);
        runBackward(a, result, gradY, into);
    }

    private static void runBackward(EdgeAttention a, @Nullable Result r, Tensor gradY, Gradients g) {
        a.runBackward(
                gradY, r == null ? null : r.y, r == null ? null : r.stats, new Wanted(g.xr, g.xl, null, g.ee, g.att));
    }

    private EdgeAttention attention(CsrGraph graph, Tensor xl, Tensor xr, Tensor att, @Nullable Tensor ee) {
        EdgeAttention.requireValues("xl", xl, graph.nSrc());
        long heads = xl.dim(1);
        long columns = xl.dim(2);
        EdgeAttention.require("xr", xr, graph.nDst(), heads, columns);
        Checks.shape("att", att, DType.F32, heads, columns);
        Checks.contiguous("att", att);
        if (ee != null) {
            EdgeAttention.require("ee", ee, graph.nnz(), heads, columns);
        }
        return new EdgeAttention(Score.LEAKY_DOT, graph, xr, xl, att, ee, xl, slope);
    }
}
