package dev.heddle.bench;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A benchmark that grows in one size at a time: {@link Report} draws the method's time against it, both as multiples of the first
 * parameters'.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
public @interface Growth {
    String method();

    /** The parameter that holds the sizes, such as 1x1024x64. */
    String param();

    /** What the sizes are called. */
    String[] sizes();
}
