package dev.heddle.op;

import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.LongConsumer;

/** Scratch memory of equal pieces, one for each thread that a job may run on; a chunk borrows one while it runs. */
final class Slabs implements AutoCloseable {
    private final ConcurrentLinkedQueue<Long> free = new ConcurrentLinkedQueue<>();
    private final Use use;

    /** For a job of {@code chunks}; what is in a slab is undefined at first. */
    Slabs(int chunks, long bytes, Workspace scratch) {
        int threads = Math.max(1, Math.min(Team.threads(), chunks));
        Tensor[] slabs = new Tensor[threads];
        for (int i = 0; i < threads; i++) {
            slabs[i] = scratch.empty(DType.U8, bytes);
        }
        use = Use.of(slabs);
        for (Tensor slab : slabs) {
            free.add(slab.address());
        }
    }

    /** Runs {@code body} with the address of a slab that nobody else has meanwhile. */
    void with(LongConsumer body) {
        Long slab = free.poll();
        if (slab == null) {
            throw new IllegalStateException("more chunks run at once than there are threads");
        }
        try {
            body.accept(slab);
        } finally {
            free.add(slab);
        }
    }

    @Override
    public void close() {
        use.close();
    }
}
