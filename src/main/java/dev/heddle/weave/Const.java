package dev.heddle.weave;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A parameter of a {@link Kernel} that is known while weaving. The weaver makes one flat method for each combination of
 * values and turns the kernel itself into a switch over them. An int parameter lists its values; a boolean takes both, an
 * enum every constant. Any other value at run time is an {@link IllegalArgumentException}.
 */
@Retention(RetentionPolicy.CLASS)
@Target(ElementType.PARAMETER)
public @interface Const {
    int[] value() default {};

    /** The values of an int parameter for the one-lane twin, where it needs fewer; all of them if this is empty. */
    int[] oneLane() default {};
}
