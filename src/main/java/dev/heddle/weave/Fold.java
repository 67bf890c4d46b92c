package dev.heddle.weave;

import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Folds the few operations that configuration code uses; whatever it answers null for is left to the JIT. */
final class Fold {
    private Fold() {}

    static @Nullable Number unary(Opcode op, @Nullable Fact fact) {
        if (!(fact instanceof Fact.Constant(Number a))) {
            return null;
        }
        return switch (op) {
            case INEG -> -a.intValue();
            case LNEG -> -a.longValue();
            case FNEG -> -a.floatValue();
            case DNEG -> -a.doubleValue();
            default -> null;
        };
    }

    static @Nullable Number binary(Opcode op, @Nullable Fact left, @Nullable Fact right) {
        if (!(left instanceof Fact.Constant(Number a)) || !(right instanceof Fact.Constant(Number b))) {
            return null;
        }
        return switch (op) {
            case IADD -> a.intValue() + b.intValue();
            case ISUB -> a.intValue() - b.intValue();
            case IMUL -> a.intValue() * b.intValue();
            case IDIV -> b.intValue() == 0 ? null : (Integer) (a.intValue() / b.intValue());
            case IREM -> b.intValue() == 0 ? null : (Integer) (a.intValue() % b.intValue());
            case ISHL -> a.intValue() << b.intValue();
            case ISHR -> a.intValue() >> b.intValue();
            case IUSHR -> a.intValue() >>> b.intValue();
            case IAND -> a.intValue() & b.intValue();
            case IOR -> a.intValue() | b.intValue();
            case IXOR -> a.intValue() ^ b.intValue();
            case LADD -> a.longValue() + b.longValue();
            case LSUB -> a.longValue() - b.longValue();
            case LMUL -> a.longValue() * b.longValue();
            case LDIV -> b.longValue() == 0 ? null : (Long) (a.longValue() / b.longValue());
            case LREM -> b.longValue() == 0 ? null : (Long) (a.longValue() % b.longValue());
            case LSHL -> a.longValue() << b.intValue();
            case LSHR -> a.longValue() >> b.intValue();
            case LUSHR -> a.longValue() >>> b.intValue();
            case LAND -> a.longValue() & b.longValue();
            case LOR -> a.longValue() | b.longValue();
            case LXOR -> a.longValue() ^ b.longValue();
            case LCMP -> Long.compare(a.longValue(), b.longValue());
            case FCMPL -> compare(a.floatValue(), b.floatValue(), -1);
            case FCMPG -> compare(a.floatValue(), b.floatValue(), 1);
            case DCMPL -> compare(a.doubleValue(), b.doubleValue(), -1);
            case DCMPG -> compare(a.doubleValue(), b.doubleValue(), 1);
            default -> null;
        };
    }

    private static int compare(double a, double b, int ifUnordered) {
        return a < b ? -1 : a == b ? 0 : a > b ? 1 : ifUnordered;
    }

    static @Nullable Number convert(TypeKind from, TypeKind to, @Nullable Fact fact) {
        if (!(fact instanceof Fact.Constant(Number a))) {
            return null;
        }
        return switch (from) {
            case INT ->
                switch (to) {
                    case LONG -> a.longValue();
                    case FLOAT -> a.floatValue();
                    case DOUBLE -> a.doubleValue();
                    case BYTE -> (int) a.byteValue();
                    case SHORT -> (int) a.shortValue();
                    case CHAR -> (int) (char) a.intValue();
                    default -> null;
                };
            case LONG -> to == TypeKind.INT ? (Integer) a.intValue() : null;
            default -> null;
        };
    }

    /** How many operands a branch takes. */
    static int operands(Opcode branch) {
        return switch (branch) {
            case GOTO, GOTO_W -> 0;
            case IF_ICMPEQ, IF_ICMPNE, IF_ICMPLT, IF_ICMPGE, IF_ICMPGT, IF_ICMPLE, IF_ACMPEQ, IF_ACMPNE -> 2;
            default -> 1;
        };
    }

    /** Whether a branch is taken, if that is known: {@code y} is on top of the stack, {@code x} below. */
    static @Nullable Boolean taken(Opcode branch, @Nullable Fact x, @Nullable Fact y) {
        return switch (branch) {
            case IFNULL -> isNull(y);
            case IFNONNULL -> not(isNull(y));
            case IF_ACMPEQ -> same(x, y);
            case IF_ACMPNE -> not(same(x, y));
            case IFEQ, IFNE, IFLT, IFGE, IFGT, IFLE -> holds(branch, y, new Fact.Constant(0));
            default -> holds(branch, x, y);
        };
    }

    private static @Nullable Boolean holds(Opcode branch, @Nullable Fact x, @Nullable Fact y) {
        if (!(x instanceof Fact.Constant(Integer a)) || !(y instanceof Fact.Constant(Integer b))) {
            return null;
        }
        int order = Integer.compare(a, b);
        return switch (branch) {
            case IFEQ, IF_ICMPEQ -> order == 0;
            case IFNE, IF_ICMPNE -> order != 0;
            case IFLT, IF_ICMPLT -> order < 0;
            case IFGE, IF_ICMPGE -> order >= 0;
            case IFGT, IF_ICMPGT -> order > 0;
            case IFLE, IF_ICMPLE -> order <= 0;
            default -> null;
        };
    }

    private static @Nullable Boolean isNull(@Nullable Fact fact) {
        return switch (fact) {
            case Fact.Null _ -> true;
            case Fact.EnumConstant _, Fact.Array _, Fact.Lambda _ -> false;
            case null, default -> null;
        };
    }

    private static @Nullable Boolean same(@Nullable Fact x, @Nullable Fact y) {
        return (isIdentity(x) && isIdentity(y)) ? Objects.equals(x, y) : null;
    }

    /** Whether equal facts mean the same object, and different ones different objects. */
    private static boolean isIdentity(@Nullable Fact fact) {
        return fact instanceof Fact.EnumConstant || fact instanceof Fact.Null;
    }

    private static @Nullable Boolean not(@Nullable Boolean b) {
        return b == null ? null : !b;
    }
}
