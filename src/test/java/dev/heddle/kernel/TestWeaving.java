package dev.heddle.kernel;

import dev.heddle.weave.Target;
import dev.heddle.weave.Weaver;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/** Weaves a template that only the tests have. */
final class TestWeaving {
    private TestWeaving() {}

    private static final String TEMPLATES = "dev/heddle/kernel/vector";

    /** An instance of {@code kernel.vector}'s class of that simple name, woven for {@code backend}. */
    static <K> K instance(Class<K> family, String simpleName, Backend backend) {
        Target target = Target.PLAIN.stream()
                .filter(t -> t.name().equals(backend.name()))
                .findFirst()
                .orElseThrow();
        Weaver weaver = new Weaver(TestWeaving::read, TEMPLATES, target);
        byte[] bytes = weaver.weave(TEMPLATES + "/" + simpleName);
        if (bytes == null) {
            throw new IllegalArgumentException(simpleName + " has no kernels");
        }
        Loader loader = new Loader(backend.packageName() + "." + simpleName, bytes);
        try {
            return family.cast(loader.woven.getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte @Nullable [] read(String name) {
        try (InputStream in = TestWeaving.class.getClassLoader().getResourceAsStream(name + ".class")) {
            return in == null ? null : in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final class Loader extends ClassLoader {
        final Class<?> woven;

        Loader(String name, byte[] bytes) {
            super(TestWeaving.class.getClassLoader());
            woven = defineClass(name, bytes, 0, bytes.length);
        }
    }
}
