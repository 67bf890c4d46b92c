package dev.heddle.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.Gather;
import dev.heddle.op.Spmm;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class NeighborSamplerTest {
    /** Nodes and edges are where they should be, and no more edges into a node than wanted. */
    private static void assertSound(CsrGraph whole, NeighborSampler.Sample s, int[] fanouts, boolean replace) {
        int[] nodes = s.subgraph().nodes().toIntArray();
        int[] edges = s.subgraph().edges().toIntArray();
        int[] src = whole.indices();
        int[] dst = whole.destinations().toIntArray();
        CsrGraph local = s.subgraph().graph();
        int[] localSrc = local.indices();
        int[] localDst = local.destinations().toIntArray();
        for (int e = 0; e < edges.length; e++) {
            assertEquals(src[edges[e]], nodes[localSrc[e]]);
            assertEquals(dst[edges[e]], nodes[localDst[e]]);
        }
        long row = 0;
        for (int h = 0; h < fanouts.length; h++) {
            for (; row < s.hopEnds()[h]; row++) {
                long there = whole.degree(nodes[(int) row]);
                long want =
                        replace ? (there == 0 ? 0 : fanouts[h]) : fanouts[h] < 0 ? there : Math.min(there, fanouts[h]);
                assertEquals(want, local.degree(row));
                int from = (int) local.rows().start(row);
                Set<Integer> different = new HashSet<>();
                for (int e = from; e < from + want; e++) {
                    assertTrue(e == from || edges[e - 1] <= edges[e], "edges keep their order");
                    assertTrue(localSrc[e] < s.hopEnds()[h + 1], "a neighbour is reached one hop later at most");
                    different.add(edges[e]);
                }
                assertTrue(replace || different.size() == want);
            }
        }
        for (; row < nodes.length; row++) {
            assertEquals(0, local.degree(row));
        }
    }

    @Property(tries = 60)
    void samplesEdgesOfTheGraph(
            @ForAll @IntRange(min = 1, max = 60) int n,
            @ForAll @IntRange(min = -1, max = 7) int first,
            @ForAll @IntRange(max = 7) int second,
            @ForAll boolean replace,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = SubgraphTest.random(rnd, n, 5 * n);
        int[] fanouts = {replace ? Math.max(0, first) : first, second};
        int[] seeds = rnd.ints(5, 0, n).toArray();
        NeighborSampler sampler =
                NeighborSampler.builder(graph).fanouts(fanouts).replace(replace).build();
        NeighborSampler.Sample s = sampler.sample(Tensor.of(seeds), seed);
        assertSound(graph, s, fanouts, replace);
        assertNull(s.owners());
        int[] nodes = s.subgraph().nodes().toIntArray();
        assertEquals(nodes.length, Arrays.stream(nodes).distinct().count());
        for (int i = 0; i < seeds.length; i++) {
            assertEquals(seeds[i], nodes[s.seeds().toIntArray()[i]]);
        }
        for (int threads : new int[] {2, 7}) {
            Team.with(threads, () -> assertSame(s, sampler.sample(Tensor.of(seeds), seed)));
        }
    }

    private static void assertSame(NeighborSampler.Sample a, NeighborSampler.Sample b) {
        assertArrayEquals(
                a.subgraph().nodes().toIntArray(), b.subgraph().nodes().toIntArray());
        assertArrayEquals(
                a.subgraph().edges().toIntArray(), b.subgraph().edges().toIntArray());
        assertArrayEquals(a.subgraph().graph().indptr(), b.subgraph().graph().indptr());
        assertArrayEquals(a.subgraph().graph().indices(), b.subgraph().graph().indices());
        assertArrayEquals(a.hopEnds(), b.hopEnds());
    }

    /** What a node draws does not depend on its company, and does on the seed. */
    @Test
    void aSeedAloneDrawsWhatItDrawsInABatch() {
        CsrGraph graph = SubgraphTest.random(new Random(1), 300, 9000);
        NeighborSampler sampler = NeighborSampler.builder(graph).fanouts(5).build();
        int[] batch = {7, 100, 3, 250};
        NeighborSampler.Sample together = sampler.sample(Tensor.of(batch), 42);
        int[] edges = together.subgraph().edges().toIntArray();
        for (int i = 0; i < batch.length; i++) {
            int[] alone = sampler.sample(Tensor.of(new int[] {batch[i]}), 42)
                    .subgraph()
                    .edges()
                    .toIntArray();
            int from = (int) together.subgraph().graph().rows().start(i);
            assertArrayEquals(alone, Arrays.copyOfRange(edges, from, from + 5));
        }
        int[] other = sampler.sample(Tensor.of(batch), 43).subgraph().edges().toIntArray();
        assertNotEquals(Arrays.toString(edges), Arrays.toString(other));
    }

    /** With all edges, two layers on the sample give the seeds what two layers on the whole graph give them. */
    @Test
    void layersOnAFullSampleGiveTheSeedsTheirResult() {
        Random rnd = new Random(2);
        CsrGraph graph = SubgraphTest.random(rnd, 80, 240);
        float[] v = new float[80 * 6];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) rnd.nextGaussian();
        }
        Tensor x = Tensor.of(v, 80, 6);
        Spmm layer = Spmm.builder().build();
        Tensor whole =
                layer.forward(graph, layer.forward(graph, x, null).y(), null).y();
        Tensor seeds = Tensor.of(new int[] {5, 60, 5, 33});
        NeighborSampler.Sample s =
                NeighborSampler.builder(graph).fanouts(-1, -1).build().sample(seeds, 0);
        Tensor local = Gather.forward(Index.of(s.subgraph().nodes(), 80), x);
        assertEquals(s.hopEnds()[2], local.dim(0));
        Tensor inner = layer.forward(s.layer(1), local, null).y();
        Tensor outer = layer.forward(s.layer(0), inner, null).y();
        assertArrayEquals(
                Gather.forward(Index.of(seeds, 80), whole).toFloatArray(),
                Gather.forward(Index.of(s.seeds(), outer.dim(0)), outer).toFloatArray());
        assertThrows(IndexOutOfBoundsException.class, () -> s.layer(2));
    }

    /** How often each edge of a row of ten is drawn, over many seeds. */
    private static double[] frequencies(NeighborSampler sampler, int rounds) {
        double[] counts = new double[10];
        Tensor seed = Tensor.of(new int[] {0});
        for (int r = 0; r < rounds; r++) {
            for (int e : sampler.sample(seed, r).subgraph().edges().toIntArray()) {
                counts[e] += 1.0 / rounds;
            }
        }
        return counts;
    }

    private static CsrGraph star() {
        long[] indptr = new long[12];
        Arrays.fill(indptr, 1, 12, 10);
        return CsrGraph.of(indptr, new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 11);
    }

    @Test
    void drawsEveryEdgeAsOftenAsTheOthers() {
        int rounds = 20_000;
        for (boolean replace : new boolean[] {false, true}) {
            double[] f = frequencies(
                    NeighborSampler.builder(star()).fanouts(4).replace(replace).build(), rounds);
            for (double each : f) {
                assertEquals(0.4, each, 5 * Math.sqrt(0.4 / rounds), Arrays.toString(f));
            }
        }
    }

    @Test
    void drawsByWeight() {
        int rounds = 20_000;
        float[] w = {0, 1, 2, 3, 0, 4, 0, 0, 5, 5};
        Tensor weights = Tensor.of(w);
        double[] again = frequencies(
                NeighborSampler.builder(star())
                        .fanouts(3)
                        .replace(true)
                        .weights(weights)
                        .build(),
                rounds);
        double[] once = frequencies(
                NeighborSampler.builder(star()).fanouts(1).weights(weights).build(), rounds);
        for (int e = 0; e < 10; e++) {
            assertEquals(3 * w[e] / 20, again[e], 5 * Math.sqrt(3.0 / 4 / rounds), Arrays.toString(again));
            assertEquals(w[e] / 20, once[e], 5 * Math.sqrt(0.25 / rounds), Arrays.toString(once));
        }
        // drawing two one after another: P(e first) + sum over f != e of P(f first) P(e of what is left)
        double[] two = frequencies(
                NeighborSampler.builder(star()).fanouts(2).weights(weights).build(), rounds);
        for (int e = 0; e < 10; e++) {
            double want = w[e] / 20;
            for (int f = 0; f < 10; f++) {
                want += f == e ? 0 : w[f] / 20 * w[e] / (20 - w[f]);
            }
            assertEquals(want, two[e], 5 * Math.sqrt(0.25 / rounds), Arrays.toString(two));
        }
        double[] all = frequencies(
                NeighborSampler.builder(star()).fanouts(-1).weights(weights).build(), 10);
        for (int e = 0; e < 10; e++) {
            assertEquals(w[e] > 0 ? 1 : 0, all[e], 1e-9);
        }
    }

    @Test
    void aRowOfZeroWeightsGivesNothing() {
        Tensor none = Tensor.zeros(DType.F32, 10);
        for (boolean replace : new boolean[] {false, true}) {
            NeighborSampler s = NeighborSampler.builder(star())
                    .fanouts(3)
                    .replace(replace)
                    .weights(none)
                    .build();
            assertEquals(
                    0, s.sample(Tensor.of(new int[] {0}), 1).subgraph().graph().nnz());
        }
    }

    /** No edge is later than the seed that it is reached from, at any hop, whatever the options. */
    @Property(tries = 80)
    void neverLooksIntoTheFuture(
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(min = 1, max = 5) int fanout,
            @ForAll boolean before,
            @ForAll @IntRange(max = 3) int kind,
            @ForAll long seed) {
        Random rnd = new Random(seed);
        CsrGraph graph = SubgraphTest.random(rnd, n, 6 * n);
        long[] times = rnd.longs(graph.nnz(), 0, 20).toArray();
        int[] seeds = rnd.ints(6, 0, n).toArray();
        long[] now = rnd.longs(6, -1, 22).toArray();
        NeighborSampler.Builder b = NeighborSampler.builder(graph)
                .fanouts(fanout, fanout, fanout)
                .times(Tensor.of(times))
                .before(before);
        float[] w = new float[times.length];
        for (int e = 0; e < w.length; e++) {
            w[e] = rnd.nextInt(4);
        }
        switch (kind) {
            case 0 -> b.latest(true);
            case 1 -> b.replace(true);
            case 2 -> b.weights(Tensor.of(w));
            default -> b.weights(Tensor.of(w)).replace(true);
        }
        NeighborSampler sampler = b.build();
        NeighborSampler.Sample s = sampler.sample(Tensor.of(seeds), Tensor.of(now), seed);
        int[] owners = s.owners().toIntArray();
        int[] edges = s.subgraph().edges().toIntArray();
        int[] nodes = s.subgraph().nodes().toIntArray();
        int[] localSrc = s.subgraph().graph().indices();
        int[] localDst = s.subgraph().graph().destinations().toIntArray();
        int[] src = graph.indices();
        int[] dst = graph.destinations().toIntArray();
        for (int e = 0; e < edges.length; e++) {
            assertEquals(owners[localSrc[e]], owners[localDst[e]], "seeds share nothing");
            assertEquals(src[edges[e]], nodes[localSrc[e]]);
            assertEquals(dst[edges[e]], nodes[localDst[e]]);
            long limit = now[owners[localDst[e]]];
            assertTrue(before ? times[edges[e]] < limit : times[edges[e]] <= limit);
            assertTrue(kind < 2 || w[edges[e]] > 0);
        }
        for (int i = 0; i < seeds.length; i++) {
            assertEquals(i, owners[s.seeds().toIntArray()[i]]);
            assertEquals(seeds[i], nodes[s.seeds().toIntArray()[i]]);
        }
        if (kind == 0) {
            assertLatest(graph, times, before, fanout, now, s);
        }
        Team.with(3, () -> assertSame(s, sampler.sample(Tensor.of(seeds), Tensor.of(now), seed)));
    }

    /** Rows of the seeds hold the latest of what may be seen. */
    private static void assertLatest(
            CsrGraph graph, long[] times, boolean before, int fanout, long[] now, NeighborSampler.Sample s) {
        int[] edges = s.subgraph().edges().toIntArray();
        int[] nodes = s.subgraph().nodes().toIntArray();
        for (int i = 0; i < now.length; i++) {
            long limit = now[i];
            long[] seen = new long[(int) graph.degree(nodes[i])];
            int start = (int) graph.rows().start(nodes[i]);
            int n = 0;
            for (int e = start; e < start + seen.length; e++) {
                if (before ? times[e] < limit : times[e] <= limit) {
                    seen[n++] = times[e];
                }
            }
            Arrays.sort(seen, 0, n);
            long[] want = Arrays.copyOfRange(seen, Math.max(0, n - fanout), n);
            CsrGraph local = s.subgraph().graph();
            int from = (int) local.rows().start(i);
            long[] got = new long[(int) local.degree(i)];
            for (int k = 0; k < got.length; k++) {
                got[k] = times[edges[from + k]];
            }
            Arrays.sort(got);
            assertArrayEquals(want, got);
        }
    }

    @Test
    void refusesBadArguments() {
        CsrGraph g = star();
        CsrGraph wide = CsrGraph.of(new long[] {0, 1}, new int[] {1}, 2);
        Tensor times = Tensor.zeros(DType.I64, 10);
        Tensor seeds = Tensor.of(new int[] {0});
        assertThrows(IllegalArgumentException.class, () -> NeighborSampler.builder(wide));
        assertThrows(
                IllegalArgumentException.class, () -> NeighborSampler.builder(g).fanouts(-2));
        for (float bad : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
            Tensor w = Tensor.zeros(DType.F32, 10).fill(bad);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> NeighborSampler.builder(g).weights(w).build());
        }
        assertThrows(
                IllegalArgumentException.class,
                () -> NeighborSampler.builder(g)
                        .weights(Tensor.zeros(DType.F32, 9))
                        .build());
        assertThrows(
                IllegalArgumentException.class,
                () -> NeighborSampler.builder(g).latest(true).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> NeighborSampler.builder(g).replace(true).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> NeighborSampler.builder(g)
                        .times(times)
                        .latest(true)
                        .replace(true)
                        .fanouts(2)
                        .build());
        NeighborSampler timed = NeighborSampler.builder(g).times(times).build();
        NeighborSampler plain = NeighborSampler.builder(g).build();
        assertThrows(IllegalArgumentException.class, () -> timed.sample(seeds, 1));
        assertThrows(IllegalArgumentException.class, () -> plain.sample(seeds, times, 1));
        assertThrows(IllegalArgumentException.class, () -> timed.sample(seeds, times, 1));
        assertThrows(IndexOutOfBoundsException.class, () -> plain.sample(Tensor.of(new int[] {11}), 1));
    }
}
