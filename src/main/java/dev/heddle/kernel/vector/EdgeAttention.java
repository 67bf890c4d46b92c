package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.Lanes.BYTES;
import static dev.heddle.kernel.vector.Lanes.LANES;
import static dev.heddle.kernel.vector.V.all;
import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.kernel.vector.V.load;
import static dev.heddle.kernel.vector.V.splat;
import static dev.heddle.kernel.vector.V.store;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.I32;
import static dev.heddle.memory.Raw.I64;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;

import dev.heddle.kernel.EdgeAttentionKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;
import jdk.incubator.vector.FloatVector;

/**
 * Attention over edges. Of a block of a row's edges, the scores of one head come first, and with them a list of the edges that
 * count; then their exponentials, several at once; then the weighted sum of their values, a tile of a row in registers. The
 * block's rows are still in the cache then. Accumulators wait in scratch from block to block, in whole vectors.
 */
public final class EdgeAttention implements EdgeAttentionKernels {
    private static final float NOTHING = Float.NEGATIVE_INFINITY;

    /** Where the arrays of a block are in scratch. */
    private static final int SCORES = 0;

    private static final int DELTAS = 4 * BLOCK;
    private static final int MOST = 2 * 4 * BLOCK;
    private static final int SUMS = 3 * 4 * BLOCK;
    private static final int MEANS = 4 * 4 * BLOCK;
    private static final int NODES = 5 * 4 * BLOCK;
    private static final int POSITIONS = 6 * 4 * BLOCK;
    private static final int EDGES = 8 * 4 * BLOCK;
    private static final int LANE = EDGES + 8 * BLOCK;

    /** Zero-padded last blocks of rows. */
    private static final int PAD_A = LANE + 64;

    private static final int PAD_B = PAD_A + 64;
    private static final int PAD_ATT = PAD_B + 64;
    private static final int PAD_EE = PAD_ATT + 64;
    private static final int PAD_C = PAD_EE + 64;
    private static final int PAD_D = PAD_C + 64;

    @Override
    @Kernel
    public void forward(
            @Const Score score,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long v,
            long vs,
            long y,
            long ys,
            long stats,
            long ss,
            float factor,
            long heads,
            long columns,
            long width,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        FloatVector[] dot = new FloatVector[EdgeDot.WIDTH / LANES];
        FloatVector[] most = new FloatVector[1];
        long slots = scratch + ACCUMULATORS;
        long bytes = wholeVectors(width);
        clearPads(scratch);
        long ar = a + as * row;
        long yr = y + ys * row;
        long sr = stats + ss * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, ar += as, yr += ys, sr += ss) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != heads; h++) {
                long ah = ar + head(score, h, columns);
                long atth = att + 4 * columns * h;
                padOwn(score, ah, atth, columns, scratch);
                float m = NOTHING;
                float u = 0f;
                for (long o = slots; o != slots + bytes; o += BYTES) {
                    store(all(0f), o);
                }
                long from = indices + 4 * first;
                long edge = ee + es * first + head(edgeScore(score), h, columns);
                for (long left = count; left != 0; ) {
                    long n = Math.min(left, BLOCK);
                    left -= n;
                    long end = scores(
                            score,
                            false,
                            dot,
                            from,
                            0,
                            n,
                            ah,
                            b + head(score, h, columns),
                            bs,
                            atth,
                            edge,
                            es,
                            factor,
                            columns,
                            scratch);
                    from += 4 * n;
                    edge += es * n;

                    store(all(NOTHING), end);
                    most[0] = all(m);
                    for (long q = scratch + SCORES; q < end; q += BYTES) {
                        most[0] = V.max(most[0], load(q));
                    }
                    ALL.set(F32, end, m); // one more than the block has: what the sums so far shrink by
                    m = Row.foldMax(most, scratch + LANE);
                    FloatVector top = all(m);
                    top = top.blend(0f, top.compare(EQ, NOTHING));
                    for (long q = scratch + SCORES; q <= end; q += BYTES) {
                        store(VectorMath.expNonPositive(load(q).sub(top)), q);
                    }
                    FloatVector shrink = splat(end);

                    FloatVector sum = all(u).mul(shrink);
                    for (long o = 0; o != bytes; o += (long) tile * BYTES) {
                        long last = Math.min(o + (long) (tile - 1) * BYTES, 4 * width - BYTES);
                        for (int t = 0; t < tile; t++) {
                            acc[t] = load(slots + o + (long) t * BYTES).mul(shrink);
                        }
                        long vh = v + 4 * width * h;
                        long r = scratch + NODES;
                        for (long q = scratch + SCORES; q != end; q += 4, r += 4) {
                            FloatVector w = splat(q);
                            long vr = vh + vs * i32(r);
                            for (int t = 0; t < tile; t++) {
                                acc[t] = load(vr + at(o, t, tile, last)).fma(w, acc[t]);
                            }
                        }
                        for (int t = 0; t < tile; t++) {
                            store(acc[t], slots + o + (long) t * BYTES);
                        }
                    }
                    for (long q = scratch + SCORES; q != end; q += 4) {
                        sum = sum.add(splat(q));
                    }
                    store(sum, scratch + LANE);
                    u = f32(scratch + LANE);
                }
                FloatVector total = all(u);
                total = total.blend(1f, total.compare(EQ, 0f));
                for (long o = 0; o != bytes; o += BYTES) {
                    store(load(slots + o).div(total), yr + 4 * width * h + Math.min(o, 4 * width - BYTES));
                }
                ALL.set(F32, sr + 4 * h, m);
                ALL.set(F32, sr + 4 * (heads + h), u);
            }
        }
    }

    @Override
    @Kernel
    public void combine(
            long part,
            long ps,
            long partStats,
            long pss,
            long parts,
            long y,
            long stats,
            long heads,
            long width,
            long scratch) {
        for (long h = 0; h != heads; h++) {
            float m = NOTHING;
            for (long q = partStats + 4 * h, end = q + pss * parts; q != end; q += pss) {
                m = Math.max(m, f32(q));
            }
            FloatVector top = all(m);
            top = top.blend(0f, top.compare(EQ, NOTHING));
            FloatVector total = all(0f);
            long w = scratch + SCORES;
            for (long q = partStats + 4 * h, end = q + pss * parts; q != end; q += pss, w += 4) {
                FloatVector u = VectorMath.expNonPositive(splat(q).sub(top)).mul(splat(q + 4 * heads));
                total = total.add(u);
                store(u, scratch + LANE);
                ALL.set(F32, w, f32(scratch + LANE));
            }
            store(total, scratch + LANE);
            ALL.set(F32, stats + 4 * h, m);
            ALL.set(F32, stats + 4 * (heads + h), f32(scratch + LANE));
            total = total.blend(1f, total.compare(EQ, 0f));
            for (long c = 0; c < 4 * width; c += BYTES) {
                long o = 4 * width * h + Math.min(c, 4 * width - BYTES);
                FloatVector acc = all(0f);
                long q = part + o;
                for (long i = scratch + SCORES; i != w; i += 4, q += ps) {
                    acc = load(q).fma(splat(i), acc);
                }
                store(acc.div(total), y + o);
            }
        }
    }

    @Override
    @Kernel
    public void weights(
            @Const Score score,
            long indptr,
            long indices,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long stats,
            long ss,
            long alpha,
            long als,
            float factor,
            long heads,
            long columns,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] dot = new FloatVector[EdgeDot.WIDTH / LANES];
        clearPads(scratch);
        long ar = a + as * row;
        long sr = stats + ss * row;
        for (long p = indptr + 8 * row, pEnd = indptr + 8 * rowEnd; p != pEnd; p += 8, ar += as, sr += ss) {
            long first = i64(p);
            long count = i64(p + 8) - first;
            for (long h = 0; h != heads; h++) {
                long ah = ar + head(score, h, columns);
                long atth = att + 4 * columns * h;
                padOwn(score, ah, atth, columns, scratch);
                FloatVector m = splat(sr + 4 * h);
                FloatVector u = splat(sr + 4 * (heads + h));
                long from = indices + 4 * first;
                long edge = ee + es * first + head(edgeScore(score), h, columns);
                long out = alpha + als * first + 4 * h;
                for (long left = count; left != 0; ) {
                    long n = Math.min(left, BLOCK);
                    left -= n;
                    long end = scores(
                            score,
                            false,
                            dot,
                            from,
                            0,
                            n,
                            ah,
                            b + head(score, h, columns),
                            bs,
                            atth,
                            edge,
                            es,
                            factor,
                            columns,
                            scratch);
                    from += 4 * n;
                    edge += es * n;
                    for (long q = scratch + SCORES; q < end; q += BYTES) {
                        store(VectorMath.expNonPositive(load(q).sub(m)).div(u), q);
                    }
                    for (long q = out, stop = out + als * n; q != stop; q += als) {
                        ALL.set(F32, q, 0f);
                    }
                    long r = scratch + POSITIONS;
                    for (long q = scratch + SCORES; q != end; q += 4, r += 4) {
                        ALL.set(F32, out + als * i32(r), f32(q));
                    }
                    out += als * n;
                }
            }
        }
    }

    @Override
    @Kernel
    public void means(
            long g,
            long gs,
            long y,
            long ys,
            long means,
            long ms,
            long heads,
            long width,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] dot = new FloatVector[EdgeDot.WIDTH / LANES];
        clearPads(scratch);
        for (long r = row; r != rowEnd; r++) {
            for (long h = 0; h != heads; h++) {
                long o = 4 * width * h;
                long gr = g + gs * r + o;
                EdgeDot.pad(gr, EdgeDot.whole(width), width, scratch + PAD_C);
                float mean = dot(dot, gr, PAD_C, y + ys * r + o, PAD_D, width, scratch);
                ALL.set(F32, means + ms * r + 4 * h, mean);
            }
        }
    }

    @Override
    @Kernel
    public void grad(
            @Const Score score,
            @Const boolean transposed,
            @Const(
                            value = {1, 2, 4},
                            oneLane = {1, 4})
                    int tile,
            long indptr,
            long indices,
            long perm,
            long a,
            long as,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            long c,
            long cs,
            long d,
            long ds,
            long stats,
            long ss,
            long means,
            long ms,
            long out,
            long os,
            long values,
            long vs,
            long edges,
            long ges,
            long attGrad,
            float factor,
            long heads,
            long columns,
            long width,
            long scratch,
            long row,
            long rowEnd) {
        FloatVector[] acc = new FloatVector[tile];
        FloatVector[] more = new FloatVector[score == Score.LEAKY_DOT && !transposed ? tile : 0];
        FloatVector[] dot = new FloatVector[EdgeDot.WIDTH / LANES];
        long bytes = wholeVectors(columns);
        long valueBytes = wholeVectors(width);
        long slots = scratch + ACCUMULATORS;
        long valueSlots = slots + bytes;
        FloatVector slope = all(factor);
        clearPads(scratch);
        for (long r = row; r != rowEnd; r++) {
            long first = i64(indptr + 8 * r);
            long count = i64(indptr + 8 * r + 8) - first;
            for (long h = 0; h != heads; h++) {
                long ah = a + as * r + head(score, h, columns);
                long bh = b + head(score, h, columns);
                long ch = c + cs * r + 4 * width * h;
                long dh = d + 4 * width * h;
                long atth = att + 4 * columns * h;
                padOwn(score, ah, atth, columns, scratch);
                EdgeDot.pad(ch, EdgeDot.whole(width), width, scratch + PAD_C);
                FloatVector m = all(0f);
                FloatVector u = all(1f);
                FloatVector mean = all(0f);
                if (!transposed) {
                    m = splat(stats + ss * r + 4 * h);
                    u = splat(stats + ss * r + 4 * (heads + h));
                    mean = splat(means + ms * r + 4 * h);
                }
                float sum = 0f;
                for (long o = slots; o != valueSlots + valueBytes; o += BYTES) {
                    store(all(0f), o);
                }
                long from = indices + 4 * first;
                long pos = perm + 4 * first;
                long edge = ee + (transposed ? 0 : es * first) + head(edgeScore(score), h, columns);
                long ge = edges + (transposed ? 0 : ges * first) + head(edgeScore(score), h, columns);
                for (long left = count; left != 0; ) {
                    long n = Math.min(left, BLOCK);
                    left -= n;
                    long end = scores(
                            score, transposed, dot, from, pos, n, ah, bh, bs, atth, edge, es, factor, columns, scratch);
                    from += 4 * n;
                    pos += 4 * n;
                    edge += transposed ? 0 : es * n;

                    long at = scratch + NODES;
                    for (long q = scratch + SCORES; q != end; q += 4, at += 4) {
                        long i = i32(at);
                        float v = dot(dot, ch, PAD_C, dh + ds * i, PAD_D, width, scratch);
                        ALL.set(F32, q + DELTAS, v);
                        if (transposed) {
                            ALL.set(F32, q + MOST, f32(stats + ss * i + 4 * h));
                            ALL.set(F32, q + SUMS, f32(stats + ss * i + 4 * (heads + h)));
                            ALL.set(F32, q + MEANS, f32(means + ms * i + 4 * h));
                        }
                    }
                    for (long q = scratch + SCORES; q < end; q += BYTES) {
                        FloatVector s = load(q);
                        FloatVector e = VectorMath.expNonPositive(s.sub(transposed ? load(q + MOST) : m));
                        FloatVector alpha = e.div(transposed ? load(q + SUMS) : u);
                        FloatVector g = alpha.mul(load(q + DELTAS).sub(transposed ? load(q + MEANS) : mean));
                        if (score == Score.ADDED) {
                            g = g.mul(slope).blend(g, s.compare(GT, 0f));
                        }
                        store(alpha, q);
                        store(g, q + DELTAS);
                    }

                    if (!transposed) {
                        clearEdges(score, ge, ges, n, columns);
                    }
                    if (score == Score.LEAKY_DOT) {
                        for (long o = 0; o != bytes; o += (long) tile * BYTES) {
                            long last = Math.min(o + (long) (tile - 1) * BYTES, 4 * columns - BYTES);
                            for (int t = 0; t < tile; t++) {
                                acc[t] = load(slots + o + (long) t * BYTES);
                                if (!transposed) {
                                    more[t] = load(attGrad + h * bytes + o + (long) t * BYTES);
                                }
                            }
                            long node = scratch + NODES;
                            long place = scratch + POSITIONS;
                            long address = scratch + EDGES;
                            for (long q = scratch + SCORES; q != end; q += 4, node += 4, place += 4, address += 8) {
                                FloatVector alpha = splat(q);
                                FloatVector g = splat(q + DELTAS);
                                long br = bh + bs * i32(node);
                                long dr = dh + ds * i32(node);
                                long er = i64(address);
                                long gr = ge + (transposed ? 0 : ges * i32(place));
                                for (int t = 0; t < tile; t++) {
                                    long x = at(o, t, tile, last);
                                    FloatVector z =
                                            load(br + x).add(load(ah + x)).add(load(er + x));
                                    FloatVector w = g.mul(load(atth + x));
                                    w = w.mul(slope).blend(w, z.compare(GT, 0f));
                                    acc[t] = acc[t].add(w);
                                    if (transposed) {
                                        acc[t] = load(dr + x).fma(alpha, acc[t]);
                                    } else {
                                        more[t] = leaky(z, slope).fma(g, more[t]);
                                        store(w, gr + x);
                                    }
                                }
                            }
                            for (int t = 0; t < tile; t++) {
                                store(acc[t], slots + o + (long) t * BYTES);
                                if (!transposed) {
                                    store(more[t], attGrad + h * bytes + o + (long) t * BYTES);
                                }
                            }
                        }
                    } else {
                        if (!transposed || score == Score.ADDED) {
                            long place = scratch + POSITIONS;
                            for (long q = scratch + SCORES; q != end; q += 4, place += 4) {
                                float g = f32(q + DELTAS);
                                sum += g;
                                if (!transposed) {
                                    ALL.set(F32, ge + ges * i32(place), g);
                                }
                            }
                        }
                        if (score == Score.DOT) {
                            weighted(acc, DELTAS, end, bh, bs, slots, columns, scratch);
                        }
                        if (transposed) {
                            weighted(acc, SCORES, end, dh, ds, valueSlots, width, scratch);
                        }
                    }
                    ge += transposed ? 0 : ges * n;
                }
                if (score == Score.ADDED) {
                    ALL.set(F32, out + os * r + 4 * h, sum);
                } else {
                    long to = out + os * r + 4 * columns * h;
                    for (long o = 0; o != bytes; o += BYTES) {
                        FloatVector v = load(slots + o);
                        store(score == Score.DOT ? v.mul(slope) : v, to + Math.min(o, 4 * columns - BYTES));
                    }
                }
                if (transposed && score != Score.LEAKY_DOT) {
                    long to = values + vs * r + 4 * width * h;
                    for (long o = 0; o != valueBytes; o += BYTES) {
                        store(load(valueSlots + o), to + Math.min(o, 4 * width - BYTES));
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------------ scores

    /**
     * The scores of up to a block of edges, packed without those of -infinity; beside each its node, its position (in the block,
     * or in the graph where the row is transposed) and, for LEAKY_DOT, the address of its own term.
     *
     * @return where the scores end
     */
    @Inline
    private static long scores(
            Score score,
            boolean transposed,
            FloatVector[] dot,
            long from,
            long perm,
            long n,
            long a,
            long b,
            long bs,
            long att,
            long ee,
            long es,
            float factor,
            long columns,
            long scratch) {
        long q = scratch + SCORES;
        int i = 0;
        if (score == Score.ADDED) {
            float own = f32(a);
            for (long end = from + 4 * n; from != end; from += 4, perm += 4, i++) {
                int node = i32(from);
                int position = transposed ? i32(perm) : i;
                float z = f32(b + bs * node) + own + f32(ee + es * position);
                float s = z > 0f ? z : z * factor;
                ALL.set(F32, q, s);
                ALL.set(I32, q + NODES, node);
                ALL.set(I32, q + POSITIONS, position);
                q += 4L * counts(s);
            }
            return q;
        }
        for (long end = from + 4 * n; from != end; from += 4, perm += 4, i++) {
            int position = transposed ? i32(perm) : i;
            long own = ee + es * position;
            ALL.set(I32, q + NODES, i32(from));
            ALL.set(I32, q + POSITIONS, position);
            if (score == Score.DOT) {
                float bias = f32(own);
                ALL.set(F32, q, bias);
                q += 4L * counts(bias);
            } else {
                ALL.set(I64, scratch + EDGES + 2 * (q - scratch), own);
                q += 4;
            }
        }
        // packed once more: only now the scores are known
        FloatVector slope = all(factor);
        long to = scratch + SCORES;
        for (long p = scratch + SCORES; p != q; p += 4) {
            int node = i32(p + NODES);
            int position = i32(p + POSITIONS);
            long br = b + bs * node;
            float s;
            if (score == Score.DOT) {
                float product = dot(dot, a, PAD_A, br, PAD_B, columns, scratch);
                s = product * factor + f32(p);
            } else {
                long own = i64(scratch + EDGES + 2 * (p - scratch));
                s = leakyDot(dot, a, br, att, own, slope, columns, scratch);
                ALL.set(I64, scratch + EDGES + 2 * (to - scratch), own);
            }
            ALL.set(F32, to, s);
            ALL.set(I32, to + NODES, node);
            ALL.set(I32, to + POSITIONS, position);
            to += 4L * counts(s);
        }
        return to;
    }

    /** 0 for -infinity, else 1: no branch, for it would hardly ever be taken. */
    @Inline
    private static int counts(float s) {
        int d = Float.floatToRawIntBits(s) ^ 0xFF80_0000;
        return (d | -d) >>> 31;
    }

    /** Where a row is at o: after its whole blocks in its pad. No branch, and one copy of the loop's body. */
    @Inline
    private static long block(long row, long o, long whole, long pad) {
        long from = pad - whole;
        return from + o + ((row - from) & ((o - whole) >> 63));
    }

    /** A row and a gathered one, the end of the first already in its pad. */
    @Inline
    private static float dot(FloatVector[] acc, long a, int padA, long b, int padB, long columns, long scratch) {
        long whole = EdgeDot.whole(columns);
        long end = whole + EdgeDot.rest(columns);
        EdgeDot.pad(b, whole, columns, scratch + padB);
        zero(acc, scratch);
        for (long o = 0; o != end; o += step()) {
            long x = block(a, o, whole, scratch + padA);
            long y = block(b, o, whole, scratch + padB);
            if (LANES == 1) {
                long sum = partial(o, scratch);
                store(load(x).fma(load(y), load(sum)), sum);
            } else {
                EdgeDot.products(acc, x, y);
            }
        }
        return fold(acc, scratch);
    }

    @Inline
    private static float leakyDot(
            FloatVector[] acc, long a, long b, long att, long ee, FloatVector slope, long columns, long scratch) {
        long whole = EdgeDot.whole(columns);
        long end = whole + EdgeDot.rest(columns);
        EdgeDot.pad(b, whole, columns, scratch + PAD_B);
        EdgeDot.pad(ee, whole, columns, scratch + PAD_EE);
        zero(acc, scratch);
        for (long o = 0; o != end; o += step()) {
            long x = block(a, o, whole, scratch + PAD_A);
            long y = block(b, o, whole, scratch + PAD_B);
            long w = block(att, o, whole, scratch + PAD_ATT);
            long t = block(ee, o, whole, scratch + PAD_EE);
            if (LANES == 1) {
                long sum = partial(o, scratch);
                FloatVector z = load(y).add(load(x)).add(load(t));
                store(leaky(z, slope).fma(load(w), load(sum)), sum);
            } else {
                leakyTerms(acc, x, y, w, t, slope);
            }
        }
        return fold(acc, scratch);
    }

    /** Bytes of a row at a time. One lane has its partial sums in memory, or its code would be too long. */
    @Inline
    private static long step() {
        return LANES == 1 ? BYTES : EdgeDot.SPAN;
    }

    @Inline
    private static long partial(long o, long scratch) {
        return scratch + LANE + (o & (EdgeDot.SPAN - 1));
    }

    @Inline
    private static void zero(FloatVector[] acc, long scratch) {
        if (LANES == 1) {
            for (long p = scratch + LANE, end = p + EdgeDot.SPAN; p != end; p += BYTES) {
                store(all(0f), p);
            }
        } else {
            EdgeDot.zero(acc);
        }
    }

    @Inline
    private static float fold(FloatVector[] acc, long scratch) {
        if (LANES != 1) {
            return EdgeDot.fold(acc, scratch + LANE);
        }
        for (long h = EdgeDot.SPAN / 2; h >= 4; h /= 2) {
            for (long p = scratch + LANE, end = p + h; p != end; p += 4) {
                store(load(p).add(load(p + h)), p);
            }
        }
        return f32(scratch + LANE);
    }

    @Inline
    private static void leakyTerms(FloatVector[] acc, long a, long b, long att, long ee, FloatVector slope) {
        for (int i = 0; i < acc.length; i++) {
            long o = (long) i * BYTES;
            FloatVector z = load(b + o).add(load(a + o)).add(load(ee + o));
            acc[i] = leaky(z, slope).fma(load(att + o), acc[i]);
        }
    }

    @Inline
    private static FloatVector leaky(FloatVector z, FloatVector slope) {
        return z.mul(slope).blend(z, z.compare(GT, 0f));
    }

    // ------------------------------------------------------------------ rows

    /** Adds the rows of a block's nodes, each times its weight, to accumulators. */
    @Inline
    private static void weighted(
            FloatVector[] acc, int weights, long end, long x, long xs, long slots, long columns, long scratch) {
        for (long o = 0; o != wholeVectors(columns); o += (long) acc.length * BYTES) {
            long last = Math.min(o + (long) (acc.length - 1) * BYTES, 4 * columns - BYTES);
            for (int t = 0; t < acc.length; t++) {
                acc[t] = load(slots + o + (long) t * BYTES);
            }
            long node = scratch + NODES;
            for (long q = scratch + SCORES; q != end; q += 4, node += 4) {
                FloatVector w = splat(q + weights);
                long xr = x + xs * i32(node);
                for (int t = 0; t < acc.length; t++) {
                    acc[t] = load(xr + at(o, t, acc.length, last)).fma(w, acc[t]);
                }
            }
            for (int t = 0; t < acc.length; t++) {
                store(acc[t], slots + o + (long) t * BYTES);
            }
        }
    }

    /** The gradients of edges that are left out stay 0. */
    @Inline
    private static void clearEdges(Score score, long ge, long ges, long n, long columns) {
        for (long q = ge, end = ge + ges * n; q != end; q += ges) {
            if (score == Score.LEAKY_DOT) {
                for (long c = 0; c < 4 * columns; c += BYTES) {
                    store(all(0f), q + Math.min(c, 4 * columns - BYTES));
                }
            } else {
                ALL.set(F32, q, 0f);
            }
        }
    }

    @Inline
    private static void padOwn(Score score, long a, long att, long columns, long scratch) {
        if (score != Score.ADDED) {
            EdgeDot.pad(a, EdgeDot.whole(columns), columns, scratch + PAD_A);
        }
        if (score == Score.LEAKY_DOT) {
            EdgeDot.pad(att, EdgeDot.whole(columns), columns, scratch + PAD_ATT);
        }
    }

    @Inline
    private static void clearPads(long scratch) {
        for (long o = scratch + PAD_A, end = scratch + PAD_D + 64; o != end; o += BYTES) {
            store(all(0f), o);
        }
    }

    /** Where a head starts in a row of what scores are made of. */
    @Inline
    private static long head(Score score, long h, long columns) {
        return score == Score.ADDED ? 4 * h : 4 * columns * h;
    }

    /** An edge has a number a head, but for LEAKY_DOT a row. */
    @Inline
    private static Score edgeScore(Score score) {
        return score == Score.LEAKY_DOT ? Score.LEAKY_DOT : Score.ADDED;
    }

    /** Vector t of the tile at o; the last one of all overlaps the one before. */
    @Inline
    private static long at(long o, int t, int tile, long last) {
        return t == tile - 1 ? last : o + (long) t * BYTES;
    }

    @Inline
    private static long wholeVectors(long columns) {
        return (columns + LANES - 1) / LANES * BYTES;
    }
}
