package dev.heddle.cli;

import dev.heddle.cli.GoldenOp.Outputs;
import dev.heddle.cli.Operators.Operator;
import dev.heddle.op.Activation;
import dev.heddle.op.CrossEntropy;
import dev.heddle.op.GroupNorm;
import dev.heddle.op.LayerNorm;
import dev.heddle.op.Matmul;
import dev.heddle.op.RmsNorm;
import dev.heddle.op.Softmax;
import dev.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Matrix products, norms, softmax and the elementwise functions. */
final class DenseOps {
    private DenseOps() {}

    static final List<Operator> OPERATORS = operators();

    private static List<Operator> operators() {
        List<Operator> all = new ArrayList<>(List.of(
                new Operator("matmul", "dense", true, false, DenseOps::matmul),
                new Operator("softmax", "dense", true, false, DenseOps::softmax),
                new Operator("cross_entropy", "dense", true, false, DenseOps::crossEntropy),
                new Operator("layer_norm", "dense", true, false, DenseOps::layerNorm),
                new Operator("rms_norm", "dense", true, false, DenseOps::rmsNorm),
                new Operator("group_norm", "dense", true, false, DenseOps::groupNorm)));
        for (Activation f : Activation.values()) {
            all.add(new Operator(
                    f.name().toLowerCase(Locale.ROOT), "pointwise", true, false, (c, out) -> pointwise(f, c, out)));
        }
        return List.copyOf(all);
    }

    private static void softmax(GoldenCase c, Outputs out) {
        Softmax op = Softmax.builder().build();
        Tensor y = op.forward(c.in("x"));
        out.put("y", y);
        if (c.has("grad_y")) {
            out.put("grad_x", op.backward(y, c.in("grad_y")));
        }
    }

    private static void crossEntropy(GoldenCase c, Outputs out) {
        CrossEntropy op =
                CrossEntropy.builder().reduction(CrossEntropy.Reduction.NONE).build();
        Tensor logits = c.in("logits");
        Tensor target = c.in("target");
        out.put("loss", op.forward(logits, target));
        if (c.has("grad_loss")) {
            out.put("grad_logits", op.backward(logits, target, c.in("grad_loss")));
        }
    }

    private static void layerNorm(GoldenCase c, Outputs out) {
        LayerNorm op = LayerNorm.builder().eps(c.floatParam("eps", 1e-5)).build();
        Tensor x = c.in("x");
        Tensor weight = c.optional("weight");
        Tensor bias = c.optional("bias");
        out.put("y", op.forward(x, weight, bias));
        if (c.has("grad_y")) {
            LayerNorm.Gradients g = op.backward(
                    x, weight, c.in("grad_y"), c.wants("grad_x"), c.wants("grad_weight"), c.wants("grad_bias"));
            out.put("grad_x", g.x()).put("grad_weight", g.weight()).put("grad_bias", g.bias());
        }
    }

    private static void rmsNorm(GoldenCase c, Outputs out) {
        RmsNorm op = RmsNorm.builder()
                .eps(c.floatParam("eps", 1e-6))
                .groupSize(c.intParam("group_size", 0))
                .normBeforeGate(c.flag("norm_before_gate", true))
                .build();
        Tensor x = c.in("x");
        Tensor weight = c.optional("weight");
        Tensor bias = c.optional("bias");
        Tensor z = c.optional("z");
        out.put("y", op.forward(x, weight, bias, z));
        if (c.has("grad_y")) {
            RmsNorm.Gradients g = op.backward(
                    x,
                    weight,
                    bias,
                    z,
                    c.in("grad_y"),
                    c.wants("grad_x"),
                    c.wants("grad_weight"),
                    c.wants("grad_bias"),
                    c.wants("grad_z"));
            out.put("grad_x", g.x())
                    .put("grad_weight", g.weight())
                    .put("grad_bias", g.bias())
                    .put("grad_z", g.z());
        }
    }

    private static void groupNorm(GoldenCase c, Outputs out) {
        GroupNorm op = GroupNorm.builder()
                .eps(c.floatParam("eps", 64e-5))
                .groups(c.intParam("groups", 1))
                .build();
        Tensor x = c.in("x");
        Tensor weight = c.optional("weight");
        out.put("y", op.forward(x, weight, c.optional("bias")));
        if (c.has("grad_y")) {
            GroupNorm.Gradients g = op.backward(
                    x, weight, c.in("grad_y"), c.wants("grad_x"), c.wants("grad_weight"), c.wants("grad_bias"));
            out.put("grad_x", g.x()).put("grad_weight", g.weight()).put("grad_bias", g.bias());
        }
    }

    private static void pointwise(Activation f, GoldenCase c, Outputs out) {
        Tensor x = c.in("x");
        out.put("y", f.forward(x));
        if (c.has("grad_y")) {
            out.put("grad_x", f.backward(x, c.in("grad_y")));
        }
    }

    private static void matmul(GoldenCase c, Outputs out) {
        Matmul op = Matmul.builder()
                .transposeA(c.flag("transpose_a", false))
                .transposeB(c.flag("transpose_b", false))
                .build();
        Tensor a = c.in("a");
        Tensor b = c.in("b");
        out.put("y", op.forward(a, b, c.optional("bias")));
        if (c.has("grad_y")) {
            Matmul.Gradients g =
                    op.backward(a, b, c.in("grad_y"), c.wants("grad_a"), c.wants("grad_b"), c.wants("grad_bias"));
            out.put("grad_a", g.a()).put("grad_b", g.b()).put("grad_bias", g.bias());
        }
    }
}
