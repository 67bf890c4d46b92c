package dev.heddle.tensor;

/** Element types. Kernels compute in {@link #F32}; {@link #F16} and {@link #BF16} are storage. */
public enum DType {
    F32(4),
    I32(4),
    I64(8),
    U8(1),
    I8(1),
    F16(2),
    BF16(2);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether elements are floating-point numbers. */
    public boolean isFloating() {
        return this == F32 || this == F16 || this == BF16;
    }
}
