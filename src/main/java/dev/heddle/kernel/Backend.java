package dev.heddle.kernel;

/**
 * One woven copy of all kernels: its name, the package that holds it and how many float lanes it works on at once. The
 * scalar backend has one lane and needs no incubator module. All give the same bits.
 */
public record Backend(String name, String packageName, int lanes) {
    private static final String HOME = "dev.heddle.kernel.";

    public static final Backend SCALAR = new Backend("scalar", HOME + "scalar", 1);
    public static final Backend VECTOR128 = new Backend("vector128", HOME + "vector128", 4);
    public static final Backend VECTOR256 = new Backend("vector256", HOME + "vector256", 8);
    public static final Backend VECTOR512 = new Backend("vector512", HOME + "vector512", 16);

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
    public String toString() {
        return name;
    }
}
