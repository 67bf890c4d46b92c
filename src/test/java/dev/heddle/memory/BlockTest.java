package dev.heddle.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.TestJvm;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockTest {
    /** Below, at and above the size from which memory comes in huge pages. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 1000, Allocation.HUGE - 1, Allocation.HUGE, 3 * Allocation.HUGE + 7})
    void isZeroedAlignedAndWritableToItsEnd(long bytes) {
        for (int round = 0; round < 3; round++) {
            Block block = new Block(bytes, true);
            MemorySegment memory = block.segment();
            assertEquals(bytes, memory.byteSize());
            assertEquals(0, memory.address() % Block.ALIGNMENT);
            assertEquals(-1, memory.mismatch(memory));
            for (long i = 0; i < bytes; i += 1021) {
                assertEquals(0, memory.get(Raw.I8, i));
            }
            memory.fill((byte) 1);
            long held = Budget.held();
            block.free();
            block.free(); // for nothing
            assertTrue(Budget.held() < held, () -> held + " bytes before, " + Budget.held() + " after");
        }
    }

    /** The collector sees a few small objects; what they stand for would be several times the heap. */
    @Test
    void whatIsDroppedIsCollectedInTime() {
        long most = 2 * Runtime.getRuntime().maxMemory();
        long size = most / 64;
        for (int i = 0; i < 256; i++) {
            assertEquals(size, new Block(size, true).segment().byteSize());
            assertTrue(Budget.held() < most, () -> Budget.held() + " bytes of " + most);
        }
    }

    /** Were it of a shared arena, freeing a block would throw whoever is inside a kernel back into the interpreter. */
    @Test
    void freeingLeavesCompiledMemoryAccessAlone() throws IOException, InterruptedException {
        Path log = Files.createTempFile("heddle", ".xml");
        TestJvm.Run r = TestJvm.run(
                FreeingProbe.class,
                new String[0],
                TestJvm.MODULE,
                TestJvm.ACCESS,
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:+LogCompilation",
                "-XX:LogFile=" + log);
        assertTrue(r.says("freed 3000"), r.output());
        try (Stream<String> lines = Files.lines(log, StandardCharsets.ISO_8859_1)) {
            long thrown = lines.filter(l -> l.startsWith("<deoptimized")).count();
            assertTrue(thrown < 100, () -> thrown + " times");
        }
        Files.delete(log);
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 46, 1L << 60})
    void refusesMoreThanThereIs(long bytes) {
        assertThrows(OutOfMemoryError.class, () -> new Block(bytes, true));
    }

    /** A workspace that is collected, not closed, leaves its parts' records behind; the next user of the memory must not see them. */
    @Test
    void itsPartsAreForgottenWithIt() {
        Block block = new Block(256, false);
        long address = block.segment().address();
        LiveRanges.add(address + 64, 4);
        LiveRanges.check(address + 64, 4, true);
        assertThrows(AssertionError.class, () -> LiveRanges.check(address + 68, 4, true));
        block.free();
        LiveRanges.add(address, 256);
        LiveRanges.check(address + 68, 4, true);
        LiveRanges.remove(address);
        assertThrows(AssertionError.class, () -> LiveRanges.check(address + 68, 4, true));
    }
}
