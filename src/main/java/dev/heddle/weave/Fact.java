package dev.heddle.weave;

import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is known, while weaving, about the value of an operand-stack entry or a local. */
sealed interface Fact {
    /** Whether the value exists only while weaving: it is in no local and on no operand stack of the woven code. */
    default boolean isVirtual() {
        return this instanceof Array
                || this instanceof Lambda
                || this instanceof SwitchMap
                || this instanceof Token
                || (this instanceof EnumConstant e && e.hidden)
                || this instanceof Lost;
    }

    /** Whether a copy of the value can be had without the value: a constant, or nothing at all. */
    default boolean isFree() {
        return this instanceof Constant || isVirtual();
    }

    /** An int, long, float or double. */
    record Constant(Number value) implements Fact {}

    record Null() implements Fact {}

    /** A constant of an enum; {@code hidden} if woven code may not mention the enum, so that it can only be tested. */
    record EnumConstant(ClassDesc type, String name, int ordinal, boolean hidden) implements Fact {}

    /** An ordinal, physically, that stands for the case number that {@code map} holds for it. */
    record CaseOf(SwitchMap map) implements Fact {}

    /** A local array whose elements are locals, from slot {@code base} on. */
    record Array(
            int base, int length, TypeKind kind, @Nullable Lane lane) implements Fact {
        int slot(int index) {
            return base + index * kind.slotSize();
        }
    }

    /**
     * A lambda or method reference.
     *
     * @param implementation the method that it runs
     * @param method name of the interface's method
     * @param erased the interface method's own type
     * @param actual its type with type arguments put in
     * @param base the first of the locals that hold captured values, two slots each
     * @param captured the kinds of these
     */
    record Lambda(
            DirectMethodHandleDesc implementation,
            String method,
            MethodTypeDesc erased,
            MethodTypeDesc actual,
            int base,
            List<TypeKind> captured)
            implements Fact {}

    /** javac's table from the ordinals of an enum to the case numbers of one switch. */
    record SwitchMap(String owner, String field) implements Fact {}

    /** One lane: an operator, which selects the substitute by its name; or a species or byte order, which do nothing. */
    record Token(String name) implements Fact {}

    /** Differs, depending on the path taken, in a way that the woven code could not express. An error if it is used. */
    record Lost(String why) implements Fact {}
}
