package dev.heddle.loom;

/** The interface of a kernel family of the tests. */
public interface Weft {
    /** What to do with two numbers. */
    enum Op {
        ADD,
        MUL,
        MAX
    }

    /** {@code out = a op b * scale}, over n columns. */
    void combine(Op op, boolean negate, int scale, long a, long b, long out, int n);

    /** The columns that one step covers. */
    int columns();

    /** Rows of {@code out} are sums over the rows of x that idx names, each times its weight. */
    void gather(long ptr, long idx, long w, long x, long out, int rows, int columns);
}
