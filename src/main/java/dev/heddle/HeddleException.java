package dev.heddle;

/** What the environment does to us: a backend that cannot run, a build that is incomplete, a file that is not what it says. */
public class HeddleException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What happened. */
    public HeddleException(String message) {
        super(message);
    }

    /** What happened, and why. */
    public HeddleException(String message, Throwable cause) {
        super(message, cause);
    }
}
