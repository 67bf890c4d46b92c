package dev.heddle.weave;

import org.jspecify.annotations.Nullable;

/** Why something cannot be woven. Whoever walks the code adds, once, the way from the kernel to the place. */
final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final @Nullable String position;

    Refusal(String reason) {
        this(null, reason);
    }

    private Refusal(@Nullable String position, String reason) {
        super(reason, null, false, false);
        this.position = position;
    }

    /** The same with a position, unless it has one. */
    Refusal at(String place) {
        return position == null ? new Refusal(place, String.valueOf(getMessage())) : this;
    }

    /** The message for whoever wrote the kernel. */
    String describe(Target target) {
        return position + ": " + getMessage() + " [" + target.name() + "]";
    }
}
