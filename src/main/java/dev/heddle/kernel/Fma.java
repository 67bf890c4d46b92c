package dev.heddle.kernel;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;

/** {@code a * b + c}, rounded once, on any machine: in hardware, or else exactly through double. */
public final class Fma {
    private Fma() {}

    /** Whether {@link Math#fma(float, float, float)} is an instruction here. Both ways give the same bits. */
    public static final boolean HARDWARE = isInHardware();

    /** {@code a * b + c}, rounded once. */
    public static float fma(float a, float b, float c) {
        return HARDWARE ? Math.fma(a, b, c) : exact(a, b, c);
    }

    /**
     * The same without the instruction (where {@code Math.fma} would go through {@code BigDecimal}). The product is exact in
     * double; the sum is rounded to odd there, which leaves 53 - 24 bits of room and so makes the second rounding, to
     * float, the only one that counts.
     */
    static float exact(float a, float b, float c) {
        double product = (double) a * b;
        double sum = product + c;
        double part = sum - product;
        double error = (product - (sum - part)) + (c - part); // sum + error is exact
        long bits = Double.doubleToRawLongBits(sum);
        if (error != 0 && (bits & 1) == 0 && Double.isFinite(sum)) {
            bits += error > 0 == sum > 0 ? 1 : -1;
        }
        return (float) Double.longBitsToDouble(bits);
    }

    private static boolean isInHardware() {
        try {
            HotSpotDiagnosticMXBean bean = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            return bean != null
                    && Boolean.parseBoolean(bean.getVMOption("UseFMA").getValue());
        } catch (IllegalArgumentException | LinkageError e) {
            return false; // not HotSpot
        }
    }
}
