package dev.heddle.models;

import dev.heddle.op.Lif;
import dev.heddle.op.Linear;
import dev.heddle.op.PackedWeight;
import dev.heddle.op.Surrogate;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Embedding, blocks, norm and head. */
final class RwkvModel {
    private static final Linear LINEAR = Linear.builder().build();

    private final Tensor embedding;
    private final Tensor norm0;
    private final List<RwkvBlock> blocks = new ArrayList<>();
    private final Tensor normOut;
    private final PackedWeight head;
    private final boolean spiking;

    /** @param lif the neurons of SpikeGPT, whose embeddings are signs; null for RWKV-4 */
    RwkvModel(Map<String, Tensor> stateDict, PackedWeight.Storage storage, @Nullable Lif lif) {
        Parameters p = new Parameters(stateDict, "");
        Tensor e = p.matrix("emb.weight");
        spiking = lif != null;
        embedding = spiking ? signs(e.to(DType.F32)) : e.contiguous();
        long channels = e.dim(1);
        norm0 = RwkvBlock.norm(p.below("blocks.0.ln0"), channels);
        normOut = RwkvBlock.norm(p.below("ln_out"), channels);
        head = PackedWeight.of(p.matrix("head.weight"), storage);
        int n = p.blocks();
        for (int i = 0; i < n; i++) {
            blocks.add(new RwkvBlock(p.below("blocks." + i), channels, storage, lif));
        }
    }

    /** 1 where an embedding is not negative, else 0. */
    private static Tensor signs(Tensor e) {
        return Surrogate.atan(2).forward(e.contiguous());
    }

    long vocabulary() {
        return head.outputs();
    }

    long channels() {
        return embedding.dim(1);
    }

    int layers() {
        return blocks.size();
    }

    long bytes() {
        return head.bytes() + blocks.stream().mapToLong(RwkvBlock::bytes).sum();
    }

    RwkvState state(long streams) {
        return new RwkvState(streams, channels(), blocks.size(), spiking);
    }

    /** Logits {@code [B, T, V]}, or of the last step only {@code [B, 1, V]}, in {@code scratch}'s memory. */
    Tensor forward(int[][] tokens, RwkvState state, boolean lastOnly, Workspace scratch) {
        long b = tokens.length;
        long t = b == 0 ? 0 : tokens[0].length;
        check(tokens, state, t);
        long c = channels();
        Tensor raw = scratch.empty(DType.F32, b, t, c);
        for (int i = 0; i < b; i++) {
            for (int j = 0; j < t; j++) {
                raw.select(0, i)
                        .select(0, j)
                        .copyFrom(embedding.select(0, tokens[i][j]).to(DType.F32));
            }
        }
        Tensor x = scratch.empty(DType.F32, b, t, c);
        RwkvBlock.normalise(raw, norm0, x, scratch);
        for (int i = 0; i < blocks.size(); i++) {
            blocks.get(i).forward(x, state.layers.get(i), scratch);
        }
        Tensor end = lastOnly && t > 0 ? x.slice(1, t - 1, t) : x;
        Tensor normal = scratch.empty(DType.F32, end.shape().toArray());
        RwkvBlock.normalise(end, normOut, normal, scratch);
        Tensor logits = scratch.empty(DType.F32, b, end.dim(1), vocabulary());
        LINEAR.forward(normal, head, null, logits, scratch);
        return logits;
    }

    private void check(int[][] tokens, RwkvState state, long t) {
        if (state.streams() != tokens.length || state.layers.size() != layers()) {
            throw new IllegalArgumentException("state: of " + state.streams() + " streams and " + state.layers.size()
                    + " layers, must be of " + tokens.length + " and " + layers());
        }
        for (int[] row : tokens) {
            if (row.length != t) {
                throw new IllegalArgumentException("tokens: rows of " + t + " and of " + row.length);
            }
            for (int j = 0; j < row.length; j++) {
                if (row[j] < 0 || row[j] >= embedding.dim(0)) {
                    throw new IndexOutOfBoundsException(
                            "tokens: element " + j + " is " + row[j] + ", there are " + embedding.dim(0));
                }
            }
        }
    }

    /** Feeds the prompt, then draws tokens one after another, until {@code sink} refuses one or there are {@code count}. */
    void generate(int[] prompt, int count, RwkvState state, Sampler sampler, IntPredicate sink) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt: empty, must have a token");
        }
        try (Workspace scratch = new Workspace()) {
            int[][] next = {prompt};
            for (int i = 0; i < count; i++) {
                Tensor logits = forward(next, state, true, scratch);
                int token = sampler.sample(logits.toFloatArray());
                scratch.reset();
                if (!sink.test(token)) {
                    return;
                }
                next = new int[][] {{token}};
            }
        }
    }
}
