package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Random programs on random inputs: woven for any lane count they do what they do unwoven. */
class FuzzTest {
    private static final int FIRST = Integer.getInteger("heddle.fuzz.first", 1);
    private static final int PROGRAMS = Integer.getInteger("heddle.fuzz.programs", 60);
    private static final int BATCH = 20;
    private static final int KERNELS = 3;
    private static final int N = 16;

    @Test
    void wovenIsUnwoven() throws ReflectiveOperationException {
        int compared = 0;
        int huge = 0;
        for (int from = FIRST; from < FIRST + PROGRAMS; from += BATCH) {
            List<Integer> seeds = IntStream.range(from, Math.min(from + BATCH, FIRST + PROGRAMS))
                    .boxed()
                    .toList();
            Workshop workshop = new Workshop(
                    seeds.stream().map(s -> Programs.write("P" + s, s, KERNELS)).toArray(String[]::new));
            for (int seed : seeds) {
                try {
                    Target.PLAIN.forEach(t -> workshop.weave(t, "P" + seed));
                } catch (WeaveException e) {
                    String problem = e.problems().getFirst();
                    assertTrue(problem.contains("compiles no method of 8000 bytes"), () -> "P" + seed + ": " + problem);
                    huge++;
                    continue;
                }
                for (int k = 0; k < KERNELS; k++) {
                    compare(workshop, seed, "k" + k);
                    compared++;
                }
            }
        }
        System.out.println("compared " + compared + " kernels, " + huge + " classes too large to weave");
        assertTrue(huge * 4 < PROGRAMS, "most programs should be small enough to weave");
        assertEquals((PROGRAMS - huge) * KERNELS, compared);
    }

    private static void compare(Workshop workshop, int seed, String kernel) throws ReflectiveOperationException {
        Memory memory = new Memory(seed);
        for (int p : new int[] {0, 1, 5}) {
            long in = memory.floats(3 * N, p > 0);
            int q = seed * 31 % 100 - 50;
            List<Object> expected = run(workshop.template("P" + seed), kernel, memory, in, p, q);
            for (Target target : Target.PLAIN) {
                List<Object> actual = run(workshop.woven("P" + seed, target), kernel, memory, in, p, q);
                assertEquals(expected, actual, () -> "P" + seed + "." + kernel + " p = " + p + " for " + target.name());
            }
        }
    }

    /** What the kernel returns, or what it throws, and the bits that it writes. */
    private static List<Object> run(Class<?> c, String kernel, Memory memory, long in, int p, int q)
            throws ReflectiveOperationException {
        long out = memory.bytes(8L * N);
        Method m = c.getMethod(kernel, long.class, long.class, int.class, int.class, int.class);
        List<Object> outcome = new ArrayList<>();
        try {
            outcome.add(m.invoke(null, in, out, N, p, q));
        } catch (InvocationTargetException e) {
            outcome.add(String.valueOf(e.getCause()));
        }
        if (outcome.getFirst() instanceof Long) {
            outcome.add(Arrays.toString(Memory.bits(out, N)));
            int[] ints = new int[N];
            for (int i = 0; i < N; i++) {
                ints[i] = dev.heddle.memory.Raw.ALL.get(dev.heddle.memory.Raw.I32, out + 4L * (N + i));
            }
            outcome.add(Arrays.toString(ints));
        }
        return outcome;
    }
}
