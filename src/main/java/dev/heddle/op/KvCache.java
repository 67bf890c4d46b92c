package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/**
 * The keys and values of one stream, for {@link CausalAttention}: grows at its end, can be cut there, and can be shared.
 *
 * <p>They lie in pages of 64 keys, the keys of a page transposed, as attention reads them; a cache that grows takes memory for up to
 * 32 pages at once. Caches that share a prefix share its
 * pages; who writes into a shared page gets a copy of it first, so that no one sees what another appends. A cache may be used
 * by one thread at a time; caches that share pages are independent of each other in that too, once {@link #prefix} has
 * returned.
 */
public final class KvCache {
    private static final int KEYS = AttentionCall.KEYS;

    /**
     * Pages are allocated in slabs of up to so many: large pieces of memory get large pages of it from the system. In a slab the pages
     * of a head follow each other, so that who reads them in turn reads straight on, and the memory runs ahead of him.
     */
    private static final int SLAB = 32;

    /**
     * One page, {@code [Hk, 64 F + 64 Fv padded]}, the heads far apart: for each head keys {@code [F, 64]}, then values
     * {@code [64, Fv padded]}. Once several caches have it, it is never written again.
     */
    private static final class Page {
        final Tensor memory;

        /** By head, whether no value was written that is not finite. */
        final boolean[] finite;

        volatile boolean shared;

        Page(Tensor memory, boolean[] finite) {
            this.memory = memory;
            this.finite = finite;
        }

        long at(long head) {
            return memory.address() + 4 * head * memory.stride(0);
        }

        Page copy() {
            return new Page(memory.copy(), finite.clone());
        }
    }

    private final long heads;
    private final long features;
    private final long values;
    private final List<Page> pages = new ArrayList<>();

    /** Pages that nothing was written into yet. */
    private final Deque<Page> fresh = new ArrayDeque<>();

    private final Tensor spare = Tensor.zeros(DType.F32, 16);
    private long length;

    /**
     * An empty cache.
     *
     * @param heads of the keys
     * @param features of a key
     * @param values features of a value
     */
    public KvCache(long heads, long features, long values) {
        if (heads < 1 || features < 0 || values < 0) {
            throw new IllegalArgumentException("heads, features, values: " + heads + ", " + features + ", " + values);
        }
        this.heads = heads;
        this.features = features;
        this.values = values;
    }

    /** How many keys there are. */
    public long length() {
        return length;
    }

    /** Heads of the keys. */
    public long heads() {
        return heads;
    }

    /** Features of a key. */
    public long features() {
        return features;
    }

    /** Features of a value. */
    public long values() {
        return values;
    }

    /**
     * Appends keys and their values.
     *
     * @param k float32 {@code [n, Hk, F]} with contiguous features
     * @param v float32 {@code [n, Hk, Fv]} with contiguous features
     */
    public void append(Tensor k, Tensor v) {
        Checks.rank("k", k, 3);
        Checks.shape("k", k, DType.F32, k.dim(0), heads, features);
        Checks.shape("v", v, DType.F32, k.dim(0), heads, values);
        Checks.contiguousRows("k", k);
        Checks.contiguousRows("v", v);
        if (length + k.dim(0) > Integer.MAX_VALUE - KEYS) {
            throw new IllegalArgumentException("k: " + k.dim(0) + " keys more than " + length + " are too many");
        }
        try (Use _ = Use.of(k, v)) {
            for (long i = 0; i < k.dim(0); ) {
                long at = length % KEYS;
                long n = Math.min(KEYS - at, k.dim(0) - i);
                write(writable(), at, k.address() + 4 * i * k.stride(0), k, v.address() + 4 * i * v.stride(0), v, n);
                i += n;
                length += n;
            }
        }
    }

    /** The page that the next key goes into. */
    private Page writable() {
        int last = (int) (length / KEYS);
        if (last == pages.size()) {
            if (fresh.isEmpty()) {
                int count = Math.clamp(pages.size(), 1, SLAB);
                Tensor slab = Tensor.zeros(DType.F32, heads, count, headSize());
                for (int i = 0; i < count; i++) {
                    boolean[] finite = new boolean[(int) heads];
                    Arrays.fill(finite, true);
                    fresh.add(new Page(slab.select(1, i), finite));
                }
            }
            pages.add(fresh.remove());
        } else if (pages.get(last).shared) {
            pages.set(last, pages.get(last).copy());
        }
        return pages.get(last);
    }

    /** Floats of a head in a page. */
    private long headSize() {
        return KEYS * (features + SmallProduct.padded(values));
    }

    private void write(Page page, long at, long k, Tensor kLike, long v, Tensor vLike, long n) {
        long pitch = 4 * SmallProduct.padded(values);
        try (Use _ = Use.of(page.memory, spare)) {
            for (long h = 0; h < heads; h++) {
                long keys = page.at(h);
                long rows = keys + 4 * KEYS * features + at * pitch;
                Gemm.transpose(k + 4 * h * kLike.stride(1), 4 * kLike.stride(0), keys + 4 * at, 4 * KEYS, n, features);
                Gemm.copy(v + 4 * h * vLike.stride(1), 4 * vLike.stride(0), rows, pitch, n, values);
                page.finite[(int) h] &= AttentionCall.finite(rows, pitch, n, values, spare.address());
            }
        }
    }

    /** Forgets all keys but the first {@code length}. */
    public void truncate(long length) {
        checkLength(length);
        this.length = length;
        long kept = PrefixScan.ceil(length, KEYS);
        while (pages.size() > kept) {
            pages.removeLast();
        }
    }

    /** A cache of the first {@code length} keys, which takes no memory for them. */
    public KvCache prefix(long length) {
        checkLength(length);
        KvCache other = new KvCache(heads, features, values);
        other.length = length;
        for (Page p : pages.subList(0, (int) PrefixScan.ceil(length, KEYS))) {
            p.shared = true;
            other.pages.add(p);
        }
        return other;
    }

    private void checkLength(long wanted) {
        if (wanted < 0 || wanted > length) {
            throw new IllegalArgumentException("length: " + wanted + ", must be from 0 to " + length);
        }
    }

    void checkLike(KvCache other) {
        if (heads != other.heads || features != other.features || values != other.values) {
            throw new IllegalArgumentException("caches: one has " + heads + " heads, " + features + " and " + values
                    + " features, another " + other.heads + ", " + other.features + " and " + other.values);
        }
    }

    List<Tensor> pages() {
        return pages.stream().map(p -> p.memory).toList();
    }

    /** The tiles of attention over caches, a sequence each. */
    static final class Tiles implements KeyTiles {
        private final AttentionCall call;
        private final Page[][] pages;

        Tiles(AttentionCall call, List<KvCache> caches) {
            this.call = call;
            pages = caches.stream().map(c -> c.pages.toArray(Page[]::new)).toArray(Page[][]::new);
        }

        @Override
        public void find(int sequence, long head, long number, Tile tile) {
            Page page = pages[sequence][(int) number];
            tile.keys = page.at(head);
            tile.values = tile.keys + 4 * KEYS * call.features;
            tile.valueStep = 4 * call.valuePitch;
            tile.finite = page.finite[(int) head];
        }
    }
}
