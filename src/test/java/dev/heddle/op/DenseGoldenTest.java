package dev.heddle.op;

import dev.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class DenseGoldenTest {
    private static Stream<DynamicTest> cases(String op, GoldenCase.Run run) {
        return GoldenCase.all(op).stream().map(c -> DynamicTest.dynamicTest(op + "/" + c.name(), () -> c.check(run)));
    }

    @TestFactory
    Stream<DynamicTest> matmul() {
        return cases("matmul", c -> {
            Matmul op = Matmul.builder()
                    .transposeA(c.flag("transpose_a"))
                    .transposeB(c.flag("transpose_b"))
                    .build();
            Map<String, Tensor> out = new HashMap<>();
            out.put("y", op.forward(c.in("a"), c.in("b"), c.in("bias")));
            if (c.in("grad_y") != null) {
                Matmul.Gradients g = op.backward(c.in("a"), c.in("b"), c.in("grad_y"), true, true, true);
                out.put("grad_a", g.a());
                out.put("grad_b", g.b());
                out.put("grad_bias", g.bias());
            }
            return out;
        });
    }

    @TestFactory
    Stream<DynamicTest> softmax() {
        return cases("softmax", c -> {
            Softmax op = Softmax.builder().build();
            Map<String, Tensor> out = new HashMap<>();
            out.put("y", op.forward(c.in("x")));
            if (c.in("grad_y") != null) {
                out.put("grad_x", op.backward(out.get("y"), c.in("grad_y")));
            }
            return out;
        });
    }

    @TestFactory
    Stream<DynamicTest> crossEntropy() {
        return cases("cross_entropy", c -> {
            CrossEntropy op = CrossEntropy.builder().build();
            return Map.of(
                    "loss",
                    op.forward(c.in("logits"), c.in("target")),
                    "grad_logits",
                    op.backward(c.in("logits"), c.in("target"), c.in("grad_loss")));
        });
    }

    @TestFactory
    Stream<DynamicTest> layerNorm() {
        return cases("layer_norm", c -> {
            LayerNorm op = LayerNorm.builder()
                    .eps(Float.parseFloat(c.param("eps", "1e-5")))
                    .build();
            LayerNorm.Gradients g = op.backward(c.in("x"), c.in("weight"), c.in("grad_y"), true, true, true);
            return Map.of(
                    "y",
                    op.forward(c.in("x"), c.in("weight"), c.in("bias")),
                    "grad_x",
                    g.x(),
                    "grad_weight",
                    g.weight(),
                    "grad_bias",
                    g.bias());
        });
    }

    @TestFactory
    Stream<DynamicTest> activations() {
        return Stream.of(Activation.values())
                .flatMap(f -> cases(f.name().toLowerCase(Locale.ROOT), c -> {
                    Map<String, Tensor> out = new HashMap<>();
                    out.put("y", f.forward(c.in("x")));
                    if (c.in("grad_y") != null) {
                        out.put("grad_x", f.backward(c.in("x"), c.in("grad_y")));
                    }
                    return out;
                }));
    }
}
