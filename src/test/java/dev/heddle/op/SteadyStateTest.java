package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.heddle.TestJvm;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Once compiled, kernels make no objects: what a call allocates on the heap does not grow with its work. (A vector that is
 * an object takes 80 bytes, and the larger of the two calls handles some 100,000 vectors.) In JVMs of their own, as what HotSpot
 * makes of a kernel depends on what ran before; and in up to three, as it depends on chance, too: what fails in all of them is ours.
 */
class SteadyStateTest {
    private static final int JVMS = 3;

    @Test
    void whatACallAllocatesDoesNotGrowWithItsWork() throws IOException, InterruptedException {
        Set<SteadyStateProbe.Op> left = EnumSet.allOf(SteadyStateProbe.Op.class);
        StringBuilder output = new StringBuilder();
        for (int i = 0; i < JVMS && !left.isEmpty(); i++) {
            String[] names = left.stream().map(Enum::name).toArray(String[]::new);
            TestJvm.Run r = TestJvm.run(SteadyStateProbe.class, names, TestJvm.MODULE, TestJvm.ACCESS);
            output.append(r.output());
            assertEquals(0, r.exit(), output.toString());
            left.removeIf(op -> r.says(op + " steady"));
        }
        assertEquals(Set.of(), left, output.toString());
    }
}
