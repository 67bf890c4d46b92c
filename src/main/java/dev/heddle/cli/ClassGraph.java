package dev.heddle.cli;

import dev.heddle.graph.CsrGraph;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.FieldModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.MethodTypeEntry;
import java.lang.classfile.constantpool.NameAndTypeEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/**
 * The classes of the running JDK as a graph: an edge from each class to every class that its constant pool and its
 * descriptors name. The features of a class are counts that contain no name; its label is its module, if that has at least
 * {@link #MIN_CLASSES} classes, else -1. Nodes are in the order of their paths, so the graph is the same for every run on one JDK.
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record ClassGraph(
        CsrGraph uses, List<String> packages, List<String> modules, int[] labels, float[] features, int featureCount) {
    static final int MIN_CLASSES = 100;

    private static final int TAGS = 20;
    private static final int FLAGS = 16;
    private static final int COUNTS = 19;
    private static final int FEATURES = TAGS + FLAGS + COUNTS;

    /** What one class file tells. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Parsed(float[] features, TreeSet<String> references) {}

    int nodes() {
        return labels.length;
    }

    /** Reads {@code jrt:/}, telling {@code progress} how many classes are done. */
    static ClassGraph ofRunningJdk(int threads, IntConsumer progress) throws IOException {
        List<Path> files = classFiles();
        List<Parsed> parsed = parse(files, threads, progress);
        Map<String, Integer> ids = new HashMap<>();
        for (int i = 0; i < files.size(); i++) {
            ids.putIfAbsent(className(files.get(i)), i);
        }
        return new ClassGraph(
                graph(parsed, ids),
                files.stream().map(ClassGraph::packageName).toList(),
                moduleNames(files),
                labels(files),
                standardised(parsed),
                FEATURES);
    }

    private static List<Path> classFiles() throws IOException {
        FileSystem jdk = FileSystems.getFileSystem(URI.create("jrt:/"));
        try (Stream<Path> all = Files.walk(jdk.getPath("/modules"))) {
            return all.filter(p -> p.toString().endsWith(".class"))
                    .filter(p -> !p.getFileName().toString().matches("(module|package)-info\\.class"))
                    .sorted()
                    .toList();
        }
    }

    private static String module(Path file) {
        return file.getName(1).toString();
    }

    private static String className(Path file) {
        String path = file.subpath(2, file.getNameCount()).toString();
        return path.substring(0, path.length() - ".class".length());
    }

    private static String packageName(Path file) {
        return file.subpath(1, file.getNameCount() - 1).toString();
    }

    private static TreeMap<String, Integer> moduleSizes(List<Path> files) {
        TreeMap<String, Integer> sizes = new TreeMap<>();
        files.forEach(f -> sizes.merge(module(f), 1, Integer::sum));
        return sizes;
    }

    /** The modules that are labels, in alphabetical order. */
    private static List<String> moduleNames(List<Path> files) {
        return moduleSizes(files).entrySet().stream()
                .filter(e -> e.getValue() >= MIN_CLASSES)
                .map(Map.Entry::getKey)
                .toList();
    }

    private static int[] labels(List<Path> files) {
        List<String> names = moduleNames(files);
        Map<String, Integer> label = new HashMap<>();
        names.forEach(n -> label.put(n, label.size()));
        return files.stream().mapToInt(f -> label.getOrDefault(module(f), -1)).toArray();
    }

    // ------------------------------------------------------------------ edges

    private static CsrGraph graph(List<Parsed> parsed, Map<String, Integer> ids) {
        long[] indptr = new long[parsed.size() + 1];
        List<int[]> rows = new ArrayList<>(parsed.size());
        for (int i = 0; i < parsed.size(); i++) {
            int self = i;
            int[] row = parsed.get(i).references.stream()
                    .mapToInt(r -> ids.getOrDefault(r, -1))
                    .filter(j -> j >= 0 && j != self)
                    .sorted()
                    .distinct()
                    .toArray();
            rows.add(row);
            indptr[i + 1] = indptr[i] + row.length;
        }
        int[] indices = new int[(int) indptr[parsed.size()]];
        for (int i = 0; i < rows.size(); i++) {
            System.arraycopy(rows.get(i), 0, indices, (int) indptr[i], rows.get(i).length);
        }
        return CsrGraph.of(indptr, indices, parsed.size());
    }

    // ------------------------------------------------------------------ class files

    private static List<Parsed> parse(List<Path> files, int threads, IntConsumer progress) {
        Parsed[] parsed = new Parsed[files.size()];
        AtomicInteger next = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        Runnable work = () -> {
            for (int i; (i = next.getAndIncrement()) < parsed.length; ) {
                parsed[i] = parse(files.get(i));
                progress.accept(done.incrementAndGet());
            }
        };
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> running = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                running.add(pool.submit(work));
            }
            for (Future<?> f : running) {
                f.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
        return Arrays.asList(parsed);
    }

    private static Parsed parse(Path file) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            return parse(ClassFile.of().parse(bytes), bytes.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Parsed parse(ClassModel c, int length) {
        float[] x = new float[FEATURES];
        TreeSet<String> references = new TreeSet<>();
        for (PoolEntry e : c.constantPool()) {
            x[e.tag() - 1]++;
            switch (e) {
                case ClassEntry k -> addName(k.asInternalName(), references);
                case NameAndTypeEntry n -> addTypes(n.type().stringValue(), references);
                case MethodTypeEntry m -> addTypes(m.descriptor().stringValue(), references);
                default -> {
                    // names no class
                }
            }
        }
        for (int i = 0; i < FLAGS; i++) {
            x[TAGS + i] = c.flags().flagsMask() >> i & 1;
        }
        int at = TAGS + FLAGS;
        x[at++] = length;
        x[at++] = c.fields().size();
        x[at++] = c.methods().size();
        x[at++] = c.interfaces().size();
        for (FieldModel f : c.fields()) {
            addTypes(f.fieldType().stringValue(), references);
            int flags = f.flags().flagsMask();
            x[at] += has(flags, ClassFile.ACC_STATIC);
            x[at + 1] += has(flags, ClassFile.ACC_FINAL);
        }
        at += 2;
        for (MethodModel m : c.methods()) {
            addTypes(m.methodType().stringValue(), references);
            int flags = m.flags().flagsMask();
            x[at] += has(flags, ClassFile.ACC_STATIC);
            x[at + 1] += has(flags, ClassFile.ACC_PUBLIC);
            x[at + 2] += has(flags, ClassFile.ACC_PRIVATE);
            x[at + 3] += has(flags, ClassFile.ACC_NATIVE);
            x[at + 4] += has(flags, ClassFile.ACC_ABSTRACT);
            x[at + 5] += has(flags, ClassFile.ACC_SYNTHETIC);
            x[at + 6] += m.methodTypeSymbol().parameterCount();
            CodeAttribute code = m.findAttribute(Attributes.code()).orElse(null);
            if (code != null) {
                x[at + 7] += code.codeLength();
                x[at + 8] = Math.max(x[at + 8], code.maxStack());
            }
        }
        at += 9;
        x[at++] = c.findAttribute(Attributes.innerClasses()).isPresent() ? 1 : 0;
        x[at++] = c.findAttribute(Attributes.nestHost()).isPresent() ? 1 : 0;
        x[at++] = c.findAttribute(Attributes.record()).isPresent() ? 1 : 0;
        x[at] = c.findAttribute(Attributes.signature()).isPresent() ? 1 : 0;
        return new Parsed(x, references);
    }

    private static int has(int flags, int flag) {
        return (flags & flag) == 0 ? 0 : 1;
    }

    private static void addName(String name, TreeSet<String> into) {
        if (name.startsWith("[")) {
            addTypes(name, into);
        } else {
            into.add(name);
        }
    }

    /** The classes of a descriptor: what stands between L and ; */
    private static void addTypes(String descriptor, TreeSet<String> into) {
        for (int i = descriptor.indexOf('L'); i >= 0; ) {
            int end = descriptor.indexOf(';', i);
            if (end < 0) {
                return;
            }
            into.add(descriptor.substring(i + 1, end));
            i = descriptor.indexOf('L', end);
        }
    }

    // ------------------------------------------------------------------ features

    /** log(1 + x), then mean 0 and deviation 1 over all classes (features hold no label, so all may be counted). */
    private static float[] standardised(List<Parsed> parsed) {
        int n = parsed.size();
        float[] out = new float[n * FEATURES];
        for (int f = 0; f < FEATURES; f++) {
            double sum = 0;
            double squares = 0;
            for (Parsed p : parsed) {
                double v = StrictMath.log1p(p.features[f]);
                sum += v;
                squares += v * v;
            }
            double mean = sum / n;
            double deviation = Math.sqrt(Math.max(squares / n - mean * mean, 0));
            for (int i = 0; i < n; i++) {
                double v = StrictMath.log1p(parsed.get(i).features[f]) - mean;
                out[i * FEATURES + f] = deviation < 1e-6 ? 0 : (float) (v / deviation);
            }
        }
        return out;
    }

    /** The features as a tensor, a row for each class. */
    Tensor featureTensor() {
        return Tensor.of(features, nodes(), featureCount);
    }
}
