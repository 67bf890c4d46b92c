package dev.heddle.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockTest {
    /** Below, at and above the size from which memory comes in huge pages. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 1000, HugePages.WORTHWHILE - 1, HugePages.WORTHWHILE, 3 * HugePages.WORTHWHILE + 7})
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
            block.free();
            assertThrows(IllegalStateException.class, () -> memory.fill((byte) 2));
        }
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
