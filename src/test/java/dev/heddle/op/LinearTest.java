package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.PackedWeight.Storage;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LinearTest {
    private static final Linear OP = Linear.builder().build();

    @Provide
    Arbitrary<Integer> rows() {
        return Arbitraries.of(0, 1, 2, 3, 4, 5, 7, 20, 110);
    }

    /** The definition, one rounding after the other. */
    private static float element(PackedWeight w, float[] q, float[] scales, float[] x, float bias, int n, int block) {
        int k = (int) w.inputs();
        float y = bias;
        for (int from = 0; from < Math.max(k, 1); from += block) {
            float sum = 0;
            for (int c = from; c < Math.min(from + block, k); c++) {
                sum = Math.fma(x[c], q[n * k + c], sum);
            }
            float scale = k == 0 ? 1 : scales[n * k + from];
            y = Math.fma(sum, scale, y);
        }
        return y;
    }

    @Property(tries = 60)
    void hasTheBitsOfItsDefinitionEverywhere(
            @ForAll("rows") int m, @ForAll Storage storage, @ForAll boolean grouped, @ForAll long seed) {
        Random r = new Random(seed);
        int n = r.nextInt(1, 150);
        int k = r.nextInt(600);
        int group = storage == Storage.I8 && grouped ? 16 << r.nextInt(5) : 0;
        Tensor weight = Trial.normal(r, n, k);
        Tensor x = Trial.spread(Trial.normal(r, m, k));
        Tensor bias = r.nextBoolean() ? Trial.normal(r, n) : null;
        PackedWeight w = PackedWeight.of(weight, storage, group);
        float[] q = new float[n * k];
        float[] scales = new float[n * k];
        quantise(weight.toFloatArray(), storage, k, group == 0 ? Math.max(k, 1) : group, q, scales);
        float[][] out = Trial.everywhere(() -> new Tensor[] {OP.forward(x, w, bias)});
        for (int i = 0; i < m; i++) {
            float[] row = x.select(0, i).toFloatArray();
            for (int j = 0; j < n; j++) {
                float b = bias == null ? 0 : bias.getFloat(j);
                float want = element(w, q, scales, row, b, j, group == 0 ? 256 : group);
                assertEquals(want, out[0][i * n + j], "y[" + i + ", " + j + "]");
            }
        }
    }

    private static void quantise(float[] w, Storage storage, int k, int group, float[] q, float[] scales) {
        for (int i = 0; i < w.length; i++) {
            int first = i / k * k + i % k / group * group;
            float most = 0;
            for (int c = first; c < Math.min(first + group, i / k * k + k); c++) {
                most = Math.max(most, Math.abs(w[c]));
            }
            scales[i] = storage == Storage.I8 ? most / 127 : 1;
            q[i] = switch (storage) {
                case F32 -> w[i];
                case BF16 ->
                    Float.intBitsToFloat((Float.floatToIntBits(w[i]) + 0x7FFF + (Float.floatToIntBits(w[i]) >> 16 & 1))
                            & 0xFFFF_0000);
                case F16 -> Float.float16ToFloat(Float.floatToFloat16(w[i]));
                case I8 -> (float) Math.rint(w[i] / scales[i]);
            };
        }
    }

    @Test
    void float32HasTheBitsOfTheMatrixProduct() {
        Random r = new Random(1);
        Tensor w = Trial.normal(r, 130, 700);
        Tensor x = Trial.normal(r, 2, 60, 700);
        Tensor bias = Trial.normal(r, 130);
        float[] want = Matmul.builder()
                .transposeB(true)
                .activation(Activation.SILU)
                .build()
                .forward(x, w, bias)
                .toFloatArray();
        Linear op = Linear.builder().activation(Activation.SILU).build();
        PackedWeight p = PackedWeight.of(w, Storage.F32);
        float[][] out = Trial.everywhere(() -> new Tensor[] {op.forward(x, p, bias)});
        Trial.assertSameBits(want, out[0], "y");
        assertEquals(new PackedWeight.Deviation(0, 0, 0), p.deviation());
        assertTrue(Arrays.equals(w.toFloatArray(), p.unpack().toFloatArray()));
    }

    @ParameterizedTest
    @EnumSource(
            value = Storage.class,
            names = {"BF16", "F16"})
    void everyNarrowFloatIsWidenedExactly(Storage storage) {
        Tensor all = Tensor.zeros(DType.F32, 64, 1024);
        float[] want = new float[1 << 16];
        for (int i = 0; i < want.length; i++) {
            want[i] = storage == Storage.BF16 ? Float.intBitsToFloat(i << 16) : Float.float16ToFloat((short) i);
            want[i] = Float.isNaN(want[i]) ? Float.NaN : want[i];
            all.setFloat(want[i], i / 1024, i % 1024);
        }
        PackedWeight w = PackedWeight.of(all, storage);
        Trial.assertSameBits(want, w.unpack().toFloatArray(), "unpacked");
        // one-hot rows of x pick columns of the weight; 0 times infinity would spoil it, so only finite ones
        Tensor finite = Tensor.zeros(DType.F32, 64, 1024);
        for (int i = 0; i < want.length; i++) {
            finite.setFloat(Float.isFinite(want[i]) ? want[i] : 1, i / 1024, i % 1024);
        }
        PackedWeight f = PackedWeight.of(finite, storage);
        for (int m : new int[] {2, 20}) {
            Tensor x = Tensor.zeros(DType.F32, m, 1024);
            for (int i = 0; i < m; i++) {
                x.setFloat(1, i, 37 * i + 5);
            }
            float[][] out = Trial.everywhere(() -> new Tensor[] {OP.forward(x, f, null)});
            for (int i = 0; i < m; i++) {
                for (int n = 0; n < 64; n++) {
                    assertEquals(finite.getFloat(n, 37 * i + 5) + 0f, out[0][i * 64 + n]);
                }
            }
        }
        // infinities and NaN, alone
        for (float special : new float[] {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN}) {
            PackedWeight s = PackedWeight.of(Tensor.zeros(DType.F32, 70, 1).fill(special), storage);
            Tensor one = Tensor.zeros(DType.F32, 1, 1).fill(1);
            float[][] out = Trial.everywhere(() -> new Tensor[] {OP.forward(one, s, null)});
            assertEquals(special, out[0][69]);
        }
    }

    @Test
    void errorsAreReported() {
        Random r = new Random(2);
        Tensor w = Trial.normal(r, 100, 512);
        for (Storage s : Storage.values()) {
            PackedWeight p = PackedWeight.of(w, s);
            float[] given = w.toFloatArray();
            float[] kept = p.unpack().toFloatArray();
            double max = 0;
            double squares = 0;
            for (int i = 0; i < given.length; i++) {
                max = Math.max(max, Math.abs((double) given[i] - kept[i]));
                squares += ((double) given[i] - kept[i]) * ((double) given[i] - kept[i]);
            }
            assertEquals(max, p.deviation().maxAbsolute(), 1e-12);
            assertEquals(Math.sqrt(squares / given.length), p.deviation().rms(), 1e-12);
            double worst = s == Storage.F32 ? 0 : s == Storage.I8 ? 1e-2 : s == Storage.BF16 ? 2e-3 : 3e-4;
            assertTrue(p.deviation().relative() <= worst, s + ": " + p.deviation());
        }
        double rows = PackedWeight.of(w, Storage.I8).deviation().rms();
        assertTrue(PackedWeight.of(w, Storage.I8, 32).deviation().rms() < rows);
        assertEquals(
                0,
                PackedWeight.of(Tensor.zeros(DType.F32, 3, 4), Storage.I8)
                        .deviation()
                        .rms());
    }

    @Test
    void whatDoesNotFitIsRefused() {
        PackedWeight w = PackedWeight.of(Tensor.zeros(DType.F32, 3, 4), Storage.BF16);
        refused(
                "x: shape [2, 5], must have rows of 4 as the weight has",
                () -> OP.forward(Tensor.zeros(DType.F32, 2, 5), w, null));
        refused(
                "bias: shape [4], must be [3]",
                () -> OP.forward(Tensor.zeros(DType.F32, 2, 4), w, Tensor.zeros(DType.F32, 4)));
        refused(
                "groupSize: 24 with I8, must be 0, or with I8 a power of two from 16 to 256",
                () -> PackedWeight.of(Tensor.zeros(DType.F32, 3, 4), Storage.I8, 24));
        Tensor endless = Tensor.zeros(DType.F32, 3, 4);
        endless.setFloat(Float.POSITIVE_INFINITY, 2, 1);
        refused("weight[2, 1] is Infinity, which I8 cannot hold", () -> PackedWeight.of(endless, Storage.I8));
    }

    private static void refused(String message, org.junit.jupiter.api.function.Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
