package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.Dispatch.Chosen;
import dev.heddle.parallel.Team;
import java.util.ArrayList;
import java.util.List;

/**
 * Splits work on {@code batch} sequences by {@code channels} channels that know nothing of each other into chunks: some
 * channels of one sequence. No chunk is narrower than {@code width} where there are as many channels.
 */
record Channels(long batch, long channels, long width) {
    interface Body {
        /** Works on {@code count} channels from {@code channel} on. */
        void run(int chunk, long sequence, long channel, long count);
    }

    interface Work<K> {
        /** Works on {@code count} channels, {@code bytes} after the first of the chunk. */
        void run(K kernels, long bytes, long count);
    }

    interface TileWork<K> {
        /** Works on {@code count} channels, {@code bytes} after the first of the chunk, in tiles of so many vectors. */
        void run(K kernels, int tile, long bytes, long count);
    }

    private long parts() {
        return Math.max(1, channels / width);
    }

    int chunks() {
        return channels == 0 ? 0 : Math.toIntExact(Math.multiplyExact(batch, parts()));
    }

    /** Channels of the widest chunk, which is the last. */
    long lastWidth() {
        return channels - (parts() - 1) * width;
    }

    void run(double nanos, Body body) {
        long parts = parts();
        Team.run(chunks(), nanos, chunk -> {
            long part = chunk % parts;
            body.run(chunk, chunk / parts, part * width, part == parts - 1 ? lastWidth() : width);
        });
    }

    /**
     * The kernels that serve a chunk, the widest first: a vector kernel takes whole vectors, and what is left goes to narrower
     * ones. Chosen by the calling thread.
     */
    <K> Kernels<K> kernels(Dispatch<K> dispatch, int variant) {
        return new Kernels<>(width, cut(dispatch, variant, width), cut(dispatch, variant, lastWidth()));
    }

    private record Piece<K>(K kernels, long from, long count, int lanes) {}

    private static <K> List<Piece<K>> cut(Dispatch<K> dispatch, int variant, long columns) {
        List<Piece<K>> pieces = new ArrayList<>(2);
        for (long from = 0; from < columns; ) {
            Chosen<K> chosen = dispatch.choose(variant, columns - from);
            long count = columns - from - (columns - from) % chosen.lanes();
            pieces.add(new Piece<>(chosen.kernels(), from, count, chosen.lanes()));
            from += count;
        }
        return pieces;
    }

    /** The pieces of a chunk of full width, and those of the last. */
    record Kernels<K>(long width, List<Piece<K>> whole, List<Piece<K>> last) {
        void run(long count, Work<K> work) {
            for (Piece<K> p : count == width ? whole : last) {
                work.run(p.kernels, 4 * p.from, p.count);
            }
        }

        /** In tiles of {@code tile} vectors, and what is left of a piece in single ones. */
        void runTiles(int tile, long count, TileWork<K> work) {
            for (Piece<K> p : count == width ? whole : last) {
                long rest = p.count % ((long) tile * p.lanes);
                if (rest < p.count) {
                    work.run(p.kernels, tile, 4 * p.from, p.count - rest);
                }
                if (rest > 0) {
                    work.run(p.kernels, 1, 4 * (p.from + p.count - rest), rest);
                }
            }
        }
    }
}
