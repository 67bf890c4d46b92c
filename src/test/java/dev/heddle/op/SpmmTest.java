package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.graph.CsrGraph;
import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import dev.heddle.kernel.TestBackends;
import dev.heddle.parallel.Team;
import dev.heddle.reference.Spmm64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SpmmTest {
    enum Weights {
        NONE,
        SCALAR,
        HEAD,
        FULL
    }

    /** One problem: a random graph and inputs of the shapes that the weights call for. */
    private record Problem(
            CsrGraph graph,
            Message message,
            Reduce reduce,
            Weights weights,
            int heads,
            int columns,
            Tensor x,
            Tensor w,
            Tensor g) {
        static Problem random(
                Message m, Reduce r, Weights wt, int nDst, int nSrc, int maxDegree, int columns, long seed) {
            Random rnd = new Random(seed);
            int heads = wt == Weights.HEAD ? 3 : 1;
            long[] indptr = new long[nDst + 1];
            for (int i = 0; i < nDst; i++) {
                indptr[i + 1] = indptr[i] + (nSrc == 0 || rnd.nextInt(4) == 0 ? 0 : rnd.nextInt(maxDegree + 1));
            }
            int nnz = (int) indptr[nDst];
            int[] indices = rnd.ints(nnz, 0, Math.max(nSrc, 1)).toArray();
            CsrGraph graph = CsrGraph.of(indptr, indices, nSrc);
            Tensor x = wt == Weights.HEAD ? floats(rnd, nSrc, heads, columns) : floats(rnd, nSrc, columns);
            Tensor g = wt == Weights.HEAD ? floats(rnd, nDst, heads, columns) : floats(rnd, nDst, columns);
            Tensor w = switch (wt) {
                case NONE -> null;
                case SCALAR -> floats(rnd, nnz);
                case HEAD -> floats(rnd, nnz, heads);
                case FULL -> floats(rnd, nnz, columns);
            };
            return new Problem(graph, m, r, wt, heads, columns, x, w, g);
        }

        Spmm op() {
            return Spmm.builder().message(message).reduce(reduce).build();
        }

        Spmm64 reference() {
            int all = heads * columns;
            double[] wide = new double[(int) graph.nnz() * all];
            float[] narrow = w == null ? new float[0] : w.toFloatArray();
            for (int i = 0; i < wide.length; i++) {
                int e = i / all;
                wide[i] = switch (weights) {
                    case NONE -> 0;
                    case SCALAR -> narrow[e];
                    case HEAD -> narrow[e * heads + i % all / columns];
                    case FULL -> narrow[i];
                };
            }
            return new Spmm64(
                    new Spmm64.Input(graph.indptr(), graph.indices(), all, doubles(x), wide),
                    message.name(),
                    reduce.name());
        }

        /** What the op gives: y, arg, gradients of x and w. */
        Outputs run() {
            Spmm.Result r = op().forward(graph, x, w);
            Spmm.Gradients d = op().backward(graph, x, w, g, r.arg(), true, w != null);
            assertAccumulates(r, d);
            return new Outputs(
                    r.y().toFloatArray(),
                    r.arg() == null ? null : r.arg().toIntArray(),
                    d.x().toFloatArray(),
                    d.w() == null ? null : d.w().toFloatArray());
        }

        /** Added to what the tensors hold, the gradients are the sum of both, bit for bit. */
        private void assertAccumulates(Spmm.Result r, Spmm.Gradients d) {
            try (Workspace scratch = new Workspace()) {
                Tensor gx = Tensor.zeros(DType.F32, x.shape().toArray()).fill(0.5f);
                Tensor gw = w == null
                        ? null
                        : Tensor.zeros(DType.F32, w.shape().toArray()).fill(-2);
                op().backward(graph, x, w, g, r.arg(), gx, gw, true, scratch);
                Outputs.bits(plus(d.x(), 0.5f), gx.toFloatArray(), "accumulated gradient of x");
                if (gw != null) {
                    Outputs.bits(plus(d.w(), -2), gw.toFloatArray(), "accumulated gradient of w");
                }
            }
        }

        private static float[] plus(Tensor t, float c) {
            float[] sum = t.toFloatArray();
            for (int i = 0; i < sum.length; i++) {
                sum[i] = c + sum[i];
            }
            return sum;
        }
    }

    private record Outputs(float[] y, int[] arg, float[] gx, float[] gw) {
        void assertSameBits(Outputs o, String what) {
            bits(y, o.y, what + ": y");
            assertArrayEquals(arg, o.arg, what + ": arg");
            bits(gx, o.gx, what + ": gradient of x");
            bits(gw, o.gw, what + ": gradient of w");
        }

        private static void bits(float[] a, float[] b, String what) {
            if (a == null) {
                assertEquals(null, b, what);
                return;
            }
            int[] x = new int[a.length];
            int[] y = new int[b.length];
            for (int i = 0; i < a.length; i++) {
                x[i] = Float.floatToIntBits(a[i]); // one NaN
            }
            for (int i = 0; i < b.length; i++) {
                y[i] = Float.floatToIntBits(b[i]);
            }
            assertArrayEquals(x, y, what);
        }
    }

    private static Tensor floats(Random rnd, long... shape) {
        Tensor t = Tensor.zeros(DType.F32, shape);
        float[] v = new float[(int) t.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) rnd.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    private static double[] doubles(Tensor t) {
        float[] v = t.toFloatArray();
        double[] d = new double[v.length];
        for (int i = 0; i < v.length; i++) {
            d[i] = v[i];
        }
        return d;
    }

    private static void assertClose(double[] want, float[] got, double scale, String what) {
        assertEquals(want.length, got.length, what);
        for (int i = 0; i < want.length; i++) {
            double tolerance = scale + 1e-5 * Math.abs(want[i]);
            assertTrue(
                    Math.abs(want[i] - got[i]) <= tolerance, what + "[" + i + "] = " + got[i] + ", must be " + want[i]);
        }
    }

    @Property(tries = 40)
    void agreesWithTheReferenceOnEveryBackend(
            @ForAll("messages") Message m,
            @ForAll Reduce r,
            @ForAll("columns") int columns,
            @ForAll("sizes") int nDst,
            @ForAll("sizes") int nSrc,
            @ForAll long seed) {
        for (Weights wt : Weights.values()) {
            if ((m == Message.COPY) != (wt == Weights.NONE)) {
                continue;
            }
            Problem p = Problem.random(m, r, wt, nDst, nSrc, 40, columns, seed);
            AtomicReference<Outputs> first = new AtomicReference<>();
            for (Backend b : TestBackends.all()) {
                Backends.with(b, () -> {
                    Outputs o = p.run();
                    if (first.get() == null) {
                        first.set(o);
                    } else {
                        first.get().assertSameBits(o, b + " and scalar");
                    }
                });
            }
            compare(p, first.get());
        }
    }

    /** Without positions, and with finite inputs by a way of its own: the same extrema, of any sign. */
    @Property(tries = 60)
    void extremaDoNotDependOnWhetherPositionsAreWanted(
            @ForAll("messages") Message m,
            @ForAll boolean max,
            @ForAll("columns") int columns,
            @ForAll("sizes") int nDst,
            @ForAll("sizes") int nSrc,
            @ForAll("messes") Mess mess,
            @ForAll long seed) {
        for (Weights wt : Weights.values()) {
            if ((m == Message.COPY) != (wt == Weights.NONE)) {
                continue;
            }
            Problem p = Problem.random(m, max ? Reduce.MAX : Reduce.MIN, wt, nDst, nSrc, 40, columns, seed);
            mess.up(p.x, new Random(seed));
            float[] want = p.op().forward(p.graph, p.x, p.w).y().toFloatArray();
            Tensor y = Tensor.zeros(DType.F32, p.g.shape().toArray());
            for (Backend b : TestBackends.all()) {
                Backends.with(b, () -> p.op().forward(p.graph, p.x, p.w, y, null));
                float[] got = y.toFloatArray();
                for (int i = 0; i < want.length; i++) {
                    assertEquals(want[i] + 0f, got[i] + 0f, b + ": element " + i); // one zero
                }
            }
        }
    }

    /** What the features are like. */
    enum Mess {
        GAUSSIAN {
            @Override
            float of(float x, int i, int odd) {
                return x;
            }
        },
        NEGATIVE {
            @Override
            float of(float x, int i, int odd) {
                return -Math.abs(x) - 1e-3f;
            }
        },
        POSITIVE {
            @Override
            float of(float x, int i, int odd) {
                return Math.abs(x) + 1e-3f;
            }
        },
        ZEROS {
            @Override
            float of(float x, int i, int odd) {
                return x > 0 ? 0f : -0f;
            }
        },
        NEGATIVE_NAN {
            @Override
            float of(float x, int i, int odd) {
                return i == odd ? Float.intBitsToFloat(0xffc00001) : x;
            }
        },
        INFINITY {
            @Override
            float of(float x, int i, int odd) {
                return i == odd ? Float.NEGATIVE_INFINITY : x;
            }
        };

        abstract float of(float x, int i, int odd);

        void up(Tensor x, Random rnd) {
            float[] v = x.toFloatArray();
            int odd = v.length == 0 ? 0 : rnd.nextInt(v.length);
            for (int i = 0; i < v.length; i++) {
                v[i] = of(v[i], i, odd);
            }
            x.copyFrom(Tensor.of(v, x.shape().toArray()));
        }
    }

    @Provide
    Arbitrary<Mess> messes() {
        return Arbitraries.of(Mess.values());
    }

    private static void compare(Problem p, Outputs got) {
        Spmm64 ref = p.reference();
        double noise = 1e-5 + 2e-6 * p.graph.nnz(); // one node may collect the messages of all edges
        assertClose(ref.y, got.y, noise, "y");
        if (got.arg != null) {
            assertArrayEquals(ref.arg, got.arg, "arg");
        }
        double[][] grads = ref.backward(doubles(p.g));
        assertClose(grads[0], got.gx, noise, "gradient of x");
        if (got.gw != null) {
            int per = grads[1].length / Math.max(1, got.gw.length);
            double[] gw = new double[got.gw.length];
            for (int i = 0; i < grads[1].length; i++) {
                gw[i / per] += grads[1][i];
            }
            assertClose(gw, got.gw, noise, "gradient of w");
        }
    }

    @Provide
    Arbitrary<Message> messages() {
        return Arbitraries.of(Message.values());
    }

    /** Around lane counts and tile widths. */
    @Provide
    Arbitrary<Integer> columns() {
        return Arbitraries.of(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 128, 130, 145);
    }

    @Provide
    Arbitrary<Integer> sizes() {
        return Arbitraries.of(0, 1, 2, 5, 17, 40);
    }

    /** A hub of many edges among ordinary rows, so that rows are cut into parts. */
    @ParameterizedTest
    @EnumSource(Reduce.class)
    void splitRowsAgreeForAnyNumberOfThreads(Reduce r) {
        Random rnd = new Random(7);
        int n = 50;
        long[] indptr = new long[n + 1];
        for (int i = 0; i < n; i++) {
            indptr[i + 1] = indptr[i] + (i == 11 ? 30_011 : i == 30 ? 8_200 : rnd.nextInt(30));
        }
        int nnz = (int) indptr[n];
        CsrGraph graph = CsrGraph.of(indptr, rnd.ints(nnz, 0, n).toArray(), n);
        Problem p = new Problem(
                graph, Message.MUL, r, Weights.SCALAR, 1, 37, floats(rnd, n, 37), floats(rnd, nnz), floats(rnd, n, 37));
        AtomicReference<Outputs> first = new AtomicReference<>();
        for (Backend b : Backends.usable()) {
            for (int threads : new int[] {1, 2, 3, 7}) {
                Backends.with(
                        b,
                        () -> Team.with(threads, () -> {
                            Outputs o = p.run();
                            if (first.get() == null) {
                                first.set(o);
                            } else {
                                first.get().assertSameBits(o, b + " with " + threads + " threads");
                            }
                        }));
            }
        }
        double[][] grads = p.reference().backward(doubles(p.g));
        assertClose(p.reference().y, first.get().y, 2e-3, "y");
        assertClose(grads[0], first.get().gx, 2e-3, "gradient of x");
    }

    @ParameterizedTest
    @EnumSource(names = {"MAX", "MIN"})
    void keepsNanAndInfinity(Reduce r) {
        float inf = r == Reduce.MAX ? Float.NEGATIVE_INFINITY : Float.POSITIVE_INFINITY;
        CsrGraph graph = CsrGraph.of(new long[] {0, 2, 5, 5, 7}, new int[] {0, 0, 1, 2, 1, 1, 1}, 3);
        Tensor x = Tensor.of(new float[] {inf, Float.NaN, 1}, 3, 1);
        for (Backend b : Backends.usable()) {
            Backends.with(b, () -> {
                for (int columns : new int[] {1, 20}) {
                    Tensor wide = Tensor.zeros(DType.F32, 3, columns);
                    for (int c = 0; c < columns; c++) {
                        wide.slice(1, c, c + 1).copyFrom(x);
                    }
                    Spmm.Result y = Spmm.builder().reduce(r).build().forward(graph, wide, null);
                    for (int c = 0; c < columns; c++) {
                        assertEquals(inf, y.y().getFloat(0, c), b + ": a row of infinities");
                        assertEquals(0, y.arg().getLong(0, c), b + ": the first of equals");
                        assertTrue(Float.isNaN(y.y().getFloat(1, c)), b + ": NaN among others");
                        assertEquals(0f, y.y().getFloat(2, c), b + ": an empty row");
                        assertEquals(-1, y.arg().getLong(2, c), b + ": an empty row's arg");
                        assertTrue(Float.isNaN(y.y().getFloat(3, c)), b + ": NaN alone");
                    }
                }
            });
        }
    }

    @Test
    void worksOnViews() {
        Random rnd = new Random(3);
        Problem p = Problem.random(Message.MUL, Reduce.SUM, Weights.SCALAR, 12, 9, 10, 24, 5);
        Tensor wideX = floats(rnd, 9, 40).slice(1, 8, 32);
        wideX.copyFrom(p.x);
        Tensor wideY = Tensor.zeros(DType.F32, 12, 50);
        p.op().forward(p.graph, wideX, p.w, wideY.slice(1, 3, 27), null);
        assertArrayEquals(
                p.op().forward(p.graph, p.x, p.w).y().toFloatArray(),
                wideY.slice(1, 3, 27).toFloatArray());
        for (float v : wideY.slice(1, 27, 50).toFloatArray()) {
            assertEquals(0f, v, "columns beside the output must stay as they were");
        }
    }

    @ParameterizedTest
    @CsvSource({"x", "w", "type", "closed", "overlap", "missing", "superfluous"})
    void refusesBadArgumentsBeforeWriting(String which) {
        Problem p = Problem.random(Message.MUL, Reduce.SUM, Weights.SCALAR, 6, 5, 8, 10, 1);
        Tensor y = Tensor.zeros(DType.F32, 6, 10).fill(7);
        Tensor closed = p.x.copy();
        closed.close();
        switch (which) {
            case "x" -> refused("x", () -> p.op().forward(p.graph, floats(new Random(1), 4, 10), p.w, y, null));
            case "w" -> refused("w", () -> p.op().forward(p.graph, p.x, floats(new Random(1), 3), y, null));
            case "type" -> refused("x", () -> p.op().forward(p.graph, Tensor.zeros(DType.I32, 5, 10), p.w, y, null));
            case "closed" ->
                assertThrows(IllegalStateException.class, () -> p.op().forward(p.graph, closed, p.w, y, null));
            case "overlap" ->
                refused("y", () -> {
                    Tensor both = Tensor.zeros(DType.F32, 11, 10);
                    p.op().forward(p.graph, both.slice(0, 0, 5), p.w, both.slice(0, 4, 10), null);
                });
            case "missing" -> refused("w", () -> p.op().forward(p.graph, p.x, null, y, null));
            default -> refused("arg", () -> p.op().forward(p.graph, p.x, p.w, y, Tensor.zeros(DType.I32, 6, 10)));
        }
        for (float v : y.toFloatArray()) {
            assertEquals(7f, v);
        }
    }

    private static void refused(String argument, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().startsWith(argument + ":"), e.getMessage());
    }

    /** The unwoven template computes the same bits as what was woven from it. */
    @Test
    void unwovenTemplateAgrees() {
        Problem p = Problem.random(Message.MUL, Reduce.MAX, Weights.SCALAR, 12, 9, 10, 37, 5);
        Outputs woven = p.run();
        Backend template = new Backend(
                "template",
                "dev.heddle.kernel.vector",
                Backends.usable().getLast().lanes());
        Backends.with(template, () -> woven.assertSameBits(p.run(), "woven and unwoven"));
    }

    @Test
    void emptyGraphGivesZeros() {
        CsrGraph none = CsrGraph.of(new long[4], new int[0], 2);
        float[] y = Spmm.builder()
                .build()
                .forward(none, Tensor.zeros(DType.F32, 2, 9).fill(1), null)
                .y()
                .toFloatArray();
        assertTrue(Arrays.equals(new float[27], y));
    }

    /** Features of a half type are summed in float32, and have the bits that they would have if they had been widened by hand. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F16", "BF16"})
    void halfFeaturesAreWidened(DType half) {
        Random rnd = new Random(5);
        RandomGraph hub = RandomGraph.withHub(rnd, 9, 7, 9_000);
        for (int columns : new int[] {1, 2, 6, 8, 20, 31, 32, 34, 64, 130, 256, 258}) {
            CsrGraph g = columns == 6 || columns == 64
                    ? hub.csr()
                    : RandomGraph.of(rnd, 9, 7, 6).csr();
            Tensor wide = floats(rnd, 7, columns + 3);
            wide.setFloat(Float.POSITIVE_INFINITY, 1, 1);
            wide.setFloat(Float.NaN, 2, 1);
            wide.setFloat(1e-7f, 3, 1); // a subnormal number in F16
            Tensor x = wide.to(half).slice(1, 1, 1 + columns);
            Tensor w = floats(rnd, g.nnz());
            Tensor gy = floats(rnd, 9, columns);
            for (Reduce r : Reduce.values()) {
                for (Message m : new Message[] {Message.COPY, Message.MUL}) {
                    Spmm op = Spmm.builder().message(m).reduce(r).build();
                    Tensor weights = m == Message.MUL ? w : null;
                    Tensor want = op.forward(g, x.to(DType.F32), weights).y();
                    Alike.assertSameBits(
                            List.of(want),
                            Alike.everywhere(
                                    () -> List.of(op.forward(g, x, weights).y())),
                            m + " " + r + " of " + columns);
                }
            }
            Spmm op = Spmm.builder().message(Message.MUL).build();
            assertArrayEquals(
                    op.backward(g, x.to(DType.F32), w, gy, null, true, true).w().toFloatArray(),
                    op.backward(g, x, w, gy, null, true, true).w().toFloatArray());
        }
    }

    @Test
    void probesOfHalfTypesStayInTheirScratch() {
        List<Integer> variants = new ArrayList<>();
        for (int kind = 0; kind < 8; kind++) {
            for (int tile = 1; tile <= HalfSums.MAX_TILE; tile *= 2) {
                variants.add(HalfSumsProbe.rows((kind & 4) != 0, (kind & 2) != 0, (kind & 1) != 0, tile));
            }
        }
        Probes.run(HalfSums.KERNELS, variants.stream().mapToInt(v -> v).toArray(), HalfSumsProbe::run);
    }
}
