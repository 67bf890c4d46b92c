package dev.heddle.op;

/** How messages, or the rows of a segment, become one. None at all give 0. */
public enum Reduce {
    SUM,
    /** The sum divided by the number of messages. */
    MEAN,
    /** The largest; NaN if any is NaN. The first of equals is the one that counts. */
    MAX,
    /** The smallest; NaN if any is NaN. The first of equals is the one that counts. */
    MIN;

    boolean isExtremum() {
        return this == MAX || this == MIN;
    }
}
