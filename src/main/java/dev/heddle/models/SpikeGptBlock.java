package dev.heddle.models;

import dev.heddle.op.Activation;
import dev.heddle.op.Arithmetic;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Lif;
import dev.heddle.op.Matmul;
import dev.heddle.op.TokenShift;
import dev.heddle.op.Wkv4;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A block of SpikeGPT, forward and backward: {@code a = LN1(x)}, k, v and r from the token shift of a; {@code x += lif(output(sigmoid(r) wkv4(k, v,
 * -exp(time_decay), time_first)))}; {@code b = LN2(x)}; {@code x += lif(sigmoid(receptance(b_r)) value(relu(key(b_k))^2))}. In block 0 {@code x = LN0(x)} first.
 * Neurons are those of {@link Lif} by default; states start at zero.
 *
 * <p>{@code x} is float32 {@code [B, L, C]}. Parameters have the names of the upstream block, without {@code blocks.N.}; they are read anew in each
 * call, so an optimiser may change them in place. The backward computes the forward again.
 *
 * <p>After ridgerchu/SpikeGPT {@code src/model.py}.
 */
public final class SpikeGptBlock {
    private static final LayerNorm NORM = LayerNorm.builder().build();
    private static final TokenShift SHIFT = TokenShift.builder().build();
    private static final Matmul LINEAR = Matmul.builder().transposeB(true).build();
    private static final Wkv4 WKV = Wkv4.builder().build();
    private static final Lif LIF = Lif.builder().build();

    private final Map<String, Tensor> tensors;
    private final boolean first;
    private final long channels;

    private SpikeGptBlock(Map<String, Tensor> tensors, boolean first) {
        this.tensors = Map.copyOf(tensors);
        this.first = first;
        this.channels = parameters().matrix("att.key.weight").dim(1);
    }

    /**
     * A block over these parameters, which stay the caller's.
     *
     * @param layer the number of the block; 0 has ln0
     */
    public static SpikeGptBlock of(Map<String, Tensor> parameters, int layer) {
        return new SpikeGptBlock(parameters, layer == 0);
    }

    /** Gradients of the input, and of the parameters by name, shaped like them. */
    public record Gradients(Tensor x, Map<String, Tensor> parameters) {}

    private Parameters parameters() {
        return new Parameters(tensors, "");
    }

    /** Computes the block's output, like x. */
    public Tensor forward(Tensor x) {
        return new Pass(x).y;
    }

    /** Computes all gradients. */
    public Gradients backward(Tensor x, Tensor gradY) {
        return new Pass(x).backward(gradY);
    }

    private Tensor vector(String name) {
        return parameters().get(name, channels);
    }

    private Tensor normalised(String name, Tensor x) {
        return NORM.forward(x, vector(name + ".weight"), vector(name + ".bias"));
    }

    /** x w^T, over the last axis. */
    private Tensor linear(String name, Tensor x) {
        Tensor w = parameters().matrix(name);
        Tensor y = LINEAR.forward(rows(x), w);
        return y.reshape(x.dim(0), x.dim(1), w.dim(0));
    }

    private static Tensor rows(Tensor x) {
        return x.reshape(x.dim(0) * x.dim(1), x.dim(2));
    }

    private static Tensor mul(Tensor a, Tensor b) {
        return Arithmetic.MUL.forward(a, b);
    }

    private static Tensor add(Tensor a, Tensor b) {
        return Arithmetic.ADD.forward(a, b);
    }

    /** A forward, and what its backward needs of it. */
    private final class Pass {
        private final Tensor input;
        private final Tensor x;
        private final Tensor a;
        private final Tensor attMix;
        private final Tensor mixed;
        private final Tensor k;
        private final Tensor v;
        private final Tensor r;
        private final Tensor gate;
        private final Tensor w;
        private final Tensor wkv;
        private final Tensor gated;
        private final Tensor out;
        private final Tensor middle;
        private final Tensor b;
        private final Tensor ffnMix;
        private final Tensor mixed2;
        private final Tensor key;
        private final Tensor hidden;
        private final Tensor value;
        private final Tensor r2;
        private final Tensor gate2;
        private final Tensor gated2;
        final Tensor y;

        private final Map<String, Tensor> gradients = new LinkedHashMap<>();

        Pass(Tensor input) {
            this.input = input;
            x = first ? normalised("ln0", input) : input;
            a = normalised("ln1", x);
            Parameters p = parameters();
            attMix = RwkvBlock.stack(channels, p, "att.time_mix_k", "att.time_mix_v", "att.time_mix_r");
            mixed = SHIFT.forward(a, attMix, null).y();
            k = linear("att.key.weight", mixed.select(0, 0));
            v = linear("att.value.weight", mixed.select(0, 1));
            r = linear("att.receptance.weight", mixed.select(0, 2));
            gate = Activation.SIGMOID.forward(r);
            w = RwkvBlock.decay(vector("att.time_decay"));
            wkv = WKV.forward(k, v, w, vector("att.time_first"), null).y();
            gated = mul(gate, wkv);
            out = linear("att.output.weight", gated);
            middle = add(x, LIF.forward(out, null).spike());
            b = normalised("ln2", middle);
            ffnMix = RwkvBlock.stack(channels, p, "ffn.time_mix_k", "ffn.time_mix_r");
            mixed2 = SHIFT.forward(b, ffnMix, null).y();
            key = linear("ffn.key.weight", mixed2.select(0, 0));
            hidden = Activation.RELU_SQUARED.forward(key);
            value = linear("ffn.value.weight", hidden);
            r2 = linear("ffn.receptance.weight", mixed2.select(0, 1));
            gate2 = Activation.SIGMOID.forward(r2);
            gated2 = mul(gate2, value);
            y = add(middle, LIF.forward(gated2, null).spike());
        }

        Gradients backward(Tensor gradY) {
            Tensor gMiddle = add(gradY, feedForward(throughNeurons(gated2, gradY)));
            Tensor gx = add(gMiddle, attention(throughNeurons(out, gMiddle)));
            return new Gradients(first ? throughNorm("ln0", input, gx) : gx, gradients);
        }

        private Tensor feedForward(Tensor g) {
            Tensor gHidden = throughLinear("ffn.value.weight", hidden, mul(g, gate2));
            Tensor gk = throughLinear(
                    "ffn.key.weight", mixed2.select(0, 0), Activation.RELU_SQUARED.backward(key, gHidden));
            Tensor gr = throughLinear(
                    "ffn.receptance.weight", mixed2.select(0, 1), Activation.SIGMOID.backward(r2, mul(g, value)));
            Tensor gb = throughShift(b, ffnMix, new String[] {"ffn.time_mix_k", "ffn.time_mix_r"}, gk, gr);
            return throughNorm("ln2", middle, gb);
        }

        private Tensor attention(Tensor g) {
            Tensor gGated = throughLinear("att.output.weight", gated, g);
            Wkv4.Gradients back = WKV.backward(k, v, w, vector("att.time_first"), null, mul(gGated, gate), null, null);
            put("att.time_decay", mul(present(back.w()), w));
            put("att.time_first", present(back.u()));
            Tensor gk = throughLinear("att.key.weight", mixed.select(0, 0), present(back.k()));
            Tensor gv = throughLinear("att.value.weight", mixed.select(0, 1), present(back.v()));
            Tensor gr = throughLinear(
                    "att.receptance.weight", mixed.select(0, 2), Activation.SIGMOID.backward(r, mul(gGated, wkv)));
            String[] names = {"att.time_mix_k", "att.time_mix_v", "att.time_mix_r"};
            return throughNorm("ln1", x, throughShift(a, attMix, names, gk, gv, gr));
        }

        private Tensor throughNeurons(Tensor in, Tensor g) {
            return present(LIF.backward(in, null, g, null).x());
        }

        private Tensor throughLinear(String name, Tensor in, Tensor g) {
            Matmul.Gradients back = LINEAR.backward(rows(in), parameters().matrix(name), rows(g), true, true, false);
            put(name, present(back.b()));
            return present(back.a()).reshape(in.shape().toArray());
        }

        private Tensor throughShift(Tensor in, Tensor mix, String[] names, Tensor... gs) {
            Tensor g = Tensor.zeros(DType.F32, gs.length, in.dim(0), in.dim(1), in.dim(2));
            for (int i = 0; i < gs.length; i++) {
                g.select(0, i).copyFrom(gs[i]);
            }
            TokenShift.Gradients back = SHIFT.backward(in, mix, null, g, null);
            for (int i = 0; i < names.length; i++) {
                put(names[i], present(back.mix()).select(0, i));
            }
            return present(back.x());
        }

        private Tensor throughNorm(String name, Tensor in, Tensor g) {
            LayerNorm.Gradients back = NORM.backward(in, vector(name + ".weight"), g, true, true, true);
            put(name + ".weight", present(back.weight()));
            put(name + ".bias", present(back.bias()));
            return present(back.x());
        }

        private void put(String name, Tensor g) {
            Tensor parameter = tensors.get(name);
            long[] shape = parameter == null
                    ? new long[] {channels}
                    : parameter.shape().toArray();
            gradients.put(name, g.contiguous().reshape(shape));
        }
    }

    /** A gradient that was asked for. */
    private static Tensor present(@Nullable Tensor t) {
        if (t == null) {
            throw new IllegalStateException("a gradient that was asked for is missing");
        }
        return t;
    }
}
