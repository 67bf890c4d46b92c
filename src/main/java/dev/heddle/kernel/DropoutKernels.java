package dev.heddle.kernel;

/** Dropout, with random numbers that are a function of where an element is: Philox 4x32-10. */
public interface DropoutKernels {
    /** Elements of a block. */
    int BLOCK = 256;

    /**
     * {@code y = scale x} where the random number of an element is below {@code keep}, else 0. Block b has the 64 counters
     * from 64 b on, each of which gives four numbers: element {@code 64 j + l} of the block has the upper 24 bits of word j of
     * counter {@code 64 b + l}. {@code y} is {@code x} or does not overlap it.
     *
     * @param first the number of the first block
     * @param seed the key
     * @param stream the upper half of the counter
     * @param keep from 0 to 2^24
     * @param rounds 10
     */
    void run(long x, long y, long blocks, long first, long seed, long stream, int keep, float scale, int rounds);
}
