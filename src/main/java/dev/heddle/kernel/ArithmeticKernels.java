package dev.heddle.kernel;

/**
 * Sums and products of rows, element by element. A row has at least as many columns as the kernel has lanes. {@code y} is
 * {@code a}, or {@code b}, or does not overlap it. Strides are in bytes; 0 gives every row the same operand.
 */
public interface ArithmeticKernels {
    /** What is done with two elements. */
    enum Operator {
        ADD,
        SUB,
        MUL,
        DIV
    }

    /** {@code y = a op b}. */
    void binary(Operator op, long a, long as, long b, long bs, long y, long ys, long columns, long rows);

    /** {@code y = alpha a + b}, with one rounding. */
    void axpy(float alpha, long a, long as, long b, long bs, long y, long ys, long columns, long rows);
}
