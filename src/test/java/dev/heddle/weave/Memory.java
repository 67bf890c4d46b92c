package dev.heddle.weave;

import dev.heddle.memory.Block;
import dev.heddle.memory.Raw;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Native memory for kernels, kept alive as long as this is. */
final class Memory {
    /** Floats on which functions are apt to differ. */
    static final float[] SPECIALS = {
        0f,
        -0f,
        1f,
        -1f,
        Float.MIN_VALUE,
        -1e-40f,
        Float.MIN_NORMAL,
        3e38f,
        -3e38f,
        Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY,
        Float.NaN,
        0.5f,
        16777216f,
        0x1p31f,
        -0x1.000002p31f
    };

    private final List<Block> blocks = new ArrayList<>();
    private final Random random;

    Memory(long seed) {
        random = new Random(seed);
    }

    /** Zeroed bytes. */
    long bytes(long n) {
        Block b = new Block(n, true);
        blocks.add(b);
        return b.segment().address();
    }

    /** Gaussian numbers, some of them replaced by special ones if so wanted. */
    long floats(int n, boolean special) {
        long a = bytes(4L * n);
        for (int i = 0; i < n; i++) {
            boolean replace = special && random.nextInt(6) == 0;
            float x = replace ? SPECIALS[random.nextInt(SPECIALS.length)] : (float) random.nextGaussian();
            Raw.ALL.set(Raw.F32, a + 4L * i, x);
        }
        return a;
    }

    long ints(int... values) {
        long a = bytes(4L * values.length);
        for (int i = 0; i < values.length; i++) {
            Raw.ALL.set(Raw.I32, a + 4L * i, values[i]);
        }
        return a;
    }

    /** Memory filled with a signalling NaN that no computation makes. */
    long unwritten(int n) {
        long a = bytes(4L * n);
        for (int i = 0; i < n; i++) {
            Raw.ALL.set(Raw.I32, a + 4L * i, 0x7FA0BEEF);
        }
        return a;
    }

    /** The bits of so many floats; NaNs, whose sign and payload are left open, all alike. */
    static int[] bits(long a, int n) {
        int[] bits = new int[n];
        for (int i = 0; i < n; i++) {
            int b = Raw.ALL.get(Raw.I32, a + 4L * i);
            if (b == 0x7FA0BEEF) {
                throw new AssertionError("element " + i + " was not written");
            }
            bits[i] = Float.isNaN(Float.intBitsToFloat(b)) ? 0x7FC00000 : b;
        }
        return bits;
    }
}
