package dev.heddle.weave;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.jspecify.annotations.Nullable;

/**
 * Weaves and loads kernels of tests: those of {@code dev.heddle.loom.vector} on the class path, and sources in the same
 * package that are compiled on the spot.
 */
final class Workshop extends ClassLoader {
    static final String TEMPLATES = "dev/heddle/loom/vector";
    static final String PACKAGE = "dev.heddle.loom.vector";

    private static final Pattern TYPE = Pattern.compile("\\b(?:class|interface|enum|record) (\\w+)");

    private final Map<String, byte[]> compiled = new HashMap<>();
    private final Map<String, byte[]> woven = new ConcurrentHashMap<>();
    private final List<Weaver.Report> reports = new ArrayList<>();

    /** Compiles sources, each of them the declaration of a public class; package and imports are added. */
    Workshop(String... declarations) {
        super(Workshop.class.getClassLoader());
        if (declarations.length > 0) {
            compile(Arrays.stream(declarations).map(Workshop::withHeader).toList());
        }
    }

    /** Line 1 of a declaration is line 1 of its file. */
    private static String withHeader(String declaration) {
        return "package " + PACKAGE + "; import static dev.heddle.loom.vector.Lanes.*;"
                + " import static dev.heddle.loom.vector.V.*; import static dev.heddle.memory.Raw.*;"
                + " import dev.heddle.weave.*; import jdk.incubator.vector.*; import java.util.function.*; "
                + declaration;
    }

    private void compile(List<String> sources) {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        try (StandardJavaFileManager standard = compiler.getStandardFileManager(null, Locale.ROOT, null);
                InMemory files = new InMemory(standard)) {
            List<String> options = List.of(
                    "-g",
                    "-proc:none",
                    "-nowarn",
                    "--add-modules",
                    "jdk.incubator.vector",
                    "-classpath",
                    System.getProperty("java.class.path"));
            List<Source> units = sources.stream().map(Source::new).toList();
            if (!compiler.getTask(messages, files, null, options, null, units).call()) {
                throw new AssertionError(messages);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String text) {
            super(URI.create("string:///" + TEMPLATES + "/" + typeName(text) + ".java"), Kind.SOURCE);
            this.text = text;
        }

        private static String typeName(String text) {
            Matcher m = TYPE.matcher(text);
            if (!m.find()) {
                throw new IllegalArgumentException(text);
            }
            return m.group(1);
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private final class InMemory extends ForwardingJavaFileManager<StandardJavaFileManager> {
        InMemory(StandardJavaFileManager standard) {
            super(standard);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                JavaFileManager.Location location, String name, JavaFileObject.Kind kind, javax.tools.FileObject from) {
            return new SimpleJavaFileObject(URI.create("mem:///" + name.replace('.', '/') + kind.extension), kind) {
                @Override
                public OutputStream openOutputStream() {
                    return new ByteArrayOutputStream() {
                        @Override
                        public void close() {
                            compiled.put(name.replace('.', '/'), toByteArray());
                        }
                    };
                }
            };
        }
    }

    // ---- weaving

    /** The bytes of a class by its internal name. */
    byte @Nullable [] read(String internal) {
        byte[] known = compiled.get(internal);
        if (known != null) {
            return known;
        }
        try (InputStream in = getResourceAsStream(internal + ".class")) {
            return in == null ? null : in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Weaves the classes with these simple names. */
    Workshop weave(Target target, String... names) {
        Weaver weaver = new Weaver(this::read, TEMPLATES, target);
        for (String name : names) {
            byte[] bytes = weaver.weave(TEMPLATES + "/" + name);
            if (bytes == null) {
                throw new AssertionError(name + " has no kernels");
            }
            woven.put(target.packageFor(TEMPLATES) + "/" + name, bytes);
        }
        reports.addAll(weaver.reports());
        return this;
    }

    byte[] woven(Target target, String name) {
        byte[] bytes = woven.get(target.packageFor(TEMPLATES) + "/" + name);
        if (bytes == null) {
            throw new AssertionError(name + " was not woven for " + target.name());
        }
        return bytes;
    }

    List<Weaver.Report> reports() {
        return reports;
    }

    // ---- loading

    /** The template as javac made it. */
    Class<?> template(String name) {
        return load(PACKAGE + "." + name);
    }

    /** The woven class. */
    Class<?> woven(String name, Target target) {
        return load(target.packageFor(TEMPLATES).replace('/', '.') + "." + name);
    }

    private Class<?> load(String name) {
        try {
            return Class.forName(name, true, this);
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    /** Templates are loaded here even where the parent has them: they share their package with what was compiled. */
    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        synchronized (getClassLoadingLock(name)) {
            Class<?> known = findLoadedClass(name);
            if (known == null && name.matches("dev\\.heddle\\.loom\\..+\\..+")) {
                String internal = name.replace('.', '/');
                byte[] bytes = woven.containsKey(internal) ? woven.get(internal) : read(internal);
                if (bytes != null) {
                    known = defineClass(name, bytes, 0, bytes.length);
                }
            }
            return known != null ? known : super.loadClass(name, resolve);
        }
    }

    static Target target(int lanes) {
        return Target.PLAIN.stream().filter(t -> t.lanes() == lanes).findFirst().orElseThrow();
    }
}
