package dev.heddle.models;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Map;

/** The tensors of a state_dict below a prefix, as float32, checked when they are asked for. */
record Parameters(Map<String, Tensor> all, String prefix) {
    boolean has(String name) {
        return all.containsKey(prefix + name);
    }

    Parameters below(String name) {
        return new Parameters(all, prefix + name + ".");
    }

    /** A tensor of this shape, or of one that differs from it in axes of length 1 only. */
    Tensor get(String name, long... shape) {
        Tensor t = find(name);
        Shape wanted = Shape.of(shape);
        long[] given = Arrays.stream(t.shape().toArray()).filter(d -> d != 1).toArray();
        long[] bare = Arrays.stream(shape).filter(d -> d != 1).toArray();
        if (!Arrays.equals(given, bare)) {
            throw new IllegalArgumentException(prefix + name + ": shape " + t.shape() + ", must be " + wanted);
        }
        return t.to(DType.F32).contiguous().reshape(shape);
    }

    /** A tensor of rank 2. */
    Tensor matrix(String name) {
        Tensor t = find(name);
        if (t.rank() != 2) {
            throw new IllegalArgumentException(prefix + name + ": shape " + t.shape() + ", must have 2 axes");
        }
        return t;
    }

    private Tensor find(String name) {
        Tensor t = all.get(prefix + name);
        if (t == null) {
            throw new IllegalArgumentException("the state_dict lacks " + prefix + name);
        }
        if (!t.dtype().isFloating()) {
            throw new IllegalArgumentException(prefix + name + ": elements are " + t.dtype() + ", must be floats");
        }
        return t;
    }

    /** How many blocks there are: {@code blocks.0}, {@code blocks.1} and so on. */
    int blocks() {
        int n = 0;
        while (has("blocks." + n + ".ln1.weight")) {
            n++;
        }
        if (n == 0) {
            throw new IllegalArgumentException("the state_dict lacks " + prefix + "blocks.0.ln1.weight");
        }
        return n;
    }
}
