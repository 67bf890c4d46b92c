package dev.heddle.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * The classes that vectors have. They are not public; woven kernels get them here to cast the receivers of vectors' methods, so
 * that C2 knows which method is called.
 */
public final class VectorClasses {
    private VectorClasses() {}

    /** Those of four lanes. */
    public static final class Of4 {
        private Of4() {}

        public static final Class<?> FLOATS = FloatVector.SPECIES_128.vectorType();
        public static final Class<?> INTS = IntVector.SPECIES_128.vectorType();
    }

    /** Those of eight lanes. */
    public static final class Of8 {
        private Of8() {}

        public static final Class<?> FLOATS = FloatVector.SPECIES_256.vectorType();
        public static final Class<?> INTS = IntVector.SPECIES_256.vectorType();
    }

    /** Those of sixteen lanes. */
    public static final class Of16 {
        private Of16() {}

        public static final Class<?> FLOATS = FloatVector.SPECIES_512.vectorType();
        public static final Class<?> INTS = IntVector.SPECIES_512.vectorType();
    }
}
