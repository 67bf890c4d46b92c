package dev.heddle.weave;

import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import org.jspecify.annotations.Nullable;

/** The element type of a vector, or of a mask: what is left of the vector when it has one lane. */
enum Lane {
    FLOAT("Float", TypeKind.FLOAT),
    INT("Int", TypeKind.INT),
    SHORT("Short", TypeKind.SHORT),
    BYTE("Byte", TypeKind.BYTE),
    LONG("Long", TypeKind.LONG),
    DOUBLE("Double", TypeKind.DOUBLE),
    MASK("Mask", TypeKind.BOOLEAN);

    private static final String VECTORS = "Ljdk/incubator/vector/";

    /** As in the name of its vector class and of its nested class of {@link OneLane} and {@link Checked}. */
    final String label;

    final TypeKind kind;

    Lane(String label, TypeKind kind) {
        this.label = label;
        this.kind = kind;
    }

    ClassDesc vector() {
        return ClassDesc.ofDescriptor(VECTORS + (this == MASK ? "VectorMask;" : label + "Vector;"));
    }

    ClassDesc scalar() {
        return kind.upperBound();
    }

    /** Whether the scalar takes two slots where the vector took one. */
    boolean isWide() {
        return kind.slotSize() == 2;
    }

    /** Whether this is a type of the Vector API. */
    static boolean isVectorApi(ClassDesc type) {
        return type.descriptorString().startsWith(VECTORS);
    }

    static @Nullable Lane of(ClassDesc vector) {
        if (isVectorApi(vector)) {
            for (Lane lane : values()) {
                if (lane.vector().equals(vector)) {
                    return lane;
                }
            }
        }
        return null;
    }

    static @Nullable Lane of(TypeKind scalar) {
        for (Lane lane : values()) {
            if (lane.kind == scalar) {
                return lane;
            }
        }
        return null;
    }
}
