package dev.heddle.kernel;

import static dev.heddle.TestJvm.ACCESS;
import static dev.heddle.TestJvm.MODULE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.TestJvm;
import dev.heddle.TestJvm.Run;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a JVM started in one way or another runs on, and what it says. */
class BackendsTest {
    private static Run child(String... flags) throws IOException, InterruptedException {
        return TestJvm.run(BackendsProbe.class, flags);
    }

    @Test
    void vectorsServeOnceCompiled() throws Exception {
        Run r = child(MODULE, ACCESS);
        assertEquals(0, r.exit(), r.output());
        r.assertSays("first call on scalar");
        r.assertSays("warm true");
        r.assertSays("then on vector");
        r.assertSays("same bits true");
        assertFalse(r.says("WARNING: scalar kernels"), r.output());
    }

    /** That HotSpot loses a kernel is a matter of timing; here it is told to. */
    @Test
    void aKernelThatHotSpotLostStartsAgainAsACopy() throws Exception {
        List<String> flags = new ArrayList<>(List.of(MODULE, ACCESS, "-XX:CompileCommand=quiet"));
        for (int bits : new int[] {128, 256, 512}) {
            flags.add("-XX:CompileCommand=exclude,dev.heddle.kernel.vector" + bits + ".Pointwise::*");
        }
        Run r = TestJvm.run(WarmUpProbe.class, flags.toArray(String[]::new));
        assertEquals(0, r.exit(), r.output());
        r.assertSays("first on scalar");
        r.assertSays("warm true");
        r.assertSays("then on vector");
        r.assertSays("a copy true");
        r.assertSays("of its bits true");
    }

    @Test
    void withoutTheModuleScalarServesAndSaysWhatToDo() throws Exception {
        Run r = child(ACCESS);
        assertEquals(0, r.exit(), r.output());
        r.assertSays("then on scalar");
        r.assertSays("--add-modules jdk.incubator.vector");
        r.assertSays("-Dheddle.backend=scalar");
        assertEquals(r.output().indexOf("scalar kernels,"), r.output().lastIndexOf("scalar kernels,"), "logged once");
    }

    @Test
    void aForcedScalarIsSilent() throws Exception {
        Run r = child(ACCESS, "-Dheddle.backend=scalar");
        assertEquals(0, r.exit(), r.output());
        r.assertSays("then on scalar");
        assertFalse(r.says("scalar kernels,"), r.output());
    }

    @Test
    void aForcedVectorServesAtOnce() throws Exception {
        Run r = child(MODULE, ACCESS, "-Dheddle.backend=vector", "-Dheddle.vectorBits=128");
        assertEquals(0, r.exit(), r.output());
        r.assertSays("first call on vector128");
    }

    @Test
    void aForcedVectorThatCannotRunThrows() throws Exception {
        Run r = child(ACCESS, "-Dheddle.backend=vector");
        assertEquals(1, r.exit(), r.output());
        r.assertSays("HeddleException: -Dheddle.backend=vector cannot be honoured");
        r.assertSays("--add-modules");
    }

    @Test
    void withoutC2ThereAreNoVectors() throws Exception {
        for (String flag : List.of("-Xint", "-XX:TieredStopAtLevel=1", "-XX:TieredStopAtLevel=3", "-XX:-UseFMA")) {
            Run r = child(MODULE, ACCESS, flag);
            assertEquals(0, r.exit(), r.output());
            r.assertSays("then on scalar");
            r.assertSays("same bits true");
            r.assertSays("scalar kernels,");
        }
    }

    @Test
    void nonsenseIsRefusedByName() throws Exception {
        Run r = child(MODULE, ACCESS, "-Dheddle.vectorBits=1024");
        assertEquals(1, r.exit(), r.output());
        r.assertSays("heddle.vectorBits=1024: must be 128, 256 or 512");
        r = child(MODULE, ACCESS, "-Dheddle.backend=gpu");
        assertEquals(1, r.exit(), r.output());
        r.assertSays("heddle.backend=gpu: must be auto, scalar or vector");
    }

    @Test
    void deniedNativeAccessNamesTheFlag() throws Exception {
        Run r = child(MODULE, "--illegal-native-access=deny");
        assertEquals(1, r.exit(), r.output());
        r.assertSays("--enable-native-access=ALL-UNNAMED");
        assertTrue(r.says("HeddleException"), r.output());
    }

    @Test
    void withoutNativeAccessFlagItWorksAndTheJdkWarns() throws Exception {
        Run r = child(MODULE);
        assertEquals(0, r.exit(), r.output());
        r.assertSays("same bits true");
        r.assertSays("WARNING: A restricted method");
    }
}
