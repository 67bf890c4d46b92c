package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.heddle.TestJvm;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A stream goes on in the memory that it had after its first calls. In a JVM of its own, whose heap nobody else fills. */
class StreamMemoryTest {
    @Test
    void aMillionTokensTakeNoMoreMemoryThanAFew() throws IOException, InterruptedException {
        TestJvm.Run r = TestJvm.run(StreamMemoryProbe.class, TestJvm.MODULE, TestJvm.ACCESS);
        assertEquals(0, r.exit(), r.output());
        for (MambaStreamTest.Kind kind : MambaStreamTest.Kind.values()) {
            r.assertSays(kind + " constant");
        }
    }
}
