package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MambaStreamTest {
    static final int MODEL = 12;

    /** Both blocks, with the shapes of upstream's modules. */
    enum Kind {
        MAMBA {
            @Override
            Tensor forward(Map<String, Tensor> p, Tensor x) {
                return MambaBlock.forward(MambaBlock.Parameters.of(p, "mixer."), x);
            }

            @Override
            MambaStream stream(Map<String, Tensor> p, int slots) {
                return MambaBlock.stream(MambaBlock.Parameters.of(p, "mixer."), slots);
            }
        },
        MAMBA2 {
            @Override
            Tensor forward(Map<String, Tensor> p, Tensor x) {
                return block().forward(Mamba2Block.Parameters.of(p, "mixer."), x);
            }

            @Override
            MambaStream stream(Map<String, Tensor> p, int slots) {
                return block().stream(Mamba2Block.Parameters.of(p, "mixer."), slots);
            }

            private static Mamba2Block block() {
                return Mamba2Block.builder().groups(2).build();
            }
        };

        abstract Tensor forward(Map<String, Tensor> p, Tensor x);

        abstract MambaStream stream(Map<String, Tensor> p, int slots);
    }

    static Map<String, Tensor> parameters(Kind kind) {
        Map<String, Tensor> p = new HashMap<>();
        Random r = new Random(3);
        long inner = 2 * MODEL;
        if (kind == Kind.MAMBA) {
            long states = 5;
            put(p, r, "in_proj.weight", 2 * inner, MODEL);
            put(p, r, "conv1d.weight", inner, 1, 4);
            put(p, r, "conv1d.bias", inner);
            put(p, r, "x_proj.weight", 2 + 2 * states, inner);
            put(p, r, "dt_proj.weight", inner, 2);
            put(p, r, "dt_proj.bias", inner);
            put(p, r, "A_log", inner, states);
            put(p, r, "D", inner);
        } else {
            put(p, r, "in_proj.weight", 2 * inner + 2 * 2 * 6 + 4, MODEL);
            put(p, r, "conv1d.weight", inner + 2 * 2 * 6, 1, 4);
            put(p, r, "conv1d.bias", inner + 2 * 2 * 6);
            put(p, r, "dt_bias", 4);
            put(p, r, "A_log", 4);
            put(p, r, "D", 4);
            put(p, r, "norm.weight", inner);
        }
        put(p, r, "out_proj.weight", MODEL, inner);
        return p;
    }

    private static void put(Map<String, Tensor> p, Random r, String name, long... shape) {
        p.put("mixer." + name, Trial.fill(Tensor.zeros(DType.F32, shape), () -> (float) (0.4 * r.nextGaussian())));
    }

    /** Two streams in a pool, cut differently, one of them carried to another pool on the way. */
    @ParameterizedTest
    @EnumSource
    void hasTheBitsOfTheSequence(Kind kind) {
        Map<String, Tensor> p = parameters(kind);
        int steps = 40;
        Tensor x = Trial.normal(new Random(1), 2, steps, MODEL);
        Tensor want = kind.forward(p, x);
        Tensor got = Tensor.zeros(DType.F32, 2, steps, MODEL);
        try (MambaStream stream = kind.stream(p, 3);
                MambaStream other = kind.stream(p, 1)) {
            assertEquals(3, stream.slots());
            copy(got.slice(1, 0, 9), stream.forward(x.slice(1, 0, 9).contiguous(), 2, 0));
            for (int t = 9; t < 14; t++) {
                copy(got.slice(1, t, t + 1), stream.forward(x.slice(1, t, t + 1).contiguous(), 2, 0));
            }
            other.restore(0, stream.save(2));
            stream.reset(2);
            Tensor again = stream.forward(x.slice(0, 0, 1).contiguous(), 2);
            Trial.assertSameBits(want.slice(0, 0, 1).toFloatArray(), again.toFloatArray(), "after a reset");
            Tensor first = x.slice(0, 0, 1).slice(1, 14, steps).contiguous();
            copy(got.slice(0, 0, 1).slice(1, 14, steps), other.forward(first, 0));
            for (int t = 14; t < steps; t++) {
                copy(
                        got.slice(0, 1, 2).slice(1, t, t + 1),
                        stream.forward(x.slice(0, 1, 2).slice(1, t, t + 1).contiguous(), 0));
            }
        }
        Trial.assertSameBits(want.toFloatArray(), got.toFloatArray(), kind.name());
    }

    private static void copy(Tensor to, Tensor from) {
        to.copyFrom(from);
    }

    @ParameterizedTest
    @EnumSource
    void whatDoesNotFitIsRefused(Kind kind) {
        Map<String, Tensor> p = parameters(kind);
        try (MambaStream stream = kind.stream(p, 2)) {
            Tensor x = Tensor.zeros(DType.F32, 2, 1, MODEL);
            refused("slots: [0], must be one for each row", () -> stream.forward(x, 0));
            refused("slots: [1] is 1, which is taken twice", () -> stream.forward(x, 1, 1));
            assertThrows(IndexOutOfBoundsException.class, () -> stream.forward(x, 0, 2));
            refused("x: shape [2, 1, 3]", () -> stream.forward(Tensor.zeros(DType.F32, 2, 1, 3), 0, 1));
            refused("there is no ssm_state", () -> stream.restore(0, Map.of("conv_state", x)));
        }
        Tensor x = Tensor.zeros(DType.F32, 1, 3, MODEL);
        p.put("mixer.in_proj.weight", Tensor.zeros(DType.F32, 7, MODEL));
        refused("in_proj.weight: shape [7, 12]", () -> kind.forward(p, x));
        p.remove("mixer.in_proj.weight");
        refused("there is no mixer.in_proj.weight", () -> kind.forward(p, x));
    }

    private static void refused(String message, Executable call) {
        var e = assertThrows(IllegalArgumentException.class, call);
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
