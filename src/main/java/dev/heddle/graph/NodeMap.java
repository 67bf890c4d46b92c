package dev.heddle.graph;

import java.util.Arrays;

/** The numbers that nodes get in the order in which they are first seen. A key is a node, or a node and whose it is. */
final class NodeMap {
    private static final long NONE = -1;

    private long[] keys;
    private int[] values;
    /** The keys in order. */
    private long[] order = new long[16];

    private int size;

    NodeMap(int expected) {
        int capacity = Integer.highestOneBit(Math.max(8, Math.min(expected, 1 << 28))) * 4;
        keys = new long[capacity];
        values = new int[capacity];
        Arrays.fill(keys, NONE);
    }

    int size() {
        return size;
    }

    /** The key that got a number. */
    long key(int number) {
        return order[number];
    }

    /** The number of a key, which gets the next one if it has none. */
    int add(long key) {
        int slot = slot(key);
        if (keys[slot] == key) {
            return values[slot];
        }
        if (2 * size >= keys.length) {
            grow();
            slot = slot(key);
        }
        keys[slot] = key;
        values[slot] = size;
        if (size == order.length) {
            order = Arrays.copyOf(order, 2 * size);
        }
        order[size] = key;
        return size++;
    }

    /** The number of a key, -1 if it has none. */
    int get(long key) {
        int slot = slot(key);
        return keys[slot] == key ? values[slot] : -1;
    }

    /** Where a key is, or the free place where it belongs. */
    private int slot(long key) {
        int mask = keys.length - 1;
        int slot = (int) (CounterRandom.bits(key, 0) >>> 32) & mask;
        while (keys[slot] != key && keys[slot] != NONE) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private void grow() {
        keys = new long[2 * keys.length];
        values = new int[keys.length];
        Arrays.fill(keys, NONE);
        for (int i = 0; i < size; i++) {
            int slot = slot(order[i]);
            keys[slot] = order[i];
            values[slot] = i;
        }
    }

    /** The lower half of each key, the node, in order. */
    int[] nodes() {
        int[] nodes = new int[size];
        for (int i = 0; i < size; i++) {
            nodes[i] = (int) order[i];
        }
        return nodes;
    }

    /** The upper half of each key, in order. */
    int[] owners() {
        int[] owners = new int[size];
        for (int i = 0; i < size; i++) {
            owners[i] = (int) (order[i] >>> 32);
        }
        return owners;
    }
}
