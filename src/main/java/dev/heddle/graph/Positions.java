package dev.heddle.graph;

import dev.heddle.memory.Raw;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;

/** Positions of edges in raw memory: int32, or int64 where there are more than those can count. */
record Positions(long address, boolean wide) {
    /** Those of a tensor, while a use of it is open. */
    static Positions of(Tensor t) {
        return new Positions(t.address(), t.dtype() == DType.I64);
    }

    /** The type that positions among so many edges need. */
    static DType type(long edges) {
        return edges > Integer.MAX_VALUE ? DType.I64 : DType.I32;
    }

    long at(long k) {
        return wide ? Raw.ALL.get(Raw.I64, address + 8 * k) : Raw.ALL.get(Raw.I32, address + 4 * k);
    }

    void set(long k, long position) {
        if (wide) {
            Raw.ALL.set(Raw.I64, address + 8 * k, position);
        } else {
            Raw.ALL.set(Raw.I32, address + 4 * k, (int) position);
        }
    }
}
