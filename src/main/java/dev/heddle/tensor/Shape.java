package dev.heddle.tensor;

import java.util.Arrays;

/** The extents of a tensor, outermost first. Extents may be 0; the shape of rank 0 holds one element. */
public final class Shape {
    private final long[] dims;
    private final long size;

    private Shape(long[] dims) {
        this.dims = dims;
        boolean empty = false;
        for (long d : dims) {
            if (d < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(dims) + " has a negative extent");
            }
            empty |= d == 0;
        }
        long n = 1;
        try {
            for (long d : dims) {
                n = empty ? 0 : Math.multiplyExact(n, d);
            }
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("shape " + Arrays.toString(dims) + " has 2^63 elements or more", e);
        }
        size = n;
    }

    /** A shape of these extents; without any, that of a scalar. */
    public static Shape of(long... dims) {
        return new Shape(dims.clone());
    }

    /** The number of axes. */
    public int rank() {
        return dims.length;
    }

    /** The extent of an axis; negative axes count from the last, so {@code dim(-1)} is the innermost. */
    public long dim(int axis) {
        return dims[axis(axis)];
    }

    /** Number of elements. */
    public long size() {
        return size;
    }

    /** The extents, in an array of its own. */
    public long[] toArray() {
        return dims.clone();
    }

    int axis(int axis) {
        int a = axis < 0 ? axis + dims.length : axis;
        if (a < 0 || a >= dims.length) {
            throw new IndexOutOfBoundsException("axis " + axis + " of a tensor of shape " + this);
        }
        return a;
    }

    long byteSize(DType dtype) {
        try {
            return Math.multiplyExact(size, (long) dtype.bytes());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("the byte size of " + dtype + " " + this + " overflows", e);
        }
    }

    /** Element strides of a contiguous tensor. */
    long[] strides() {
        long[] s = new long[dims.length];
        long n = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            s[i] = n;
            n *= size == 0 ? 1 : dims[i];
        }
        return s;
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Shape s && Arrays.equals(dims, s.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    @Override
    public String toString() {
        return Arrays.toString(dims);
    }
}
