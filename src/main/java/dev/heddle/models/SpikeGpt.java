package dev.heddle.models;

import dev.heddle.op.Lif;
import dev.heddle.op.PackedWeight;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * SpikeGPT, for inference: RWKV-4 whose embeddings are 0 and 1 and whose halves of a block each end in neurons ({@link Lif} with its
 * defaults) along the sequence, so that what they add to the residual stream is 0 or 1. Streams like {@link Rwkv4}.
 *
 * <p>Parameters have the names of ridgerchu/SpikeGPT's checkpoints. {@link SpikeGptBlock} trains a block.
 */
public final class SpikeGpt {
    private final RwkvModel model;

    private SpikeGpt(RwkvModel model) {
        this.model = model;
    }

    /**
     * A model of a state_dict; its matrices are packed.
     *
     * @throws IllegalArgumentException if a parameter is missing or has the wrong shape
     */
    public static SpikeGpt of(Map<String, Tensor> stateDict, PackedWeight.Storage storage) {
        return new SpikeGpt(new RwkvModel(stateDict, storage, Lif.builder().build()));
    }

    /** Logits of a token. */
    public long vocabulary() {
        return model.vocabulary();
    }

    /** The state before any token, for so many sequences. */
    public RwkvState state(long streams) {
        return model.state(streams);
    }

    /**
     * The logits after each token, {@code [B, T, V]}; {@code state} becomes the state after the last.
     *
     * @param tokens B rows of T
     */
    public Tensor forward(int[][] tokens, RwkvState state) {
        try (Workspace scratch = new Workspace()) {
            return model.forward(tokens, state, false, scratch).copy();
        }
    }

    /**
     * Feeds {@code prompt} and then draws up to {@code count} tokens, each of which is the next to be fed; ends when {@code sink} refuses
     * one. The last token drawn has not been fed yet.
     */
    public void generate(int[] prompt, int count, RwkvState state, Sampler sampler, IntPredicate sink) {
        model.generate(prompt, count, state, sampler, sink);
    }
}
