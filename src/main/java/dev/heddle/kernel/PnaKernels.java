package dev.heddle.kernel;

/**
 * Several aggregations of the rows of a node's sources at once. Lanes over features.
 *
 * <p>Arguments are absolute addresses and byte strides; {@code indptr} points at i64 row pointers, {@code indices} at i32 sources;
 * matrices have {@code columns} floats in a row, at least as many as there are lanes. Rows {@code row} to {@code rowEnd} are computed.
 */
public interface PnaKernels {
    /** The numbers by which a list names aggregations. */
    int MEAN = 0;

    int MAX = 1;
    int MIN = 2;
    int SUM = 3;
    int STD = 4;
    int KINDS = 5;

    /** A variance up to this counts for none. */
    float LEAST_VARIANCE = 1e-5f;

    /** Bytes of scratch: a tile of every aggregation. */
    int SCRATCH = KINDS * 4 * 64;

    /**
     * y_i = for each scaler, for each aggregation in the list: the aggregation over row i times the scaler's factor.
     *
     * @param std whether the list has STD, which takes a second pass over a row
     * @param list i64 numbers of {@code kinds} aggregations
     * @param factors f32 [rows, scalers]
     */
    void aggregate(
            boolean std,
            int tile,
            long indptr,
            long indices,
            long x,
            long xs,
            long y,
            long ys,
            long list,
            long kinds,
            long factors,
            long scalers,
            long columns,
            long scratch,
            long row,
            long rowEnd);

    /** Where {@link #finish} finds a row's aggregations, in bytes a column. */
    int FOLDED_SUM = 0;

    int FOLDED_MAX = 4;
    int FOLDED_MIN = 8;
    int FOLDED_SQUARES = 12;

    /**
     * The sums over rows of (x_j - mean)^2, where the rows are parts of one.
     *
     * @param sum what the whole row sums up to; the mean is that over {@code degree}
     */
    void squares(
            int tile,
            long indptr,
            long indices,
            long x,
            long xs,
            long sum,
            float degree,
            long out,
            long os,
            long columns,
            long row,
            long rowEnd);

    /** What aggregate makes of one row, from its sum, maximum, minimum and sum of squares. */
    void finish(
            long folded,
            float degree,
            long list,
            long kinds,
            long factor,
            long scalers,
            long y,
            long columns,
            long scratch);

    /** g_i = sum over scalers of factor * gy_i of one aggregation; {@code step} bytes from one scaler's to the next. */
    void collect(
            long gy,
            long gys,
            long step,
            long factors,
            long scalers,
            long g,
            long gs,
            long columns,
            long row,
            long rowEnd);

    /** The mean of each row, and g_i / (deg std), 0 where there is no std: what the gradient of std is made of. */
    void deviations(
            long indptr,
            long indices,
            long x,
            long xs,
            long g,
            long gs,
            long mean,
            long scale,
            long columns,
            long row,
            long rowEnd);

    /** gx_j = sum over a transposed row of scale_i (x_j - mean_i). */
    void stdGrad(
            long tptr,
            long tindices,
            long x,
            long xs,
            long mean,
            long scale,
            long ms,
            long gx,
            long gxs,
            long columns,
            long row,
            long rowEnd);
}
