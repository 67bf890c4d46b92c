package dev.heddle.weave;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every construct that the weaver supports does the same woven, in each target. */
class ConstructsTest {
    private static final int[] INPUTS = IntStream.concat(
                    IntStream.rangeClosed(-40, 120), IntStream.of(1 << 20, Integer.MAX_VALUE, Integer.MIN_VALUE + 9))
            .toArray();

    private static final List<Target> TARGETS =
            List.of(Workshop.target(1), Workshop.target(16), Target.named("checked/vector128"));

    private static final Workshop WORKSHOP = new Workshop();

    static {
        TARGETS.forEach(t -> WORKSHOP.weave(t, "Constructs"));
    }

    static Stream<String> kernels() {
        return Arrays.stream(WORKSHOP.template("Constructs").getDeclaredMethods())
                .filter(m -> Modifier.isPublic(m.getModifiers()))
                .map(Method::getName)
                .sorted();
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void sameWoven(String kernel) throws ReflectiveOperationException {
        Method template = WORKSHOP.template("Constructs").getMethod(kernel, int.class);
        for (Target target : TARGETS) {
            Method woven = WORKSHOP.woven("Constructs", target).getMethod(kernel, int.class);
            for (int x : INPUTS) {
                assertEquals(template.invoke(null, x), woven.invoke(null, x), target.name() + " x = " + x);
            }
        }
    }

    @Test
    void allAreWoven() {
        long kernels = kernels().count();
        assertTrue(kernels >= 30);
        assertEquals(kernels * TARGETS.size(), WORKSHOP.reports().size());
    }
}
