package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Shape;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What operators ask of their arguments before they write anything. A message names the argument and both sides of the
 * disagreement.
 */
final class Checks {
    private Checks() {}

    /** The element type. */
    static void type(String name, Tensor t, DType wanted) {
        if (t.dtype() != wanted) {
            throw new IllegalArgumentException(name + ": elements are " + t.dtype() + ", must be " + wanted);
        }
    }

    /** The number of axes. */
    static void rank(String name, Tensor t, int wanted) {
        if (t.rank() != wanted) {
            throw new IllegalArgumentException(
                    name + ": shape " + t.shape() + " has " + t.rank() + " axes, must have " + wanted);
        }
    }

    /** The element type and the whole shape. */
    static void shape(String name, Tensor t, DType type, long... wanted) {
        type(name, t, type);
        boolean same = t.rank() == wanted.length;
        for (int i = 0; same && i < wanted.length; i++) {
            same = t.dim(i) == wanted[i];
        }
        if (!same) {
            throw new IllegalArgumentException(name + ": shape " + t.shape() + ", must be " + Shape.of(wanted));
        }
    }

    /** The element type and the shape of another argument. */
    static void like(String name, Tensor t, DType type, String otherName, Tensor other) {
        type(name, t, type);
        if (!t.shape().equals(other.shape())) {
            throw new IllegalArgumentException(
                    name + ": shape " + t.shape() + ", must be that of " + otherName + ", " + other.shape());
        }
    }

    /** No gaps at all. */
    static void contiguous(String name, Tensor t) {
        if (!t.isContiguous()) {
            throw new IllegalArgumentException(
                    name + ": a view of shape " + t.shape() + " with gaps; pass " + name + ".contiguous()");
        }
    }

    /** How many rows a tensor has when all its axes but the last count rows. */
    static long rows(Tensor t) {
        long rows = 1;
        for (int i = 0; i < t.rank() - 1; i++) {
            rows *= t.dim(i);
        }
        return rows;
    }

    /**
     * Bytes from one row to the next, all axes but the last counting rows: the elements of a row must lie side by side,
     * and the rows at one distance.
     */
    static long rowBytes(String name, Tensor t) {
        contiguousRow(name, t);
        int uneven = uneven(t, 1);
        if (uneven >= 0) {
            throw gaps(name, t, "axis " + uneven);
        }
        return itemBytes(t, 1);
    }

    /** The elements of the last axis must lie side by side. */
    static void contiguousRow(String name, Tensor t) {
        if (t.rank() == 0) {
            throw new IllegalArgumentException(name + ": a tensor without axes has no rows");
        }
        if (t.size() > 0 && t.dim(-1) != 1 && t.stride(-1) != 1) {
            throw gaps(name, t, "the last axis");
        }
    }

    /**
     * The axis along which the items, made of the last {@code inner} axes, do not go on at the distance that they have along
     * the axes after it; -1 if all lie at one distance.
     */
    static int uneven(Tensor t, int inner) {
        long next = 0;
        for (int i = t.rank() - 1 - inner; i >= 0 && t.size() > 0; i--) {
            if (t.dim(i) != 1) {
                if (next != 0 && t.stride(i) != next) {
                    return i;
                }
                next = t.stride(i) * t.dim(i);
            }
        }
        return -1;
    }

    /** Bytes from one such item to the next. */
    static long itemBytes(Tensor t, int inner) {
        for (int i = t.rank() - 1 - inner; i >= 0 && t.size() > 0; i--) {
            if (t.dim(i) != 1) {
                return t.stride(i) * t.dtype().bytes();
            }
        }
        long elements = 1;
        for (int i = t.rank() - inner; i < t.rank(); i++) {
            elements *= t.dim(i);
        }
        return elements * t.dtype().bytes();
    }

    /** No gaps along the last axis; everything else may lie anywhere. */
    static void contiguousRows(String name, Tensor t) {
        if (t.size() > 0 && t.dim(-1) != 1 && t.stride(-1) != 1) {
            throw gaps(name, t, "the last axis");
        }
    }

    /** No gaps within a row, all axes but the first making up the row; rows may lie apart. */
    static void wholeRows(String name, Tensor t) {
        long next = 1;
        for (int i = t.rank() - 1; i > 0 && t.size() > 0; i--) {
            if (t.dim(i) != 1 && t.stride(i) != next) {
                throw gaps(name, t, "axis " + i);
            }
            next *= t.dim(i);
        }
    }

    static IllegalArgumentException gaps(String name, Tensor t, String axis) {
        return new IllegalArgumentException(name + ": a view of shape " + t.shape() + " with gaps along " + axis
                + "; pass " + name + ".contiguous()");
    }

    private static void writable(String name, @Nullable Tensor out) {
        if (out != null && out.isReadOnly()) {
            throw new IllegalArgumentException(
                    name + ": shape " + out.shape() + ", is an output but its memory is read-only");
        }
    }

    /**
     * An output that can be written and shares no memory with an input (or with another output); an absent one never
     * does.
     */
    static void apart(String name, @Nullable Tensor out, String otherName, @Nullable Tensor other) {
        writable(name, out);
        if (out != null && other != null && out.overlaps(other)) {
            throw new IllegalArgumentException(
                    name + ": shape " + out.shape() + ", overlaps " + otherName + " of shape " + other.shape());
        }
    }

    /** An output that is an input (the same elements in the same places), or shares no memory with it. */
    static void sameOrApart(String name, Tensor out, String otherName, @Nullable Tensor other) {
        writable(name, out);
        if (other != null && !sameElements(out, other)) {
            apart(name, out, otherName, other);
        }
    }

    private static boolean sameElements(Tensor a, Tensor b) {
        boolean same = a.address() == b.address() && a.shape().equals(b.shape());
        for (int i = 0; same && i < a.rank(); i++) {
            same = a.stride(i) == b.stride(i) || a.dim(i) == 1;
        }
        return same;
    }
}
