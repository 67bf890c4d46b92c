package dev.heddle.kernel;

/**
 * Gather-reduce over the rows of a CSR matrix and its gradients, lanes over features. Edges of a row are taken in order.
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

    /** What a gradient is multiplied with on its way back over an edge. */
    enum Scale {
        ONE,
        WEIGHT,
        MEAN,
        WEIGHT_MEAN
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

    /** The same with a weight per edge and feature. */
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

    /**
     * gx_j = sum over the edges out of j of scale * g_i. Rows are those of the transposed matrix ({@code tptr},
     * {@code tindices}, {@code tperm}: the edge in forward order); the mean divides by the degree in {@code indptr}.
     */
    void gradX(
            Scale scale,
            int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** The same with a weight per edge and feature. */
    void fullGradX(
            boolean mean,
            int tile,
            long indptr,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** gx_j = sum over the edges out of j of w_e * g_i where arg_i is the edge; {@code arg} has g's stride. */
    void argGradX(
            boolean weighted,
            int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /** The same with a weight per edge and feature. */
    void fullArgGradX(
            int tile,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long ws,
            long g,
            long arg,
            long gs,
            long gx,
            long gxs,
            long last,
            long row,
            long rowEnd);

    /**
     * gw_e = sum over the features of g_i * x_j, or of g_i alone where the message adds; divided by the degree for the
     * mean. Features are taken in 16 partial sums, feature f in number f mod 16, folded in halves.
     *
     * @param scratch 256 bytes, zeroed
     */
    void gradW(
            boolean multiplied,
            boolean mean,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** The same for an extremum: only the features whose {@code arg} is the edge count. */
    void argGradW(
            boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** gw_e = g_i * x_j, or g_i where the message adds, per feature; divided by the degree for the mean. */
    void fullGradW(
            boolean multiplied,
            boolean mean,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd);

    /** The same for an extremum: 0 where {@code arg} is another edge. */
    void fullArgGradW(
            boolean multiplied,
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long arg,
            long gs,
            long gw,
            long gws,
            long columns,
            long row,
            long rowEnd);
}
