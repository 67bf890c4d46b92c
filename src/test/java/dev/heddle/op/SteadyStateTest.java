package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.heddle.TestJvm;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Once compiled, kernels make no objects: what a call allocates on the heap does not grow with its work. (A vector that is
 * an object takes 80 bytes, and the larger of the two calls handles some 100,000 vectors.) In JVMs of their own, as what HotSpot
 * makes of a kernel depends on what ran before.
 */
class SteadyStateTest {
    private static final int JVMS = 3;

    private static TestJvm.Run run(Set<SteadyStateProbe.Op> ops, String... flags)
            throws IOException, InterruptedException {
        String[] names = ops.stream().map(Enum::name).toArray(String[]::new);
        TestJvm.Run r = TestJvm.run(SteadyStateProbe.class, names, flags);
        assertEquals(0, r.exit(), r.output());
        assertFalse(r.says("goes on serving"), r.output());
        return r;
    }

    /** In up to three JVMs, as chance plays a part: what fails in all of them is ours. */
    @Test
    void whatACallAllocatesDoesNotGrowWithItsWork() throws IOException, InterruptedException {
        Set<SteadyStateProbe.Op> left = EnumSet.allOf(SteadyStateProbe.Op.class);
        StringBuilder output = new StringBuilder();
        for (int i = 0; i < JVMS && !left.isEmpty(); i++) {
            TestJvm.Run r = run(left, TestJvm.MODULE, TestJvm.ACCESS);
            output.append(r.output());
            left.removeIf(op -> r.says(op + " steady"));
        }
        assertEquals(Set.of(), left, output.toString());
    }

    /** A profile that is of no use is what a program makes of it that works with vectors of other widths. */
    @Test
    void withoutAProfileNeither() throws IOException, InterruptedException {
        Set<SteadyStateProbe.Op> all = EnumSet.allOf(SteadyStateProbe.Op.class);
        TestJvm.Run r = run(all, TestJvm.MODULE, TestJvm.ACCESS, "-XX:-UseTypeProfile");
        all.removeIf(op -> r.says(op + " steady"));
        assertEquals(Set.of(), all, r.output());
    }
}
