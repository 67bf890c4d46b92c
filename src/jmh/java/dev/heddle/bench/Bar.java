package dev.heddle.bench;

import java.lang.annotation.ElementType;
import java.lang.annotation.Repeatable;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** What a benchmark has to show: the median, over the rounds, of the peer's time over the method's. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@Repeatable(Bar.List.class)
public @interface Bar {
    String method();

    String peer();

    double atLeast();

    /** A part of the parameters that it holds for, as {@link Interleaved} prints them; empty: for all. */
    String where() default "";

    /** Several of them. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.TYPE)
    @interface List {
        Bar[] value();
    }
}
