package dev.heddle;

/** What runs here, and why. */
public final class Heddle {
    private Heddle() {}
}
