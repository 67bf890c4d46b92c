package dev.heddle.kernel;

/**
 * Products of rows of spikes with a matrix: the rows of the matrix where there is a spike are added. As in {@link
 * MatmulKernels} the k are taken in blocks, each summed from 0 and then added to what the sum starts from.
 *
 * <p>Arguments are absolute addresses and byte strides. A list has the numbers of a row's spikes in one block: eight bytes with
 * the address of its end, then the numbers as ints, ascending. Those of the blocks of a row lie {@code listBlock} bytes apart,
 * those of the rows {@code listRow}.
 */
public interface SpikeKernels {
    /**
     * Makes the lists of rows of {@code k} bits.
     *
     * @param depth of a block: 16, 32, or a multiple of 64
     */
    void lists(long bits, long bs, long k, long depth, long list, long listRow, long listBlock, long rows);

    /**
     * {@code y = start + s w}, for a matrix of floats.
     *
     * @param tile how many vectors are summed at a time; {@code columns} is a multiple of it
     * @param start a row
     */
    void add(
            int tile,
            long list,
            long listRow,
            long listBlock,
            long blocks,
            long w,
            long ws,
            long start,
            long y,
            long ys,
            long rows,
            long columns);

    /**
     * The same for one row of spikes, four rows of the matrix at a time from end to end: memory is read in streams.
     *
     * @param zeros a row of 0, which stands for what is missing of four
     * @param sum a row of scratch
     */
    void stream(
            long list,
            long listBlock,
            long blocks,
            long w,
            long ws,
            long zeros,
            long start,
            long sum,
            long y,
            long columns);

    /**
     * The same for a panel of 64 columns of narrow weights, laid out as {@link LinearKernels} says.
     *
     * @param scale factors of the columns in a block, the next block's {@code scaleBlock} bytes on
     */
    void addPanel(
            LinearKernels.Storage storage,
            long list,
            long listRow,
            long listBlock,
            long blocks,
            long w,
            long scale,
            long scaleBlock,
            long start,
            long y,
            long ys,
            long rows);

    /** Lanes of 0 at {@code sum} stay 0 if all elements are finite, else one becomes NaN. */
    void probe(long w, long ws, long rows, long columns, long sum);
}
