package dev.heddle.graph;

import dev.heddle.memory.Raw;

/** The rows of a graph in raw memory, while a use of it is open. */
record Adjacency(long indptr, long indices) {
    static Adjacency of(CsrGraph graph) {
        return new Adjacency(graph.indptrAddress(), graph.indicesAddress());
    }

    /** The first edge of a row, and so the end of the one before. */
    long start(long row) {
        return Raw.ALL.get(Raw.I64, indptr + 8 * row);
    }

    int source(long edge) {
        return Raw.ALL.get(Raw.I32, indices + 4 * edge);
    }
}
