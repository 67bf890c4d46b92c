package dev.heddle.kernel;

/**
 * The recurrence {@code h_t = a_t h_{t-1} + b_t} over rows of {@code columns} channels, at least as many as there are lanes.
 * Rows go by in the order of the scan; strides are in bytes and may be 0 or negative. Each step reads the row before from
 * memory, so that rows are read and written as wide as they lie and the last vector may overlap the one before.
 */
public interface LinearScanKernels {
    /** {@code h_t = a_t h_{t-1} + b_t}, where {@code before} is the row before the first. */
    void scan(long a, long as, long b, long bs, long h, long hs, long before, long steps, long columns);

    /**
     * The gradient of a step from that of the step after: {@code g_t = gh_t + a_{t+1} g_{t+1}}, {@code ga_t = g_t h_{t-1}},
     * from the last step to the first. The addresses are those of the last step, strides lead to the step before.
     *
     * @param after the row of a after the last step
     * @param gAfter the row of g after the last step
     * @param h the row of h before the last step
     */
    void sweep(
            long a,
            long as,
            long gh,
            long ghs,
            long h,
            long hs,
            long ga,
            long gas,
            long g,
            long gs,
            long after,
            long gAfter,
            long steps,
            long columns);

    /** One row. */
    void copy(long from, long to, long columns);
}
