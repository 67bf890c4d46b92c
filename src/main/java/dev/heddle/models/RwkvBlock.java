package dev.heddle.models;

import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Lif;
import dev.heddle.op.Linear;
import dev.heddle.op.PackedWeight;
import dev.heddle.op.TokenShift;
import dev.heddle.op.Wkv4;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/**
 * A block of RWKV-4, or with neurons after both halves of SpikeGPT, for inference: packed weights, and states that stream. Every
 * part has for a token alone the bits that it has in a sequence, and so has the block.
 */
final class RwkvBlock {
    private static final LayerNorm NORM = LayerNorm.builder().build();
    private static final TokenShift SHIFT = TokenShift.builder().build();
    private static final Linear LINEAR = Linear.builder().build();
    private static final Linear SIGMOID =
            Linear.builder().activation(Activation.SIGMOID).build();
    private static final Linear RELU_SQUARED =
            Linear.builder().activation(Activation.RELU_SQUARED).build();
    private static final Wkv4 WKV = Wkv4.builder().build();

    private final Tensor norm1;
    private final Tensor norm2;
    private final Tensor attMix;
    private final Tensor ffnMix;
    private final Tensor w;
    private final Tensor u;
    private final PackedWeight key;
    private final PackedWeight value;
    private final PackedWeight receptance;
    private final PackedWeight output;
    private final PackedWeight ffnKey;
    private final PackedWeight ffnValue;
    private final PackedWeight ffnReceptance;
    private final @Nullable Lif lif;

    RwkvBlock(Parameters p, long channels, PackedWeight.Storage storage, @Nullable Lif lif) {
        Parameters att = p.below("att");
        Parameters ffn = p.below("ffn");
        norm1 = norm(p.below("ln1"), channels);
        norm2 = norm(p.below("ln2"), channels);
        attMix = stack(channels, att, "time_mix_k", "time_mix_v", "time_mix_r");
        ffnMix = stack(channels, ffn, "time_mix_k", "time_mix_r");
        w = decay(att.get("time_decay", channels));
        u = att.get("time_first", channels);
        key = PackedWeight.of(att.matrix("key.weight"), storage);
        value = PackedWeight.of(att.matrix("value.weight"), storage);
        receptance = PackedWeight.of(att.matrix("receptance.weight"), storage);
        output = PackedWeight.of(att.matrix("output.weight"), storage);
        ffnKey = PackedWeight.of(ffn.matrix("key.weight"), storage);
        ffnValue = PackedWeight.of(ffn.matrix("value.weight"), storage);
        ffnReceptance = PackedWeight.of(ffn.matrix("receptance.weight"), storage);
        this.lif = lif;
    }

    /** Weight and bias, one after the other. */
    static Tensor norm(Parameters p, long channels) {
        return stack(channels, p, "weight", "bias");
    }

    static Tensor stack(long channels, Parameters p, String... names) {
        Tensor all = Tensor.zeros(DType.F32, names.length, channels);
        for (int i = 0; i < names.length; i++) {
            all.select(0, i).copyFrom(p.get(names[i], channels));
        }
        return all;
    }

    /** {@code -e^t}. */
    static Tensor decay(Tensor t) {
        Tensor e = Activation.EXP.forward(t);
        Tensor minus = Tensor.zeros(DType.F32, e.size()).fill(-1);
        return Arithmetic.MUL.forward(e, minus);
    }

    static void normalise(Tensor x, Tensor norm, Tensor y, Workspace scratch) {
        NORM.forward(x, norm.select(0, 0), norm.select(0, 1), y, scratch);
    }

    /** Bytes of all weights. */
    long bytes() {
        return key.bytes()
                + value.bytes()
                + receptance.bytes()
                + output.bytes()
                + ffnKey.bytes()
                + ffnValue.bytes()
                + ffnReceptance.bytes();
    }

    /** Adds to {@code x [B, T, C]} what the block makes of it; {@code state} becomes the state after it. */
    void forward(Tensor x, RwkvState.Layer state, Workspace scratch) {
        long b = x.dim(0);
        long t = x.dim(1);
        long c = x.dim(2);
        long hidden = ffnKey.outputs();
        Tensor a = scratch.empty(DType.F32, b, t, c);
        Tensor mixed = scratch.empty(DType.F32, 3, b, t, c);
        Tensor k = scratch.empty(DType.F32, b, t, c);
        Tensor v = scratch.empty(DType.F32, b, t, c);
        Tensor r = scratch.empty(DType.F32, b, t, c);
        Tensor y = scratch.empty(DType.F32, b, t, c);
        normalise(x, norm1, a, scratch);
        SHIFT.forward(a, attMix, state.attention, mixed, state.attention, scratch);
        LINEAR.forward(mixed.select(0, 0), key, null, k, scratch);
        LINEAR.forward(mixed.select(0, 1), value, null, v, scratch);
        SIGMOID.forward(mixed.select(0, 2), receptance, null, r, scratch);
        WKV.forward(k, v, w, u, state.wkv, y, state.wkv);
        Arithmetic.MUL.forward(r, y, r);
        LINEAR.forward(r, output, null, y, scratch);
        add(x, y, k, state.attentionV, scratch);
        normalise(x, norm2, a, scratch);
        Tensor mixed2 = mixed.slice(0, 0, 2);
        SHIFT.forward(a, ffnMix, state.feedForward, mixed2, state.feedForward, scratch);
        Tensor h = scratch.empty(DType.F32, b, t, hidden);
        RELU_SQUARED.forward(mixed.select(0, 0), ffnKey, null, h, scratch);
        LINEAR.forward(h, ffnValue, null, v, scratch);
        SIGMOID.forward(mixed.select(0, 1), ffnReceptance, null, r, scratch);
        Arithmetic.MUL.forward(r, v, r);
        add(x, r, k, state.feedForwardV, scratch);
    }

    /** Adds y, or the spikes that it makes. */
    private void add(Tensor x, Tensor y, Tensor spikes, @Nullable Tensor v, Workspace scratch) {
        if (lif == null || v == null) {
            Arithmetic.ADD.forward(x, y, x);
            return;
        }
        Tensor before = scratch.empty(DType.F32, v.shape().toArray()).copyFrom(v);
        lif.forward(y, before, spikes, null, null, v, scratch);
        Arithmetic.ADD.forward(x, spikes, x);
    }
}
