package dev.heddle.io;

import static dev.heddle.io.Json.quote;

import dev.heddle.HeddleException;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The tensors of a model, be they in one safetensors file or in shards that an index names ({@code
 * model.safetensors.index.json}, as Hugging Face writes them). Shards are mapped like single files.
 */
public final class Checkpoint implements AutoCloseable {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    private final List<SafetensorsFile> files;
    private final Map<String, SafetensorsFile> home;
    private final Map<String, String> metadata;

    private Checkpoint(List<SafetensorsFile> files) {
        this.files = files;
        Map<String, SafetensorsFile> tensors = new LinkedHashMap<>();
        Map<String, String> strings = new LinkedHashMap<>();
        for (SafetensorsFile f : files) {
            for (String name : f.names()) {
                SafetensorsFile other = tensors.put(name, f);
                if (other != null) {
                    throw new HeddleException(f.path() + ": tensor " + quote(name) + ": also in " + other.path());
                }
            }
            f.metadata().forEach(strings::putIfAbsent);
        }
        home = Collections.unmodifiableMap(tensors);
        metadata = Collections.unmodifiableMap(strings);
    }

    /**
     * Opens a safetensors file, an index of shards (its name ends in {@code .json}), or a directory that holds {@code
     * model.safetensors.index.json} or {@code model.safetensors}.
     *
     * @throws HeddleException if a file is not sound, a shard is missing, or index and shards disagree on a tensor
     */
    public static Checkpoint open(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            Path index = path.resolve(INDEX);
            return open(Files.exists(index) ? index : path.resolve(SINGLE));
        }
        if (!path.toString().endsWith(".json")) {
            return open(List.of(path));
        }
        Map<String, String> index = readIndex(path);
        Set<String> shards = new TreeSet<>(index.values());
        List<Path> paths = new ArrayList<>();
        for (String shard : shards) {
            Path file = path.resolveSibling(shard);
            if (!Files.exists(file)) {
                throw new HeddleException(path + ": shard " + quote(shard) + " is missing");
            }
            paths.add(file);
        }
        Checkpoint c = open(paths);
        try {
            compare(path, index, c.home);
        } catch (Throwable e) {
            c.close();
            throw e;
        }
        return c;
    }

    private static Checkpoint open(List<Path> paths) throws IOException {
        List<SafetensorsFile> files = new ArrayList<>();
        try {
            for (Path p : paths) {
                files.add(SafetensorsFile.open(p));
            }
            return new Checkpoint(files);
        } catch (Throwable e) {
            files.forEach(SafetensorsFile::close);
            throw e;
        }
    }

    private static void compare(Path path, Map<String, String> index, Map<String, SafetensorsFile> home) {
        index.forEach((name, shard) -> {
            SafetensorsFile f = home.get(name);
            if (f == null || !f.path().equals(path.resolveSibling(shard))) {
                throw new HeddleException(path + ": tensor " + quote(name) + ": not in its shard " + quote(shard)
                        + (f == null ? "" : " but in " + f.path()));
            }
        });
        home.forEach((name, f) -> {
            if (!index.containsKey(name)) {
                throw new HeddleException(
                        path + ": tensor " + quote(name) + ": in " + f.path() + " but not in the index");
            }
        });
    }

    /** Tensor names and the shards that hold them. */
    private static Map<String, String> readIndex(Path path) throws IOException {
        if (Files.size(path) > SafetensorsHeader.MAX_BYTES) {
            throw new HeddleException(path + ": an index of more than " + SafetensorsHeader.MAX_BYTES + " bytes");
        }
        Map<String, String> index = new LinkedHashMap<>();
        boolean[] seen = new boolean[1];
        Json.read(path.toString(), Files.readAllBytes(path), in -> {
            for (String key; (key = in.nextKey()) != null; ) {
                if (!key.equals("weight_map")) {
                    in.skip();
                } else if (seen[0]) {
                    throw in.wrong("weight_map is there twice");
                } else {
                    seen[0] = true;
                    weightMap(in, index);
                }
            }
        });
        if (!seen[0]) {
            throw new HeddleException(path + ": weight_map is missing");
        }
        return index;
    }

    private static void weightMap(Json in, Map<String, String> index) throws IOException {
        in.object("weight_map");
        for (String name; (name = in.nextKey()) != null; ) {
            String shard = in.string("weight_map: the shard of " + quote(name));
            if (!isPlainName(shard)) {
                throw in.wrong("weight_map: the shard " + quote(shard) + " of " + quote(name)
                        + " is not the plain name of a file beside the index");
            }
            if (index.put(name, shard) != null) {
                throw in.wrong("weight_map: tensor " + quote(name) + " is there twice");
            }
        }
    }

    /** Whether a name stays in its directory, on any system. */
    private static boolean isPlainName(String name) {
        return !name.isEmpty()
                && !name.startsWith(".")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
    }

    /**
     * Writes tensors into a directory, as one file {@code model.safetensors} if they fit, else as shards of at most {@code
     * maxShardBytes} of data each (a larger tensor has one to itself) and an index, which is written last. Tensors are taken
     * in order of their names.
     */
    public static void write(
            Path directory, Map<String, Tensor> tensors, Map<String, String> metadata, long maxShardBytes)
            throws IOException {
        if (maxShardBytes < 1) {
            throw new IllegalArgumentException("maxShardBytes: " + maxShardBytes + ", must be positive");
        }
        Files.createDirectories(directory);
        List<Map<String, Tensor>> shards = new ArrayList<>();
        long room = 0;
        long total = 0;
        for (var e : new TreeMap<>(tensors).entrySet()) {
            long bytes = e.getValue().size() * e.getValue().dtype().bytes();
            total += bytes;
            if (shards.isEmpty() || bytes > room) {
                shards.add(new LinkedHashMap<>());
                room = maxShardBytes;
            }
            shards.getLast().put(e.getKey(), e.getValue());
            room -= bytes;
        }
        if (shards.size() <= 1) {
            SafetensorsFile.write(directory.resolve(SINGLE), tensors, metadata);
            return;
        }
        Map<String, String> index = new TreeMap<>();
        for (int i = 0; i < shards.size(); i++) {
            String name = "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
            SafetensorsFile.write(directory.resolve(name), shards.get(i), metadata);
            shards.get(i).keySet().forEach(t -> index.put(t, name));
        }
        writeIndex(directory.resolve(INDEX), index, total);
    }

    private static void writeIndex(Path path, Map<String, String> index, long totalBytes) throws IOException {
        byte[] json = Json.write(out -> {
            out.writeObjectFieldStart("metadata");
            out.writeNumberField("total_size", totalBytes);
            out.writeEndObject();
            out.writeObjectFieldStart("weight_map");
            for (var e : index.entrySet()) {
                out.writeStringField(e.getKey(), e.getValue());
            }
            out.writeEndObject();
        });
        AtomicFile.write(path, out -> AtomicFile.put(out, json));
    }

    /** The names of all tensors. */
    public Set<String> names() {
        return home.keySet();
    }

    /** The strings of the headers' {@code __metadata__}; where shards disagree, those of the first. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /**
     * The tensor of that name, as told at {@link SafetensorsFile#tensor}.
     *
     * @throws IllegalArgumentException if there is none
     */
    public Tensor tensor(String name) {
        SafetensorsFile f = home.get(name);
        if (f == null) {
            throw new IllegalArgumentException("no tensor " + quote(name) + " in "
                    + files.stream().map(s -> s.path().toString()).toList());
        }
        return f.tensor(name);
    }

    /**
     * Unmaps all files; their tensors are refused from now on.
     *
     * @throws IllegalStateException if an operation is using one of them; the other files are closed
     */
    @Override
    public void close() {
        RuntimeException first = null;
        for (SafetensorsFile f : files) {
            try {
                f.close();
            } catch (IllegalStateException e) {
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
