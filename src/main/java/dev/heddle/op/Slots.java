package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.util.BitSet;

/** Which states of a pool the rows of a batch take. */
final class Slots {
    private Slots() {}

    /** The numbers, each of them there, and none of them twice. */
    static int[] check(String name, Tensor slots, long rows, long pool) {
        Checks.shape(name, slots, DType.I32, rows);
        return check(name, slots.toIntArray(), pool);
    }

    /** The same of numbers at hand. */
    static int[] check(String name, int[] numbers, long pool) {
        BitSet taken = new BitSet();
        for (int i = 0; i < numbers.length; i++) {
            if (numbers[i] < 0 || numbers[i] >= pool) {
                throw new IndexOutOfBoundsException(
                        name + ": [" + i + "] is " + numbers[i] + ", must be one of " + pool + " states");
            }
            if (taken.get(numbers[i])) {
                throw new IllegalArgumentException(name + ": [" + i + "] is " + numbers[i] + ", which is taken twice");
            }
            taken.set(numbers[i]);
        }
        return numbers;
    }
}
