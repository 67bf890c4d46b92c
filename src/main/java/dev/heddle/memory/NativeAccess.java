package dev.heddle.memory;

import dev.heddle.HeddleException;
import org.jspecify.annotations.Nullable;

/** Whether the JVM lets us reach native memory, and what to do if not. */
public final class NativeAccess {
    private NativeAccess() {}

    private static final @Nullable String DENIED = reason();

    /** Null if native memory can be reached, else why not and which flag helps. */
    public static @Nullable String whyNot() {
        return DENIED;
    }

    /** @throws HeddleException if native memory cannot be reached */
    public static void require() {
        if (DENIED != null) {
            throw new HeddleException(DENIED);
        }
    }

    private static @Nullable String reason() {
        try {
            return Raw.ALL.byteSize() > 0 ? null : "no native memory";
        } catch (ExceptionInInitializerError e) {
            return "native access is denied to Heddle; add --enable-native-access=ALL-UNNAMED (class path) or"
                    + " --enable-native-access=dev.heddle (module path) to the java command";
        }
    }
}
