package dev.heddle.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.optim.Adam;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AarenTest {
    private static Tensor normal(Random r, long... shape) {
        long n = 1;
        for (long d : shape) {
            n *= d;
        }
        float[] v = new float[(int) n];
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) r.nextGaussian();
        }
        return Tensor.of(v, shape);
    }

    private static double loss(Aaren module, Tensor x, Tensor g) {
        return dot(module.forward(x), g);
    }

    private static double dot(Tensor a, Tensor b) {
        float[] u = a.toFloatArray();
        float[] v = b.toFloatArray();
        double sum = 0;
        for (int i = 0; i < u.length; i++) {
            sum += (double) u[i] * v[i];
        }
        return sum;
    }

    private static void move(Tensor t, Tensor direction, float by) {
        float[] v = t.toFloatArray();
        float[] d = direction.toFloatArray();
        for (int i = 0; i < v.length; i++) {
            v[i] += by * d[i];
        }
        t.copyFrom(Tensor.of(v, t.shape().toArray()));
    }

    /** Along a random direction in each parameter and the input, by differences. */
    @Test
    void gradientsAreThoseOfTheForwardPass() {
        Random r = new Random(1);
        Aaren module = Aaren.builder(12, 3).layers(2).hidden(20).seed(5).build();
        for (Tensor p : module.parameters()) {
            move(p, normal(r, p.shape().toArray()), 0.3f);
        }
        Tensor x = normal(r, 2, 9, 12);
        Tensor g = normal(r, 2, 9, 12);
        Aaren.Gradients grads = module.backward(x, g);
        List<Tensor> variables = new ArrayList<>(module.parameters());
        variables.add(x);
        List<Tensor> gradients = new ArrayList<>(grads.parameters());
        gradients.add(grads.x());
        assertEquals(2 * 17 + 3, variables.size());
        for (int i = 0; i < variables.size(); i++) {
            Tensor p = variables.get(i);
            Tensor direction = normal(r, p.shape().toArray());
            float step = 2e-3f;
            move(p, direction, step);
            double up = loss(module, x, g);
            move(p, direction, -2 * step);
            double down = loss(module, x, g);
            move(p, direction, step);
            double want = (up - down) / (2 * step);
            double got = dot(gradients.get(i), direction);
            assertEquals(want, got, 0.02 * Math.abs(want) + 0.02, "parameter " + i);
        }
    }

    @Test
    void aStreamHasTheBitsOfTheSequence() {
        Random r = new Random(2);
        Aaren module = Aaren.builder(16, 2).layers(2).build();
        Tensor x = normal(r, 3, 70, 16);
        float[] whole = module.forward(x).toFloatArray();
        try (Aaren.State state = module.start(3)) {
            Tensor y = Tensor.zeros(DType.F32, 3, 16);
            Tensor more = Tensor.zeros(DType.F32, 3, 40, 16);
            Tensor got = Tensor.zeros(DType.F32, 3, 70, 16);
            for (int t = 0; t < 30; t++) {
                module.forward(state, x.select(1, t), y);
                got.select(1, t).copyFrom(y);
            }
            try (Aaren.State other = state.copy()) {
                module.forward(other, normal(r, 3, 16), y);
            }
            module.forward(state, x.slice(1, 30, 70), more);
            got.slice(1, 30, 70).copyFrom(more);
            assertArrayEquals(whole, got.toFloatArray());
            assertEquals(2, state.layers().size());
        }
    }

    /** The running mean of the inputs so far: what such a stack can learn. */
    @Test
    void learns() {
        Random r = new Random(3);
        Aaren module = Aaren.builder(8, 2).seed(1).build();
        Adam adam = Adam.builder().learningRate(5e-3f).build(module.parameters());
        double first = 0;
        double last = 0;
        for (int step = 0; step < 150; step++) {
            Tensor x = normal(r, 4, 12, 8);
            Tensor y = module.forward(x);
            float[] in = x.toFloatArray();
            float[] out = y.toFloatArray();
            float[] grad = new float[out.length];
            double loss = 0;
            for (int b = 0; b < 4; b++) {
                for (int c = 0; c < 8; c++) {
                    double sum = 0;
                    for (int t = 0; t < 12; t++) {
                        int at = (b * 12 + t) * 8 + c;
                        sum += in[at];
                        double e = out[at] - sum / (t + 1);
                        loss += e * e / out.length;
                        grad[at] = (float) (2 * e / out.length);
                    }
                }
            }
            adam.step(module.backward(x, Tensor.of(grad, 4, 12, 8)).parameters());
            first = step == 0 ? loss : first;
            last = loss;
        }
        assertTrue(last < 0.3 * first, first + " at first, " + last + " at last");
    }

    @Test
    void badArgumentsAreRefused() {
        Aaren module = Aaren.builder(8, 2).build();
        assertThrows(IllegalArgumentException.class, () -> Aaren.builder(8, 3));
        assertThrows(IllegalArgumentException.class, () -> module.forward(Tensor.zeros(DType.F32, 2, 3, 7)));
        try (Aaren.State state = module.start(2)) {
            Tensor x = Tensor.zeros(DType.F32, 3, 8);
            assertThrows(IllegalArgumentException.class, () -> module.forward(state, x, x.copy()));
        }
    }
}
