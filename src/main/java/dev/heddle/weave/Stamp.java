package dev.heddle.weave;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * Whether anything changed since the last run: a digest of every class that javac wrote, of every class woven from them
 * and of what was asked for, kept in a file.
 */
final class Stamp {
    private final Path file;
    private final Path classes;
    private final List<Path> woven;
    private final String request;

    /**
     * A stamp.
     *
     * @param file where the digest of the last run is
     * @param classes where javac put the classes
     * @param woven the directories that are written
     * @param request whatever else decides the outcome
     */
    Stamp(Path file, Path classes, List<Path> woven, String request) {
        this.file = file;
        this.classes = classes;
        this.woven = woven;
        this.request = request;
    }

    boolean isCurrent() throws IOException {
        return Files.exists(file) && Files.readString(file).equals(digest());
    }

    void renew() throws IOException {
        Files.writeString(file, digest());
    }

    void remove() throws IOException {
        Files.deleteIfExists(file);
    }

    private String digest() throws IOException {
        MessageDigest digest = sha256();
        digest.update(request.getBytes(StandardCharsets.UTF_8));
        update(digest, classes);
        for (Path directory : woven) {
            update(digest, directory);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void update(MessageDigest digest, Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path f : files.filter(Files::isRegularFile).sorted().toList()) {
                digest.update(f.toString().getBytes(StandardCharsets.UTF_8));
                digest.update(Files.readAllBytes(f));
            }
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
    }
}
