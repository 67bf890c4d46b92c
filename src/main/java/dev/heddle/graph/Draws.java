package dev.heddle.graph;

import java.util.Arrays;

/**
 * Draws of k places from {@code [start, end)}, written to {@code picks} from {@code at} on. Each returns how many it wrote. Random
 * numbers are those of one key.
 */
final class Draws {
    private Draws() {}

    /** k different places, all sets of them equally likely (Floyd's way: k random numbers, whatever there is to draw from). */
    static int uniform(long start, long end, int k, long key, long[] picks, int at) {
        long n = end - start;
        for (int i = 0; i < k; i++) {
            long last = n - k + i;
            long pick = start + CounterRandom.below(last + 1, CounterRandom.bits(key, i));
            int found = Arrays.binarySearch(picks, at, at + i, pick);
            if (found >= 0) {
                picks[at + i] = start + last; // larger than all before it
            } else {
                int slot = -found - 1;
                System.arraycopy(picks, slot, picks, slot + 1, at + i - slot);
                picks[slot] = pick;
            }
        }
        return k;
    }

    /** k places, each equally likely every time. */
    static int uniformAgain(long start, long end, int k, long key, long[] picks, int at) {
        for (int i = 0; i < k; i++) {
            picks[at + i] = start + CounterRandom.below(end - start, CounterRandom.bits(key, i));
        }
        return k;
    }

    /** k places, each as likely as its weight every time; none if all weights are 0. */
    static int weightedAgain(EdgeWeights.View w, long start, long end, int k, long key, long[] picks, int at) {
        for (int i = 0; i < k; i++) {
            long pick = w.draw(start, end, CounterRandom.bits(key, i));
            if (pick < 0) {
                return 0;
            }
            picks[at + i] = pick;
        }
        return k;
    }

    /**
     * At most k different places of positive weight, drawn one after another, each as likely as its weight among those left: the k
     * smallest of exponential variables whose rates are the weights.
     */
    static int weighted(EdgeWeights.View w, long start, long end, int k, long key, long[] picks, int at) {
        double[] keys = new double[k]; // a heap, the largest on top
        int size = 0;
        for (long p = start; p < end; p++) {
            float weight = w.weight(p);
            if (weight == 0) {
                continue;
            }
            double u = 1 - CounterRandom.unit(CounterRandom.bits(key, p - start)); // in (0, 1]
            double x = -StrictMath.log(u) / weight;
            if (size < k) {
                up(keys, picks, at, size++, x, p);
            } else if (x < keys[0]) {
                down(keys, picks, at, size, x, p);
            }
        }
        return size;
    }

    private static void up(double[] keys, long[] picks, int at, int from, double x, long p) {
        int i = from;
        while (i > 0 && keys[(i - 1) / 2] < x) {
            keys[i] = keys[(i - 1) / 2];
            picks[at + i] = picks[at + (i - 1) / 2];
            i = (i - 1) / 2;
        }
        keys[i] = x;
        picks[at + i] = p;
    }

    private static void down(double[] keys, long[] picks, int at, int size, double x, long p) {
        int i = 0;
        while (2 * i + 1 < size) {
            int child = 2 * i + 1;
            if (child + 1 < size && keys[child + 1] > keys[child]) {
                child++;
            }
            if (keys[child] <= x) {
                break;
            }
            keys[i] = keys[child];
            picks[at + i] = picks[at + child];
            i = child;
        }
        keys[i] = x;
        picks[at + i] = p;
    }
}
