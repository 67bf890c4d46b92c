package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.Index;
import dev.heddle.kernel.EpignnKernels;
import dev.heddle.op.RowSweep.Edges;
import dev.heddle.op.RowSweep.Layout;
import dev.heddle.op.RowSweep.Target;
import dev.heddle.op.RowSweep.Weight;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;

/**
 * A layer of EpiGNN: each edge composes its source's distributions over relations with those of its own relation type, and a node
 * takes the product, or the minimum, of what comes in.
 *
 * <ul>
 *   <li>{@code h [n, Fc, H]}, {@code rel [R, Fc, H]} (logits) and {@code A_raw [Fc, H, H - 1, H - 1]} are float32, {@code edge_type} is int32 {@code
 *       [nnz]}. The graph is square.
 *   <li>{@code A[f, p, 0, j] = (p == j)}, {@code A[f, p, i, 0] = (p == i)}, and for i, j >= 1 the softmax over j of {@code A_raw[f, p, i - 1, :]};
 *       all divided by their sum over p. {@code r_e} is the softmax of {@code rel[edge_type_e]}.
 *   <li>forward, {@code m_e[f, p] = sum over i, k of h_j[f, i] A[f, p, i, k] r_e[f, k]}; backward, the two change places.
 *   <li>{@code v_i} is the product of the m_e (1 without edges) or their minimum (0), plus 1e-18; {@code y_i = v_i / sum of v_i} over H.
 * </ul>
 *
 * <p>A is contracted with each relation once, not with each edge. The first minimum takes the gradient; the gradient of a product is
 * the product of the others. Messages take memory of edges times Fc times H. Matrices must be contiguous.
 *
 * <p>After erg0dic/gnn-sg {@code model_nbf_fb.NBFdistRModule}.
 */
public final class EpignnLayer {
    private static final float LEAST = 1e-18f;
    private static final long CHUNK = 512;
    private static final double NANOS = 0.4;

    private final boolean forward;
    private final boolean minimum;

    private EpignnLayer(boolean forward, boolean minimum) {
        this.forward = forward;
        this.minimum = minimum;
    }

    /**
     * A layer.
     *
     * @param forward whether the source comes first in a composition, and the relation second
     * @param minimum whether a node takes the minimum instead of the product
     */
    public static EpignnLayer of(boolean forward, boolean minimum) {
        return new EpignnLayer(forward, minimum);
    }

    /** The gradients of all inputs. */
    public record Gradients(Tensor h, Tensor rel, Tensor aRaw) {}

    /** Computes y, {@code [n, Fc, H]}. */
    public Tensor forward(CsrGraph graph, Tensor h, Tensor rel, Tensor edgeType, Tensor aRaw) {
        Call call = call(graph, h, rel, edgeType, aRaw);
        Tensor y = Tensor.zeros(DType.F32, h.shape().toArray());
        if (y.size() > 0) {
            try (Workspace workspace = new Workspace();
                    Use _ = call.use()) {
                call.run(y, workspace);
            }
        }
        return y;
    }

    /** The gradients of h, rel and A_raw; computes the forward pass again. */
    public Gradients backward(CsrGraph graph, Tensor h, Tensor rel, Tensor edgeType, Tensor aRaw, Tensor gradY) {
        Call call = call(graph, h, rel, edgeType, aRaw);
        Checks.like("gradY", gradY, DType.F32, "h", h);
        Checks.contiguous("gradY", gradY);
        Gradients g = new Gradients(
                Tensor.zeros(DType.F32, h.shape().toArray()),
                Tensor.zeros(DType.F32, rel.shape().toArray()),
                Tensor.zeros(DType.F32, aRaw.shape().toArray()));
        if (h.size() > 0) {
            try (Workspace workspace = new Workspace();
                    Use _ = call.use();
                    Use _ = Use.of(gradY, g.h)) {
                call.backward(gradY, g, workspace);
            }
        }
        return g;
    }

    private Call call(CsrGraph graph, Tensor h, Tensor rel, Tensor edgeType, Tensor aRaw) {
        if (graph.nSrc() != graph.nDst()) {
            throw new IllegalArgumentException("graph: " + graph + ", must be square");
        }
        Spmm.requireNarrow(graph, "EpiGNN");
        Checks.type("h", h, DType.F32);
        Checks.rank("h", h, 3);
        long facets = h.dim(1);
        long n = h.dim(2);
        if (n == 0) {
            throw new IllegalArgumentException("h: shape " + h.shape() + ", must have H of at least 1");
        }
        Checks.shape("h", h, DType.F32, graph.nSrc(), facets, n);
        Checks.rank("rel", rel, 3);
        Checks.shape("rel", rel, DType.F32, rel.dim(0), facets, n);
        Checks.shape("aRaw", aRaw, DType.F32, facets, n, n - 1, n - 1);
        Checks.contiguous("h", h);
        Checks.contiguous("rel", rel);
        Checks.contiguous("aRaw", aRaw);
        Checks.shape("edgeType", edgeType, DType.I32, graph.nnz());
        return new Call(this, graph, h, rel, Index.of("edgeType", edgeType, rel.dim(0)), aRaw);
    }

    /** One call: its checked inputs. */
    private record Call(EpignnLayer layer, CsrGraph graph, Tensor h, Tensor rel, Index types, Tensor aRaw) {
        int facets() {
            return (int) h.dim(1);
        }

        int n() {
            return (int) h.dim(2);
        }

        Use use() {
            return Use.of(h, rel, aRaw);
        }

        // -------------------------------------------------------------- parameters

        /** A of the raw one: and the sums over p that it was divided by, which its gradient needs. */
        private static final class Composition {
            final float[] a;
            final float[] sums;
            final float[] softmax;

            Composition(float[] a, float[] sums, float[] softmax) {
                this.a = a;
                this.sums = sums;
                this.softmax = softmax;
            }
        }

        private Composition composition() {
            int n = n();
            float[] soft = n == 1 ? new float[0] : rows(aRaw);
            float[] a = new float[facets() * n * n * n];
            float[] sums = new float[facets() * n * n];
            for (int f = 0; f < facets(); f++) {
                for (int i = 0; i < n; i++) {
                    for (int j = 0; j < n; j++) {
                        float sum = 0;
                        for (int p = 0; p < n; p++) {
                            float v = i == 0 ? p == j ? 1 : 0 : j == 0 ? p == i ? 1 : 0 : soft[raw(f, p, i, j)];
                            a[at(f, p, i, j)] = v;
                            sum += v;
                        }
                        sums[(f * n + i) * n + j] = sum;
                        for (int p = 0; p < n; p++) {
                            a[at(f, p, i, j)] /= sum;
                        }
                    }
                }
            }
            return new Composition(a, sums, soft);
        }

        private int at(int f, int p, int i, int j) {
            int n = n();
            return ((f * n + p) * n + i) * n + j;
        }

        private int raw(int f, int p, int i, int j) {
            int n = n();
            return ((f * n + p) * (n - 1) + i - 1) * (n - 1) + j - 1;
        }

        /** The softmax of each last axis. */
        private static float[] rows(Tensor t) {
            return t.size() == 0
                    ? new float[0]
                    : Softmax.builder().build().forward(t).toFloatArray();
        }

        /** w[r, f, k, p]: what the source's number k adds to result p across a relation. */
        private float[] contracted(float[] a, float[] r) {
            int n = n();
            float[] w = new float[r.length * n];
            for (int q = 0; q < r.length / n; q++) {
                int f = q % facets();
                for (int k = 0; k < n; k++) {
                    for (int p = 0; p < n; p++) {
                        float sum = 0;
                        for (int j = 0; j < n; j++) {
                            sum += r[q * n + j] * a[layer.forward ? at(f, p, k, j) : at(f, p, j, k)];
                        }
                        w[(q * n + k) * n + p] = sum;
                    }
                }
            }
            return w;
        }

        // -------------------------------------------------------------- forward

        private void messages(long nodes, long x, Tensor w, Tensor m) {
            long row = 4L * facets() * n();
            EpignnKernels k =
                    EpignnProbe.KERNELS.choose(EpignnProbe.MESSAGES, n()).kernels();
            long edges = graph.nnz();
            long wa = w.address();
            long ma = m.address();
            Team.run(
                    Math.toIntExact((edges + CHUNK - 1) / CHUNK),
                    NANOS * m.size() * n(),
                    c -> k.messages(
                            nodes,
                            types.address(),
                            x,
                            row,
                            wa,
                            row * n(),
                            ma,
                            row,
                            facets(),
                            n(),
                            c * CHUNK,
                            Math.min(edges, (c + 1) * CHUNK)));
        }

        private Tensor relations(float[] w, Workspace workspace) {
            return workspace.zeros(DType.F32, w.length).copyFrom(Tensor.of(w, w.length));
        }

        /** The messages, and what a node takes of them. */
        private record Taken(Tensor messages, Tensor v) {}

        private Taken take(Tensor w, Workspace workspace) {
            long width = (long) facets() * n();
            Tensor m = workspace.zeros(DType.F32, graph.nnz(), width);
            Tensor v = workspace.zeros(DType.F32, graph.nDst(), width);
            try (Use _ = graph.use();
                    Use _ = types.use()) {
                messages(graph.indicesAddress(), h.address(), w, m);
            }
            Index rows = graph.rows().index();
            if (layer.minimum) {
                RowsByNumber.reduce(Reduce.MIN, rows, m, v, null);
            } else {
                RowsByNumber.product(rows, m, v);
            }
            return new Taken(m, v);
        }

        void run(Tensor y, Workspace workspace) {
            Tensor w = relations(contracted(composition().a, rows(rel)), workspace);
            normalize(take(w, workspace).v, y);
        }

        private void normalize(Tensor v, Tensor y) {
            EpignnKernels k =
                    EpignnProbe.KERNELS.choose(EpignnProbe.NORMALIZE, 1).kernels();
            long vectors = graph.nDst() * facets();
            try (Use _ = Use.of(y)) {
                long va = v.address();
                long ya = y.address();
                Team.run(
                        Math.toIntExact((vectors + CHUNK - 1) / CHUNK),
                        NANOS * y.size(),
                        c -> k.normalize(va, ya, LEAST, n(), c * CHUNK, Math.min(vectors, (c + 1) * CHUNK)));
            }
        }

        // -------------------------------------------------------------- backward

        void backward(Tensor gradY, Gradients g, Workspace workspace) {
            Composition composition = composition();
            float[] r = rows(rel);
            float[] w = contracted(composition.a, r);
            Taken taken = take(relations(w, workspace), workspace);
            Tensor gm = messageGradients(gradY, taken, workspace);
            sourceGradients(w, gm, g.h, workspace);
            float[] gw = relationGradients(gm, workspace);
            parameterGradients(composition, r, gw, g);
        }

        private Tensor messageGradients(Tensor gradY, Taken taken, Workspace workspace) {
            Tensor v = taken.v;
            long[] shape = v.shape().toArray();
            Tensor y = workspace.zeros(DType.F32, shape);
            Tensor gv = workspace.zeros(DType.F32, shape);
            normalize(v, y);
            EpignnKernels k =
                    EpignnProbe.KERNELS.choose(EpignnProbe.NORMALIZE_GRAD, 1).kernels();
            long vectors = graph.nDst() * facets();
            k.normalizeGrad(v.address(), y.address(), gradY.address(), gv.address(), LEAST, n(), 0, vectors);
            Tensor gm = workspace.zeros(DType.F32, taken.messages.shape().toArray());
            Index rows = graph.rows().index();
            if (layer.minimum) {
                Tensor arg = workspace.zeros(DType.I32, shape);
                RowsByNumber.reduce(Reduce.MIN, rows, taken.messages, v, arg);
                RowsByNumber.gatherTaken(rows, gv, arg, gm);
            } else {
                RowsByNumber.productGrad(rows, taken.messages, gv, gm);
            }
            return gm;
        }

        /** gh_j = sum over the edges out of j of gm_e and the relation's w turned round. */
        private void sourceGradients(float[] w, Tensor gm, Tensor gradH, Workspace workspace) {
            int n = n();
            float[] turned = new float[w.length];
            for (int q = 0; q < w.length / (n * n); q++) {
                for (int i = 0; i < n; i++) {
                    for (int p = 0; p < n; p++) {
                        turned[(q * n + p) * n + i] = w[(q * n + i) * n + p];
                    }
                }
            }
            CsrGraph.Transpose transpose = graph.transpose();
            CsrGraph own = graph.rows().index().groups();
            Tensor ge = workspace.zeros(DType.F32, gm.shape().toArray());
            try (Use _ = own.use();
                    Use _ = types.use();
                    Use _ = transpose.use()) {
                messages(own.indicesAddress(), gm.address(), relations(turned, workspace), ge);
                Layout l = new Layout(Weight.NONE, 1, (long) facets() * n, false);
                Edges edges = new Edges(l, transpose.permAddress(), ge, null);
                Target to = new Target(gradH.address(), 0, 4L * facets() * n, 0);
                new SpmmForward(Message.COPY, Reduce.SUM, false, l, edges).run(transpose.graph(), to);
            }
        }

        /** The gradient of w, relation by relation over its edges. */
        private float[] relationGradients(Tensor gm, Workspace workspace) {
            long relations = rel.dim(0);
            long each = (long) facets() * n() * n();
            Tensor gw = workspace.zeros(DType.F32, relations, each);
            CsrGraph groups = types.groups();
            long row = 4L * facets() * n();
            EpignnKernels k =
                    EpignnProbe.KERNELS.choose(EpignnProbe.MESSAGES_GRAD, n()).kernels();
            try (Use _ = graph.use();
                    Use _ = groups.use()) {
                long gma = gm.address();
                long gwa = gw.address();
                Team.run(Math.toIntExact(relations), NANOS * gm.size() * n(), r -> {
                    long first = groups.rows().start(r);
                    k.messagesGrad(
                            groups.indicesAddress() + 4 * first,
                            groups.degree(r),
                            graph.indicesAddress(),
                            h.address(),
                            row,
                            gma,
                            row,
                            gwa + 4 * each * r,
                            facets(),
                            n());
                });
            }
            return gw.toFloatArray();
        }

        /** From w to A and the relations, and through both softmaxes. */
        private void parameterGradients(Composition c, float[] r, float[] gw, Gradients g) {
            int n = n();
            double[] gr = new double[r.length];
            double[] ga = new double[c.a.length];
            for (int q = 0; q < r.length / n; q++) {
                int f = q % facets();
                for (int k = 0; k < n; k++) {
                    for (int p = 0; p < n; p++) {
                        double d = gw[(q * n + k) * n + p];
                        for (int j = 0; j < n; j++) {
                            int at = layer.forward ? at(f, p, k, j) : at(f, p, j, k);
                            gr[q * n + j] += d * c.a[at];
                            ga[at] += d * r[q * n + j];
                        }
                    }
                }
            }
            put(softmaxGradient(r, gr, n), g.rel);
            if (n == 1) {
                return;
            }
            double[] gs = new double[c.softmax.length];
            for (int f = 0; f < facets(); f++) {
                for (int i = 1; i < n; i++) {
                    for (int j = 1; j < n; j++) {
                        double mean = 0;
                        for (int p = 0; p < n; p++) {
                            mean += ga[at(f, p, i, j)] * c.a[at(f, p, i, j)];
                        }
                        for (int p = 0; p < n; p++) {
                            gs[raw(f, p, i, j)] = (ga[at(f, p, i, j)] - mean) / c.sums[(f * n + i) * n + j];
                        }
                    }
                }
            }
            put(softmaxGradient(c.softmax, gs, n - 1), g.aRaw);
        }

        private static float[] softmaxGradient(float[] s, double[] g, int n) {
            float[] out = new float[s.length];
            for (int q = 0; q < s.length; q += n) {
                double mean = 0;
                for (int i = q; i < q + n; i++) {
                    mean += s[i] * g[i];
                }
                for (int i = q; i < q + n; i++) {
                    out[i] = (float) (s[i] * (g[i] - mean));
                }
            }
            return out;
        }

        private static void put(float[] v, Tensor to) {
            if (v.length > 0) {
                to.copyFrom(Tensor.of(v, to.shape().toArray()));
            }
        }
    }
}
