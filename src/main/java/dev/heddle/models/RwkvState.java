package dev.heddle.models;

import dev.heddle.op.Wkv4State;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What {@link Rwkv4} and {@link SpikeGpt} keep of the tokens so far: its size does not depend on how many there were.
 *
 * <p>Not thread-safe; {@link #copy} it to keep a point in time.
 */
public final class RwkvState {
    /** The state of a block. */
    static final class Layer {
        final Tensor attention;
        final Tensor feedForward;
        final Wkv4State wkv;
        final @Nullable Tensor attentionV;
        final @Nullable Tensor feedForwardV;

        Layer(long streams, long channels, boolean spiking) {
            attention = Tensor.zeros(DType.F32, streams, channels);
            feedForward = Tensor.zeros(DType.F32, streams, channels);
            wkv = Wkv4State.empty(streams, channels);
            attentionV = spiking ? Tensor.zeros(DType.F32, streams, channels) : null;
            feedForwardV = spiking ? Tensor.zeros(DType.F32, streams, channels) : null;
        }

        Map<String, Tensor> tensors() {
            Map<String, Tensor> all = new LinkedHashMap<>();
            all.put("att.x", attention);
            all.put("att.aa", wkv.aa());
            all.put("att.bb", wkv.bb());
            all.put("att.pp", wkv.pp());
            all.put("ffn.x", feedForward);
            if (attentionV != null && feedForwardV != null) {
                all.put("att.v", attentionV);
                all.put("ffn.v", feedForwardV);
            }
            return all;
        }
    }

    final List<Layer> layers = new ArrayList<>();
    private final long streams;
    private final long channels;
    private final boolean spiking;

    RwkvState(long streams, long channels, int layers, boolean spiking) {
        this.streams = streams;
        this.channels = channels;
        this.spiking = spiking;
        for (int i = 0; i < layers; i++) {
            this.layers.add(new Layer(streams, channels, spiking));
        }
    }

    /** How many sequences it belongs to. */
    public long streams() {
        return streams;
    }

    /** Its tensors by name, as a safetensors file can hold them: this object's own memory. */
    public Map<String, Tensor> tensors() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        for (int i = 0; i < layers.size(); i++) {
            String prefix = "blocks." + i + ".";
            layers.get(i).tensors().forEach((name, t) -> all.put(prefix + name, t));
        }
        return all;
    }

    /**
     * Takes the content of tensors as {@link #tensors} gives them.
     *
     * @throws IllegalArgumentException if one is missing or has another shape
     */
    public void copyFrom(Map<String, Tensor> tensors) {
        Map<String, Tensor> own = tensors();
        own.forEach((name, t) -> {
            Tensor other = tensors.get(name);
            if (other == null || !other.shape().equals(t.shape())) {
                throw new IllegalArgumentException(name + ": " + (other == null ? "missing" : "shape " + other.shape())
                        + ", must be " + t.shape());
            }
        });
        own.forEach((name, t) -> {
            Tensor other = tensors.get(name);
            if (other != null) {
                t.copyFrom(other);
            }
        });
    }

    /** A state of its own with the same content. */
    public RwkvState copy() {
        RwkvState copy = new RwkvState(streams, channels, layers.size(), spiking);
        copy.copyFrom(tensors());
        return copy;
    }
}
