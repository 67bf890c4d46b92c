package dev.heddle.kernel;

/**
 * Gather-reduce over the rows of a CSR matrix, lanes over features. Edges of a row are taken in order.
 *
 * <p>Arguments are absolute addresses and byte strides. {@code indptr} points at the i64 row pointers, {@code indices} at
 * the i32 columns of the whole matrix. A tile is {@code tile} vectors wide; its last vector starts {@code last} bytes after
 * its first and may overlap the one before. Matrices ({@code x}, {@code y}, {@code g}, ...) point at the first column of the
 * tile and have their row stride beside them ({@code xs}, {@code ys}, {@code gs}, ...). Rows {@code row} to {@code rowEnd} are
 * computed.
 *
 * <p>A weight per edge, or per edge and head, stands {@code ws} bytes from edge to edge; a full weight is a matrix with a row
 * per edge.
 */
public interface SpmmKernels {
    /** What an edge sends: the source row, times or plus its weight. */
    enum Message {
        COPY,
        MUL,
        ADD
    }

    /** The same with a weight for each feature. */
    enum FullMessage {
        MUL,
        ADD
    }

    /** How a row combines its messages; an empty row gives 0. */
    enum Reduce {
        SUM,
        MEAN,
        MAX,
        MIN
    }

    /** The reductions that can tell which message they took. */
    enum Extremum {
        MAX,
        MIN
    }

    /** y = reduce over the row of message(x, w). */
    void rows(
            Message message,
            Reduce reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd);

    /**
     * An extremum where all of x and w is finite, so that no message is NaN. Of zeros of both signs, either may be the
     * result.
     */
    void finiteRows(
            Message message,
            Extremum reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd);

    /** Sets the i32 at {@code found} to 1 if one of the elements from x on is infinite or NaN; else leaves it as it is. */
    void findInfinite(long x, long elements, long found);

    /** The same as {@link #rows} with a weight per edge and feature. */
    void fullRows(
            FullMessage message,
            Reduce reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long ys,
            long last,
            long row,
            long rowEnd);

    /** Extremum and the position of the first edge that has it, -1 in an empty row; {@code arg} is i32 like y. */
    void argRows(
            Message message,
            Extremum reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long arg,
            long ys,
            long last,
            long row,
            long rowEnd);

    /** The same with a weight per edge and feature. */
    void fullArgRows(
            FullMessage message,
            Extremum reduce,
            int tile,
            long indptr,
            long indices,
            long w,
            long ws,
            long x,
            long xs,
            long y,
            long arg,
            long ys,
            long last,
            long row,
            long rowEnd);

    /** Combines the partial results of a split row, in order: y = reduce of parts rows from {@code part} on. */
    void fold(Reduce reduce, long part, long ps, long parts, long edges, long y, long columns);

    /** The same with positions. */
    void argFold(Extremum reduce, long part, long partArg, long ps, long parts, long y, long arg, long columns);
}
