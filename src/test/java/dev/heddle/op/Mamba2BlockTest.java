package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.op.Mamba2Block.Parameters;
import dev.heddle.reference.Derivative;
import dev.heddle.reference.Mamba2Block64;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Mamba2BlockTest {
    private static Parameters random(Mamba2Block64.Shape s, boolean norm, boolean skipPerChannel, Random r) {
        long inner = (long) s.heads() * s.channels();
        long mixed = inner + 2L * s.groups() * s.states();
        return new Parameters(
                small(r, inner + mixed + s.heads(), s.model()),
                small(r, mixed, 1, 4),
                small(r, mixed),
                small(r, s.heads()),
                small(r, s.heads()),
                small(r, skipPerChannel ? inner : s.heads()),
                norm ? small(r, inner) : null,
                small(r, s.model(), inner));
    }

    private static Tensor small(Random r, long... shape) {
        return Trial.fill(Tensor.zeros(DType.F32, shape), () -> (float) (0.5 * r.nextGaussian()));
    }

    @ParameterizedTest
    @CsvSource({"1, true, false", "2, true, true", "2, false, false"})
    void equalsTheReferenceWithItsGradients(int groups, boolean norm, boolean skipPerChannel) {
        var shape = new Mamba2Block64.Shape(14, 6, 4, 5, groups, 3);
        Random r = new Random(groups);
        Parameters p = random(shape, norm, skipPerChannel, r);
        Tensor x = Trial.normal(r, 1, 14, 6);
        Tensor gy = Trial.normal(r, 1, 14, 6);
        Mamba2Block block = Mamba2Block.builder().groups(groups).build();
        Map<String, double[]> doubles = new HashMap<>();
        p.asMap().forEach((name, t) -> doubles.put(name, Trial.doubles(t)));
        double[] input = Trial.doubles(x);
        List<String> names = List.copyOf(p.asMap().keySet());
        float[][] out = Trial.everywhere(() -> {
            Mamba2Block.Gradients g = block.backward(p, x, gy);
            List<Tensor> all = new ArrayList<>(List.of(block.forward(p, x), g.x()));
            names.forEach(name -> all.add(g.parameters().asMap().get(name)));
            return all.toArray(new Tensor[0]);
        });
        Trial.assertClose(Mamba2Block64.forward(shape, input, doubles), out[0], 2e-5, 2e-5, "y");
        double[] cotangent = Trial.doubles(gy);
        Trial.assertClose(gradient(shape, input, doubles, input, cotangent), out[1], 5e-5, 1e-4, "gradient of x");
        for (int i = 0; i < names.size(); i++) {
            double[] want = gradient(shape, input, doubles, doubles.get(names.get(i)), cotangent);
            Trial.assertClose(want, out[i + 2], 5e-5, 1e-4, "gradient of " + names.get(i));
        }
    }

    private static double[] gradient(
            Mamba2Block64.Shape s, double[] x, Map<String, double[]> p, double[] of, double[] cotangent) {
        return Derivative.of(_ -> Derivative.dot(Mamba2Block64.forward(s, x, p), cotangent), of);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        var shape = new Mamba2Block64.Shape(3, 6, 4, 5, 2, 3);
        Parameters p = random(shape, true, false, new Random(1));
        Tensor x = Tensor.zeros(DType.F32, 1, 3, 6);
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> Mamba2Block.builder().groups(3).build().forward(p, x));
        assertEquals(
                "A_log: shape [4], its heads must divide the channels of out_proj.weight of shape [6, 20], and the 3"
                        + " groups its heads",
                e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> Mamba2Block.builder().groups(0));
    }
}
