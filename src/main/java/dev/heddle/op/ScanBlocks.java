package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.BLOCK;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.ScanKernels;
import dev.heddle.tensor.Tensor;

/**
 * How the channels of a scan fall into blocks, and blocks into runs, the pieces that are worked on by themselves; and which
 * kernels work on them. Channels make up heads, heads groups: a block lies within a head, a run within a group. The last
 * block of a head may have fewer channels than the others.
 */
final class ScanBlocks {
    static final Dispatch<ScanKernels> KERNELS = new Dispatch<>(ScanKernels.class, ScanProbe.VARIANTS, ScanProbe::run);

    /**
     * Blocks of a run, at least and at most. Rows of a run are long enough to be read ahead, while its states and its stretches of
     * rows stay in the second-level cache. Part of the order of sums over channels.
     */
    private static final long LEAST = 4;

    private static final long MOST = 16;

    /** Runs that a group falls into, if they are not too small: work for as many threads. */
    private static final long RUNS = 8;

    final long groups;

    /** Channels of a head. */
    final long width;

    /** Blocks of a head and of a group. */
    final long perHead;

    final long perGroup;

    /** Blocks of a run, and runs of a group. */
    final long run;

    final long runs;

    private ScanBlocks(long groups, long heads, long width, boolean wholeHeads) {
        this.groups = groups;
        this.width = width;
        perHead = (width + BLOCK - 1) / BLOCK;
        perGroup = heads * perHead;
        long size = Math.max(LEAST, Math.min(MOST, perGroup / RUNS));
        run = wholeHeads && perHead > 0 ? perHead * Math.max(1, size / perHead) : size;
        runs = (perGroup + run - 1) / run;
    }

    /** Groups of channels. */
    static ScanBlocks of(long groups, long width) {
        return new ScanBlocks(groups, 1, width, false);
    }

    /** Groups of {@code heads} heads of {@code width} channels, each of which lies within one run. */
    static ScanBlocks ofHeads(long groups, long heads, long width) {
        return new ScanBlocks(groups, heads, width, true);
    }

    /** Blocks of all groups. */
    long count() {
        return groups * perGroup;
    }

    /** The pieces that the work on one sequence falls into. */
    long pieces() {
        return groups * runs;
    }

    /** Runs of blocks, numbered through all groups: {@code count} from {@code first} on. */
    record Run(long group, long number, long first, long count) {}

    Run run(long piece) {
        long group = piece / runs;
        long number = piece % runs;
        return new Run(group, number, group * perGroup + number * run, Math.min(run, perGroup - number * run));
    }

    /** The group of a block. */
    long group(long block) {
        return block / perGroup;
    }

    /** The head of a block, counted through all groups. */
    long head(long block) {
        return block / perHead;
    }

    /** The first channel of a block within its head. */
    long within(long block) {
        return block % perHead * BLOCK;
    }

    /** Whether a block is the last of its head. */
    boolean endsHead(long block) {
        return (block + 1) % perHead == 0;
    }

    /** The first channel of a block, counted through all heads. */
    long channel(long block) {
        return head(block) * width + within(block);
    }

    /** The channels of a block. */
    long columns(long block) {
        return Math.min(BLOCK, width - within(block));
    }

    /** The channels of {@code count} blocks that lie within a head. */
    long columns(long block, long count) {
        return Math.min(count * BLOCK, width - within(block));
    }

    /** The bytes from the first channel to a block's, in a tensor whose last axis is that of channels, or heads and channels. */
    long bytes(Tensor t, long block, boolean heads) {
        return heads ? 4 * (head(block) * t.stride(-2) + within(block)) : 4 * channel(block);
    }

    private record Pick<K>(K kernels, int lanes) {
        static <K> Pick<K> of(Dispatch<K> dispatch, int variant, long columns) {
            Dispatch.Chosen<K> c = dispatch.choose(variant, columns);
            return new Pick<>(c.kernels(), c.lanes());
        }
    }

    /** What to do with some channels of a block, which start {@code offset} bytes into its rows. */
    interface Body<K> {
        void run(K kernels, long offset, long columns);
    }

    /** The kernels of one variant for whole and for partial blocks, chosen on the caller's thread. */
    static final class Choice<K> {
        private final Pick<K> whole;
        private final Pick<K> part;
        private final Pick<K> one;
        private final boolean padded;

        private Choice(Dispatch<K> dispatch, int variant, long width, boolean padded) {
            this.padded = padded;
            long rest = width % BLOCK;
            long wide = padded ? Math.max(4, Long.highestOneBit(Math.max(1, 2 * rest - 1))) : rest;
            one = Pick.of(dispatch, variant, 1);
            // what no block needs would be compiled for nothing
            whole = width < BLOCK ? one : Pick.of(dispatch, variant, BLOCK);
            part = rest == 0 ? one : Pick.of(dispatch, variant, wide);
        }

        /** Runs {@code body} on all channels of a block of {@code columns}, or of blocks that have as many together. */
        void on(long columns, Body<K> body) {
            if (padded) {
                Pick<K> pick = columns == BLOCK ? whole : part;
                long lanes = pick.lanes;
                body.run(pick.kernels, 0, (columns + lanes - 1) / lanes * lanes);
                return;
            }
            long done = run(whole, 0, columns / BLOCK * BLOCK, body);
            run(one, run(part, done, columns, body), columns, body);
        }

        private long run(Pick<K> pick, long from, long to, Body<K> body) {
            long columns = (to - from) / pick.lanes * pick.lanes;
            if (columns > 0) {
                body.run(pick.kernels, 4 * from, columns);
            }
            return from + columns;
        }
    }

    /** Kernels that see scratch only, and so may work on the channels that a partial block lacks. */
    <K> Choice<K> onScratch(Dispatch<K> dispatch, int variant) {
        return new Choice<>(dispatch, variant, width, true);
    }

    /** Kernels that read or write tensors. */
    <K> Choice<K> onTensors(Dispatch<K> dispatch, int variant) {
        return new Choice<>(dispatch, variant, width, false);
    }

    /** Kernels of scratch rows that are always whole. */
    static <K> K onRows(Dispatch<K> dispatch, int variant) {
        return dispatch.choose(variant, BLOCK).kernels();
    }

    /** Kernels that move single elements, which vectors would not make faster. */
    static <K> K onElements(Dispatch<K> dispatch, int variant) {
        return dispatch.choose(variant, 1).kernels();
    }
}
