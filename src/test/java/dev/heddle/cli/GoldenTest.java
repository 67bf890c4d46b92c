package dev.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.heddle.cli.Operators.Operator;
import dev.heddle.cli.Verification.Row;
import dev.heddle.cli.Verification.Status;
import dev.heddle.kernel.Backend;
import dev.heddle.kernel.Backends;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The golden cases on every usable backend, and on each woven with checks of all loads and stores. */
class GoldenTest {
    private static Path golden() throws URISyntaxException {
        return Path.of(GoldenTest.class.getResource("/golden").toURI());
    }

    /** An operator without files would pass unseen. */
    private static Stream<Path> files(Operator op) {
        try (Stream<Path> files = Files.list(golden().resolve(op.name()))) {
            List<Path> found = files.sorted().toList();
            assertFalse(found.isEmpty(), op.name());
            return found.stream();
        } catch (IOException | URISyntaxException e) {
            throw new AssertionError(op.name(), e);
        }
    }

    /** Files without an operator would pass unseen, too. */
    @Test
    void everyFolderHasAnOperator() throws IOException, URISyntaxException {
        try (Stream<Path> folders = Files.list(golden())) {
            assertEquals(
                    Operators.all().stream().map(Operator::name).toList(),
                    folders.map(f -> f.getFileName().toString()).sorted().toList());
        }
    }

    @TestFactory
    Stream<DynamicTest> everyCaseOnEveryBackend() {
        List<Backend> backends = new ArrayList<>(Backends.usable());
        backends.addAll(Backends.usable().stream().map(Backend::checked).toList());
        Verification verification = new Verification(backends, 1, 3);
        return Operators.all().stream()
                .flatMap(GoldenTest::files)
                .map(file -> DynamicTest.dynamicTest(file.getParent().getFileName() + "/" + file.getFileName(), () -> {
                    List<Row> rows = verification.verify(file);
                    assertEquals(backends.size(), rows.size(), rows::toString);
                    rows.forEach(r -> assertEquals(Status.OK, r.status(), r::toString));
                }));
    }
}
