package dev.heddle.weave;

import java.util.List;

/** What cannot be woven in a class: each problem names the kernel, the file and the line, and says why. */
public final class WeaveException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> problems;

    WeaveException(List<String> problems) {
        super(String.join("\n", problems));
        this.problems = List.copyOf(problems);
    }

    /** The problems, one a string. */
    public List<String> problems() {
        return problems;
    }
}
