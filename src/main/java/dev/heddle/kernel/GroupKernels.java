package dev.heddle.kernel;

/**
 * Rows by number: copies of them, which are the gradients of sums over groups, and products over groups. Lanes over features.
 *
 * <p>Arguments are absolute addresses and byte strides. {@code index} points at i32 row numbers, {@code indptr} at the i64
 * pointers and {@code indices} at the i32 columns of a CSR matrix whose row i lists group i. Matrices have {@code columns} floats
 * in a row, at least as many as there are lanes, and their row stride beside them. Rows {@code row} to {@code rowEnd} are computed.
 */
public interface GroupKernels {
    /** y_e = x_j, j = index_e; for a mean divided by the length of row j of {@code indptr}. */
    void gather(
            boolean mean,
            long index,
            long indptr,
            long x,
            long xs,
            long y,
            long ys,
            long columns,
            long row,
            long rowEnd);

    /** y_e = x_j where arg_j is e, else 0; {@code arg} is i32 and has x's stride. */
    void gatherTaken(long index, long x, long arg, long xs, long y, long ys, long columns, long row, long rowEnd);

    /** y_i = product over the group of x_j; 1 if there are none. */
    void product(long indptr, long indices, long x, long xs, long y, long ys, long columns, long row, long rowEnd);

    /** gx_j = g_i times the product of the other x of the group. */
    void productGrad(
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long gx,
            long gxs,
            long columns,
            long row,
            long rowEnd);

    /** Combines the partial products of a split row, in order. */
    void productFold(long part, long ps, long parts, long y, long columns);

    /** arg = indices_arg, and -1 stays as it is; runs on one lane. */
    void lookUp(long indices, long arg, long args, long columns, long row, long rowEnd);
}
