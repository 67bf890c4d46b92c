package dev.heddle.weave;

/** Why something cannot be woven. Whoever walks the code adds the kernel, file and line. */
final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(String reason) {
        super(reason, null, false, false);
    }
}
