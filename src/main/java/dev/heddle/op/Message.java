package dev.heddle.op;

/** What an edge e from j to i sends. */
public enum Message {
    /** {@code m = x_j} */
    COPY,
    /** {@code m = w_e * x_j} */
    MUL,
    /** {@code m = x_j + w_e} */
    ADD
}
