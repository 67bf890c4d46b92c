package dev.heddle.tensor;

import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the memory of some tensors where it is: until {@link #close}, closing them or resetting their workspace throws.
 * Operators hold one while they run; so should whoever passes {@link Tensor#address} to code of their own.
 */
public final class Use implements AutoCloseable {
    private final @Nullable Tensor[] tensors;

    private Use(@Nullable Tensor[] tensors) {
        this.tensors = tensors;
    }

    /**
     * Starts a use; absent (null) tensors are skipped.
     *
     * @throws IllegalStateException if a tensor was closed, or its workspace reset
     */
    public static Use of(@Nullable Tensor... tensors) {
        int held = 0;
        try {
            for (; held < tensors.length; held++) {
                Tensor t = tensors[held];
                if (t != null) {
                    t.acquire();
                }
            }
        } catch (Throwable e) {
            release(tensors, held);
            throw e;
        }
        return new Use(tensors);
    }

    private static void release(@Nullable Tensor[] tensors, int count) {
        for (int i = 0; i < count; i++) {
            Tensor t = tensors[i];
            if (t != null) {
                t.release();
            }
        }
    }

    @Override
    public void close() {
        try {
            release(tensors, tensors.length);
        } finally {
            Reference.reachabilityFence(tensors);
        }
    }
}
