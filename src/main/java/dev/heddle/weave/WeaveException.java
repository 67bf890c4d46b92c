package dev.heddle.weave;

/** A kernel that cannot be woven: the message names the kernel, the file and the line, and says why. */
public final class WeaveException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    WeaveException(String message) {
        super(message);
    }
}
