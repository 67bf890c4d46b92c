package dev.heddle.kernel;

import dev.heddle.memory.LiveRanges;
import java.util.List;
import java.util.stream.Stream;

/** What tests run on. */
public final class TestBackends {
    private TestBackends() {}

    /** Every backend that can run here, first with checks, so that a wrong access throws before it harms, then as it is. */
    public static List<Backend> all() {
        if (!LiveRanges.ENABLED) {
            throw new AssertionError("tests need -Dheddle.checked=true");
        }
        List<Backend> usable = Backends.usable();
        return Stream.concat(usable.stream().map(Backend::checked), usable.stream())
                .toList();
    }
}
