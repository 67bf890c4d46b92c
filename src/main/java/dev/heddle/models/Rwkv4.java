package dev.heddle.models;

import dev.heddle.op.PackedWeight;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * RWKV-4, for inference. Token by token, as a sequence and in any cut into calls it computes the same bits; memory does not grow
 * with the number of tokens. Weights are float32, or narrower as {@link PackedWeight} has them. Thread-safe; states are not.
 *
 * <p>Parameters have the names of BlinkDL's checkpoints: {@code emb.weight}, {@code blocks.0.ln0.weight}, {@code blocks.0.att.time_decay} (whose {@code
 * -e^t} is the log of the decay) and so on.
 */
public final class Rwkv4 {
    private final RwkvModel model;

    private Rwkv4(RwkvModel model) {
        this.model = model;
    }

    /**
     * A model of a state_dict; its matrices are packed.
     *
     * @throws IllegalArgumentException if a parameter is missing or has the wrong shape
     */
    public static Rwkv4 of(Map<String, Tensor> stateDict, PackedWeight.Storage storage) {
        return new Rwkv4(new RwkvModel(stateDict, storage, null));
    }

    /** Logits of a token. */
    public long vocabulary() {
        return model.vocabulary();
    }

    /** Channels of the residual stream. */
    public long channels() {
        return model.channels();
    }

    /** Bytes of the weights that a token reads. */
    public long bytes() {
        return model.bytes();
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

    /** The logits after the last token only, {@code [B, 1, V]}, in {@code scratch}'s memory. */
    public Tensor last(int[][] tokens, RwkvState state, Workspace scratch) {
        return model.forward(tokens, state, true, scratch);
    }

    /**
     * Feeds {@code prompt} and then draws up to {@code count} tokens, each of which is the next to be fed; ends when {@code sink} refuses
     * one. The last token drawn has not been fed yet.
     */
    public void generate(int[] prompt, int count, RwkvState state, Sampler sampler, IntPredicate sink) {
        model.generate(prompt, count, state, sampler, sink);
    }
}
