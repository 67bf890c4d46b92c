package dev.heddle.op;

import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.I32;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** What the recurrences whose state is a matrix for each head have in common: checks, and states turned round. */
final class WkvHead {
    private WkvHead() {}

    /** Steps that are worked on at a time, and between two states that a backward keeps. */
    static final long BLOCK = 32;

    static long blocks(long steps) {
        return (steps + BLOCK - 1) / BLOCK;
    }

    /** A sequence {@code [B, L, H, N]}, which others are like. */
    static void first(String name, Tensor t) {
        Checks.type(name, t, DType.F32);
        Checks.rank(name, t, 4);
        Checks.contiguousRow(name, t);
    }

    static void like(String name, @Nullable Tensor t, String otherName, Tensor other) {
        if (t != null) {
            Checks.like(name, t, DType.F32, otherName, other);
            Checks.contiguousRow(name, t);
        }
    }

    /** States {@code [B, H, N, N]} without gaps. */
    static void state(String name, @Nullable Tensor t, Tensor sequence) {
        if (t != null) {
            long n = sequence.dim(3);
            Checks.shape(name, t, DType.F32, sequence.dim(0), sequence.dim(2), n, n);
            Checks.contiguous(name, t);
        }
    }

    /** Turns an n by n matrix round. */
    static void transpose(long from, long to, long n) {
        for (long i = 0; i < n; i++) {
            for (long j = 0; j < n; j++) {
                ALL.set(I32, to + 4 * (j * n + i), ALL.get(I32, from + 4 * (i * n + j)));
            }
        }
    }

    /** The state of one of many, turned round or not, or zeros. */
    static void start(@Nullable Tensor states, long index, long to, long n, boolean turned) {
        if (states == null) {
            Gemm.fill(0, to, 4 * n, n, n);
            return;
        }
        long from = states.address() + 4 * index * n * n;
        if (turned) {
            transpose(from, to, n);
        } else {
            Gemm.copy(from, 4 * n, to, 4 * n, n, n);
        }
    }
}
