package dev.heddle.op;

import java.util.concurrent.atomic.LongAdder;

/**
 * Counts what {@link SpikeMatmul} had to do: an operation is one weight that meets one input. Safe for any number of threads.
 */
public final class SynapseCounter {
    private final LongAdder done = new LongAdder();
    private final LongAdder skipped = new LongAdder();

    /** Starts at 0. */
    public SynapseCounter() {}

    void add(long spikes, long inputs, long outputs) {
        done.add(spikes * outputs);
        skipped.add((inputs - spikes) * outputs);
    }

    /** Operations whose input was a spike. */
    public long done() {
        return done.sum();
    }

    /** Operations whose input was none; where a product was dense, they were done all the same. */
    public long skipped() {
        return skipped.sum();
    }

    /** Starts again. */
    public void reset() {
        done.reset();
        skipped.reset();
    }
}
