package dev.heddle.kernel;

import org.jspecify.annotations.Nullable;

/**
 * One woven copy of all kernels: its name, the package that holds it and how many float lanes it works on at once. The
 * scalar backend has one lane and needs no incubator module. All give the same bits.
 */
public final class Backend {
    private static final String HOME = "dev.heddle.kernel.";

    public static final Backend SCALAR = new Backend("scalar", HOME + "scalar", 1);
    public static final Backend VECTOR128 = new Backend("vector128", HOME + "vector128", 4);
    public static final Backend VECTOR256 = new Backend("vector256", HOME + "vector256", 8);
    public static final Backend VECTOR512 = new Backend("vector512", HOME + "vector512", 16);

    private final String name;
    private final String packageName;
    private final int lanes;

    // not a record: the first hashCode of a record costs ten milliseconds, and this is part of the first call
    public Backend(String name, String packageName, int lanes) {
        this.name = name;
        this.packageName = packageName;
        this.lanes = lanes;
    }

    public String name() {
        return name;
    }

    public String packageName() {
        return packageName;
    }

    public int lanes() {
        return lanes;
    }

    /** The same kernels, woven with a check of each load and store; on the class path of the tests only. */
    public Backend checked() {
        return new Backend("checked " + name, HOME + "checked." + name, lanes);
    }

    /** This backend at a smaller width. */
    Backend withLanes(int lanes) {
        if (lanes == this.lanes) {
            return this;
        }
        Backend narrow = switch (lanes) {
            case 1 -> SCALAR;
            case 4 -> VECTOR128;
            case 8 -> VECTOR256;
            default -> VECTOR512;
        };
        return name.startsWith("checked ") ? narrow.checked() : narrow;
    }

    static Backend vector(int bits) {
        return switch (bits) {
            case 128 -> VECTOR128;
            case 256 -> VECTOR256;
            case 512 -> VECTOR512;
            default -> throw new IllegalArgumentException("vectorBits: " + bits + ", must be 128, 256 or 512");
        };
    }

    @Override
    public boolean equals(@Nullable Object o) {
        return o instanceof Backend b && packageName.equals(b.packageName);
    }

    @Override
    public int hashCode() {
        return packageName.hashCode();
    }

    @Override
    public String toString() {
        return name;
    }
}
